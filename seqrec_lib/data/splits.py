"""Splits: which positions train, validate and test. Leakage is a comparison of integers.

Events that are context alone (:class:`seqrec_lib.data.log.EventLog`) are in no part.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Int, Shaped

from seqrec_lib.data.log import EventLog

logger = logging.getLogger(__name__)


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
    asked = log.questions
    events_per_user = np.bincount(log.user_of(asked), minlength=log.num_users)
    short = np.flatnonzero(events_per_user < 3)
    if len(short):
        raise ValueError(
            f"leave-last-out needs three events a user; {len(short)} of {log.num_users} users have "
            f"fewer (the first: {log.users.tolist()[short[0]]!r}, "
            f"{events_per_user[short[0]]} events). "
            "Drop them (fewest=3 when a file is read), or split by time (split=time)."
        )
    test = np.cumsum(events_per_user) - 1
    held_out = np.zeros(len(asked), dtype=bool)
    held_out[test] = held_out[test - 1] = True
    return Split(asked[~held_out], asked[test - 1], asked[test])


def global_time(log: EventLog, valid_from: int, test_from: int) -> Split:
    """Events before ``valid_from`` (seconds) train; later ones validate, then test.

    Only events with an earlier event of the same user are kept as validation and test positions.
    Raises ``ValueError`` if a part is empty.
    """
    if not valid_from < test_from:
        raise ValueError(f"valid_from ({valid_from}) must be before test_from ({test_from})")
    position = log.questions
    has_history = log.history_length(position) > 0
    late = np.asarray(log.time)[position] >= test_from
    middle = (np.asarray(log.time)[position] >= valid_from) & ~late
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


def tail(log: EventLog) -> Split:
    """Of each user the last fifth of the events tests, the tenth before validates, both rounded up.

    A user of fewer than five events has no fifth, and trains whole. Raises ``ValueError`` if
    nobody has five.

    >>> import pandas as pd
    >>> events = pd.DataFrame({"user": [7] * 11, "item": range(11), "time": range(11)})
    >>> tail(EventLog.build(events)).test
    array([ 8,  9, 10])
    """
    position = log.questions
    user = log.user_of(position)
    count = np.bincount(user, minlength=log.num_users)
    long = count >= 5
    if not long.any():
        raise ValueError(
            f"the last fifth of a user's events takes five of them; the longest of "
            f"{log.num_users} histories has {count.max()}. Split by time"
        )
    test_from = count - np.where(long, -(-count // 5), 0)
    valid_from = test_from - np.where(long, -(-count // 10), 0)
    place = np.arange(len(position)) - (np.cumsum(count) - count)[user]
    is_test, is_train = place >= test_from[user], place < valid_from[user]
    return Split(position[is_train], position[~is_train & ~is_test], position[is_test])


def latest(log: EventLog, shares: tuple[float, float] = (0.1, 0.1)) -> Split:
    """:func:`global_time` with the latest share of all events testing, the one before validating.

    ``shares`` are those that validate and test. Events at a border's time are behind it, so that
    the parts are a little larger where many events have one time. Raises ``ValueError`` for shares
    that leave a part empty, or borders that fall together.
    """
    if min(shares) <= 0 or sum(shares) >= 1:
        raise ValueError(f"shares {shares}: pass two positive ones that sum to less than 1")
    times = np.sort(np.asarray(log.time)[log.questions])
    held = np.ceil(np.round(np.cumsum(shares[::-1]) * len(times), 6))  # .1 + .2 is a little more
    test_from, valid_from = (int(times[-int(number)]) for number in held)
    if valid_from == test_from:
        raise ValueError(
            f"of the latest {sum(shares):.0%} of events too many have one time ({test_from} s): "
            "pass borders, such as split=time:2011-10-01,2011-11-01"
        )
    return global_time(log, valid_from, test_from)


def held_out_users(log: EventLog, shares: tuple[float, float] = (0.1, 0.1), seed: int = 0) -> Split:
    """A random share of users validates, another tests; the rest trains.

    Of a held-out user every event but the first is a position. The same days are on both sides,
    so this split says nothing about the future (the T-ECD report uses it with
    80/10/10).
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
    position = log.questions
    of = part[log.user_of(position)]
    has_history = log.history_length(position) > 0
    return Split(
        position[of == 0], position[(of == 1) & has_history], position[(of == 2) & has_history]
    )


