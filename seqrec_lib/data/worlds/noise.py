"""W2, noise: a user walks one of ten cycles, and other cycles' items come in between.

Each event is a step of the walk with a chance of 1 / (1 + ``level``), else any item of another
cycle: in the mean ``level`` accidental items before every step. The answer is the next step. Who
sees the last event alone is right when it is a step, which it is that often. Who ranks items by
their distance from the last one names that one first, and it is never the next step.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from seqrec_lib.data.worlds.base import World, assembled, grouped

CYCLES, STEPS = 10, 4
ROLES = grouped("cycle", CYCLES, STEPS)
ITEMS = np.arange(1, CYCLES * STEPS + 1)
EVENTS = 32
KINDS = ("",)
LEVELS = (0, 0.5, 1, 2)


def draw(level: float | int, kind: str = "", seed: int = 0, num_users: int = 8000) -> World:
    """A world with ``level`` accidental items a step. Raises ``ValueError`` below 0."""
    if level < 0:
        raise ValueError(f"level is {level}; use 0 or more accidental items a step")
    rng = np.random.default_rng([seed, 2])
    step = rng.random((num_users, EVENTS)) < 1 / (1 + level)
    step[:, -1] = True
    own = rng.integers(CYCLES, size=(num_users, 1))
    other = (own + rng.integers(1, CYCLES, step.shape)) % CYCLES
    place = (rng.integers(STEPS, size=(num_users, 1)) + step.cumsum(1)) % STEPS
    item = 1 + STEPS * np.where(step, own, other)
    item += np.where(step, place, rng.integers(STEPS, size=step.shape))
    best = believed(item[:, :-1], level).max(1)
    limits = {"nothing": 1 / (CYCLES * STEPS), "last 1": 1 / (1 + level), "nearest": 0.0}
    return assembled(item, step, ROLES, ITEMS, best, limits)


def believed(item: Int[np.ndarray, "U T"], level: float | int) -> Float[np.ndarray, "U N"]:
    """The chance of each item to be the next step.

    The forward recursion (Rabiner, 1989, doi:10.1109/5.18626) over the cycle and its next step;
    the latter is certain once an item of the cycle was met.
    """
    true, row = 1 / (1 + level), np.arange(len(item))
    accident = (1 - true) / (CYCLES * STEPS - STEPS)
    weight = np.full((len(item), CYCLES), 1 / CYCLES)
    due = np.full(weight.shape, -1)  # -1: any
    for cycle, place in zip(*np.divmod(item.T - 1, STEPS), strict=True):
        known = due[row, cycle]
        walked = weight[row, cycle] * true * np.where(known < 0, 1 / STEPS, known == place)
        weight *= accident
        weight[row, cycle] = walked
        weight /= weight.sum(1, keepdims=True)
        due[row, cycle] = (place + 1) % STEPS
    chance = np.where(due[..., None] < 0, 1 / STEPS, due[..., None] == np.arange(STEPS))
    return (weight[..., None] * chance).reshape(len(item), -1)
