"""The clock of a replay: it can stand still, run faster, or go on by one decision at a time."""

from __future__ import annotations

import asyncio


class Pace:
    """Seconds of a replay against those of the event loop: ``factor`` of them pass in one.

    Made where a loop runs; the clock starts with :meth:`begin`.
    """

    def __init__(self, paused: bool = False, factor: float = 1.0):
        self.paused, self.factor = paused, factor
        self._changed = asyncio.Event()
        self._steps = 0
        self._at, self._played = 0.0, 0.0  # at this time of the loop so much had been played

    def begin(self) -> None:
        self._at, self._played = asyncio.get_running_loop().time(), 0.0

    def change(
        self, paused: bool | None = None, factor: float | None = None, step: bool = False
    ) -> None:
        """Stand still or go on, at another factor, or stand still but for one more decision."""
        self._settle()
        if factor is not None:
            self.factor = factor
        if paused is not None:
            self.paused, self._steps = paused, 0
        if step:
            self.paused = True
            self._steps += 1
        self._changed.set()

    async def reach(self, due: float, decides: bool) -> float:
        """Wait until so many seconds have been played; when that was, on the loop's clock.

        A clock that stands still jumps there for a step, which lasts until an event decides.
        """
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # a replay that is behind must not keep the loop to itself
        while True:
            wait = None
            if self.paused and self._steps:
                self._steps -= decides
                self._settle()
                self._played = max(self._played, due)
                return loop.time()
            if not self.paused:
                at = self._at + (due - self._played) / self.factor
                wait = at - loop.time()
                if wait <= 0:
                    return at
            self._changed.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _settle(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self.paused:
            self._played += (now - self._at) * self.factor
        self._at = now
