"""The questions of records asked among shared candidates, and behind another model's first items.

``protocols/<data set>/<name>-s<seed>.parquet`` beside the results has a row a user: how many
questions, after how long histories in the mean, and the means of the measures over them. All runs
are asked the same ones, ten of each user at most, whatever their records rank. A file is made again
when the record changes (:mod:`seqrec_lib.studies.by_run`). Weights come from the run; a run that
has no record is trained.

python -m seqrec_lib.studies.protocols movielens_small-tail-shuffled din tim --results book/results
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from seqrec_lib.data import candidates, datasets
from seqrec_lib.data.candidates import LAWS
from seqrec_lib.data.dataset import Dataset, composed
from seqrec_lib.data.files import root
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.refusals import one_line
from seqrec_lib.data.splits import Split, asked_about
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import Recommender
from seqrec_lib.records.rankers import QUESTIONS
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import run_spec, trained_model
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.store import SCRATCH, Run, Runs, load, places, ranks_digest
from seqrec_lib.studies import by_run
from seqrec_lib.training.candidates import Lists, among_shared, first, reranked
from seqrec_lib.training.device import device as resolved
from seqrec_lib.training.evaluation import PROTOCOLS

BEHIND, FIRST = "sasrec", 200  # whose list is given a new order, and how long it is


def place(
    dataset: str | Dataset, name: str, seed: int, results: str | Path = SCRATCH, anew: bool = False
) -> Path:
    """The file of what is kept of a run, or of what is made ``anew``."""
    return by_run.place("protocols", dataset, name, seed, results, anew)


def among_candidates(
    model: Recommender, log: EventLog, split: Split, length: int
) -> tuple[pd.DataFrame, dict[str, str]]:
    """AUC, GAUC, HR@10 and NDCG@10 by test question and law, such as ``uniform AUC``, and the
    digest of each law's candidates."""
    values: dict[str, np.ndarray] = {}
    digests: dict[str, str] = {}
    for law in LAWS:
        found, digests[law] = among_shared(model, log, split, law, length)
        values |= {f"{law} {name}": value for name, value in found.items()}
    return pd.DataFrame(values), digests


def behind(
    model: Recommender, log: EventLog, positions: Int[np.ndarray, "P"], lists: Lists, length: int
) -> pd.DataFrame:
    """HR@10 and NDCG@10 by question where the model orders the lists, by what these mask, such as
    ``reranked masked HR@10``."""
    table = reranked(model, log, positions, lists, length)
    return pd.DataFrame(
        {
            f"reranked {protocol} {name}": metric(table[f"rank_{protocol}"].to_numpy(), 10)
            for protocol in PROTOCOLS
            for name, metric in (("HR@10", hr), ("NDCG@10", ndcg))
        }
    )


def study(
    dataset: str | Dataset,
    names: Sequence[str],
    seeds: Sequence[int] = (0,),
    results: str | Path = SCRATCH,
    reranks: bool = True,
    device: str = "auto",
    epochs: int | None = None,
) -> list[Path]:
    """Make what is missing of each run; a run that has no record is trained first.

    Without ``reranks`` nothing stands behind another model's list. ``epochs`` replaces the
    recipes'.
    """
    paths = []
    for spec in (spec for name in names for spec in published(dataset, name, seeds, epochs)):
        record = run_spec(spec, device, results=results)
        path = place(dataset, spec.name, spec.training.seed, results)
        if not stands(path, record, results, reranks):
            (front,) = published(dataset, BEHIND, [0], epochs)
            path = _made(spec, front if reranks else None, results, device)
        paths.append(path)
    return paths


def _made(spec: Spec, front: Spec | None, results: str | Path, device: str) -> Path:
    trained = trained_model(spec, device, results)
    model = trained.model.to(resolved(device))
    log, split = datasets.load(spec.dataset)
    split, length = asked_about(log, split, QUESTIONS), spec.training.max_len
    values, about = among_candidates(model, log, split, length)
    if front is not None:
        lists, about["behind"] = _lists(front, str(results), device)
        values = values.join(behind(model, log, split.test, lists, length))
    path = place(spec.dataset, spec.name, spec.training.seed, results, anew=True)
    by_run.write(path, by_run.by_user(log, split.test, values), trained.record, **about)
    return path


@functools.lru_cache(maxsize=1)
def _lists(front: Spec, results: str, device: str) -> tuple[Lists, str]:
    """The first items of the model that stands in front, and the digest of its record's ranks."""
    trained = trained_model(front, device, results)
    model = trained.model.to(resolved(device))
    log, split = datasets.load(front.dataset)
    positions = asked_about(log, split, QUESTIONS).test
    lists = first(model, log, positions, FIRST, front.training.max_len)
    return lists, ranks_digest(trained.record.ranks)


def stands(path: Path, record: Run, results: str | Path = SCRATCH, reranks: bool = False) -> bool:
    """Is there a file, made of this record, of today's candidates, and behind the list of today's
    other one? Only if it ``reranks`` has it to stand behind one at all."""
    about, dataset = by_run.about(path, record), record.spec["dataset"]
    if about is None or any(about[law] != one for law, one in _digests(dataset).items()):
        return False
    if reranks and "behind" not in about:
        return False
    (source,) = published(dataset, BEHIND, [0])
    folders = [source.folder(root() / place) for place in places(results)]
    return "behind" not in about or any(
        about["behind"] == ranks_digest(load(folder).ranks) for folder in folders if folder.exists()
    )


@functools.lru_cache(maxsize=2)
def _digests(dataset: str) -> dict[str, str]:
    """Of what is asked among by each law; of none where the data are not at hand."""
    if not datasets.at_hand(dataset):
        return {}
    log, split = datasets.load(dataset)
    asked = asked_about(log, split, QUESTIONS)
    every = {law: candidates.shared(log, asked.train, asked.test, law) for law in LAWS}
    return {law: candidates.digest(one) for law, one in every.items()}


def kept(runs: Runs, results: str | Path = SCRATCH) -> list[pd.DataFrame]:
    """What is kept of each seed.

    Raises ``ValueError`` naming a seed of which nothing is, or nothing of its record as it is now.
    """
    return by_run.kept("protocols", runs, results, partial(stands, results=results))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = by_run.parser("protocols", __doc__)
    parser.add_argument("--alone", action="store_true", help=f"not behind {BEHIND}'s first {FIRST}")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    how = (chosen.seeds, chosen.results, not chosen.alone, chosen.device, chosen.epochs)
    with one_line():
        for path in study(composed(chosen.dataset, chosen), chosen.names, *how):
            print(path)


if __name__ == "__main__":
    main()
