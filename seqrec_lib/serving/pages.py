"""The live page: its files, which lie in ``page/``, read once and sent as they are."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from seqrec_lib.serving.asking import Refused

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
# nothing but what this server sends: no script on the page itself, no frame, no other address
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Page:
    """Answers ``GET /`` with the page, ``GET /page/<name>`` with what it loads."""

    def __init__(self) -> None:
        folder = files("seqrec_lib.serving") / "page"
        found = [one for part in (folder, folder / "shared") for one in part.iterdir()]
        self._files = {
            one.name: one.read_bytes() for one in found if one.name.rpartition(".")[2] in KINDS
        }

    async def root(self, _: Request) -> Response:
        return self._file("live.html")

    async def part(self, request: Request) -> Response:
        return self._file(request.path_params["name"])

    def _file(self, name: str) -> Response:
        if name not in self._files:
            raise Refused(404, "the page has no such part")
        kind = KINDS[name.rpartition(".")[2]]
        return Response(self._files[name], media_type=kind, headers=HEADERS)
