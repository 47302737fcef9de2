"""What sets one test position apart from another: a value a position, to cut results by.

Beside these, :meth:`EventLog.history_length` counts the events before a position, and a record's
``repeat`` says whether the item is among the user's earlier ones. A segment describes a position
and trains nothing, so a value may come from any part of the log; a *threshold* is learned from
training positions.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Shaped

from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.log import EventLog, Positions

DAY_S, HOUR_S = 86_400, 3600


def hour_of_day(log: EventLog, positions: Positions) -> Int[np.ndarray, "P"]:
    """Hour 0..23 in which the event happened, by the clock of the log."""
    return np.asarray(log.time[positions]) % DAY_S // HOUR_S


def seconds_since(log: EventLog, positions: Positions) -> Int[np.ndarray, "P"]:
    """Seconds since the same user's previous event; raises ``ValueError`` for a first event."""
    return np.asarray(log.time[positions] - log.time[_before(log, positions)])


def switches(
    log: EventLog, positions: Positions, domain: Shaped[np.ndarray, "E"]
) -> Bool[np.ndarray, "P"]:
    """Does the item belong to another domain than the user's previous one?

    ``domain`` has a label for every event of the log (:func:`domains`). Raises ``ValueError`` for
    a first event.
    """
    return np.asarray(domain[positions] != domain[_before(log, positions)])


def times_followed(
    log: EventLog, train: Int[np.ndarray, "T"], positions: Positions
) -> Int[np.ndarray, "P"]:
    """How often training saw each position's item right after the item before it.

    Raises ``ValueError`` for a first event among ``positions``.
    """
    size, item = log.num_items + 1, np.asarray(log.item, dtype=np.int64)
    learned = train[log.history_length(train) > 0]
    seen = pd.Series(item[learned - 1] * size + item[learned]).value_counts()
    asked = item[_before(log, positions)] * size + item[positions]
    return seen.reindex(asked, fill_value=0).to_numpy()


def domains(dataset: str | Dataset, log: EventLog) -> Shaped[np.ndarray, "E"]:
    """The domain of every event of a T-ECD data set's log.

    Other data sets have one domain; their items are halved by number, so that chapters run on them.
    """
    dataset = Dataset.parse(dataset)
    if not dataset.is_tecd:
        return np.where(log.item > log.num_items // 2, "second half", "first half")
    return datasets.tecd_table(dataset.source)["domain"].to_numpy()


def events_that_day(log: EventLog, positions: Positions) -> Int[np.ndarray, "P"]:
    """How many events the position's user has on its day, this one and later ones included."""
    _, of, count = _days(log, np.arange(len(log)))
    return count[of[positions]]


def heavy_day(log: EventLog, train: Positions, share: float = 0.01) -> int:
    """Events a day from which a day is among the busiest ``share`` of days, learned from ``train``.

    A day is one user's: a user of three days has three. The smallest number of events that at most
    ``share`` of them reach; above that, one more than the largest.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; it lies between 0 and 1")
    _, _, count = _days(log, train)
    ascending = np.sort(count)
    # the largest value that may stay out, plus one
    return int(ascending[len(count) - int(share * len(count)) - 1]) + 1


def busiest_hour(log: EventLog, positions: Positions) -> Int[np.ndarray, "P"]:
    """The most events that the position's user has in any 3600 seconds of the log."""
    user = log.user_of(np.arange(len(log)))
    # one clock for all: users follow one another, an hour and more apart
    span = int(log.time.max() - log.time.min()) + HOUR_S
    clock = np.asarray(log.time) - log.time.min() + user * span
    within = np.arange(len(log)) - np.searchsorted(clock, clock - HOUR_S, side="right") + 1
    return np.maximum.reduceat(within, log.offsets[:-1])[log.user_of(positions)]


def _days(log: EventLog, positions: Positions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct (user, day) among ``positions``, which of them each is in, and their sizes."""
    day = np.asarray(log.time[positions]) // DAY_S
    key = log.user_of(positions) * (int(log.time.max()) // DAY_S + 1) + day
    return np.unique(key, return_inverse=True, return_counts=True)


def _before(log: EventLog, positions: Positions) -> Positions:
    first = log.history_length(positions) == 0
    if first.any():
        raise ValueError(
            f"{first.sum()} of {len(positions)} positions are first events of their users: "
            "nothing is before them; splits leave such positions out"
        )
    return positions - 1
