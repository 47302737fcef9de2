"""Who comes while as many wait as may is told so at once."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

WORDS = b'{"error":"as many questions wait as may; ask again later"}'
START = {
    "type": "http.response.start",
    "status": 503,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(WORDS)).encode()),
        (b"retry-after", b"1"),
    ],
}
BODY = {"type": "http.response.body", "body": WORDS}


class Room:
    """Refuses unread what is posted to ``path`` while ``full()``, and lets ``told`` count it.

    Under four times the load that can be answered most questions are refused: what that takes is
    taken from the answers of the others.
    """

    def __init__(
        self, app: ASGIApp, path: str, full: Callable[[], bool], told: Callable[[str, int], None]
    ):
        self.app, self.path, self.full, self.told = app, path, full, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["path"] == self.path
        if asked and scope["method"] == "POST" and self.full():
            self.told(self.path, 503)
            await send(START)
            await send(BODY)
        else:
            await self.app(scope, receive, send)
