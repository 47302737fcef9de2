"""Simulated days in stores: baskets of receipt lines, and the card payments for them.

A day is cut into slices of equal row numbers. Each slice is computed from the seed, the day and
its own number alone, and payments draw a slice's baskets again to share their hashes: memory does
not grow with the day, and neither file needs the other.

Shares are those of the published day 1082 (68,857,371 payments, 60,753,821 receipt lines) where
it states them; the hours of stores and the forms of the distributions are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqrec_lib.data.simulator.needs import (
    COMPLEMENT,
    World,
    complements,
    draw_needs,
    hashed,
    interest_of_places,
    num_items,
    numbers,
    popular,
    unit,
)
from seqrec_lib.data.simulator.online import hour_times
from seqrec_lib.data.tecd import DAY_US, NO_TRANSACTION

SLICE = 225_000  # rows
NOTHING = np.uint64(int(NO_TRANSACTION, 16))
NOTHING_SHARE = 30_926_089 / 60_753_821  # of receipt lines: a basket without a payment
LINES = (0.35, 0.9, 137)  # log-normal, and the most; mean 2.64 as published
GROCERIES = 0.75  # of receipt lines: fmcg_ ids, the others nfmcg_ (assumed)
TOGETHER = 0.5  # of lines that do not follow: about one need, the basket's own (assumed)
REGULARS, REGULAR_SHARE = 0.05, 0.3  # baskets of the first 5 % of users, who are the ones online
AGAIN = 1 - 59_836_472 / 68_857_371  # of payments: the hash of the one before; at most 11 times
MOST_AGAIN = 11
NO_BRAND = {
    "payments/events": 33_298_275 / 68_857_371,
    "payments/receipts": 52_129_534 / 60_753_821,
}
NO_PRICE = 861_796 / 60_753_821  # of receipt lines
RARE = {  # null values planted in a file: this share, but at least one
    "payments/events": 139 / 68_857_371,  # price
    "payments/receipts": 38 / 60_753_821,  # count
}
PRICE = {"payments/events": (-2.54, 1.9), "payments/receipts": (-3.77, 1.32)}  # mean, deviation
BRAND_ZERO = 0.002  # of payments: brand 0, which is legal
DEPTH = (3.0, 1.15)  # of a need's products: offset and exponent of their popularity (assumed)
HOURS = (2, 1, 1, 1, 1, 2, 8, 20, 35, 48, 58, 66, 72, 74, 72, 72, 76, 84, 88, 80, 62, 42, 22, 8)


@dataclass(frozen=True)
class Plan:
    """How many rows the two files of a day have, and the slices they are written in."""

    day: int
    receipts: int
    payments: int

    @property
    def slices(self) -> int:
        return max(-(-max(self.receipts, self.payments) // SLICE), 1)

    def rows(self, table: str, number: int) -> range:
        """The rows of a table that slice ``number`` holds."""
        total = self.payments if table == "payments/events" else self.receipts
        return range(number * total // self.slices, (number + 1) * total // self.slices)


@dataclass(frozen=True)
class Baskets:
    """The baskets of a slice in the order of time."""

    time: np.ndarray  # microseconds since day 0
    user: np.ndarray  # places
    lines: np.ndarray
    hash: np.ndarray  # uint64; NOTHING where there was no payment


def baskets(world: World, plan: Plan, number: int, defects: bool) -> Baskets:
    """The baskets of slice ``number``: its receipt lines exactly, the last one cut if need be."""
    rng = np.random.default_rng([world.seed, 20, plan.day, number])
    rows = len(plan.rows("payments/receipts", number))
    mean, deviation, most = LINES
    drawn = rng.lognormal(mean, deviation, rows)  # at least a line each: never too few
    lines = np.minimum(np.ceil(drawn), most).astype(np.int64)
    total = int(np.searchsorted(lines.cumsum(), rows)) + 1 if rows else 0
    lines = lines[:total]
    if total:
        lines[-1] -= lines.sum() - rows
    time = _times(rng.random(total), plan, number)
    unpaid = rng.random(total) < (NOTHING_SHARE if defects else 0.0)
    return Baskets(
        time=np.sort(time),
        user=_users(world, rng, total),
        lines=lines,
        hash=np.where(unpaid, NOTHING, _hashes(world, plan.day, number, 0, total)),
    )


def receipts(world: World, plan: Plan, number: int, defects: bool) -> dict[str, np.ndarray]:
    """The receipt lines of slice ``number``, columns as in the file; null values are in ``null_*``.

    ``item`` is a number with :func:`needs.numbers`' meaning, ``grocery`` its domain.
    """
    head = baskets(world, plan, number, defects)
    rng = np.random.default_rng([world.seed, 21, plan.day, number])
    basket = np.repeat(np.arange(len(head.lines)), head.lines)
    total = len(basket)
    grocery = rng.random(total) < GROCERIES
    need = _line_needs(world, rng, head, basket, plan.day)
    item = np.empty(total, dtype=np.int64)
    for domain, mask in (("retail", grocery), ("marketplace", ~grocery)):
        item[mask] = _products(world, domain, rng, need[mask])
    first = np.diff(basket, prepend=-1) > 0
    # no price for the first line of a basket at most, so that no two lines are wholly equal
    share_first = max(float(first.mean()), NO_PRICE) if total else 1.0
    return {
        "time": head.time[basket],
        "user": numbers("user", head.user)[basket],
        "brand": _brands(world, rng, total),
        "null_brand": rng.random(total) < (NO_BRAND["payments/receipts"] if defects else 0.0),
        "item": item,
        "grocery": grocery,
        "count": _amounts(rng, total),
        "null_count": _rare(world, plan, "payments/receipts", number, defects),
        "price": _prices(rng, "payments/receipts", total),
        "null_price": first & (rng.random(total) < (NO_PRICE / share_first if defects else 0.0)),
        "hash": head.hash[basket],
    }


def payments(world: World, plan: Plan, number: int, defects: bool) -> dict[str, np.ndarray]:
    """The payments of slice ``number``: for its paid baskets first of all, and others."""
    head = baskets(world, plan, number, defects)
    paid = np.flatnonzero(head.hash != NOTHING)
    rng = np.random.default_rng([world.seed, 22, plan.day, number])
    rows = len(plan.rows("payments/events", number))
    end = plan.day * DAY_US + int(_edge(plan, number + 1))
    others = max(rows - len(paid), 0)
    start = np.append(
        _later(head.time[paid], rng.integers(1, 30_000_000, len(paid)), end),
        _times(rng.random(others), plan, number),
    )
    user = np.append(head.user[paid], _users(world, rng, others))
    key = np.append(head.hash[paid], _hashes(world, plan.day, number, 1, others))
    times = np.minimum(rng.geometric(1 - AGAIN, len(key)), MOST_AGAIN)
    source = np.repeat(np.arange(len(key)), times)[:rows]
    again = np.diff(source, prepend=-1) == 0
    time = _later(start[source], again * rng.integers(1, 600_000_000, rows), end)
    order = np.argsort(time, kind="stable")
    zero = rng.random(rows) < BRAND_ZERO
    return {
        "time": time[order],
        "user": numbers("user", user)[source][order],
        "brand": np.where(zero, 0, _brands(world, rng, rows)),
        "null_brand": rng.random(rows) < (NO_BRAND["payments/events"] if defects else 0.0),
        "price": _prices(rng, "payments/events", rows),
        "null_price": _rare(world, plan, "payments/events", number, defects),
        "hash": key[source][order],
    }


def _line_needs(
    world: World, rng: np.random.Generator, head: Baskets, basket: np.ndarray, day: int
) -> np.ndarray:
    """What each line is about: with chance ``strength`` the user's interest of the day before."""
    total = len(basket)
    online = interest_of_places(world, head.user, day - 1)[basket]
    own = draw_needs(world, rng.random(len(head.user)))[basket]
    need = np.where(rng.random(total) < TOGETHER, own, draw_needs(world, rng.random(total)))
    need = np.where(rng.random(total) < world.strength, online, need)
    return np.where(rng.random(total) < COMPLEMENT, complements(world)[need], need)


