"""Splits: which positions train, validate and test. Leakage is a comparison of integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from seqrec_lib.data.log import EventLog


@dataclass(frozen=True)
class Split:
    """Positions to learn from, to select on, and to report; sorted.

    ``time_ordered`` promises that every training event precedes every test event.
    """

    train: Int[np.ndarray, "P"]
    valid: Int[np.ndarray, "V"]
    test: Int[np.ndarray, "S"]
    time_ordered: bool = False


def leave_last_out(log: EventLog) -> Split:
    """Each user's last event tests, the one before validates, the rest trains.

    Raises ``ValueError`` if a user has fewer than three events.

    >>> import pandas as pd
    >>> events = pd.DataFrame({"user": [7, 7, 7, 7], "item": [1, 2, 3, 4], "time": [0, 1, 2, 3]})
    >>> leave_last_out(EventLog.build(events))
    Split(train=array([0, 1]), valid=array([2]), test=array([3]), time_ordered=False)
    """
    events_per_user = np.diff(log.offsets)
    short = np.flatnonzero(events_per_user < 3)
    if len(short):
        raise ValueError(
            f"leave-last-out needs three events a user; {len(short)} of {log.num_users} users have "
            f"fewer (the first: {log.users[short[0]]!r}, {events_per_user[short[0]]} events). "
            "Drop them, or split by time with global_time"
        )
    test = np.asarray(log.offsets[1:]) - 1
    held_out = np.zeros(len(log), dtype=bool)
    held_out[test] = held_out[test - 1] = True
    return Split(np.flatnonzero(~held_out), test - 1, test)


def global_time(log: EventLog, valid_from: int, test_from: int) -> Split:
    """Events before ``valid_from`` (seconds) train; later ones validate, then test.

    Only events with an earlier event of the same user are kept as validation and test positions.
    Raises ``ValueError`` if a part is empty.
    """
    if not valid_from < test_from:
        raise ValueError(f"valid_from ({valid_from}) must be before test_from ({test_from})")
    position = np.arange(len(log))
    has_history = log.history_length(position) > 0
    late = np.asarray(log.time) >= test_from
    middle = (np.asarray(log.time) >= valid_from) & ~late
    split = Split(
        train=position[~middle & ~late],
        valid=position[middle & has_history],
        test=position[late & has_history],
        time_ordered=True,
    )
    for name in ("train", "valid", "test"):
        if not len(getattr(split, name)):
            raise ValueError(
                f"the {name} part is empty: the log runs from {log.time.min()} to "
                f"{log.time.max()} s, the borders are {valid_from} and {test_from}"
            )
    return split


def held_out_users(log: EventLog, shares: tuple[float, float] = (0.1, 0.1), seed: int = 0) -> Split:
    """A random share of users validates, another tests; the rest trains.

    Of a held-out user every event but the first is a position. The same days are on both sides,
    so this split says nothing about the future (seed 001 uses it with 80/10/10).
    """
    if log.num_users < 3 or min(shares) <= 0 or sum(shares) >= 1:
        raise ValueError(
            f"shares {shares} of {log.num_users} users leave a part empty; "
            "pass two positive shares that sum to less than 1, and three users at least"
        )
    order = np.random.default_rng(seed).permutation(log.num_users)
    sizes = np.maximum(1, np.round(np.array(shares) * log.num_users).astype(int))
    part = np.zeros(log.num_users, dtype=int)  # 0 train, 1 valid, 2 test
    part[order[: sizes[0]]] = 1
    part[order[sizes[0] : sizes.sum()]] = 2
    position = np.arange(len(log))
    of = part[log.user_of(position)]
    has_history = log.history_length(position) > 0
    return Split(
        position[of == 0], position[(of == 1) & has_history], position[(of == 2) & has_history]
    )


def assert_no_leak(log: EventLog, split: Split) -> None:
    """Raise ``AssertionError`` if anything held out could have been learned from.

    Within a user every training position must precede every validation position, and those every
    test position; no position may serve twice; a time-ordered split must be ordered in time.
    """
    parts = (split.train, split.valid, split.test)
    together = np.concatenate(parts)
    if len(np.unique(together)) != len(together):
        raise AssertionError("a position serves in two parts of the split")
    if len(together) and (together.min() < 0 or together.max() >= len(log)):
        raise AssertionError(f"a position lies outside the log of {len(log)} events")
    latest = np.full(log.num_users, -1)
    for name, part in zip(("train", "valid", "test"), parts, strict=True):
        user = log.user_of(part)
        early = part < latest[user]
        if early.any():
            who = log.users[user[early][0]]
            raise AssertionError(
                f"user {who!r}: a {name} event precedes an event of an earlier part"
            )
        np.maximum.at(latest, user, part)
    if split.time_ordered and log.time[split.train].max() >= log.time[split.test].min():
        raise AssertionError("a training event is not older than every test event")
