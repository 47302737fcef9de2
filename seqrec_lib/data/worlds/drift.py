"""W4, drift: things are replaced by other versions, and what fits is what fits the current one.

A user has two devices. Of each they have had ``level`` versions, one after the other, in an order
of their own; a version is met once or more often, and the devices take turns at random. Then one of
the devices is asked for, and the answer is the accessory of its current version. Which versions
were met, and how often, does not say which is the current one. Shuffled, the order does not either.
"""

from __future__ import annotations

import numpy as np

from seqrec_lib.data.worlds.base import World, assembled

DEVICES, VERSIONS, MOST = 2, 6, 4  # a version is met so often at most
THINGS = DEVICES * VERSIONS
REQUESTS = THINGS + np.arange(1, DEVICES + 1)
ACCESSORIES = THINGS + DEVICES + np.arange(1, THINGS + 1)
_EACH = range(0, THINGS, VERSIONS)
ROLES = {
    **{f"device {1 + i // VERSIONS}": np.arange(i + 1, i + VERSIONS + 1) for i in _EACH},
    "request": REQUESTS,
    **{f"accessory {1 + i // VERSIONS}": ACCESSORIES[i : i + VERSIONS] for i in _EACH},
}
KINDS = ("ordered", "shuffled")
LEVELS = (1, 2, 3, 4, 6)


def draw(level: int, kind: str = "ordered", seed: int = 0, num_users: int = 5000) -> World:
    """A world of ``level`` versions a device. Raises ``ValueError`` for others than 1 to 6, and for
    an unknown kind."""
    if not 1 <= level <= VERSIONS or kind not in KINDS:
        raise ValueError(f"level {level}, kind {kind!r}; use 1 to {VERSIONS}, {' or '.join(KINDS)}")
    rng = np.random.default_rng([seed, 4])
    order = np.tile(np.arange(VERSIONS), (num_users, DEVICES, 1))
    had = rng.permuted(order, axis=2)[..., :level]
    often = np.minimum(rng.geometric(0.5, had.shape), MOST)
    thing = 1 + VERSIONS * np.arange(DEVICES)[:, None] + had
    item = np.where(np.arange(MOST) < often[..., None], thing[..., None], 0)
    time = rng.random((num_users, DEVICES, level * MOST))
    if kind == "ordered":
        time.sort(axis=2)  # of each device, version after version
    item = np.take_along_axis(
        item.reshape(num_users, -1), time.reshape(num_users, -1).argsort(1), 1
    )
    asked = rng.integers(DEVICES, size=num_users)
    current = thing[np.arange(num_users), asked, -1]
    ends = np.stack([REQUESTS[asked], ACCESSORIES[current - 1]], 1)
    limits = {"nothing": 1 / THINGS, "last 1": 1 / VERSIONS, "set": 1 / level}
    best = 1.0 if kind == "ordered" else 1 / level
    return assembled(np.concatenate([item, ends], 1), None, ROLES, ACCESSORIES, best, limits)
