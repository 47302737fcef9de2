"""Small simulated worlds whose best answer is known, for tests, smoke runs and controls.

A whole simulated T-ECD, of any size, is written by :mod:`seqrec_lib.data.simulator.world`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def small_world(
    num_users: int = 400,
    num_items: int = 40,
    obedience: float = 0.9,
    seed: int = 0,
) -> pd.DataFrame:
    """An event table in which one fixed item follows each item with chance ``obedience``.

    Otherwise the next item is uniform. The best possible ranking knows the rule, and finds the
    next item first with chance ``obedience + (1 - obedience) / num_items``. Users have 5 to 30
    events, a day apart. ``user`` and ``item`` are integers from 1, ``time`` is in seconds.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(num_items)
    follows = np.empty(num_items, dtype=int)
    follows[order] = np.roll(order, 1)  # one cycle through all items: none is a dead end
    lengths = rng.integers(5, 31, num_users)
    item = np.empty(lengths.sum(), dtype=int)
    first = np.cumsum(lengths) - lengths
    obeys = rng.random(len(item)) < obedience
    anything = rng.integers(num_items, size=len(item))
    starts = set(first.tolist())
    for p in range(len(item)):
        item[p] = follows[item[p - 1]] if obeys[p] and p not in starts else anything[p]
    user = np.repeat(np.arange(1, num_users + 1), lengths)
    day = np.arange(len(item)) - np.repeat(first, lengths)
    return pd.DataFrame({"user": user, "item": item + 1, "time": 86_400 * (15_000 + day)})