def _products(world: World, domain: str, rng: np.random.Generator, need: np.ndarray) -> np.ndarray:
    """Item numbers of products of each need: of the catalogue with chance ``matched_share``,
    the same for every line of a product; outside it otherwise."""
    strata = max(world.receipt_items // 2 // world.num_needs, 1)
    depth = popular(rng.random(len(need)), strata, *DEPTH)
    place = depth * world.num_needs + need
    catalogue = num_items(world, domain)
    inside = depth % (catalogue // world.num_needs) * world.num_needs + need
    beyond = -(-catalogue // world.num_needs) * world.num_needs + place
    kind = 7 if domain == "retail" else 8
    matched = unit(hashed(world.seed, kind, place)) < world.matched_share
    return numbers(domain, np.where(matched, inside, beyond))


def _users(world: World, rng: np.random.Generator, total: int) -> np.ndarray:
    often = rng.random(total) < REGULAR_SHARE
    among = np.where(often, max(int(world.num_users * REGULARS), 1), world.num_users)
    return (rng.random(total) * among).astype(np.int64)


def _brands(world: World, rng: np.random.Generator, total: int) -> np.ndarray:
    return numbers("brand", popular(rng.random(total), world.num_brands, 5.0, 1.1))


def _prices(rng: np.random.Generator, table: str, total: int) -> np.ndarray:
    mean, deviation = PRICE[table]
    drawn = rng.standard_normal(total, dtype=np.float32) * np.float32(deviation)
    return np.clip(drawn + np.float32(mean), -10, 10).astype(np.float64)


def _amounts(rng: np.random.Generator, total: int) -> np.ndarray:
    """How much of a product: mostly 1, pieces or weights else, rarely absurd (1e-4 to 988,627)."""
    amount = np.ones(total)
    kind = rng.random(total)
    pieces, weight, absurd = kind < 0.15, (kind > 0.15) & (kind < 0.3), kind > 0.9999
    amount[pieces] = 1 + rng.geometric(0.5, int(pieces.sum()))
    amount[weight] = np.maximum(np.round(rng.lognormal(-0.5, 1.0, int(weight.sum())), 3), 1e-4)
    # the largest of the 6,075 absurd lines of a full day comes near the published one
    amount[absurd] = np.minimum(rng.pareto(0.63, int(absurd.sum())) + 1, 988_627)
    return amount


def _hashes(world: World, day: int, number: int, kind: int, total: int) -> np.ndarray:
    """A different number for each basket or payment of all days: hashing is one to one."""
    key = ((day * 2 + kind) << 40) + (number << 20)
    return hashed(world.seed, np.uint64(key) + np.arange(total, dtype=np.uint64))


def _rare(world: World, plan: Plan, table: str, number: int, defects: bool) -> np.ndarray:
    """Which rows of the slice have the file's rare null values."""
    rows = plan.rows(table, number)
    total = plan.rows(table, plan.slices - 1).stop
    most = max(round(RARE[table] * total), 1) if defects and total else 0
    rng = np.random.default_rng([world.seed, 23, plan.day, list(RARE).index(table)])
    where = rng.integers(max(total, 1), size=most)
    null = np.zeros(len(rows), dtype=bool)
    null[where[(where >= rows.start) & (where < rows.stop)] - rows.start] = True
    return null


def _edge(plan: Plan, number: int) -> float:
    """Microseconds of the day at which slice ``number`` begins."""
    return float(hour_times(np.array([number / plan.slices]), HOURS)[0])


def _later(time: np.ndarray, delay: np.ndarray, end: int) -> np.ndarray:
    """Times moved on, but not beyond ``end``: a delay that is too long starts again from 0."""
    return time + delay % np.maximum(end - time, 1)


def _times(uniform: np.ndarray, plan: Plan, number: int) -> np.ndarray:
    """Times in a slice, microseconds since day 0, as busy as the hours of stores."""
    low, high = _edge(plan, number), _edge(plan, number + 1)
    drawn = hour_times((number + uniform) / plan.slices, HOURS)
    return plan.day * DAY_US + np.clip(drawn, low, high - 1).astype(np.int64)
