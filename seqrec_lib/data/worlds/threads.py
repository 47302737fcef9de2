"""W3, threads: a user walks ``level`` cycles at once, and every event is the next step of any.

Nobody can know which thread goes on; who follows all of them has the answer among as many items as
there are threads, and that is what is asked (k is the level). Who sees the last event alone knows
one thread's next step and guesses the others.
"""

from __future__ import annotations

import numpy as np

from seqrec_lib.data.worlds.base import World, assembled, grouped

CYCLES, STEPS = 6, 4
ROLES = grouped("cycle", CYCLES, STEPS)
ITEMS = np.arange(1, CYCLES * STEPS + 1)
EVENTS = 32
KINDS = ("",)
LEVELS = (1, 2, 3, 4, 5)


def draw(level: int, kind: str = "", seed: int = 0, num_users: int = 5000) -> World:
    """A world of ``level`` threads a user. Raises ``ValueError`` unless 1 to 6."""
    if not 1 <= level <= CYCLES:
        raise ValueError(f"level is {level}; use 1 to {CYCLES} threads")
    rng = np.random.default_rng([seed, 3])
    cycles = rng.permuted(np.tile(np.arange(CYCLES), (num_users, 1)), axis=1)[:, :level]
    thread = rng.integers(level, size=(num_users, EVENTS))
    begins = rng.integers(STEPS, size=(num_users, level))
    walked = (thread[..., None] == np.arange(level)).cumsum(1)  # steps of each thread so far
    place = (begins[:, None] + walked) % STEPS
    place = np.take_along_axis(place, thread[..., None], 2)[..., 0]
    item = 1 + STEPS * np.take_along_axis(cycles, thread, 1) + place
    met = (walked[:, -2] > 0).sum(1)  # of the others the cycle is guessed, and the step
    guessed = (level - met) / (STEPS * np.maximum(CYCLES - met, 1))
    best = (met + (level - met) * guessed) / level
    others = (level - 1) / (CYCLES * STEPS - STEPS)
    limits = {"nothing": level / (CYCLES * STEPS), "last 1": (1 + (level - 1) * others) / level}
    asked = np.ones(item.shape, dtype=bool)
    return assembled(item, asked, ROLES, ITEMS, best, limits, k=level)
