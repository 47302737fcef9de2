"""Logs of two channels: online events are asked about, what a store sold is history alone.

A line of a store's receipt is in the past by its own time long before anybody could have known it:
receipts are loaded at night. By event time a history has all that happened before the question, as
papers count it; as known, all that had been loaded by then, in the order in which it came.

Every variant has the same users, items and questions, so that ranks can be compared in pairs.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from seqrec_lib.data.catalogue import Vocabulary
from seqrec_lib.data.events import EventError
from seqrec_lib.data.log import EventLog

logger = logging.getLogger(__name__)

STORE = "store"  # the word of the channel
FEWEST = 3  # online events of a user: one learned from, two held out
DELAYS = {"time": 0, "hour": 3_600, "week": 7 * 86_400}  # seconds from a receipt to its loading
VARIANTS = ("none", *DELAYS, "known", "others", "half")


def joined(events: pd.DataFrame, stores: str) -> EventLog:
    """The log of a table with a ``channel``, in which store lines are context.

    ``stores`` says which lines a history has: ``none``; by ``time``, all that were bought before;
    as ``known``, by the table's own column; those of an ``hour`` or a ``week`` ago; ``others``,
    those of somebody else, as known: a control with as many lines that say nothing of the user;
    ``half``, as known, of a random half (``treated``) of the users alone: an experiment. A line
    known in the very second of a question is history.

    An online event is a step of its own, whatever its basket, and known at once. Users with fewer
    than three online events are left out, and reported. Raises EventError if the table lacks a
    column, or one of the two channels.
    """
    if missing := [name for name in ("channel", "known", "basket") if name not in events]:
        raise EventError(f"stores={stores} needs the columns channel, known, basket: no {missing}")
    store = (events["channel"] == STORE).to_numpy()
    if store.all() or not store.any():
        found = sorted(events["channel"].unique())
        raise EventError(f"stores={stores} needs {STORE!r} and another channel; there are {found}")
    items = Vocabulary.build(events["item"].to_numpy()).raw  # the same in every variant
    online = events["user"][~store].value_counts()
    enough = online.index[online >= FEWEST]
    if len(enough) < events["user"].nunique():
        left_out = events["user"].nunique() - len(enough)
        logger.warning("left out: %d users of fewer than %d online events", left_out, FEWEST)
    if not len(enough):
        raise EventError(f"no user has {FEWEST} online events")
    kept = events["user"].isin(enough)
    asked = events[kept & ~store].assign(basket=-1, known=lambda table: table["time"])
    lines = _changed(events[kept & store], stores, np.sort(enough.to_numpy()))
    table = pd.concat([asked, lines], ignore_index=True)
    # a line that was known in the second of a question stands before it
    is_online = (table["channel"] != STORE).to_numpy()
    who = pd.factorize(table["user"])[0]
    order = np.lexsort((np.arange(len(table)), table["time"], is_online, table["known"], who))
    table = table.iloc[order].reset_index(drop=True)
    return replace(EventLog.build(table, items), context=~is_online[order])


def treated(users: np.ndarray) -> np.ndarray:
    """Which of the users keep their lines where ``half`` of them do: every second, drawn once."""
    return np.random.default_rng(1).permutation(len(users)) % 2 == 0


def _changed(lines: pd.DataFrame, stores: str, users: np.ndarray) -> pd.DataFrame:
    """The store lines of a variant."""
    if stores == "none":
        return lines[:0]
    if stores in DELAYS:
        return lines.assign(known=lines["time"] + DELAYS[stores])
    if stores == "others":
        # a round through all users in random order: nobody keeps their own
        order = np.random.default_rng(0).permutation(users)
        other = dict(zip(order, np.roll(order, 1), strict=True))
        return lines.assign(user=lines["user"].map(other))
    if stores == "half":
        return lines[lines["user"].isin(users[treated(users)])]
    if stores != "known":
        raise ValueError(f"stores is {stores!r}; it can be {', '.join(VARIANTS)}")
    return lines
