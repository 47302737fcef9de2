"""What a regenerator wrote, beside the histories it was written from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy import sparse

from seqrec_lib.data.log import EventLog
from seqrec_lib.data.patterns import histories


def inspected(
    written: pd.DataFrame, log: EventLog, positions: Int[np.ndarray, "P"]
) -> pd.DataFrame:
    """A row a written sequence, of those that :func:`seqrec_lib.studies.regeneration` keeps.

    * ``user``, ``way``, ``length``;
    * ``own``: share of its items that stand in the history it was written from;
    * ``retold``: is it a part of that history, in order, others perhaps between?
    * ``known``: share of its transitions, from an item to the next, that some training history
      has, next to each other;
    * ``nearest``: the largest share of its items that another user's history holds;
    * ``log_chance``: mean log-probability of an item, END counted as one.

    ``positions`` are those that the regenerator was given.
    """
    own = dict(zip(np.unique(log.user_of(positions)), histories(log, positions), strict=True))
    steps = positions[log.history_length(positions) > 0]
    base = log.num_items + 1
    transitions = np.unique(log.item[steps - 1].astype(np.int64) * base + log.item[steps])
    starts = np.flatnonzero(np.r_[True, np.diff(written["sequence"]) != 0])
    items = written["item"].to_numpy().astype(np.int64)
    parts = np.split(items, starts[1:])
    rows = written.iloc[starts][["user", "way"]].reset_index(drop=True)
    rows["length"] = [len(part) for part in parts]
    user = rows["user"].to_numpy()
    rows["own"] = [np.isin(part, own[u]).mean() for part, u in zip(parts, user, strict=True)]
    rows["retold"] = [_in_order(part, own[u]) for part, u in zip(parts, user, strict=True)]
    known = np.isin(items[:-1] * base + items[1:], transitions)
    known = np.delete(known, starts[1:] - 1)  # not from a sequence to the next
    number = np.repeat(np.arange(len(parts)), rows["length"] - 1)
    rows["known"] = np.bincount(number, known) / (rows["length"] - 1)
    rows["nearest"] = _shared(parts, user, log, positions) / rows["length"]
    rows["log_chance"] = written["log_chance"].to_numpy()[starts] / (rows["length"] + 1)
    return rows


def _in_order(part: Int[np.ndarray, "T"], history: Int[np.ndarray, "H"]) -> bool:
    """Do the items stand in the history, in this order?"""
    following = iter(history.tolist())
    return all(item in following for item in part.tolist())


def _shared(
    parts: list[np.ndarray], user: np.ndarray, log: EventLog, positions: Int[np.ndarray, "P"]
) -> Int[np.ndarray, "S"]:
    """The most items that each sequence shares with one history of another user."""
    lengths = [len(part) for part in parts]
    shape = (len(parts), log.num_items + 1)
    row = np.repeat(np.arange(len(parts)), lengths)
    told = sparse.csr_array((np.ones(len(row), np.int32), (row, np.concatenate(parts))), shape)
    held = sparse.csr_array(
        (np.ones(len(positions), np.int32), (log.user_of(positions), log.item[positions])),
        (log.num_users, log.num_items + 1),
    )
    held.data[:] = 1  # a history that repeats an item holds it once
    together = (told @ held.T).tocoo()
    others = together.coords[1] != user[together.coords[0]]
    most = np.zeros(len(parts), dtype=np.int64)
    np.maximum.at(most, together.coords[0][others], together.data[others])
    return most
