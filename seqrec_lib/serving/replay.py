"""Real histories, played again: each event arrives, and what was shown before it is judged.

When a user's event arrives a list is asked for what comes next, as in production; when the next
event of the same user arrives, it is decided whether the list had it. Arrivals do not wait for
answers: a server that is too slow is seen to be, its response times counted from the scheduled
arrival (Tene's *coordinated omission* is the mistake of counting from when one got to ask).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import Int

from seqrec_lib.data.log import EventLog
from seqrec_lib.serving.batching import Closed, Overloaded
from seqrec_lib.serving.pace import Pace
from seqrec_lib.serving.served import Answer

Answers = Mapping[str, Answer]  # by model
Ask = Callable[[int], Awaitable[Answers]]  # of what is known once that position has arrived
AT_ONCE = 64  # questions in flight where nothing schedules them


@dataclass(frozen=True)
class Event:
    """One arrival: the event at ``position`` of the log, ``due`` seconds after the start.

    ``decides``: a list was asked for before it. ``asks``: one is asked for after it.
    """

    due: float
    position: int
    decides: bool
    asks: bool


@dataclass(frozen=True)
class Replay:
    """The events at ``positions``, and those before them, in the order of their time.

    ``speed`` plays recorded gaps so many times as fast; ``rate`` draws gaps of a Poisson process of
    so many events a second, by ``seed``. With neither, events follow as fast as they are answered.
    Events of equal time come together, in the order of the log; in a log with lines of stores time
    is when an event was known. Raises ``ValueError`` for both, for numbers that are not above 0,
    for positions without a history, and for context that is no lines of stores.
    """

    log: EventLog
    positions: Int[np.ndarray, "P"]
    speed: float | None = None
    rate: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.speed is not None and self.rate is not None:
            raise ValueError("give speed (recorded gaps) or rate (a Poisson process), not both")
        for name in ("speed", "rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise ValueError(f"{name} is {value}; use a number above 0")
        if not len(self.positions):
            raise ValueError("no positions to play")
        first = (self.log.history_length(self.positions) == 0).sum()
        if first:
            raise ValueError(f"{first} positions are first events of users: nothing comes before")
        told = self.log.known is not None and self.log.basket is not None
        if self.log.context is not None and not (told and "channel" in self.log.names):
            raise ValueError(
                "a log with context is replayed by channel, basket and when it was known"
            )

    @property
    def scheduled(self) -> bool:
        return self.speed is not None or self.rate is not None

    def __iter__(self) -> Iterator[Event]:
        asked = np.unique(self.positions)
        arriving = np.union1d(asked, asked - 1)
        known = self.log.time if self.log.context is None else self.log.known
        time = np.asarray(known)[arriving]
        arriving = arriving[np.argsort(time, kind="stable")]
        due = self._due(np.sort(time))
        decides, asks = np.isin(arriving, asked), np.isin(arriving + 1, asked)
        columns = (due.tolist(), arriving.tolist(), decides.tolist(), asks.tolist())
        yield from map(Event, *columns)

    def _due(self, time: Int[np.ndarray, "A"]) -> np.ndarray:
        if self.speed is not None:
            return (time - time[0]) / self.speed
        if self.rate is not None:
            return np.random.default_rng(self.seed).exponential(1 / self.rate, len(time)).cumsum()
        return np.zeros(len(time))

    def history(self, position: int, beyond: int = 0) -> list[Any]:
        """The raw ids of the user's events before ``position``, and of so many from it on."""
        return self.log.items[self.log.item[self._before(position, beyond)] - 1].tolist()

    def of_stores(self, position: int) -> list[bool]:
        """Which events of the history are lines of stores, whose items are not masked."""
        before = self._before(position)
        lines = self.log.context
        return [False] * (before.stop - before.start) if lines is None else lines[before].tolist()

    def _before(self, position: int, beyond: int = 0) -> slice:
        start = self.log.offsets[np.searchsorted(self.log.offsets, position, side="right") - 1]
        return slice(int(start), position + beyond)


class Watching(Protocol):
    """Who is told what happens (:class:`seqrec_lib.serving.monitor.Monitor`)."""

    def arrived(self, event: Event) -> None: ...

    def answered(self, event: Event, seconds: float, answers: Answers) -> None: ...

    def lost(self, event: Event) -> None: ...

    def decided(self, event: Event, answers: Answers, late: bool) -> None: ...


async def play(replay: Replay, ask: Ask, watching: Watching, pace: Pace | None = None) -> None:
    """Play to the end at ``pace``, and wait for what is still to be answered.

    A question that is refused (503) is lost: its event decides nothing. An answer that comes after
    the event that it was to foresee is judged all the same, and told to be late, unless that event
    came because somebody asked for a step.
    """
    loop = asyncio.get_running_loop()
    pace = pace or Pace()
    pace.begin()
    slots = asyncio.Semaphore(AT_ONCE)
    shown: dict[int, asyncio.Task[Answers | None]] = {}

    async def asked(event: Event, due: float) -> Answers | None:
        try:
            answers = await ask(event.position)
        except (Overloaded, Closed):
            watching.lost(event)
            return None
        finally:
            slots.release()
        watching.answered(event, loop.time() - due, answers)
        return answers

    async def decide(event: Event, list_of: asyncio.Task[Answers | None]) -> None:
        late = not list_of.done() and replay.scheduled and not pace.paused
        answers = await list_of
        if answers is not None:
            watching.decided(event, answers, late)

    async with asyncio.TaskGroup() as group:
        for event in replay:
            due = await pace.reach(event.due, event.decides)
            watching.arrived(event)
            if event.decides:
                group.create_task(decide(event, shown.pop(event.position - 1)))
            if event.asks:
                if not replay.scheduled:
                    await slots.acquire()
                    due = loop.time()
                shown[event.position] = group.create_task(asked(event, due))
