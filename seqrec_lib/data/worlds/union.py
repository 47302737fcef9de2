"""W1, union: two items that mean something together, however many events lie between them.

One of two items and one of two others, in either order, with ``level`` fillers between; the answer
follows the second at once. XOR: it depends on which of the one goes with which of the other, so
that neither says anything by itself, nor a sum of what they say. AND: one answer if both are there,
the other if a filler stands in the place of the first.
"""

from __future__ import annotations

import numpy as np

from seqrec_lib.data.worlds.base import World, assembled

ROLES = {
    "filler": np.arange(1, 41),
    "first kind": np.array([41, 42]),
    "second kind": np.array([43, 44]),
    "answer": np.array([45, 46]),
}
BEFORE = (2, 8)  # fillers before the pair
KINDS = ("xor", "and")
LEVELS = (0, 1, 2, 5)


def draw(level: int, kind: str = "xor", seed: int = 0, num_users: int = 3200) -> World:
    """A world with ``level`` fillers between the two. Raises ``ValueError`` for an unknown kind.

    All cases are equally frequent among any 16 users that follow one another.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; use {' or '.join(KINDS)}")
    rng = np.random.default_rng([seed, 1])
    a, b, turned, both = (np.arange(num_users) // 2**bit % 2 for bit in range(4))
    pair = np.stack([ROLES["first kind"][a], ROLES["second kind"][b]], 1)
    pair = np.where(turned[:, None] > 0, pair[:, ::-1], pair)
    item = rng.integers(1, 41, (num_users, BEFORE[1] + level + 3))
    item[:, -2] = pair[:, 1]
    together = both > 0 if kind == "and" else np.ones(num_users, dtype=bool)
    item[together, -3 - level] = pair[together, 0]
    item[:, -1] = ROLES["answer"][1 - both if kind == "and" else a ^ b]
    begins = rng.integers(0, BEFORE[1] - BEFORE[0] + 1, num_users)
    item[np.arange(item.shape[1]) < begins[:, None]] = 0
    limits = {"nothing": 0.5} | {f"last {n}": 0.5 for n in range(1, level + 2)}
    if kind == "xor":
        limits["sum"] = 0.5
    return assembled(item, None, ROLES, ROLES["answer"], 1.0, limits)
