"""Who follows the last interest and who the longest, and how much shoppers jump between interests.

An interest is a kind of item here: of its attributes the one that most items have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from seqrec_lib import report
from seqrec_lib.data import datasets
from seqrec_lib.data.log import EventLog
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.records.store import Runs

ASKED = {0: "kind of the last event", 1: "kind of most events"}  # of :func:`wanted`


def kinds_of(dataset: str) -> tuple[EventLog, Int[np.ndarray, "P"], Int[np.ndarray, "rows"]]:
    """A log, its test positions, and the kind of each item; without attributes each is its own."""
    log, split = datasets.load(dataset)
    attributes = datasets.attributes(dataset)
    kind = np.arange(log.num_items + 1) if attributes is None else kinds(attributes)
    return log, split.test, kind


def kinds(attributes: Int[np.ndarray, "rows A"]) -> Int[np.ndarray, "rows"]:
    """For each item the attribute that most items have; 0 where it has none.

    An attribute of more than half of all items tells nothing of an interest and is left out.
    """
    having = np.bincount(attributes[attributes > 0], minlength=int(attributes.max()) + 1)
    having[having > (len(attributes) - 1) / 2] = 0
    having[0] = 0
    first = having[attributes].argmax(1)[:, None]
    found = np.take_along_axis(attributes, first, 1)[:, 0]
    return np.where(having[attributes].max(1) > 0, found, 0)


def wanted(
    log: EventLog, positions: Int[np.ndarray, "P"], kind: Int[np.ndarray, "rows"]
) -> Int[np.ndarray, "P"]:
    """Which interest an answer is of, where the last event is not of the kind of most events.

    0: the kind of the last event; 1: the kind of most events before the answer; 2: another. -1
    where both are one kind, or no kind alone has most events: nothing can be told there.
    """
    found = np.full(len(positions), -1)
    begins = log.offsets[log.user_of(positions)]
    for row, (begin, end) in enumerate(zip(begins, positions, strict=True)):
        past, answer = kind[log.item[begin:end]], kind[log.item[end]]
        if not len(past):
            continue
        names, counts = np.unique(past, return_counts=True)
        most = names[counts == counts.max()]
        if len(most) == 1 and most[0] != past[-1]:
            found[row] = 0 if answer == past[-1] else 1 if answer == most[0] else 2
    return found


def followed(runs: Sequence[Runs], found: Int[np.ndarray, "P"]) -> pd.DataFrame:
    """HR@10 (M) with its interval, a row a model, a column a kind of answer in ``ASKED``; of
    several questions of one user each counts alike. ``found`` is that of :func:`wanted`."""
    asked = {words: (found == group).astype(float) for group, words in ASKED.items()}
    rows = {}
    for run in runs:
        rows[report.label(run.name)] = {
            words: report.mean(run, "masked", hr, weight=weight) if weight.any() else None
            for words, weight in asked.items()
        }
    return pd.DataFrame.from_dict(rows, "index")


def jumps(logs: Mapping[str, tuple[EventLog, Int[np.ndarray, "rows"]]]) -> pd.DataFrame:
    """A row a log, given with the kinds of its items: ``neighbours`` is the share of events that
    are of the kind of the event before, in the mean over users of two kinds or more.

    ``by chance``: the same in random order, in the mean over all orders. ``one after another``:
    with one interest after the other, the most that there can be.
    """
    found = {}
    for name, (log, kind) in logs.items():
        rows = []
        for begin, end in zip(log.offsets[:-1], log.offsets[1:], strict=True):
            history = kind[log.item[begin:end]]
            counts, pairs = np.unique(history, return_counts=True)[1], len(history) - 1
            if len(counts) < 2:
                continue
            alike = (history[1:] == history[:-1]).mean()
            chance = (counts * (counts - 1)).sum() / (len(history) * pairs)
            rows.append((alike, chance, 1 - (len(counts) - 1) / pairs))
        found[name] = [len(rows), *np.mean(rows, axis=0)]
    return pd.DataFrame.from_dict(
        found, "index", columns=["users", "neighbours", "by chance", "one after another"]
    )
