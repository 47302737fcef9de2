"""Draws the events of a world of :mod:`seqrec_lib.data.worlds.stores`, and its hidden truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from seqrec_lib.data.worlds.stores import DAY_S, FIRST_DAY, StoreWorld, known_from

BLOCK = 1000  # users drawn together: the first of them are the same however many follow


class Drawn(NamedTuple):
    """A world as it came out, and its hidden truth for each user (rows) and day."""

    events: pd.DataFrame  # canonical; basket is a receipt's number, -1 online
    need: Int[np.ndarray, "U D"]  # from 0
    linked: Bool[np.ndarray, "U D"]  # was there a visit that satisfied the need?


def draw(world: StoreWorld) -> Drawn:
    """Draw the events of a world; receipts are known next morning.

    Every buyer is online too. Online events stand on even seconds and visits on odd ones: none
    tie. With the same seed, worlds of another number of users begin with the same ones, and worlds
    of another strength have the same online times, visits and numbers of lines.
    """
    blocks = [_block(world, first) for first in range(0, world.num_users, BLOCK)]
    need, linked = (np.concatenate([block[i] for block in blocks]) for i in (1, 2))
    events = pd.concat([block[0] for block in blocks], ignore_index=True)
    events = events[events["user"] <= world.num_users]
    store = events["channel"].to_numpy() == "store"
    receipts = (events[["user", "time"]].diff() != 0).any(axis=1) & store
    events["basket"] = np.where(store, receipts.cumsum(), -1)
    return Drawn(events, need[: world.num_users], linked[: world.num_users])


def _block(world: StoreWorld, first: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """:class:`Drawn` for users ``first + 1 ... first + BLOCK``, baskets not yet numbered."""

    def generator(what: int) -> np.random.Generator:
        return np.random.default_rng([world.seed, 1, first, what])

    rng = generator(0)
    visit = rng.random((BLOCK, world.num_days)) < world.visit_rate
    linked = visit & (rng.random(visit.shape) < world.strength)
    need = _needs(world, linked, generator(1))
    parts = (_online(world, need, generator(2)), _store(world, need, visit, linked, generator(3)))
    user, day, second, item = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    store = np.arange(len(user)) >= len(parts[0][0])
    time = (FIRST_DAY + day) * DAY_S + second
    events = pd.DataFrame(
        {
            "user": first + 1 + user,
            "item": item,
            "time": time,
            "channel": np.where(store, "store", "online"),
            "basket": -1,
            "known": np.where(store, known_from(time, "next morning"), time),
        }
    )
    return events.iloc[np.lexsort((time, user))], need, linked


def _needs(world: StoreWorld, linked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    need = np.empty(linked.shape, dtype=np.int64)
    now = _drawn(world.need_shares, rng.random(BLOCK))
    satisfied = np.zeros(BLOCK, dtype=bool)
    for day in range(world.num_days):
        need[:, day] = now
        satisfied |= linked[:, day]
        ends, moves, drifts, uniform = rng.random((4, BLOCK))
        ended = satisfied & (ends < world.hazard)
        replaced = np.where(ended, moves >= world.moves_on, drifts < world.drift)
        now = np.where(ended, world.complements[now], now)
        now = np.where(replaced, _drawn(world.need_shares, uniform), now)
        satisfied &= ~(ended | replaced)
    return need


_Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # user, day, second, item


def _online(world: StoreWorld, need: np.ndarray, rng: np.random.Generator) -> _Rows:
    counts = np.zeros(need.shape, dtype=np.int64)
    short = np.arange(len(need))
    while len(short):
        counts[short] = _activity(world, len(short), rng)
        short = np.flatnonzero(counts.sum(1) < world.fewest)
    session = np.repeat(np.arange(counts.size), counts.ravel())
    user, day = np.divmod(session, world.num_days)
    about = rng.random(len(user)) >= world.noise
    centre = np.where(about, need[user, day], _drawn(world.need_shares, rng.random(len(user))))
    item = _item_of(world, centre, rng.random(len(user)))
    return user, day, _seconds(session, rng), item


def _activity(world: StoreWorld, users: int, rng: np.random.Generator) -> np.ndarray:
    """Online events of some users on each day."""
    mean = world.online_rate
    sharpness = mean * (1 - mean) / world.spread**2 - 1
    rate = rng.beta(mean * sharpness, (1 - mean) * sharpness, size=users)
    events = 1 + rng.poisson(world.more_events, (users, world.num_days))
    return np.where(rng.random(events.shape) < rate[:, None], events, 0)


def _seconds(session: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Increasing even seconds of the day within each session, no two the same."""
    place = np.arange(len(session)) - np.searchsorted(session, session)
    room = DAY_S // 2 - (int(place.max()) + 1 if len(place) else 0)
    drawn = rng.integers(room, size=len(session))
    return 2 * (drawn[np.lexsort((drawn, session))] + place)


def _store(
    world: StoreWorld,
    need: np.ndarray,
    visit: np.ndarray,
    linked: np.ndarray,
    rng: np.random.Generator,
) -> _Rows:
    user, day = np.nonzero(visit)
    second = 2 * rng.integers(DAY_S // 2, size=len(user)) + 1
    nobodys = _drawn(world.need_shares, rng.random(len(user)))
    centre = np.where(linked[user, day], need[user, day], nobodys)
    lines = 1 + rng.poisson(world.more_lines, len(user))
    user, day, second, centre = (np.repeat(part, lines) for part in (user, day, second, centre))
    kind, popular, within = rng.random((3, len(user)))
    focused = kind < world.focus
    centre = np.where(focused, centre, _drawn(world.need_shares, popular))
    item = _item_of(world, centre, within)
    staple = ~focused & (kind < world.focus + (1 - world.focus) * world.staple_share)
    staples = 1 + world.num_online + _drawn(world.staple_weights, within)
    return user, day, second, np.where(staple, staples, item)


def _item_of(world: StoreWorld, need: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    return 1 + need * world.items_per_need + _drawn(world.item_weights, uniform)


def _drawn(shares: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Places by their shares, from numbers in [0, 1)."""
    return np.searchsorted(shares.cumsum()[:-1], uniform, side="right")
