"""Questions by user: the last events that the online store has at the moment of asking.

A receipt that the store was not given yet is no part of a history, so that what is shown is what
was known. Models that read of an event more than its item are asked in this way alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from seqrec_lib.data.hybrid.contract import SOURCES
from seqrec_lib.data.hybrid.names import Names
from seqrec_lib.data.hybrid.online import OnlineStore
from seqrec_lib.data.hybrid.registry import Feature, FeatureSet
from seqrec_lib.data.log import EventLog
from seqrec_lib.serving.batching import Aside
from seqrec_lib.serving.served import NAMED, Answer, Served, TopK

MICRO = 1_000_000
# what a store's list of events has beside their items; the rest is the moment of asking
READ = ("time", "basket", "channel", "asked_at", "asked_basket")


@dataclass(frozen=True)
class Past:
    """What is known of someone at ``at`` (seconds), as of segment ``seq`` of the journal.

    ``table`` has a row an event, oldest first: user, item (as it was written), time, channel and
    basket.
    """

    table: pd.DataFrame
    at: int
    seq: int


@dataclass
class KnownEvents:
    """The store in a folder of ``seqrec_lib.data.hybrid``, read by any number of threads.

    Raises ``ValueError`` if there is none, or if its features list nobody's last events, and
    ``StoreError`` if it cannot serve.
    """

    folder: Path
    clock: Callable[[], float] = time.time
    features: FeatureSet = field(init=False)
    _own: threading.local = field(init=False, default_factory=threading.local)

    def __post_init__(self) -> None:
        if not (self.folder / "online.sqlite").exists():
            raise ValueError(
                f"{self.folder} has no online store: 'python -m seqrec_lib.data.hybrid run "
                f"{self.folder}' makes it of the folder's journal"
            )
        self.features = FeatureSet.load(self.folder / "features.json")
        self._last = self._longest()
        self.of("nobody")

    def _longest(self) -> Feature:
        whole = [one for one in self.features if one.kind == "last"]
        whole = [one for one in whole if one.source is None and one.action is None]
        if not whole:
            raise ValueError(
                f"{self.folder}: no feature lists the last events of all kinds, and a model has "
                "nothing to read: add one of kind 'last', and rebuild the store"
            )
        return max(whole, key=lambda one: one.window)

    def require(self, served: Served) -> None:
        """Raise ``ValueError`` for a model that learned from another store's features, or reads
        what no store tells."""
        self.features.require(served.about.get("features"), served.name)
        if strange := sorted(set(served.model.reads) - set(READ)):
            raise ValueError(
                f"{served.name} reads {', '.join(strange)} of each event, which the list of last "
                "events does not have: it cannot be asked by user"
            )
        words = served.model.names.get("channel", SOURCES)
        if "channel" in served.model.reads and not set(SOURCES) & set(words):
            raise ValueError(
                f"{served.name} learned from the channels {', '.join(words)}, and a store tells of "
                f"{' and '.join(SOURCES)}: train it on the journal's own log, 'python -m "
                "seqrec_lib.data.hybrid log'"
            )

    def of(self, user: str | int, at: int | None = None) -> Past:
        """The last events of a user at a time in seconds, by the clock if it is not given; none of
        somebody unknown. Raises as the class does."""
        store, names = self._opened()
        moment = int(self.clock() * MICRO) if at is None else at * MICRO
        found = store.read(names.numbers([str(user)]), moment)
        item, source, basket, age = (
            found.values[name][0]
            for name in self._last.columns  # of one user
        )
        texts = names.texts(set(item))
        table = pd.DataFrame(
            {
                "user": [str(user)] * len(item),
                "item": [texts[one] for one in item],
                "time": (moment - np.array(age, dtype=np.int64)) // MICRO,
                "channel": np.array(SOURCES)[source] if source else np.array([], dtype=object),
                "basket": np.array(basket, dtype=np.int64),
            }
        )
        return Past(table, moment // MICRO, found.seq)

    def _opened(self) -> tuple[OnlineStore, Names]:
        """Connections of this thread's own: those of SQLite are no others'."""
        if not hasattr(self._own, "store"):
            store = OnlineStore(self.folder / "online.sqlite", self.features)
            self._own.store = store, Names(self.folder / "journal" / "names.sqlite")
        return self._own.store


class Reading:
    """Users' events, read by one thread of its own, so that the event loop stays free.

    More than ``waiting`` at a time are refused at once
    (:class:`~seqrec_lib.serving.batching.Overloaded`). Use it as an asynchronous context.
    """

    def __init__(self, known: KnownEvents, waiting: int = 256):
        self.known, self._aside = known, Aside("the store", waiting)

    async def of(self, user: str | int) -> Past:
        """:meth:`KnownEvents.of` now."""
        return await self._aside.run(partial(self.known.of, user))

    async def __aenter__(self) -> Reading:
        await self._aside.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._aside.__aexit__()


def answer(
    served: Served,
    past: Past,
    k: int = 10,
    protocols: tuple[str, ...] = ("masked",),
    context: str = "",
) -> Answer:
    """What a model puts next after these events.

    As :meth:`seqrec_lib.serving.served.Served.answer`, for models that read more than items too;
    what ``masked`` leaves out are the items of these events, but for those of the channel
    ``context``.
    """
    begun = perf_counter()
    number, text = served.number, past.table["item"].astype(str)
    place = np.array([number.get(item, 0) for item in text], dtype=np.int64)
    strange = text[place == 0].tolist()
    ms = {"read": 0.0, "score": 0.0, "select": 0.0}
    lists = {protocol: TopK() for protocol in protocols}
    if (place > 0).any():
        known = past.table[place > 0].assign(item=served.items[place[place > 0] - 1])
        log = log_of(known, served.items, served.model.names, past.at)
        if context:
            log = replace(log, context=np.append(known["channel"] == context, False))
        ms["read"] = (perf_counter() - begun) * 1000
        rankings = served.top(log, log.offsets[1:] - 1, k, protocols, ms)
        lists = {name: served.named(one, 0, slice(0, k)) for name, one in rankings.items()}
    count = int((place > 0).sum())
    return Answer(
        served.name,
        served.digest,
        lists,
        known=count,
        read=min(count, served.length),
        unknown=len(strange),
        unknown_items=list(dict.fromkeys(strange))[:NAMED],
        ms=ms,
    )


def log_of(
    table: pd.DataFrame, items: np.ndarray, names: Any, asked_at: int | None = None
) -> EventLog:
    """Histories as a log, and behind each an event that stands for the one to come.

    ``names`` are the words of actions and channels as a model learned them.
    """
    last = table.groupby("user", sort=False).tail(1)
    coming = last.assign(item=items[0], time=last["time"] if asked_at is None else asked_at)
    if "basket" in coming:
        coming = coming.assign(basket=-1)  # what comes is a step of its own
    whole = pd.concat([table, coming], ignore_index=True)
    order = np.argsort(pd.factorize(whole["user"])[0], kind="stable")
    return EventLog.build(whole.iloc[order].reset_index(drop=True), items, names)
