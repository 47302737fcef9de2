"""Who may ask: a page in a browser can reach this computer's own addresses, and is kept out."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Guard:
    """Lets pass what names one of ``hosts`` and does not come from another site's page.

    A name that an attacker owns may lead to this computer (DNS rebinding): its ``Host`` is
    foreign. A page of another site says so by ``Origin``, or, where a browser sends none, by
    ``Sec-Fetch-Site``. Programs that are no browsers send neither.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] = LOOPBACK):
        self.app, self.hosts = app, frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refused := self._refusal(scope)):
            status, words = refused
            await JSONResponse({"error": words}, status)(scope, receive, send)
        elif scope["type"] != "websocket":  # there are none
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and words."""
        found: dict[bytes, list[str]] = {b"host": [], b"origin": [], b"sec-fetch-site": []}
        for name, value in scope["headers"]:
            if name in found:
                found[name].append(value.decode("latin-1"))
        named, origins, sites = found.values()
        if len(named) != 1 and scope["http_version"] != "1.0":  # RFC 9112, section 3.2
            return 400, "a request has one header Host"
        if len(named) != 1 or _without_port(named[0]) not in self.hosts:
            return 403, "this server does not answer by that name; start it with --name to let it"
        if origins and origins not in ([f"http://{named[0]}"], [f"https://{named[0]}"]):
            return 403, "pages of other sites may not ask"
        if not {"none", "same-origin"}.issuperset(sites):
            return 403, "pages of other sites may not ask"
        return None


def _without_port(host: str) -> str:
    """``127.0.0.1:8000``, ``localhost`` and ``[::1]:8000`` as the names that they are of."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
