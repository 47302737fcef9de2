"""How long a client may take to say what it wants, and to take what it is told, and how much it may
say before it does, until its connection is closed."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MOST_CONNECTIONS = 500  # at a time; of many systems a process may open 1,024 files
MOST_HEAD = 2**16  # bytes of a request before its body


class Impatient(HttpToolsProtocol):
    """uvicorn's connection, closed where the head of a request is not there after a while, or too
    long, where the rest of a body that was answered unread does not come, or nothing of what waits
    to be sent is taken.

    uvicorn itself (0.54) waits for ever, and keeps a head of any size: a few hundred clients that
    send a letter a minute (Slowloris), or ask and never read, would keep all others out.
    """

    seconds = 10.0
    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None
    _head: int | None = None  # bytes of a head that is not all there; None: none has begun

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._taken()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > MOST_HEAD and not self.transport.is_closing():
                self.transport.write(STATUS_LINE[431] + b"connection: close\r\n\r\n")
                self.transport.close()
        if not self._owing():
            self._forget()
        elif self._late is None:  # the beginning of another request, or nothing but its line
            self._await()

    def pause_writing(self) -> None:  # what waits has grown beyond the transport's limit
        super().pause_writing()
        self._taken()
        self._stuck = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def _taken(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _owing(self) -> bool:
        """Is it the client's turn? Of a body that is not answered yet whoever reads it has a
        limit."""
        return self.cycle is None or self.cycle.response_complete

    def _await(self) -> None:
        self._late = self.loop.call_later(self.seconds, self._close)

    def _close(self) -> None:
        self._late = None
        if self._owing():
            self.transport.close()

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def impatient(seconds: float) -> type[HttpToolsProtocol]:
    """The class of connections that are closed after so many seconds."""
    return type("Impatient", (Impatient,), {"seconds": seconds})
