"""W9, reach: the answer is the item that stands ``level`` events back; all items are drawn alike.

Who sees less than that many events sees nothing of it.
"""

from __future__ import annotations

import numpy as np

from seqrec_lib.data.worlds.base import World, assembled

ROLES = {"item": np.arange(1, 11)}
ASKED = 24  # questions a user
KINDS = ("",)
LEVELS = (2, 4, 8, 9, 16, 31, 32, 64)


def draw(level: int, kind: str = "", seed: int = 0, num_users: int = 1000) -> World:
    """A world whose answers stand ``level`` events back: 1 would be the last item.

    Raises ``ValueError`` below 1.
    """
    if level < 1:
        raise ValueError(f"level is {level}; use 1 or more events back")
    rng = np.random.default_rng([seed, 9])
    item = rng.integers(1, 11, (num_users, level + ASKED))
    for step in range(level, level + ASKED):
        item[:, step] = item[:, step - level]
    asked = np.broadcast_to(np.arange(level + ASKED) >= level, item.shape)
    limits = {"nothing": 0.1} | {f"last {n}": 0.1 for n in range(1, level)}
    return assembled(item, asked, ROLES, ROLES["item"], 1.0, limits)
