"""W10, staleness: what is wanted in the four weeks ahead, asked of who last saw a user days ago.

A user has three of eight interests, one far stronger than the others, and an event a day; it is of
the same interest as the one before with a chance of ``STAY``, else of any of the three by strength.
Those who are learned from are seen without a break. Of the others the last ``level`` days are not
known yet, and the answer is any event of the 28 days after these: what goes on now fades from it,
who the user is does not. Who would name the next event names the interest of the last one.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from jaxtyping import Float, Int

from seqrec_lib.data.worlds.base import LEARN, World, assembled, grouped

DAY_S = 86_400
GROUPS, SIZE = 8, 5  # interests, items of each
ROLES = grouped("interest", GROUPS, SIZE)
ITEMS = np.arange(1, GROUPS * SIZE + 1)
STRENGTH, STAY = np.array([0.75, 0.15, 0.1]), 0.6
EVENTS, WINDOW = 48, 28  # days of a history, and ahead
KINDS = ("",)
LEVELS = (0, 1, 4, 16)


def draw(level: int, kind: str = "", seed: int = 0, num_users: int = 6000) -> World:
    """A world in which the last ``level`` days are not known. Raises ``ValueError`` below 0.

    At every level it is the same users that are learned from, and the same histories.
    """
    if level < 0:
        raise ValueError(f"level is {level}; use 0 (all is known) or more days")
    rng = np.random.default_rng([seed, 10])
    own = rng.permuted(np.tile(np.arange(GROUPS), (num_users, 1)), axis=1)[:, :3]
    fresh = rng.choice(3, (num_users, EVENTS + 1), p=STRENGTH)
    learned = np.arange(num_users) < round(LEARN * num_users)
    ahead = np.where(learned, 1, level + rng.integers(1, WINDOW + 1, num_users))
    chance = np.full((num_users, EVENTS + 1), STAY)
    chance[:, -1], chance[:, 0] = STAY**ahead, 0
    stays = rng.random(chance.shape) < chance
    since = np.maximum.accumulate(np.where(stays, 0, np.arange(EVENTS + 1)), 1)
    group = np.take_along_axis(own, np.take_along_axis(fresh, since, 1), 1)
    item = 1 + SIZE * group + rng.integers(SIZE, size=group.shape)
    day = np.tile(np.arange(EVENTS + 1), (num_users, 1))
    day[:, -1] += ahead - 1
    asked = np.broadcast_to(learned[:, None], item.shape)
    best = believed(group[:, :-1], level).max(1)
    limits = {
        "nothing": 1 / GROUPS,
        "last 1": near(level) + (1 - near(level)) * (STRENGTH**2).sum(),
    }
    return assembled(item, asked, ROLES, ITEMS, best, limits, k=SIZE, time=day * DAY_S)


def near(level: int) -> float:
    """The chance that an event of the window is of the interest of the last one and no other has
    been in between."""
    return float((STAY ** (level + np.arange(1, WINDOW + 1))).mean())


def believed(group: Int[np.ndarray, "U T"], level: int) -> Float[np.ndarray, "U G"]:
    """The chance of each interest in the window: over all that a user's three may be, in order."""
    orders = np.array(list(permutations(range(GROUPS), 3)))
    share = np.zeros((len(orders), GROUPS))
    share[np.arange(len(orders))[:, None], orders] = STRENGTH
    weight = share[:, group[:, 0]].T
    for before, now in zip(group.T[:-1], group.T[1:], strict=True):
        weight = weight * (STAY * (before == now)[:, None] + (1 - STAY) * share[:, now].T)
        weight /= weight.sum(1, keepdims=True)
    going_on = np.arange(GROUPS) == group[:, -1:]
    return near(level) * going_on + (1 - near(level)) * (weight @ share) / weight.sum(1)[:, None]
