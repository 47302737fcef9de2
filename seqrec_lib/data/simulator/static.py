"""Simulated tables that have no events: users, brands, items; and the reviews of a day.

Null rates are those of T-ECD Small. Names of categories are our own; a need belongs to one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqrec_lib.data.simulator.marginals import REAL
from seqrec_lib.data.simulator.needs import World, num_items, numbers, places, popular
from seqrec_lib.data.simulator.online import hour_times
from seqrec_lib.data.tecd import DAY_US

BLOCK = 100_000  # rows
NO_CLUSTER, NO_REGION = 5_153 / 3_500_000, 58_917 / 3_500_000
NO_BRAND_VECTOR = 0.732
EXTRA_BRANDS, SEVENFOLD = 46 / 24_467, 7  # rows too many; rows of the brand that has most
NO_CATEGORY = {"marketplace": 966_395 / 2_325_409, "retail": 9_585 / 250_171}
NO_SUBCATEGORY = {"marketplace": 1_233_023 / 2_325_409, "retail": 9_585 / 250_171}
NO_PRICE = {"marketplace": 2_882 / 2_325_409, "retail": 26_489 / 250_171}
PRICE = {"marketplace": (0.49, 2.46), "retail": (-3.77, 1.32)}  # mean, deviation
NO_OFFER_BRAND = 542 / 22_368
RETAILERS = np.array([240_838, 146_468, 65_693, 60_434, 37_799, 25_989, 48_632])
RATINGS = (0.04, 0.015, 0.025, 0.08, 0.84)  # of 1 to 5; mean 4.665, published 4.66
CATEGORIES = (
    *("Bakery", "Beverages", "Books", "Car care", "Cleaning", "Clothing", "Computers", "Dairy"),
    *("Electronics", "Footwear", "Fruit and vegetables", "Furniture", "Garden", "Health"),
    *("Kitchen", "Meat and fish", "Office", "Pets", "Phones", "Sports", "Tools", "Toys"),
)


def users(world: World, defects: bool) -> Iterator[dict[str, np.ndarray]]:
    """Users in ascending order of their numbers, a block at a time."""
    every = _ascending("user", world.num_users)
    for number, at in enumerate(range(0, len(every), BLOCK)):
        user = every[at : at + BLOCK]
        rng = np.random.default_rng([world.seed, 30, number])
        yield {
            "user": user,
            "cluster": rng.integers(22, size=len(user)).astype(np.float64),
            "null_cluster": rng.random(len(user)) < (NO_CLUSTER if defects else 0.0),
            "region": rng.integers(91, size=len(user)).astype(np.float64),
            "null_region": rng.random(len(user)) < (NO_REGION if defects else 0.0),
        }


def brands(world: World, defects: bool) -> Iterator[dict[str, np.ndarray]]:
    """Brands in no order; with defects, one brand is there seven times and others twice."""
    rng = np.random.default_rng([world.seed, 31])
    place = np.arange(world.num_brands)
    extra = np.zeros(0, dtype=np.int64)
    if defects:
        more = max(round(EXTRA_BRANDS * world.num_brands), SEVENFOLD)
        extra = np.maximum(np.arange(more) - SEVENFOLD + 2, 0)  # 0 six times, then 1, 2, ...
    again = np.arange(world.num_brands + len(extra)) >= world.num_brands
    order = rng.permutation(len(again))
    place, again = np.concatenate([place, extra])[order], again[order]
    for number, at in enumerate(range(0, len(place), BLOCK)):
        some = place[at : at + BLOCK]
        rng = np.random.default_rng([world.seed, 32, number])
        has = rng.random(len(some)) >= (NO_BRAND_VECTOR if defects else 0.0)
        yield {
            "brand": numbers("brand", some),
            "again": again[at : at + BLOCK],
            "has_vector": has,
            "vectors": vectors(world, rng, some[has] % world.num_needs, 300),
        }


def items(world: World, domain: str, defects: bool) -> Iterator[dict[str, np.ndarray]]:
    """A domain's items in ascending order of their numbers, a block at a time.

    An item whose category is missing has no subcategory either.
    """
    every = _ascending(domain, num_items(world, domain))
    offers = domain == "offers"
    kind = ("marketplace", "retail", "offers").index(domain)
    embedded = len(every) * world.embedded_share if defects else len(every)
    taste = np.random.default_rng([world.seed, 33, kind]).standard_normal(world.num_needs)
    for number, at in enumerate(range(0, len(every), BLOCK)):
        item = every[at : at + BLOCK]
        place = places(domain, item)
        need = place % world.num_needs
        rng = np.random.default_rng([world.seed, 34, kind, number])
        if domain == "retail":
            brand = RETAILERS[popular(rng.random(len(item)), len(RETAILERS), 1.0, 1.5)]
        else:
            brand = numbers("brand", popular(rng.random(len(item)), world.num_brands, 5.0, 1.1))
        has = place < embedded
        rows = {
            "item": item,
            "brand": brand,
            "null_brand": rng.random(len(item)) < (NO_OFFER_BRAND if offers and defects else 0.0),
            "has_vector": has,
            "vectors": vectors(world, rng, need[has], 300),
        }
        if not offers:
            missing, mean, deviation = rng.random(len(item)), *PRICE[domain]
            priced = 0.5 * taste[need] + 0.75**0.5 * rng.standard_normal(len(item))
            rows |= {
                "need": need,
                "null_category": missing < (NO_CATEGORY[domain] if defects else 0.0),
                "null_subcategory": missing < (NO_SUBCATEGORY[domain] if defects else 0.0),
                "price": np.clip(mean + deviation * priced, -10, 10),
                "null_price": rng.random(len(item)) < (NO_PRICE[domain] if defects else 0.0),
            }
        yield rows


def reviews(world: World, day: int, rows: int, defects: bool) -> Iterator[dict[str, np.ndarray]]:
    """Reviews of brands on a day in the order of time, a block at a time."""
    blocks = max(-(-rows // BLOCK), 1)
    for number in range(blocks):
        total = (number + 1) * rows // blocks - number * rows // blocks
        rng = np.random.default_rng([world.seed, 35, day, number])
        time = hour_times((number + np.sort(rng.random(total))) / blocks, REAL.hours)
        place = popular(rng.random(total), world.num_brands, 5.0, 1.1)
        has = rng.random(total) < (world.embedded_share if defects else 1.0)
        yield {
            "time": day * DAY_US + time.astype(np.int64),
            "user": numbers("user", (rng.random(total) * world.num_users).astype(np.int64)),
            "brand": numbers("brand", place),
            "rating": 1 + rng.choice(5, size=total, p=RATINGS),
            "has_vector": has,
            "vectors": vectors(world, rng, place[has] % world.num_needs, 312),
        }


def _ascending(kind: str, total: int) -> np.ndarray:
    """The numbers of the first ``total`` places in ascending order (they fit in 32 bits)."""
    every = np.empty(total, dtype=np.int32)
    for at in range(0, total, BLOCK):
        every[at : at + BLOCK] = numbers(kind, np.arange(at, min(at + BLOCK, total)))
    every.sort()
    return every


def category(need: int) -> tuple[str, str]:
    """Category and subcategory of a need's items."""
    name = CATEGORIES[need % len(CATEGORIES)]
    return name, f"{name} {need // len(CATEGORIES) + 1}"


def vectors(world: World, rng: np.random.Generator, need: np.ndarray, size: int) -> np.ndarray:
    """An embedding for each of ``need``: its need's centre and as much noise, length about 1."""
    centres = np.random.default_rng([world.seed, 36]).standard_normal(
        (world.num_needs, size), dtype=np.float32
    )
    noise = rng.standard_normal((len(need), size), dtype=np.float32)
    return (centres[need] + noise) / np.float32((2 * size) ** 0.5)
