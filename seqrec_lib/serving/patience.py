"""How long a client may take to say what it wants, and to take what it is told, before its
connection is closed."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 500  # at a time; of many systems a process may open 1,024 files


class Impatient(H11Protocol):
    """uvicorn's connection, closed where the head of a request is not there after a while, nor the
    rest of a body that was answered unread, or where nothing of what waits to be sent is taken.

    uvicorn itself (0.54) waits for ever: a few hundred clients that send a letter a minute
    (Slowloris), or ask and never read, would keep all others out.
    """

    seconds = 10.0
    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
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
        theirs, ours = self.conn.their_state, self.conn.our_state
        # of a body that is not answered yet whoever reads it has a limit
        return theirs is h11.IDLE or (theirs is h11.SEND_BODY and ours is h11.DONE)

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


def impatient(seconds: float) -> type[H11Protocol]:
    """The class of connections that are closed after so many seconds."""
    return type("Impatient", (Impatient,), {"seconds": seconds})
