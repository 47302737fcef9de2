"""W7, complements: what bears on an item is the past of another category (a printer on its ink).

Each category has a few versions, of which a user owns one, met ``level`` times; events of all
categories come in random order. The answer is an item of any category, in the version that the user
owns of the category which it complements, the one before it in a circle. Their version of its own
category is another matter: who looks for events like the item itself finds nothing that bears on
it. Of kind ``own`` a category complements itself, and they find everything.

Nobody can know the category that is asked for; who looks in the right place has the answer among as
many items as there are categories, and that is what is asked (k).
"""

from __future__ import annotations

import numpy as np

from seqrec_lib.data.worlds.base import World, assembled, grouped

CATEGORIES, VERSIONS = 8, 6
ROLES = grouped("category", CATEGORIES, VERSIONS)
ITEMS = np.arange(1, CATEGORIES * VERSIONS + 1)
KINDS = ("complement", "own")
LEVELS = (1, 4, 16, 64)


def complemented(category: np.ndarray, kind: str = "complement") -> np.ndarray:
    """The category, from 0, whose past bears on each."""
    return (category - (kind == "complement")) % CATEGORIES


def draw(level: int, kind: str = "complement", seed: int = 0, num_users: int = 5000) -> World:
    """A world whose histories have ``level`` events a category.

    Raises ``ValueError`` below 1, and for an unknown kind.
    """
    if level < 1 or kind not in KINDS:
        raise ValueError(f"level {level}, kind {kind!r}; use 1 or more, {' or '.join(KINDS)}")
    rng = np.random.default_rng([seed, 7])
    version = rng.integers(VERSIONS, size=(num_users, CATEGORIES))
    met = rng.permuted(np.tile(np.arange(CATEGORIES), (num_users, level)), axis=1)
    asked = rng.integers(CATEGORIES, size=(num_users, 1))
    category = np.concatenate([met, asked], 1)
    owner = np.concatenate([met, complemented(asked, kind)], 1)
    item = 1 + VERSIONS * category + np.take_along_axis(version, owner, 1)
    # one event tells the version of one category, and the other places of the list are guesses
    limits = {"nothing": 1 / VERSIONS}
    limits["last 1"] = (1 + (CATEGORIES - 1) / VERSIONS) / CATEGORIES
    if kind == "complement":
        limits["own category"] = 1 / VERSIONS
    return assembled(item, None, ROLES, ITEMS, 1.0, limits, k=CATEGORIES)
