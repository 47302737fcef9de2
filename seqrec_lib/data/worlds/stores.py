"""A simulated world in which receipts of stores say what their buyers will want online.

A user has one need at a time, the same all day. Online events are mostly about it. Over a night it
may drift to another need; and a *linked* visit to a store, whose receipt is mostly about the need,
satisfies it: within days it ends, often for the need that complements it. A visit that is not
linked is about a need of nobody's and has no consequence. The share of linked visits is the
``strength`` of the world: at 0, receipts say nothing about what happens online; at 1, every visit
ends a need.

Whether a user is online or visits a store, when, and with how many events or lines, is independent
of needs. :mod:`seqrec_lib.data.worlds.stores_draw` draws such a world;
:mod:`seqrec_lib.data.worlds.stores_oracle` works out the best possible answer in it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

DAY_S = 86_400
FIRST_DAY = 15_000  # days since 1970
MORNING = 3 * 3600  # when receipts of the day before are loaded
# when a line is known: seconds after it happened, or the next morning
DELAYS: dict[str, int | None] = {
    "at once": 0,
    "an hour": 3600,
    "next morning": None,
    "a week": 7 * DAY_S,
}


@dataclass(frozen=True)
class StoreWorld:
    """The parameters. Raises ``ValueError`` for one out of range.

    Items are numbered from 1, need by need, the most popular of a need first; then come the
    staples, which stores alone sell. Users are numbered from 1.

    Attributes:
        strength: the share of visits that are linked.
        num_needs: needs; each is complemented by one other, in one cycle through all.
        items_per_need, zipf: items of a need; the r-th has a weight of ``r ** -zipf`` in it.
        skew: the k-th need has a popularity in proportion to ``(k + num_needs / 5) ** -skew``.
        num_staples: of which the r-th has a weight of ``r ** -zipf`` too.
        drift: chance that a need becomes a draw by popularity, each night.
        noise: share of online events that are draws by popularity, whatever the need.
        online_rate, spread: a user is online on a day with a chance of the user's own, drawn from
            a beta distribution of mean ``online_rate`` and standard deviation ``spread``.
        more_events: mean number of events of an online day beyond the first (Poisson).
        fewest: the least online events of a user; whoever has fewer draws them all again.
        visit_rate: chance of a visit to a store, each day, the same for all.
        more_lines: mean number of lines of a receipt beyond the first (Poisson).
        focus: share of lines that are about the receipt's need.
        staple_share: share of the other lines that are staples; the rest is drawn by popularity.
        hazard: chance that a satisfied need ends, each night from that of the visit on.
        moves_on: chance that a need which ends gives way to its complement; else the next one is
            a draw by popularity.
    """

    strength: float = 1.0
    num_users: int = 20_000
    num_days: int = 100
    num_needs: int = 100
    items_per_need: int = 20
    zipf: float = 1.0
    skew: float = 0.7
    num_staples: int = 200
    drift: float = 0.02
    noise: float = 0.2
    online_rate: float = 0.12
    spread: float = 0.06
    more_events: float = 1.0
    fewest: int = 5
    visit_rate: float = 0.1
    more_lines: float = 2.5
    focus: float = 0.6
    staple_share: float = 0.5
    hazard: float = 0.7
    moves_on: float = 0.6
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = _RANGES.get(field.name, (0, 1))
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise ValueError(
                    f"{field.name} is {value}; use a value between {low:g} and {high:g}"
                )
        most = (self.online_rate * (1 - self.online_rate)) ** 0.5
        if self.spread >= most:
            raise ValueError(
                f"spread is {self.spread}; at an online_rate of {self.online_rate} use less than "
                f"{most:.3g}"
            )
        usual = self.num_days * self.online_rate * (1 + self.more_events)
        if self.fewest > usual:
            raise ValueError(
                f"fewest is {self.fewest}, and a user has {usual:.3g} online events in the mean; "
                "use a smaller number, more days or a higher online_rate"
            )

    @property
    def num_online(self) -> int:
        """Items that are sold online; items above it are staples."""
        return self.num_needs * self.items_per_need

    @property
    def num_items(self) -> int:
        return self.num_online + self.num_staples

    @cached_property
    def need_shares(self) -> Float[np.ndarray, "K"]:
        """How popular each need is; sums to 1."""
        shares = (np.arange(1, self.num_needs + 1) + self.num_needs / 5) ** -self.skew
        return shares / shares.sum()

    @cached_property
    def complements(self) -> Int[np.ndarray, "K"]:
        """The need that complements each need."""
        order = np.random.default_rng([self.seed, 0]).permutation(self.num_needs)
        goes_with = np.empty_like(order)
        goes_with[order] = np.roll(order, -1)
        return goes_with

    @cached_property
    def item_weights(self) -> Float[np.ndarray, "m"]:
        """The chance of each item of a need in an event about it."""
        return self._zipf(self.items_per_need)

    @cached_property
    def staple_weights(self) -> Float[np.ndarray, "S"]:
        return self._zipf(self.num_staples)

    @cached_property
    def popularity(self) -> Float[np.ndarray, "n"]:
        """The chance of each item in an online event that is not about a need."""
        return np.outer(self.need_shares, self.item_weights).ravel()

    def need_of(self, item: Int[np.ndarray, "E"]) -> Int[np.ndarray, "E"]:
        """The needs, from 0, that items are about; ``num_needs`` for staples."""
        return np.minimum((np.asarray(item) - 1) // self.items_per_need, self.num_needs)

    def _zipf(self, number: int) -> np.ndarray:
        weights = np.arange(1, number + 1) ** -float(self.zipf)
        return weights / weights.sum()


_RANGES: dict[str, tuple[float, float]] = {  # the others are shares, 0 to 1
    "num_users": (1, 10_000_000),
    "num_days": (1, 3650),
    "num_needs": (3, 1000),  # two would be complements of each other
    "items_per_need": (1, 1000),
    "zipf": (0, 3),
    "skew": (0, 3),
    "num_staples": (1, 100_000),
    "noise": (0.001, 1),  # without noise, one event would leave no doubt
    "online_rate": (0.001, 0.999),
    "spread": (0.001, 0.5),
    "more_events": (0, 20),
    "fewest": (1, 1000),
    "more_lines": (0, 20),
    "focus": (0, 0.999),
    "staple_share": (0, 0.999),
    "seed": (0, 2**32),
}


def known_from(time: Int[np.ndarray, "E"], delay: str) -> Int[np.ndarray, "E"]:
    """From which second on a receipt of ``time`` is known; ``delay`` is one of :data:`DELAYS`.

    Raises ``ValueError`` for another one.
    """
    if delay not in DELAYS:
        raise ValueError(f"delay is {delay!r}; use one of {', '.join(DELAYS)}")
    seconds = DELAYS[delay]
    if seconds is None:
        return (time // DAY_S + 1) * DAY_S + MORNING
    return time + seconds
