"""The people and things of a simulated T-ECD, and what moves them: needs.

A need is a topic that items of all domains belong to. A user has three favourite needs, and each
day one of them is the user's *interest*: online sessions of the day are about it, and, with chance
``World.strength``, lines of the store receipts of the day after. Everything is a function of the
seed and of ids, by hashing, so that any part of a world can be computed without the rest.

Users, items and brands have a place (0, 1, ...: the most active or popular first) and the sparse
number that files carry; the two are tied by a multiplication modulo a prime.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

FAVOURITES = 3  # needs of a user
COMPLEMENT = 0.25  # share of steps and receipt lines about the complement of a need


@dataclass(frozen=True)
class World:
    """A simulated T-ECD; the numbers of T-ECD Small are the defaults.

    Raises ValueError for a size below the least or above what the ids have room for.
    """

    seed: int = 0
    num_users: int = 3_500_000
    marketplace_items: int = 2_325_409
    retail_items: int = 250_171
    offers_items: int = 22_368
    receipt_items: int = 1_094_000  # products in a store's receipts, of either kind
    num_brands: int = 24_467
    num_needs: int = 200
    strength: float = 0.5  # share of in-store lines that follow online interest; 0 cuts the link
    matched_share: float = 0.06  # of receipt products: those that go by a catalogue id
    embedded_share: float = 0.02  # of items, the most popular: 1 would be 2.8 GB for Small

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            least = 3 if name == "num_needs" else 8
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}; it can be {least} to {most}")
        least_items = min(self.marketplace_items, self.retail_items, self.offers_items)
        if 2 * self.num_needs > least_items:
            raise ValueError(
                f"num_needs is {self.num_needs}: more than half of a domain's {least_items} items"
            )
        for name in ("strength", "matched_share", "embedded_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a share, 0 to 1")


class Ids(NamedTuple):
    """Numbers of one kind: ``low + (factor * place + shift) mod prime``."""

    prefix: str
    low: int
    prime: int
    factor: int
    shift: int


IDS = {  # ranges as published
    "user": Ids("", 3, 89_918_711, 48_271_403, 9_301),
    "brand": Ids("", 4, 251_359, 130_253, 37_795),  # the most popular is 37,799
    "marketplace": Ids("nfmcg_", 98, 28_620_853, 17_392_069, 4_999_999),
    "retail": Ids("fmcg_", 10, 28_620_853, 11_400_714, 7_919),
    "offers": Ids("offer_", 1, 1_000_003, 618_034, 271),
}
_MOST = {
    "num_users": IDS["user"].prime,
    "marketplace_items": 14_000_000,  # as many again are left for products outside the catalogue
    "retail_items": 14_000_000,
    "offers_items": 900_000,
    "receipt_items": 14_000_000,
    "num_brands": IDS["brand"].prime,
    "num_needs": 100_000,
}


def sized(share: float, **changes: int | float) -> World:
    """A world with ``share`` of T-ECD Small's people and things, and ``changes`` to its fields.

    >>> sized(0.001, strength=0.0).num_users
    3500
    """
    full = World()
    names = [name for name in _MOST if name != "num_needs"]
    sizes = {name: max(math.ceil(getattr(full, name) * share), 40) for name in names}
    needs = min(full.num_needs, sizes["offers_items"] // 4)
    return replace(full, **{**sizes, "num_needs": needs, **changes})


def numbers(kind: str, places: np.ndarray) -> np.ndarray:
    """The numbers that files carry for the ``places`` of users, brands or a domain's items."""
    ids = IDS[kind]
    return ids.low + (ids.factor * places.astype(np.int64) + ids.shift) % ids.prime


def places(kind: str, numbers: np.ndarray) -> np.ndarray:
    """The inverse of :func:`numbers`."""
    ids = IDS[kind]
    inverse = pow(ids.factor, -1, ids.prime)
    return inverse * ((numbers.astype(np.int64) - ids.low - ids.shift) % ids.prime) % ids.prime


def hashed(*keys: int | np.ndarray) -> np.ndarray:
    """A uniform uint64 for each combination of whole numbers (splitmix64, Steele et al., 2014)."""
    mixed = np.zeros(1, dtype=np.uint64)
    for key in keys:
        mixed = mixed ^ np.asarray(key).astype(np.uint64)
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


def unit(hashes: np.ndarray) -> np.ndarray:
    """Hashes as numbers in [0, 1)."""
    return (hashes >> np.uint64(11)) * 2.0**-53


@lru_cache(maxsize=8)
def need_shares(world: World) -> np.ndarray:
    """How popular each need is; sums to 1."""
    order = np.random.default_rng([world.seed, 1]).permutation(world.num_needs)
    shares = (order + 20.0) ** -0.7  # the least popular of 200 has a fifth of the first
    return shares / shares.sum()


@lru_cache(maxsize=8)
def complements(world: World) -> np.ndarray:
    """The need that goes with each need: one cycle through all of them."""
    order = np.random.default_rng([world.seed, 2]).permutation(world.num_needs)
    goes_with = np.empty(world.num_needs, dtype=np.int64)
    goes_with[order] = np.roll(order, -1)
    return goes_with


def draw_needs(world: World, uniform: np.ndarray) -> np.ndarray:
    """Needs by their popularity, from numbers in [0, 1)."""
    edges = need_shares(world).cumsum()[:-1]
    return np.searchsorted(edges, uniform, side="right")


def interest(world: World, users: np.ndarray, day: int) -> np.ndarray:
    """The need that the online sessions of ``users`` (numbers, as in files) are about on ``day``.

    Defined for every user and day, also those without events.
    """
    return interest_of_places(world, places("user", np.asarray(users)), day)


def interest_of_places(world: World, users: np.ndarray, day: int) -> np.ndarray:
    """:func:`interest` of users given by their places."""
    which = hashed(world.seed, 3, day, users) % np.uint64(FAVOURITES)
    return draw_needs(world, unit(hashed(world.seed, 4, which, users)))


def need_of(world: World, items: np.ndarray, domain: str) -> np.ndarray:
    """The need of items (the whole numbers in their ids) of ``marketplace, retail, offers``.

    Holds for receipt products outside the catalogue too.
    """
    return places(domain, np.asarray(items)) % world.num_needs


def showcased(world: World, items: np.ndarray, domain: str) -> np.ndarray:
    """Is an item one of the domain's ``num_needs`` most popular? These are shown to everybody:
    an event on one says nothing about the user's interest."""
    return places(domain, np.asarray(items)) < world.num_needs


def num_items(world: World, domain: str) -> int:
    """Items in the catalogue of a domain."""
    return int(getattr(world, f"{domain}_items"))


def popular(uniform: np.ndarray, total: int, offset: float, exponent: float) -> np.ndarray:
    """Ranks 0 .. total - 1 with chance near ``(rank + offset) ** -exponent`` (Zipf-Mandelbrot),
    from numbers in [0, 1). The exponent is not 1."""
    power = 1.0 - exponent
    low, high = offset**power, (total + offset) ** power
    rank = (low - uniform * (low - high)) ** (1.0 / power) - offset
    return np.clip(rank.astype(np.int64), 0, total - 1)


def in_need(world: World, rank: np.ndarray, need: np.ndarray, total: int) -> np.ndarray:
    """The place, among ``total``, of an item of ``need`` about as popular as ``rank``."""
    place = rank // world.num_needs * world.num_needs + need
    return np.where(place < total, place, place - world.num_needs)
