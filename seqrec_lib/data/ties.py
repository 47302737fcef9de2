"""Events that share a time, or a day: their order is whatever the file says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int

from seqrec_lib.data.log import EventLog, Positions
from seqrec_lib.data.splits import Split

DAY = 86_400  # seconds


def facts(log: EventLog, split: Split) -> dict[str, float]:
    """What a reader wants to know of a log at a glance; shares are in percent."""
    lengths = np.diff(log.offsets)
    known = np.bincount(log.item[split.train], minlength=log.num_items + 1) > 0
    return {
        "users": float(log.num_users),
        "items": float(log.num_items),
        "events": float(len(log)),
        "median events a user": float(np.median(lengths)),
        "mean events a user": float(lengths.mean()),
        "most events of a user": float(lengths.max()),
        "% of test items never trained": 100 * float((~known[log.item[split.test]]).mean()),
        "% of events that repeat an item": 100 * float(repeating(log).mean()),
        "% of users whose last two share a day": 100 * float((last_day_sizes(log) > 1).mean()),
    }


def has_days(log: EventLog) -> bool:
    """Are the times real? An edition without them numbers a user's events 0, 1, 2, ..."""
    return bool(np.max(log.time) >= DAY)


def days(log: EventLog) -> Int[np.ndarray, "E"]:
    """The day of each event; without real times every event has a day of its own."""
    return np.asarray(log.time) // DAY if has_days(log) else np.asarray(log.time)


def ascending(log: EventLog, names: np.ndarray | None) -> dict[str, float]:
    """Share of neighbouring events whose items' names stand in alphabetical order.

    ``names`` has the name of item i at index i - 1. Counted apart for neighbours of one day and
    of different days; not a number where there are none, or no names.
    """
    if names is None:
        return {"same day": float("nan"), "different days": float("nan")}
    rank = np.argsort(np.argsort(names, kind="stable"), kind="stable")[log.item - 1]
    user = log.user_of(np.arange(len(log)))
    neighbours = user[1:] == user[:-1]
    same = neighbours & (days(log)[1:] == days(log)[:-1])
    up = rank[1:] > rank[:-1]
    parts = {"same day": same, "different days": neighbours & ~same}
    return {k: float(up[part].mean()) if part.any() else float("nan") for k, part in parts.items()}


def last_day_sizes(log: EventLog) -> Int[np.ndarray, "U"]:
    """How many events each user has on the day of the last one."""
    user, day = log.user_of(np.arange(len(log))), days(log)
    on_last = day == day[log.offsets[1:] - 1][user]
    return np.bincount(user[on_last], minlength=log.num_users)


def shuffled(log: EventLog, seed: int) -> EventLog:
    """The same log with every user's events of equal time in random order."""
    chance = np.random.default_rng(seed).random(len(log))
    user = log.user_of(np.arange(len(log)))
    order = np.lexsort((chance, log.time, user))
    return log.reordered(order)


def unordered(log: EventLog, seed: int) -> EventLog:
    """The same log with each user's events but the last in random order: what they are moves, the
    times stay. Tells what order is worth, as a model's last answer is asked of the same items."""
    chance = np.random.default_rng(seed).random(len(log))
    chance[log.offsets[1:] - 1] = 1  # above all that is drawn: the last stays where it is
    order = np.lexsort((chance, log.user_of(np.arange(len(log)))))
    return replace(log.reordered(order), time=log.time)


def tied(log: EventLog, positions: Positions) -> Bool[np.ndarray, "P"]:
    """Has the event the time of the user's event before it?"""
    before = np.maximum(positions - 1, 0)
    same = np.asarray(log.time[positions] == log.time[before])
    return same & (log.history_length(positions) > 0)


def repeating(log: EventLog) -> Bool[np.ndarray, "E"]:
    """Does each event repeat an item of the user's earlier ones?"""
    user = log.user_of(np.arange(len(log)))
    _, first = np.unique(user * (log.num_items + 1) + log.item, return_index=True)
    again = np.ones(len(log), dtype=bool)
    again[first] = False
    return again
