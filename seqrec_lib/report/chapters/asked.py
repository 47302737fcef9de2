"""Whom the chapter on target attention asks: runs that are possible and on record, and what a study
keeps of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from seqrec_lib.data import datasets
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import run as of_seeds
from seqrec_lib.records.standing import answering
from seqrec_lib.records.store import Runs
from seqrec_lib.studies import protocols

# by key: a shop, its data set, and whom it asks
SHOPS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "retail": ("Online Retail", "online_retail-tail-shuffled",
               ("popular", "recency", "markov-1", "slit", "pooling", "din", "sim-hard", "tim")),
    "tecd": ("T-ECD", "tecd-marketplace",
             ("popular", "recency", "markov", "pooling", "din", "sim-soft", "tim")),
}  # fmt: skip


def possible(dataset: str, names: Iterable[str]) -> list[str]:
    """Those of the runs that are published for a data set, and that need no attributes of items,
    unless it has some."""
    known, kinds = datasets.attributes(dataset) is not None, {}
    for name in names:
        try:
            kinds[name] = MODELS[published(dataset, name, [0])[0].model]
        except ValueError:  # variants are of histories of hundreds alone
            continue
    return [name for name, kind in kinds.items() if known or not kind.reads_attributes]


def runs_of(
    dataset: str,
    names: Iterable[str],
    seeds: Sequence[int],
    epochs: int | None,
    device: str,
    retrain: bool,
    results: str | Path,
) -> list[Runs]:
    """Runs that are possible, each of those of the seeds that it has records of; where it has
    none, of all of them, which are trained."""
    how = (epochs, device, retrain, results)
    return [
        of_seeds(dataset, name, _recorded(dataset, name, seeds, epochs, results) or seeds, *how)
        for name in possible(dataset, names)
    ]


def _recorded(
    dataset: str, name: str, seeds: Sequence[int], epochs: int | None, results: str | Path
) -> list[int]:
    if epochs is not None:  # a trial is none of those
        return []
    specs = published(dataset, name, seeds)
    there = [spec for spec in specs if answering(spec, results) is not None]
    return [spec.training.seed for spec in there]


def answered(
    runs: Sequence[Runs],
    results: str | Path,
    reranks: bool = True,
    device: str = "auto",
    epochs: int | None = None,
) -> dict[str, list[pd.DataFrame]]:
    """What is kept of each run, by its name; what is missing is made first. Behind another model's
    list stands the first seed alone."""
    for run in runs:
        for number in run.numbers:
            behind = reranks and number == run.numbers[0]
            protocols.study(run.dataset, [run.name], [number], results, behind, device, epochs)
    return {run.name: protocols.kept(run, results) for run in runs}


def alike(runs: Sequence[Runs]) -> list[Runs]:
    """All as asked the questions of the one that was asked fewest."""
    fewest = min(runs, key=lambda run: len(run.examples))
    return [run.asked_as(fewest) for run in runs]
