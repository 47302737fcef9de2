"""W5, clock: things return when they have run out, each after a time of its own.

Six things were bought once each. When it is asked, one of them has run out: its age is about its
period; the others are younger than theirs. Users differ in how much else they do, up to ``level``
fold, so that the number of events since says the less of the time since.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from seqrec_lib.data.worlds.base import World, assembled

DAY_S = 86_400
PERIODS = 2.0 ** np.arange(6)  # days
ROLES = {"thing": np.arange(1, 7), "filler": np.arange(7, 27)}
SPREAD = 0.1  # of the logarithm of age over period of what has run out
YOUNG = np.log([0.1, 0.6])  # the others': anything between
RATE, MOST = 0.1, 30  # fillers a day in the middle; at most
SPAN = 32.0  # days of fillers
KINDS = ("",)
LEVELS = (1, 10, 100)


def draw(level: float | int, kind: str = "", seed: int = 0, num_users: int = 8000) -> World:
    """A world whose users are ``level`` times as active as others, at most.

    Raises ``ValueError`` below 1.
    """
    if level < 1:
        raise ValueError(f"level is {level}; use 1 (all alike) or more")
    rng = np.random.default_rng([seed, 5])
    out, row = rng.integers(6, size=num_users), np.arange(num_users)
    share = rng.uniform(YOUNG[0], YOUNG[1], (num_users, 6))
    share[row, out] = rng.normal(0, SPREAD, num_users)
    rate = RATE * level ** rng.uniform(-0.5, 0.5, num_users)
    count = rng.poisson(rate * SPAN)[:, None]
    filler = rng.integers(7, 27, (num_users, MOST)) * (np.arange(MOST) < count)
    item = np.concatenate([np.tile(ROLES["thing"], (num_users, 1)), filler], 1)
    age = np.concatenate([np.exp(share) * PERIODS, rng.uniform(0, SPAN, filler.shape)], 1)
    order = np.argsort(-age, axis=1)
    item, age = (np.take_along_axis(values, order, 1) for values in (item, age))
    item = np.concatenate([item, 1 + out[:, None]], 1)
    time = 1_000 * DAY_S - np.concatenate([age, np.zeros((num_users, 1))], 1) * DAY_S
    best = believed(share).max(1)
    limits = {"nothing": 1 / 6}
    return assembled(item, None, ROLES, ROLES["thing"], best, limits, time=time.astype(np.int64))


def believed(share: Float[np.ndarray, "U 6"]) -> Float[np.ndarray, "U 6"]:
    """The chance of each thing to have run out, given logarithms of age over period."""
    out = np.exp(-0.5 * (share / SPREAD) ** 2) / (SPREAD * np.sqrt(2 * np.pi))
    young = ((share >= YOUNG[0]) & (share <= YOUNG[1])) / (YOUNG[1] - YOUNG[0])
    others = [np.prod(np.delete(young, k, 1), 1) for k in range(6)]
    chance = out * np.stack(others, 1)
    return chance / chance.sum(1, keepdims=True)