def of_sampled_users(
    log: EventLog, positions: Int[np.ndarray, "P"], count: int
) -> Int[np.ndarray, "S"]:
    """The positions of ``count`` of their users, drawn by a seed of its own; with 0, of all.

    The same users whoever asks, so that models can be compared on them.
    """
    user = log.user_of(positions)
    users = np.unique(user)
    if not 0 < count < len(users):
        return positions
    chosen = np.random.default_rng(0).choice(users, count, replace=False)
    return positions[np.isin(user, chosen)]


def of_each_user(log: EventLog, positions: Int[np.ndarray, "P"], most: int) -> Int[np.ndarray, "S"]:
    """At most so many of each user's positions, by the lowest hash of the position; with 0, all.

    The same whoever asks, and on every machine; those of a smaller ``most`` are among those of a
    larger one.
    """
    if not most:
        return positions
    user = log.user_of(positions)
    order = np.lexsort((hashed(positions.astype(np.uint64)), user))
    of = user[order]
    place = np.arange(len(of)) - np.searchsorted(of, of)  # among the user's, the lowest hash first
    return positions[np.sort(order[place < most])]


def asked_about(log: EventLog, split: Split, questions: int) -> Split:
    """The split with :func:`of_each_user` of what selects and of what tests."""
    valid, test = (of_each_user(log, part, questions) for part in (split.valid, split.test))
    return replace(split, valid=valid, test=test)


def hashed(number: Shaped[np.ndarray, "*P"]) -> Shaped[np.ndarray, "*P"]:
    """SplitMix64 (Steele et al., 2014, doi:10.1145/2660193.2660195) of each unsigned number."""
    value = (number + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor)
    return value ^ (value >> np.uint64(31))


def named(log: EventLog, name: str) -> Split:
    """The split called ``last`` (or nothing), ``tail`` or ``time``; behind ``time:`` may stand two
    shares of all events, those that validate and test, or two borders: dates, or seconds.

    Test events without a history are left out by time, and reported. Raises ``ValueError`` as the
    split does, or for another name.
    """
    kind, _, given = name.partition(":")
    if kind in ("", "last"):
        return leave_last_out(log)
    if kind == "tail":
        return tail(log)
    if kind != "time":
        raise ValueError(f"split is {name!r}; it can be last, tail, time")
    values = given.split(",") if given else ["0.1", "0.1"]
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = [_seconds(value) for value in values]
    if len(numbers) != 2:
        raise ValueError(f"split is {name!r}; write time:0.1,0.1 or time:2011-10-01,2011-11-01")
    first, second = numbers
    split = latest(log, (first, second)) if second < 1 else global_time(log, *map(int, numbers))
    test_from = log.time[split.test].min()
    late = int((np.asarray(log.time)[log.questions] >= test_from).sum())
    if late > len(split.test):
        logger.warning(
            "split by time: %d of %d events from %d s on are the first of their users, who have "
            "no history: they do not test", late - len(split.test), late, test_from,
        )  # fmt: skip
    return split


def _seconds(date: str) -> float:
    try:
        return pd.Timestamp(date).timestamp()
    except ValueError as error:
        raise ValueError(f"{date!r} is no date; write it as 2011-10-01") from error


def assert_no_leak(log: EventLog, split: Split, as_known: bool = False) -> None:
    """Raise ``AssertionError`` if anything held out could have been learned from.

    Within a user every training position must precede every validation position, and those every
    test position; no position may serve twice, and none may be context; a time-ordered split must
    be ordered in time. ``as_known``, nothing before a position became known after its time.
    """
    parts = (split.train, split.valid, split.test)
    together = np.concatenate(parts)
    if len(np.unique(together)) != len(together):
        raise AssertionError("a position serves in two parts of the split")
    if len(together) and (together.min() < 0 or together.max() >= len(log)):
        raise AssertionError(f"a position lies outside the log of {len(log)} events")
    if log.context is not None and log.context[together].any():
        raise AssertionError("an event that is context alone is asked about")
    if as_known:
        late = np.asarray(log.known)[together - 1] > np.asarray(log.time)[together]
        late &= log.history_length(together) > 0  # in the order of becoming known: the one before
        if late.any():
            raise AssertionError(f"{late.sum()} histories were not known when they were asked for")
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
