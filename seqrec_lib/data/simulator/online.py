"""Simulated days online: events of the marketplace, the supermarket and offers.

A day's plan is who is active and with how many events; then users are simulated in chunks, each
from its own random numbers. A day is held in memory as numbers (about 60 bytes an event), since
its users' events spread over all of it and the file is in the order of time.

Constants without a source are fitted so that :func:`.marginals.distances` to the real marketplace
is small. No rows of the other domains are at hand: they share the marketplace's
marginals, with actions and surfaces from published counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from seqrec_lib.data.simulator.marginals import COUNTS, REAL
from seqrec_lib.data.simulator.needs import (
    COMPLEMENT,
    World,
    complements,
    hashed,
    in_need,
    interest_of_places,
    num_items,
    popular,
    unit,
)
from seqrec_lib.data.tecd import DAY_US

DOMAINS = ("marketplace", "retail", "offers")
CHUNK = 20_000  # users
PER_USER = 10.47  # events of an active user on a day, the mean of REAL
REGULARS = 1.247  # for each user of a day, users who come back; of the real days' users, 67,323,
COMES = 0.4976  # 19,474 and 6,430 came on one, two, three days: two kinds of users give just these
OFFSET, EXPONENT = 6.0, 1.14  # of items' popularity
REPEAT = 0.025  # next step: the same item again
REVISIT = 0.18  # or one of the day's earlier (from the seventh step on; less before)
BURST = 0.28  # of events: near another one of the user; other times are independent, as in the data
BURST_S = 270.0  # seconds between them, mean
STAYS = 0.6  # next step: on the same surface
HEAVY_EVENTS, HEAVY_DAYS, HEAVY_SHARE = 47_649, 10, 0.006  # of one user in ten days, two domains

Surfaces = Mapping[tuple[str, str | None, str], float]  # share by action, subdomain, os


@dataclass(frozen=True)
class Day:
    """The events of one file in the order of time."""

    time: np.ndarray  # microseconds since day 0
    user: np.ndarray  # places, as below
    item: np.ndarray
    surface: np.ndarray  # index into the domain's surfaces
    heavy: int  # events of the heavy user


def surfaces(domain: str, revision: str) -> Surfaces:
    """Shares of (action, subdomain, os) of a domain in revision A or B."""
    if domain == "marketplace":
        split = {tuple(key.split()): share for key, share in REAL.actions.items()}
        return {(a, None if s == "-" else s, o): share for (a, s, o), share in split.items()}
    if domain == "offers":
        words = ("seen", "offer_shown", "redirect_to_partner", "like")
        counts = (29_509_540, 816_133, 132_521, 17_247)
        if revision == "B":
            words, counts = ("view", "click", "clickout", "like"), (1_284_069, 35_626, 7_007, 763)
        return {(word, None, ""): n / sum(counts) for word, n in zip(words, counts, strict=True)}
    # published: catalog is 91 % in A; the other surfaces' shares and those of os are assumed
    actions = {"view": 4_010_662, "added-to-cart": 71_312, "click": 46_356}
    places = {"catalog": 0.91, "search": 0.05, "main": 0.02, "item": 0.01, "cart": 0.01}
    if revision == "B":
        actions = {"view": 148_196_142, "added_to_cart": 2_049_036, "click": 1_202_739}
        places = {"catalog": 0.91, "search": 0.05, "main": 0.02, "i2i": 0.02}
    shares: dict[tuple[str, str | None], float] = {
        (a, s): n * share for a, n in actions.items() for s, share in places.items()
    }
    if revision == "B":
        shares["order", "other"] = 3_685_239  # exactly the orders are "other"
    total = sum(shares.values())
    systems = {"android": 0.7, "ios": 0.3}
    return {(*key, o): n / total * p for key, n in shares.items() for o, p in systems.items()}


def simulate(world: World, domain: str, day: int, rows: int, revision: str, defects: bool) -> Day:
    """A day of ``rows`` events of a domain. Raises ValueError if the world has too few users."""
    heavy = heavy_events(domain, day, rows) if defects else 0
    users, counts = _plan(world, domain, day, rows - heavy)
    if heavy:
        users, counts = np.append(users, 0), np.append(counts, heavy)
    parts = [
        _chunk(
            world, domain, day, number, users[at : at + CHUNK], counts[at : at + CHUNK], revision
        )
        for number, at in enumerate(range(0, len(users), CHUNK))
    ]
    time, user, item, surface = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(time, kind="stable")
    return Day(time[order] + day * DAY_US, user[order], item[order], surface[order], heavy)


def heavy_events(domain: str, day: int, rows: int) -> int:
    """Events of the heavy user in a file of ``rows``: 47,649 in ten days of two domains, if the
    files are of published size; at most 0.6 % of a file. None in offers."""
    if domain == "offers":
        return 0
    number, files = 2 * (day % HEAVY_DAYS) + (domain == "retail"), 2 * HEAVY_DAYS
    share = HEAVY_EVENTS // files + (number < HEAVY_EVENTS % files)
    return min(share, int(rows * HEAVY_SHARE))


def _plan(world: World, domain: str, day: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Active users (places; 0 is left for the heavy one) and their numbers of events."""
    rng = _rng(world, domain, day)
    expected = rows / PER_USER
    counts = _counts(rng.random(int(expected * 1.2) + 50), most=max(12, rows // 50))
    while counts.sum() < rows:
        counts = np.concatenate([counts, _counts(rng.random(len(counts)), max(12, rows // 50))])
    active = int(np.searchsorted(counts.cumsum(), rows)) + 1
    counts = counts[:active]
    counts[-1] -= counts.sum() - rows
    regulars = int(expected * REGULARS)
    others = world.num_users - 1 - regulars
    if others < active:
        raise ValueError(
            f"{rows} events of {domain} a day need {active + regulars + 1} users, the world has "
            f"{world.num_users}: give it more, or ask for fewer rows"
        )
    regular = np.arange(1, regulars + 1)
    regular = regular[unit(hashed(world.seed, 5, _number(domain), day, regular)) < COMES][:active]
    casual = active - len(regular)
    step = next(k for k in rng.integers(1, others + 1, 10_000) if np.gcd(k, others) == 1)
    strangers = (rng.integers(others) + step * np.arange(casual)) % others + regulars + 1
    return np.concatenate([regular, strangers]), rng.permutation(counts)


def _chunk(
    world: World,
    domain: str,
    day: int,
    number: int,
    users: np.ndarray,
    counts: np.ndarray,
    revision: str,
) -> tuple[np.ndarray, ...]:
    """Time of day, user, item and surface of the events of some users, in each user's order."""
    rng = _rng(world, domain, day, number)
    total = int(counts.sum())
    owner = np.repeat(np.arange(len(users)), counts)
    step = np.arange(total) - np.repeat(counts.cumsum() - counts, counts)
    item = _items(world, domain, rng, step, interest_of_places(world, users, day)[owner])
    user = users[owner].astype(np.int32)
    time = _times(rng, owner, step)
    return time, user, item.astype(np.int32), _surfaces(world, domain, revision, rng, step, user)


def _times(rng: np.random.Generator, owner: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Microseconds of the day, in each owner's order."""
    time = hour_times(rng.random(len(step)), REAL.hours)
    near = (rng.random(len(step)) < BURST) & (step > 0)
    source = _sources(near, 1 + (rng.random(len(step)) * step).astype(np.int64))
    wait = rng.exponential(BURST_S * 1e6, len(step)) * rng.choice([-1, 1], len(step))
    time = (np.where(near, time[source] + wait, time) % DAY_US).astype(np.int64)
    return np.sort(owner * DAY_US + time) - owner * DAY_US


def _items(
    world: World, domain: str, rng: np.random.Generator, step: np.ndarray, need: np.ndarray
) -> np.ndarray:
    """Places of items: of the need or its complement, shown to all, repeated, or met before."""
    total = num_items(world, domain)
    kind = rng.random(len(step))
    again = (kind < REPEAT) & (step > 0)
    back = (kind >= REPEAT) & (kind < REPEAT + REVISIT * (step / 6).clip(0, 1)) & (step > 1)
    far = 2 + (rng.random(len(step)) * (step - 1)).astype(np.int64)
    source = _sources(again | back, np.where(again, 1, far))
    rank = popular(rng.random(len(step)), total, OFFSET, EXPONENT)
    # the complement comes as the partner of the item before: as popular, of the need that goes with
    partner = rng.random(len(step)) < COMPLEMENT
    before = np.maximum(np.arange(len(step)) - 1, 0)
    follows = partner & (step > 0) & (rank[source[before]] >= world.num_needs)
    rank = np.where(follows & ~partner[source[before]], rank[source[before]], rank)
    wanted = np.where(partner, complements(world)[need], need)
    place = np.where(rank < world.num_needs, rank, in_need(world, rank, wanted, total))
    return place[source]


def _sources(copies: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Where each event's value comes from, if ``copies`` take that of the event ``back`` before."""
    here = np.arange(len(copies))
    source = np.where(copies, here - back, here)
    while (source != source[source]).any():
        source = source[source]
    return source


def _surfaces(
    world: World,
    domain: str,
    revision: str,
    rng: np.random.Generator,
    step: np.ndarray,
    user: np.ndarray,
) -> np.ndarray:
    """Index of each event's surface. A user has one os, and tends to stay on a subdomain."""
    systems, ladders = _ladders(domain, revision)
    stays = (rng.random(len(step)) < STAYS) & (step > 0)
    source = _sources(stays, np.ones(len(step), dtype=np.int64))
    one, two, three = rng.random(len(step))[source], rng.random(len(step)), rng.random(len(step))
    system = np.searchsorted(systems, unit(hashed(world.seed, 6, user)), side="right")
    surface = np.empty(len(step), dtype=np.uint8)
    for s, ladder in enumerate(ladders):
        mine = np.flatnonzero(system == s)
        group = np.searchsorted(ladder.groups, one[mine], side="right")
        for g, (members, cuts) in enumerate(ladder.inside):
            these = mine[group == g]
            surface[these] = members[np.searchsorted(cuts, two[these], side="right")]
        surface[mine[three[mine] < ladder.apart_share]] = ladder.apart
    return surface


class _Ladder(NamedTuple):
    """How the surfaces of one os are drawn: a subdomain, then an action on it."""

    groups: np.ndarray  # cumulative shares of subdomains
    inside: list[tuple[np.ndarray, np.ndarray]]  # of each: surfaces, their cumulative shares
    apart: int  # the surface without subdomain (like), which no one stays on
    apart_share: float


@lru_cache
def _ladders(domain: str, revision: str) -> tuple[np.ndarray, list[_Ladder]]:
    """Cumulative shares of os, and the ladder of each."""
    shares = surfaces(domain, revision)
    keys, p = list(shares), np.array(list(shares.values()))
    systems = sorted({o for *_, o in keys})
    sums, ladders = [], []
    for system in systems:
        mine = [k for k, (*_, o) in enumerate(keys) if o == system]
        apart = [k for k in mine if keys[k][1] is None and domain != "offers"]
        names = sorted({str(keys[k][1]) for k in mine if k not in apart})
        members = [np.array([k for k in mine if str(keys[k][1]) == name]) for name in names]
        groups = np.array([p[m].sum() for m in members])
        inside = [(m, (p[m].cumsum() / p[m].sum())[:-1]) for m in members]
        share = float(p[apart].sum() / p[mine].sum())
        edges = (groups.cumsum() / groups.sum())[:-1]
        ladders.append(_Ladder(edges, inside, apart[0] if apart else mine[0], share))
        sums.append(p[mine].sum())
    return (np.cumsum(sums) / np.sum(sums))[:-1], ladders


def _counts(uniform: np.ndarray, most: int) -> np.ndarray:
    """Events of a user on a day by the fitted distribution: exact to 12, evenly in logs beyond."""
    shares = np.array((0.0, *REAL.per_user)) / REAL.per_user[-1]
    edges = np.array((0, *COUNTS))
    at = np.searchsorted(shares, uniform, side="right").clip(1, len(COUNTS))
    within = (uniform - shares[at - 1]) / (shares[at] - shares[at - 1])
    low, high = edges[at - 1] + 1, edges[at] + 1
    return np.minimum(np.floor(low * (high / low) ** within), most).astype(np.int64)


def hour_times(uniform: np.ndarray, hours: tuple[float, ...] | tuple[int, ...]) -> np.ndarray:
    """Microseconds of the day, from numbers in [0, 1) and the shares of 24 hours."""
    edges = np.concatenate([[0.0], np.cumsum(hours)])
    return np.interp(uniform * edges[-1], edges, np.linspace(0, DAY_US - 1, 25))


def _number(domain: str) -> int:
    return DOMAINS.index(domain)


def _rng(world: World, domain: str, day: int, *more: int) -> np.random.Generator:
    return np.random.default_rng([world.seed, 10 + _number(domain), day, *more])
