"""A replay behind the application: started and stopped by HTTP, watched as a stream of frames."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from seqrec_lib.data.files import DiskError
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split, of_sampled_users
from seqrec_lib.serving.asking import Refused
from seqrec_lib.serving.batching import Aside, Batcher
from seqrec_lib.serving.kept import Kept, digest_of
from seqrec_lib.serving.monitor import Monitor
from seqrec_lib.serving.pace import Pace
from seqrec_lib.serving.questions import asking
from seqrec_lib.serving.replay import Replay, play

logger = logging.getLogger(__name__)

TICK = 0.25  # seconds between two frames
HELD = 2  # frames kept for a reader that is slow: then the oldest is dropped
MOST_STREAMS = 32


class Wanted(BaseModel):
    """The body of ``POST /v1/replay``: ``speed`` or ``rate`` as
    :class:`seqrec_lib.serving.replay.Replay` has them, of so many ``users`` (0: all), ``paused``
    before its first event, or ``stop``.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    speed: float | None = Field(None, gt=0)
    rate: float | None = Field(None, gt=0)
    users: int = Field(0, ge=0, lt=2**63)
    seed: int = Field(0, ge=0, lt=2**32)
    paused: bool = False
    stop: bool = False


class Paced(BaseModel):
    """The body of ``POST /v1/pace``: what :meth:`seqrec_lib.serving.pace.Pace.change` takes."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    paused: bool | None = None
    factor: float | None = Field(None, gt=0, le=1000)
    step: bool = False


class Live:
    """The test events of a log, played to the models behind ``batchers``; one replay at a time.

    With ``kept`` a replay goes on after a kill (:meth:`go_on`). Raises ``ValueError`` where what is
    kept is of another log or of other models.
    """

    def __init__(
        self,
        batchers: Mapping[str, Batcher],
        log: EventLog,
        split: Split,
        k: int = 10,
        kept: Kept | None = None,
    ):
        self.batchers, self.log, self.split, self.k, self.kept = batchers, log, split, k, kept
        self.monitor: Monitor | None = None
        self.pace: Pace | None = None
        self.streams: set[Stream] = set()
        self.state = "idle"
        self.ended = False  # with the server: nothing begins any more
        self._changing = asyncio.Lock()  # two who ask at a time would each begin a replay
        self._store = self._aside()
        self._playing: asyncio.Task[None] | None = None
        self._whole: dict[str, Any] | None = None  # what came of a replay that is over
        self._wrong = ""  # with the latest frame
        self._left = None if kept is None else self._restored(kept)

    async def ticking(self) -> None:
        """Send every stream a frame at each tick, until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            if self.streams:
                frame = self._written()
                for stream in self.streams:
                    stream.take(frame)

    def _written(self) -> str:
        """The frame as text. What goes wrong with its measures is told in its place: an error that
        left would end the ticking, and every stream would wait for ever."""
        words = ""
        try:
            frame = json.dumps(self.frame(), allow_nan=False, separators=(",", ":"))
        # whatever a measure makes of a replay that nobody thought of; its words may hold a history
        except Exception as error:
            words = f"without measures ({type(error).__name__})"
            frame = json.dumps({"state": f"{self.shown}, {words}", "waiting": {}})
        if words and words != self._wrong:  # once, not at every tick
            logger.error("the replay goes on %s", words)
        self._wrong = words
        return frame

    def frame(self) -> dict[str, Any]:
        """What there is to see now: the state, the latest decision, and all measures, of the window
        while it plays, of the whole once it is played to the end."""
        untold = len(self._store)  # they wait for every model
        waiting = {name: len(batcher) + untold for name, batcher in self.batchers.items()}
        found: dict[str, Any] = {"state": self.shown, "waiting": waiting}
        if self.monitor is not None and self.pace is not None:
            replay = self.monitor.replay
            found["pace"] = {"rate": replay.rate, "speed": replay.speed, "factor": self.pace.factor}
            measured = self._whole or self.monitor.snapshot()
            found |= {"latest": self.monitor.latest, **measured}
        return found

    @property
    def shown(self) -> str:
        paused = self.state == "playing" and self.pace is not None and self.pace.paused
        return "paused" if paused else self.state

    def steer(self, paced: Paced) -> dict[str, Any]:
        """Change the pace of what plays; raises :class:`seqrec_lib.serving.asking.Refused`, and
        :class:`seqrec_lib.data.files.DiskError` where it cannot be kept."""
        if self.pace is None or self.state != "playing":
            raise Refused(409, "nothing plays; start a replay: POST /v1/replay")
        self.pace.change(paced.paused, paced.factor, paced.step)
        if self.kept is not None:
            self.kept.steer({"paused": self.pace.paused, "factor": self.pace.factor})
        return {"state": self.shown, "factor": self.pace.factor}

    async def change(self, wanted: Wanted) -> dict[str, Any]:
        """Stop the replay, and start another one unless told to stop.

        Raises :class:`seqrec_lib.serving.asking.Refused` as
        :class:`seqrec_lib.serving.replay.Replay` does, and
        :class:`seqrec_lib.data.files.DiskError` where it cannot be kept.
        """
        replay = None if wanted.stop else self._replay(wanted)
        async with self._changing:
            if self.ended:
                raise Refused(503, "the server is stopping")
            await self.stop()
            if self.kept is not None and replay is None:
                self.kept.stop()
            if replay is not None:
                if self.kept is not None:
                    self.kept.begin(self._of(wanted))
                self._begin(self._monitor(replay), replay, Pace(wanted.paused))
            return {"state": self.shown, "events": 0 if replay is None else len(replay.positions)}

    def go_on(self) -> None:
        """Play what is left of the replay that a killed server kept, if there is any; show what
        came of it if there is none."""
        if self._left is None:
            return
        monitor, replay, paced, whole = self._left
        pace = Pace(bool(paced.paused), paced.factor or 1.0)
        if replay is not None:
            self._begin(monitor, replay, pace)
        else:
            self.monitor, self.pace = monitor, pace
            self.state, self._whole = "played", whole

    def _replay(self, wanted: Wanted) -> Replay:
        positions = of_sampled_users(self.log, self.split.test, wanted.users)
        try:
            return Replay(self.log, positions, wanted.speed, wanted.rate, wanted.seed)
        except ValueError as error:
            raise Refused(422, str(error)) from None

    def _monitor(self, replay: Replay) -> Monitor:
        models = [one.served for one in self.batchers.values()]
        keep = None if self.kept is None else self.kept.add
        return Monitor(replay, models, self.split.train, self.k, keep=keep)

    def _of(self, wanted: Wanted) -> dict[str, Any]:
        """What tells a replay from others."""
        models = {name: one.served.digest for name, one in self.batchers.items()}
        digest = digest_of(self.log, self.split.test)
        return {"wanted": wanted.model_dump(), "log": digest, "models": models, "k": self.k}

    def _restored(self, kept: Kept) -> tuple[Monitor, Replay | None, Paced, dict[str, Any]] | None:
        """Of the replay that is kept what was decided, what is left to play, if anything is, its
        pace, and the measures so far."""
        if kept.of is None or kept.over:
            return None
        try:
            wanted = Wanted(**kept.of["wanted"])
            if self._of(wanted) != kept.of:
                raise LookupError("of another log, or to other models")
            replay = self._replay(wanted)
            monitor = self._monitor(replay)
            monitor.restore(kept.decisions)
            done = [one["position"] for one in kept.decisions]
            if not np.isin(done, replay.positions).all():
                raise LookupError("of other events")
            paced = Paced(**({"paused": wanted.paused} | kept.pace))
            measured = monitor.snapshot(whole=True)
        # whatever is made of lines that nobody has written
        except (
            *(ArithmeticError, AttributeError, LookupError),
            *(RecursionError, TypeError, ValueError),
        ) as error:
            why = error if isinstance(error, LookupError) else type(error).__name__
            raise ValueError(
                f"{kept.path} keeps another replay ({why}): start the server as it was, or name "
                "another file"
            ) from None
        left = np.setdiff1d(replay.positions, done)
        over = kept.played or not len(left)  # to the end all the same if some events were lost
        rest = None if over else dataclasses.replace(replay, positions=left)
        return monitor, rest, paced, measured

    def _aside(self) -> Aside:
        return Aside("the store of the replay", min(one.waiting for one in self.batchers.values()))

    def _begin(self, monitor: Monitor, replay: Replay, pace: Pace) -> None:
        self.monitor, self.pace, self._store = monitor, pace, self._aside()
        self.state, self._whole = "playing", None
        self._playing = asyncio.create_task(self._play(replay, monitor, pace, self._store))

    async def stop(self) -> None:
        """Stop the replay, if one plays, and wait until it has."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
            self._playing = None
        if self.monitor is not None:
            self.state = "stopped"

    async def end(self) -> None:
        """Stop everything: streams end, as a server that is to stop waits for them."""
        self.ended = True
        for stream in list(self.streams):
            stream.end()
        async with self._changing:
            await self.stop()
            if self.kept is not None:
                self.kept.close()  # what is left is played by the next server

    async def _play(self, replay: Replay, monitor: Monitor, pace: Pace, store: Aside) -> None:
        whole = None
        try:
            async with asking(replay, list(self.batchers.values()), self.k, store) as ask:
                await play(replay, ask, monitor, pace)
            if self.kept is not None:
                self.kept.end()
            state, whole = "played", monitor.snapshot(whole=True)
        # a model's error ends the replay, not the server; its words may hold a history
        except Exception as error:
            first = _first(error)
            why = str(first) if isinstance(first, DiskError) else type(first).__name__
            logger.error("the replay was ended by an error (%s)", why)
            state = f"ended by an error ({why})"
        if monitor is self.monitor:
            self.state, self._whole = state, whole


class Stream(StreamingResponse):
    """Server-sent events of ``live``: the latest frames, as fast as the reader reads.

    Raises :class:`seqrec_lib.serving.asking.Refused` where too many are open.
    """

    def __init__(self, live: Live):
        if live.ended:
            raise Refused(503, "the server is stopping")
        if len(live.streams) >= MOST_STREAMS:
            raise Refused(503, f"{MOST_STREAMS} streams are open; close one, or try again later")
        super().__init__(self._frames(), 200, {"Cache-Control": "no-store"}, "text/event-stream")
        self.live = live
        self._held: deque[str] = deque(maxlen=HELD)
        self._something, self._ended = asyncio.Event(), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # not in the generator: one that is never started never ends either
        self.live.streams.add(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.live.streams.discard(self)

    def take(self, frame: str) -> None:
        self._held.append(frame)
        self._something.set()

    def end(self) -> None:
        self._ended = True
        self._something.set()

    async def _frames(self) -> AsyncIterator[str]:
        yield ": frames follow\n\n"
        while not self._ended:
            await self._something.wait()
            self._something.clear()
            while self._held:
                yield f"data: {self._held.popleft()}\n\n"


def _first(error: BaseException) -> BaseException:
    """What went wrong: a group of tasks wraps what ended it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
