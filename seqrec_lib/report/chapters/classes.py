"""Each item taken for a class: is the item ranked first the true one, or at least of its kind?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int, Real

from seqrec_lib import report
from seqrec_lib.data.log import EventLog
from seqrec_lib.metrics.classes import macro
from seqrec_lib.records.store import Runs
from seqrec_lib.report.chapters.marketplace import SURFACES
from seqrec_lib.report.chapters.tecd import framed, users_of
from seqrec_lib.statistics.intervals import Interval
from seqrec_lib.statistics.populations import per_user


def classification(runs: Sequence[Runs], weights: pd.DataFrame) -> pd.DataFrame:
    """Accuracy, macro precision and macro recall of the item ranked first, earlier items left in.

    Rows (population, run's name); means over seeds, in [0, 1]. See
    :mod:`seqrec_lib.metrics.classes` for what is averaged.
    """
    users_of(runs, weights)
    true, found = runs[0].examples["item"].to_numpy(), {}
    for population, weight in weights.items():
        for run in runs:
            seeds = [macro(true, first, weight.to_numpy()) for first in firsts(run)]
            found[population, run.name] = np.mean(seeds, axis=0).tolist()
    return framed(found, ["accuracy", "macro precision", "macro recall"], "model")


def first_seen(
    log: EventLog, train: Int[np.ndarray, "T"], labels: np.ndarray | pd.Series
) -> np.ndarray:
    """A class for each item, (N,): the label of its earliest training event.

    ``labels`` has one for each position of the log. Items that training does not have, and row 0,
    are of the class "not in training".
    """
    order = train[np.argsort(log.time[train], kind="stable")]
    items, earliest = np.unique(log.item[order], return_index=True)
    classes = np.full(log.num_items + 1, "not in training", dtype=object)
    classes[items] = np.asarray(labels)[order[earliest]]
    return classes


def precision_by_class(
    runs: Sequence[Runs], classes: np.ndarray, weights: Real[np.ndarray, "P"] | None = None
) -> pd.DataFrame:
    """How often the true item is of the class of the item ranked first, by that class.

    ``classes`` has one for each item (:func:`first_seen`). A row a class, the most frequent among
    the true items first: ``support`` and ``share`` are of positions whose true item is in it;
    for each run the precision with its interval, and ``<run> predicted``, the share of the
    positions (mean over seeds) at which an item of the class was first. None where it never was.
    """
    user = users_of(runs, pd.DataFrame({"": weights}) if weights is not None else runs[0].examples)
    weight = np.ones(len(user)) if weights is None else np.asarray(weights, dtype=float)
    true = classes[runs[0].examples["item"].to_numpy()]
    support = pd.Series(true[weight > 0]).value_counts()
    found = pd.DataFrame({"support": support, "share": support / support.sum()})
    for run in runs:
        said = [classes[first] for first in firsts(run)]
        precision: list[Interval | None] = []
        predicted = []
        for name in found.index:
            chosen = [weight * (one == name) for one in said]
            predicted.append(np.mean([one.sum() for one in chosen]) / weight.sum())
            right = (true == name).astype(float)[None]
            inside = np.any(chosen, axis=0)
            seeds = [
                per_user(right[:, inside], one[inside], user[inside]) for one in chosen if one.any()
            ]
            precision.append(report.interval(np.concatenate(seeds), run) if seeds else None)
        found[f"{run.name} predicted"] = predicted
        found[run.name] = pd.Series(precision, found.index, dtype=object)
    return found.rename_axis("class")


def right_about_place(found: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A table of :func:`precision_by_class` as readers see it, in percent, places alone."""
    part = found[found.index.isin(SURFACES)]
    columns = {"true items, %": 100 * part["share"]}
    for name in names:
        columns[f"{report.label(name)} first, %"] = 100 * part[f"{name} predicted"]
        columns[f"{report.label(name)} right, %"] = report.half_widths(part[[name]], 1, scale=100)[
            name
        ]
    return pd.DataFrame(columns).rename(index=SURFACES).rename_axis(None)


def firsts(run: Runs) -> Int[np.ndarray, "S P"]:
    """The item that each seed ranks first at each test position, earlier items left in."""
    return np.stack([seed.ranks["first"].to_numpy() for seed in run.seeds])
