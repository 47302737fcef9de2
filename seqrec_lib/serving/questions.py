"""What a replay asks once an event has arrived: by items, or by what a store of its own was told.

The lines of a log's receipts (:mod:`seqrec_lib.data.channels`) are known later than they happened,
are read as receipts and are not masked. No history of items says that. Such a log goes through a
journal into an online store, an event when it becomes known, and every model reads there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from seqrec_lib.data.channels import STORE
from seqrec_lib.data.hybrid.journal import Journal
from seqrec_lib.data.hybrid.names import codes
from seqrec_lib.data.hybrid.online import OnlineStore
from seqrec_lib.data.hybrid.registry import Feature, FeatureSet
from seqrec_lib.data.hybrid.stream import catch_up
from seqrec_lib.data.log import EventLog
from seqrec_lib.serving.batching import Aside, Batcher
from seqrec_lib.serving.events import MICRO, KnownEvents, Past, answer
from seqrec_lib.serving.replay import Answers, Ask, Replay
from seqrec_lib.serving.served import Question, Served
from seqrec_lib.training.evaluation import PROTOCOLS

# what a replay's store tells of an event beside its item; its times are those of becoming known
TOLD = {"channel", "basket", "asked_basket"}


def unheard(log: EventLog, served: Served) -> str:
    """Why a replay of ``log`` cannot ask the model; empty if it can."""
    told = set() if log.context is None else TOLD
    if strange := sorted(set(served.model.reads) - told):
        return (
            f"{served.name} reads {', '.join(strange)} of each event, which a replay of this log "
            "does not tell"
        )
    return ""


@asynccontextmanager
async def asking(
    replay: Replay, batchers: Sequence[Batcher], k: int, store: Aside | None = None
) -> AsyncIterator[Ask]:
    """Ask all models for ``2 * k`` items under both protocols, after the event at a position.

    ``store`` runs what is told to a store and read there, where the log needs one; a question that
    it refuses is lost, its events are told before the user's next one.
    Raises ``ValueError`` for a model that the replay cannot ask, and as ``Told`` does.
    """
    if words := [why for one in batchers if (why := unheard(replay.log, one.served))]:
        raise ValueError(words[0])

    async def by_items(position: int) -> Answers:
        question = Question(replay.history(position, beyond=1), 2 * k, PROTOCOLS)
        answers = await asyncio.gather(*(one.ask(question) for one in batchers))
        return {one.model: one for one in answers}

    if replay.log.context is None:
        yield by_items
        return
    if store is None:
        store = Aside("the store of the replay", min(one.waiting for one in batchers))
    # one thread: connections of SQLite are its own, and events are given in the order of asking
    async with _folder() as folder, store:
        told = await store.run(partial(Told, replay, folder))

        async def by_store(position: int) -> Answers:
            past = await store.run(partial(told.after, position))
            work = [
                one.answer(partial(answer, one.served, past, 2 * k, PROTOCOLS, context=STORE))
                for one in batchers
            ]
            return {one.model: one for one in await asyncio.gather(*work)}

        try:
            yield by_store
        finally:
            await store.run(told.store.close)


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    """A folder for a while; the event loop does not wait until it is removed."""
    folder = TemporaryDirectory(prefix="replay-")
    try:
        yield Path(folder.name)
    finally:
        await asyncio.to_thread(folder.cleanup)


class Told:
    """The online store in ``folder``, given what comes before the first event of a replay of each
    user, and then each event as it arrives.

    A line is given the time at which it was known, by which the log is in order. Raises
    ``ValueError`` for a log whose online events are of several channels, or with times that a
    journal does not take.
    """

    def __init__(self, replay: Replay, folder: Path):
        self.log = replay.log
        assert self.log.known is not None
        self._known = self.log.known
        others = [word for word in self.log.names["channel"] if word != STORE]
        if len(others) > 1:
            raise ValueError(f"online events of {', '.join(others)}: a journal has one such source")
        self._online = others[0] if others else "online"
        self.journal = Journal(folder / "journal")
        self._user, users = _numbers(self.log.users)
        self._item, items = _numbers(self.log.items)
        self.journal.names.add(users | items)
        longest = int(np.diff(self.log.offsets).max())
        features = FeatureSet((Feature("history", 1, "last", longest),))
        features.save(folder / "features.json")
        self.store = OnlineStore(folder / "online.sqlite", features)
        user = self.log.user_of(replay.positions)
        self._given = np.full(self.log.num_users, len(self.log))  # the first event not given yet
        np.minimum.at(self._given, user, replay.positions - 1)
        before = [np.arange(self.log.offsets[u], self._given[u]) for u in np.unique(user)]
        self._give(np.concatenate(before))
        self.known = KnownEvents(folder)

    def after(self, position: int) -> Past:
        """What is known once the event at ``position`` has arrived, with all before it."""
        user = int(self.log.user_of(np.array([position]))[0])
        self._give(np.arange(self._given[user], position + 1))
        self._given[user] = max(self._given[user], position + 1)
        past = self.known.of(str(self.log.users[user]), int(self._known[position]))
        named = past.table["channel"].where(past.table["channel"] == STORE, self._online)
        return Past(past.table.assign(channel=named), past.at, past.seq)

    def _give(self, positions: Int[np.ndarray, "P"]) -> None:
        assert self.log.context is not None and self.log.basket is not None
        for source, of_stores in ((STORE, True), ("online", False)):
            part = positions[self.log.context[positions] == of_stores]
            if not len(part):
                continue
            moment = self._known[part] * MICRO
            columns = {
                "event_id": part,  # of one second, the order of the log
                "user": self._user[self.log.user_of(part)],
                "item": self._item[self.log.item[part] - 1],
                "time": moment,
                "known": moment,
            }
            if of_stores:
                columns["basket"] = self.log.basket[part]
            segment = self.journal.append(source, pa.table(columns))
            if segment.refused:
                raise ValueError(
                    f"a journal refuses {segment.refused} events: its times are from 1970 to 2100"
                )
        catch_up(self.journal, self.store)


def _numbers(raw: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """The number that a journal has for each id, and the texts of those that are no numbers."""
    return codes(pa.chunked_array([pa.array(raw.astype(str), pa.string())]))
