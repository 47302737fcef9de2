"""Candidates that all models share: the true item of a position and others, drawn once and for all.

An AUC depends on the law of its negatives. There are two: ``uniform`` over all items, and
``popularity``, in proportion to how often each is learned from. No negative is in the user's
future, which begins with the true item; items of the past may be among them.

A draw is a hash of where it stands, in whole numbers: the same on every machine, with every version
of numpy, and for every sample of the positions. No file is needed; its :func:`digest` is enough.
"""

from __future__ import annotations

import hashlib

import numpy as np
from jaxtyping import Bool, Int

from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import hashed

LAWS = ("uniform", "popularity")
ATTEMPTS = 1000  # to draw an item that is not in the future


def shared(
    log: EventLog,
    train: Int[np.ndarray, "T"],
    positions: Int[np.ndarray, "P"],
    law: str,
    count: int = 100,
) -> Int[np.ndarray, "P C"]:
    """The true item of each position, in the first column, and ``count`` negatives.

    Negatives are drawn with replacement, those of ``popularity`` from the items at ``train``.
    Raises ``ValueError`` for another law or a count of 1,024 and more, and where there is no
    item to draw, or next to none that a user's future leaves.
    """
    if law not in LAWS or not 0 < count < 1024:
        raise ValueError(f"law {law!r}, count {count}; use {' or '.join(LAWS)}, and 1 to 1023")
    weight = (np.arange(log.num_items + 1) > 0).astype(np.int64)
    if law == "popularity":
        weight = np.bincount(log.item[train], minlength=log.num_items + 1)
    above = np.cumsum(weight).astype(np.uint64)
    if not above[-1]:
        raise ValueError(f"nothing to draw by {law}: no item is learned from")
    ahead = _Future(log)
    found = np.empty((len(positions), 1 + count), dtype=np.int32)
    found[:, 0] = log.item[positions]
    row, column = (one.ravel() for one in np.indices((len(positions), count)))
    for attempt in range(ATTEMPTS):
        lot = _lot(positions[row], column, attempt, LAWS.index(law)) % above[-1]
        drawn = np.searchsorted(above, lot, side="right")
        found[row, 1 + column] = drawn
        wrong = ahead.has(positions[row], drawn)
        row, column = row[wrong], column[wrong]
        if not len(row):
            return found
    raise ValueError(
        f"position {positions[row[0]]}: after {ATTEMPTS} draws by {law} all are in the user's "
        "future; leave such positions out"
    )


def digest(candidates: Int[np.ndarray, "P C"]) -> str:
    """sha256 of candidates: two tables with equal digests asked the same."""
    return hashlib.sha256(np.ascontiguousarray(candidates, dtype="<i4").tobytes()).hexdigest()


def _lot(
    position: Int[np.ndarray, "D"], column: Int[np.ndarray, "D"], attempt: int, law: int
) -> np.ndarray:
    """The hash of the numbered draw."""
    draw = position.astype(np.uint64) << np.uint64(21) | column.astype(np.uint64) << np.uint64(11)
    return hashed(draw | np.uint64(attempt << 1 | law))


class _Future:
    """When every user has each of their items for the last time."""

    def __init__(self, log: EventLog):
        self.log = log
        pair = self._pair(np.arange(len(log)), log.item)
        order = np.argsort(pair, kind="stable")
        latest = np.r_[pair[order][1:] != pair[order][:-1], True]
        self.pair, self.last = pair[order][latest], order[latest]

    def has(
        self, positions: Int[np.ndarray, "D"], item: Int[np.ndarray, "D"]
    ) -> Bool[np.ndarray, "D"]:
        """Does the user have the item at the position or later?"""
        pair = self._pair(positions, item)
        place = np.searchsorted(self.pair, pair).clip(max=len(self.pair) - 1)
        return (self.pair[place] == pair) & (self.last[place] >= positions)

    def _pair(self, positions: np.ndarray, item: np.ndarray) -> np.ndarray:
        return self.log.user_of(positions) * (self.log.num_items + 1) + item
