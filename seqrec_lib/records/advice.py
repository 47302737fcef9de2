"""What a log asks of whoever trains on it, where no chapter of the book has asked before.

Events of one time have no order but the file's, which may say more than anybody could know: the
order of an invoice's lines gives a Markov chain three times what it has without. And a log in which
people take the same things again is not selected on by what is new alone.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

from seqrec_lib.data import datasets, ties
from seqrec_lib.data.dataset import Dataset

logger = logging.getLogger(__name__)

TIED = 0.01  # share of test events from which ties are told
REPEATED = 0.1  # share of validation events from which earlier items stay in when selecting


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


def _shares_of(dataset: Dataset) -> tuple[float, float]:
    base = dataset.but(pairs="", with_validation=False, regenerated="")
    return _shares(base, datasets.state(base))


@functools.lru_cache(maxsize=64)
def _shares(dataset: Dataset, state: tuple[Any, ...]) -> tuple[float, float]:
    """Shares of the test events that tie, and of the validation events that repeat."""
    log, split = datasets.load(dataset)
    return float(ties.tied(log, split.test).mean()), float(ties.repeating(log)[split.valid].mean())
