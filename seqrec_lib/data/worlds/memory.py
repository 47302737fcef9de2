"""W6, memory: a click depends on how often the category was met in a whole life, whenever that was.

Everyone is shown an item of each category, and clicks with a chance of sigmoid(A + B * count), the
count being that of the category's events in all their history, of ``level`` events at most and a
tenth of that at least. They lie anywhere in it; the rest are fillers. Users differ in length and in
how much they do of what is shown, so that a category's share of the history is not its count.

The answer is yes or no, and no item: this is no :class:`~seqrec_lib.data.worlds.base.World`. It is
asked by AUC, over all users and items together, since it is other users that differ in length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit
from scipy.stats import hypergeom

from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.data.worlds.base import STEP_S, ends

CATEGORIES, SIZE, FILLERS = 8, 5, 200  # items of a category; items that are never shown
MOST = (2, 4, 8)  # events of a category at most, by user; any number up to it
A, B = -2.0, 0.5
SHORTEST = CATEGORIES * max(MOST)
RECENT, TOP = 50, 2  # what is seen at the limits of that name
EVENTS = 80_000_000  # of the longest worlds, at most
LEVELS = (100, 1_000, 10_000, 100_000)


@dataclass(frozen=True)
class Clicks:
    """What users were shown after their histories, and whether they clicked.

    The last event of a user, in ``split``, is the moment of asking: its history is all before it.

    Attributes:
        category: of each item, from 1; 0 of padding and of fillers.
        shown: the items that each user was shown, one of each category.
        chance: of a click. Nothing ranks better.
        limits: the best scores of who sees a part of each category's events: ``nothing``, those
            among the ``last 50`` events, no more than the ``top 2`` of them, or their ``share``.
    """

    log: EventLog
    split: Split
    category: Int[np.ndarray, "N"]
    shown: Int[np.ndarray, "U C"]
    clicked: Bool[np.ndarray, "U C"]
    chance: Float[np.ndarray, "U C"]
    limits: Mapping[str, Float[np.ndarray, "U C"]]

    @property
    def length(self) -> int:
        """Events of the longest history."""
        return int(np.diff(self.log.offsets).max()) - 1


def draw(level: int, seed: int = 0, num_users: int | None = None) -> Clicks:
    """A world whose longest history has ``level`` events. Raises ``ValueError`` below 64.

    There are 4,000 users, or as many as keep it in memory, if ``num_users`` does not say.
    """
    if level < SHORTEST:
        raise ValueError(f"level is {level}; use {SHORTEST} or more events")
    users = num_users or min(4000, EVENTS // level)
    rng = np.random.default_rng([seed, 6])
    logarithm = rng.uniform(np.log(max(level / 10, SHORTEST)), np.log(level + 1), users)
    length = np.exp(logarithm).astype(np.int64).clip(SHORTEST, level)
    count = rng.integers(0, rng.choice(MOST, (users, 1)) + 1, (users, CATEGORIES))
    offsets = np.r_[0, np.cumsum(length + 1)]
    item = rng.integers(1, FILLERS + 1, offsets[-1], dtype=np.int32) + np.int32(CATEGORIES * SIZE)
    recent = np.zeros_like(count)
    for user, (own, n) in enumerate(zip(count, length, strict=True)):
        place, of = rng.choice(n, own.sum(), replace=False), np.repeat(np.arange(CATEGORIES), own)
        item[offsets[user] + place] = 1 + SIZE * of + rng.integers(SIZE, size=len(of))
        recent[user] = np.bincount(of[place >= n - RECENT], minlength=CATEGORIES)
    shown = 1 + SIZE * np.arange(CATEGORIES) + rng.integers(SIZE, size=count.shape)
    item[offsets[1:] - 1] = shown[:, 0]  # the moment of asking: nobody reads it
    chance = expit(A + B * count)
    limits = {
        "nothing": np.full(chance.shape, 0.5),
        f"last {RECENT}": recalled(recent, length),
        f"top {TOP}": np.minimum(count, TOP).astype(float),
        "share": count / length[:, None],
    }
    time = (np.arange(len(item)) - np.repeat(offsets[:-1], length + 1)) * STEP_S
    items = np.arange(1, CATEGORIES * SIZE + FILLERS + 1)
    log = EventLog(item, time, offsets, np.arange(users), items)
    train, valid, test = np.split(offsets[1:] - 1, ends(users))
    category = np.r_[0, np.where(items <= CATEGORIES * SIZE, 1 + (items - 1) // SIZE, 0)]
    clicked = rng.random(chance.shape) < chance
    return Clicks(log, Split(train, valid, test), category, shown, clicked, chance, limits)


def recalled(recent: Int[np.ndarray, "U C"], length: Int[np.ndarray, "U"]) -> np.ndarray:
    """The chance of a click, given how many of the last 50 events are of the category: by Bayes
    over the count, of which a hypergeometric number is among them."""
    count = np.arange(max(MOST) + 1)
    prior = np.mean([(count <= most) / (most + 1) for most in MOST], axis=0)
    seen = hypergeom.pmf(recent[..., None], length[:, None, None], count, RECENT) * prior
    return seen @ expit(A + B * count) / seen.sum(-1)
