"""Records asked with other histories: the last events alone, and with accidents put in.

Nothing is trained anew: a model is asked what its record asks, with histories that it did not learn
from. ``altered/<data set>/<name>-s<seed>.parquet`` beside the results has a row a user: how many
questions, and the mean NDCG@10 over them by what was done to the history, such as ``last 4 masked``
or ``accidents 0.5 unmasked``. Ten questions of each user at most, the same for all
(:mod:`seqrec_lib.studies.by_run`).

python -m seqrec_lib.studies.altered movielens_small-tail-shuffled gru sasrec --results book/results
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import Dataset, composed
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.refusals import one_line
from seqrec_lib.data.splits import asked_about
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.models.base import Recommender
from seqrec_lib.records.rankers import QUESTIONS
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import run_spec, trained_model
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.store import SCRATCH
from seqrec_lib.studies import by_run
from seqrec_lib.training.device import device as resolved
from seqrec_lib.training.evaluation import PROTOCOLS, ranks

LAST = (1, 2, 4, 8, 16, 32, 64)  # events that are left of a history
ACCIDENTS = (0.25, 0.5, 1.0, 2.0)  # put in behind each event, in the mean
SEED = 20261128  # all models are asked with the same accidents

place, kept = partial(by_run.place, "altered"), partial(by_run.kept, "altered")


def with_accidents(
    log: EventLog, train: Int[np.ndarray, "L"], rate: float | int, seed: int = SEED
) -> tuple[EventLog, Int[np.ndarray, "E"]]:
    """The log with accidents behind its events, Poisson(``rate``) behind each, and where each event
    stands now.

    An accident is an item drawn as often as training has it, which its user never had and never
    will have: no answer is given away, and none is masked. It has the time of the event that it
    follows; what else is known of events is left out.
    """
    rng = np.random.default_rng(seed)
    extra = rng.poisson(rate, len(log))
    stands = np.arange(len(log)) + np.cumsum(extra) - extra
    every = len(log) + int(extra.sum())
    source = np.repeat(np.arange(len(log)), 1 + extra)
    accident = np.ones(every, dtype=bool)
    accident[stands] = False
    own = np.unique(log.user_of(np.arange(len(log))) * (log.num_items + 1) + log.item)
    user = log.user_of(source) * (log.num_items + 1)
    item = log.item[source]
    left = np.flatnonzero(accident)
    while left.size:
        item[left] = log.item[rng.choice(train, left.size)]
        left = left[np.isin(user[left] + item[left], own)]
    offsets = np.r_[0, np.cumsum(1 + extra)][log.offsets]
    dropped: dict[str, Any] = dict.fromkeys(
        ("action", "channel", "basket", "rating", "known", "context")
    )
    return replace(log, item=item, time=log.time[source], offsets=offsets, **dropped), stands


def asked(
    model: Recommender,
    log: EventLog,
    train: Int[np.ndarray, "L"],
    positions: Int[np.ndarray, "P"],
    length: int,
) -> pd.DataFrame:
    """NDCG@10 of each question by what was done to its history, and by protocol.

    ``length`` events are read at most; ``whole`` is a history as it is. Raises ``ValueError`` for a
    model that reads more of an event than its item, since nothing more is known of an accident.
    """
    if reads := sorted(model.reads):
        raise ValueError(
            f"{type(model).__name__} reads {', '.join(reads)} of each event, which an accident "
            "lacks; ask models that read items alone"
        )
    histories = {"whole": (log, positions, length)}
    histories |= {f"last {n}": (log, positions, n) for n in LAST if n < length}
    for rate in ACCIDENTS:
        noisy, stands = with_accidents(log, train, rate)
        histories[f"accidents {rate:g}"] = (noisy, stands[positions], length)
    found = {}
    for name, given in histories.items():
        table = ranks(model, *given)
        for protocol in PROTOCOLS:
            found[f"{name} {protocol}"] = ndcg(table[f"rank_{protocol}"].to_numpy(), 10)
    return pd.DataFrame(found)


def study(
    dataset: str | Dataset,
    names: Sequence[str],
    seeds: Sequence[int] = (0,),
    results: str | Path = SCRATCH,
    device: str = "auto",
    epochs: int | None = None,
) -> list[Path]:
    """Make what is missing of each run; a run that has no record is trained first. ``epochs``
    replaces the recipes'."""
    paths = []
    for spec in (spec for name in names for spec in published(dataset, name, seeds, epochs)):
        record = run_spec(spec, device, results=results)
        path = place(dataset, spec.name, spec.training.seed, results)
        if by_run.about(path, record) is None:
            path = _made(spec, results, device)
        paths.append(path)
    return paths


def _made(spec: Spec, results: str | Path, device: str) -> Path:
    trained = trained_model(spec, device, results)
    model = trained.model.to(resolved(device))
    log, split = datasets.load(spec.dataset)
    split = asked_about(log, split, QUESTIONS)
    values = asked(model, log, split.train, split.test, spec.training.max_len)
    path = place(spec.dataset, spec.name, spec.training.seed, results, anew=True)
    by_run.write(path, by_run.by_user(log, split.test, values), trained.record)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = by_run.parser("altered", __doc__)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line():
        how = (chosen.seeds, chosen.results, chosen.device, chosen.epochs)
        for path in study(composed(chosen.dataset, chosen), chosen.names, *how):
            print(path)


if __name__ == "__main__":
    main()
