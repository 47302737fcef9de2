"""What a log asks of whoever trains on it, where no chapter of the book has asked before.

Events of one time have no order but the file's, which may say more than anybody could know: the
order of an invoice's lines gives a Markov chain three times what it has without. And a log in which
people take the same things again is not selected on by what is new alone. Of a file it is told too
when a model reads less than there is, and when one busy user speaks for all.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

import numpy as np

from seqrec_lib.data import datasets, ties
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.models.base import CountModel, Recommender
from seqrec_lib.records.spec import Spec

logger = logging.getLogger(__name__)

TIED = 0.01  # share of test events from which ties are told
REPEATED = 0.1  # share of validation events from which earlier items stay in when selecting
BUSY = 0.1  # share of the test questions from which one user's is told


def refuse_unlearnable(model: Recommender, spec: Spec, log: EventLog, split: Split) -> None:
    """Raise ``ValueError``, before anything is trained, for a log that the model of ``spec`` cannot
    learn from: it lacks a column, no event has one before it, or there is nothing to tell apart."""
    log.require(model.reads)
    if isinstance(model, CountModel):
        return
    if not (log.history_length(split.train) > 0).any():
        raise ValueError(
            f"{spec.name} learns from events that come after others of their user, and the "
            f"training part of {spec.dataset} has none: bring users of more events (where the last "
            "two of each are held out, of four), split by time (split=time), or use a model that "
            "counts, such as popular"
        )
    if log.num_items < 2:
        raise ValueError(
            f"{spec.name} learns to tell items apart, and {spec.dataset} has one: bring a log of "
            "more, or use a model that counts, such as popular"
        )


def select_unmasked(dataset: Dataset) -> bool:
    """Do so many validation events repeat an item that selection must not mask earlier items?"""
    return not dataset.about.studied and _shares_of(dataset)[1] > REPEATED


def advise(dataset: Dataset) -> None:
    """Say, once a process, what ties and repeats there are, and what can be done, or is."""
    if not dataset.about.studied:
        _advise(dataset, datasets.state(dataset))


@functools.lru_cache(maxsize=64)
def _advise(dataset: Dataset, state: tuple[Any, ...]) -> None:
    tied, repeated = _shares_of(dataset)
    if tied > TIED and not dataset.shuffled:
        logger.warning(
            "%s: %.1f%% of the test events have the time of the event before; which of them came "
            "first is the order of the file, and figures may hang on it. With equal times in "
            "random order it is the data set '%s'", dataset.name, 100 * tied,
            dataset.but(shuffled=True),
        )  # fmt: skip
    if repeated > REPEATED:
        logger.warning(
            "%s: %.1f%% of the validation events repeat an item of their user; what is best on "
            "validation is chosen with earlier items left in (select: unmasked)", dataset.name,
            100 * repeated,
        )  # fmt: skip


def advise_length(name: str, reads: int, finds: int | None, log: EventLog, split: Split) -> None:
    """Say of how many questions a model ``reads`` the last events alone, and that a search that
    ``finds`` as many leaves none out."""
    before = log.history_length(split.test)
    if (longer := (before > reads).mean()) > 0:
        none = "; its search finds as many, so that it leaves none out" * (reads <= (finds or 0))
        logger.warning(
            "%s reads the last %d events of a history; before %.0f%% of the test events there are "
            "more, up to %d%s", name, reads, 100 * longer, before.max(), none,
        )  # fmt: skip


def advise_average(log: EventLog, split: Split) -> None:
    """Say if a user has so many of the questions that a mean over questions is about them."""
    questions = np.bincount(log.user_of(split.test))
    share = questions.max() / questions.sum()
    if share > BUSY and (questions > 0).sum() > 1:
        logger.warning(
            "figures are means over %d questions of %d users, and one user has %.0f%% of them: "
            "split=last asks everybody once", questions.sum(), (questions > 0).sum(), 100 * share,
        )  # fmt: skip


def _shares_of(dataset: Dataset) -> tuple[float, float]:
    base = dataset.but(pairs="", with_validation=False, regenerated="")
    return _shares(base, datasets.state(base))


@functools.lru_cache(maxsize=64)
def _shares(dataset: Dataset, state: tuple[Any, ...]) -> tuple[float, float]:
    """Shares of the test events that tie, and of the validation events that repeat."""
    log, split = datasets.load(dataset)
    return float(ties.tied(log, split.test).mean()), float(ties.repeating(log)[split.valid].mean())
