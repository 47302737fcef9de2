"""Questions that wait together are answered together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from time import perf_counter, thread_time
from types import TracebackType
from typing import TypeVar

from seqrec_lib.serving.served import Answer, Question, Served

Found = TypeVar("Found")

AT_ONCE_S = 0.01  # of processor time: a batch that is foreseen to take no more has no thread
ALONE_S = 0.02  # that batches may follow each other without a turn of the loop
LITTLE = 5000  # items of its histories and lists together
TURNS = 3  # of the loop from bytes that came to a question that waits: read, begun, asked


class Overloaded(RuntimeError):
    """As many questions wait as may; ask again later."""


class Closed(RuntimeError):
    """No more questions are taken."""


@dataclass(eq=False)
class _Asked:
    question: Question
    answer: asyncio.Future[Answer]
    at: float


class Aside:
    """Work for one thread of its own, so that the event loop stays free.

    More than ``waiting`` pieces at a time are refused at once (:class:`Overloaded`). Use it as an
    asynchronous context.
    """

    def __init__(self, name: str, waiting: int = 256):
        self.name, self.waiting, self._pending = name, waiting, 0

    def __len__(self) -> int:
        """How many pieces are not done."""
        return self._pending

    async def run(self, work: Callable[[], Found]) -> Found:
        """What ``work`` finds, once its turn comes."""
        if self._pending >= self.waiting:
            raise Overloaded(f"{self.name}: {self.waiting} questions wait; ask again later")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.thread, work)
        finally:
            self._pending -= 1

    async def __aenter__(self) -> Aside:
        self.thread = ThreadPoolExecutor(1, self.name)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.thread.shutdown)  # it may be at work for long


class Batcher:
    """Answers by ``served`` in batches of what waits, of ``limit`` questions at most.

    No two computations run at a time. What takes long is computed by a thread of its own, so that
    the event loop stays free; a batch of a few milliseconds by the loop itself, since both would
    take the interpreter from each other at every operation, which costs more than it frees.
    More than ``waiting`` questions at a time are refused at once
    (:class:`Overloaded`): a queue that only grows would answer nobody in time. Use it as an
    asynchronous context; who waits when it ends is told (:class:`Closed`).
    """

    def __init__(self, served: Served, limit: int = 32, waiting: int = 256):
        if limit < 1 or waiting < 1:
            raise ValueError(f"limit is {limit} and waiting {waiting}; use 1 or more")
        self.served, self.limit, self.waiting = served, limit, waiting
        self._queue: deque[_Asked] = deque()
        self._something = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._turned = 0.0  # when the loop had its last turn
        self._each_s: float | None = None  # of processor time, a question; none was answered yet
        self._aside = Aside(served.name, waiting)

    def __len__(self) -> int:
        """How many questions wait; of what is computed aside, how many are not done."""
        return len(self._queue) + len(self._aside)

    @property
    def working(self) -> bool:
        return self._worker is not None and not self._worker.done()

    @property
    def full(self) -> bool:
        """Do as many questions wait as may?"""
        return len(self._queue) >= self.waiting

    async def ask(self, question: Question) -> Answer:
        """The answer, once its turn comes; whoever stops waiting leaves the queue.

        Raises :class:`Overloaded`, :class:`Closed`, and as
        :meth:`seqrec_lib.serving.served.Served.answer` does.
        """
        if not self.working:
            raise Closed(f"{self.served.name} takes no more questions")
        if self.full:
            raise Overloaded(f"{self.served.name}: {self.waiting} questions wait; ask again later")
        asked = _Asked(question, asyncio.get_running_loop().create_future(), perf_counter())
        self._queue.append(asked)
        self._something.set()
        try:
            return await asked.answer
        except asyncio.CancelledError:
            if asked in self._queue:
                self._queue.remove(asked)
            raise

    async def aside(self, work: Callable[[], Found]) -> Found:
        """What ``work`` finds, computed by the thread that answers, between two batches.

        Raises :class:`Overloaded` and :class:`Closed` as :meth:`ask` does.
        """
        if not self.working:
            raise Closed(f"{self.served.name} takes no more questions")
        return await self._aside.run(work)

    async def answer(self, work: Callable[[], Answer]) -> Answer:
        """As :meth:`aside`, of an answer, which then says how long it waited."""
        asked = perf_counter()

        def timed() -> Answer:
            queued = (perf_counter() - asked) * 1000
            found = work()
            return replace(found, ms={"queued": queued} | found.ms)

        return await self.aside(timed)

    async def __aenter__(self) -> Batcher:
        await self._aside.__aenter__()
        self._worker = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._worker is not None
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        while self._queue:
            _tell(self._queue.popleft(), Closed(f"{self.served.name} takes no more questions"))
        await self._aside.__aexit__()

    async def _work(self) -> None:
        while True:
            await self._something.wait()
            size = min(self.limit, len(self._queue))
            batch = [self._queue.popleft() for _ in range(size)]
            if not self._queue:
                self._something.clear()
            try:
                await self._answered([one for one in batch if not one.answer.done()])
                await self._gathered()
            except asyncio.CancelledError:
                for one in batch:
                    _tell(one, Closed(f"{self.served.name} takes no more questions"))
                raise

    async def _gathered(self) -> None:
        """Answers leave, and what comes meanwhile waits together, until no more does.

        Where a whole batch waits already, that is answered first: under overload each turn has many
        to refuse.
        """
        if len(self._queue) >= self.limit and perf_counter() - self._turned < ALONE_S:
            return
        while True:
            before = len(self._queue)
            for _ in range(TURNS):
                await asyncio.sleep(0)
            self._turned = perf_counter()
            if not before < len(self._queue) < self.limit:
                return

    async def _answered(self, batch: list[_Asked]) -> None:
        loop, begun = asyncio.get_running_loop(), perf_counter()
        if not batch:
            return
        questions = [one.question for one in batch]
        try:
            if self._at_once(questions):
                found = self._computed(questions)
            else:
                found = await loop.run_in_executor(self._aside.thread, self._computed, questions)
        # whatever a model makes of a history; its words go to who asked, the thread lives on
        except Exception as error:
            if len(batch) == 1:
                _tell(batch[0], error)
            else:  # one question must not cost the others their answers
                for one in batch:
                    await self._answered([one])
            return
        for asked, answer in zip(batch, found, strict=True):
            if not asked.answer.done():
                queued = (begun - asked.at) * 1000
                asked.answer.set_result(replace(answer, ms={"queued": queued} | answer.ms))

    def _at_once(self, questions: list[Question]) -> bool:
        """Is it over before a thread would be of use? Never while the thread computes."""
        if self._each_s is None or len(self._aside):
            return False
        size = sum(len(one.history) + one.k for one in questions)
        return size <= LITTLE and len(questions) * self._each_s <= AT_ONCE_S

    def _computed(self, questions: list[Question]) -> list[Answer]:
        begun = thread_time()
        try:
            return self.served.answer(questions)
        finally:
            each = (thread_time() - begun) / len(questions)
            self._each_s = each if self._each_s is None else 0.8 * self._each_s + 0.2 * each


def _tell(asked: _Asked, error: Exception) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(error)
