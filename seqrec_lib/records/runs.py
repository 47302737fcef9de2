"""run(): load the record of a published run, or train it and write one.

The way of a run, top to bottom: a spec, its data, a model (drawn, or started from other runs), its
training, ranks and exposure, a card, a record. Each stage hands one value to the next.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import alone, root, writable
from seqrec_lib.data.hybrid.history import features_of
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split, asked_about, of_sampled_users
from seqrec_lib.metrics.lists import coverage
from seqrec_lib.models.base import CountModel, Recommender
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records import forecast, provenance
from seqrec_lib.records.advice import (
    advise,
    advise_average,
    advise_length,
    refuse_unlearnable,
)
from seqrec_lib.records.model_file import load_model, save_model, stored_about
from seqrec_lib.records.recipes import asked, published, recipe, sources_of
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.standing import answering, differences, home
from seqrec_lib.records.store import (
    RESULTS,
    SCRATCH,
    RecordError,
    Run,
    Runs,
    load,
    ranks_digest,
    summarise,
    write,
)
from seqrec_lib.training.device import device as resolved
from seqrec_lib.training.evaluation import ranks, ranks_and_exposure
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import chosen

logger = logging.getLogger(__name__)

LISTS = 40_000  # exposure is counted over so many lists at most, evenly spaced
TOLERANCE = {"HR@10": 0.006, "NDCG@10": 0.004}  # between trainings on unlike machines


def run(
    dataset: str | Dataset,
    name: str,
    seeds: Sequence[int] = (0,),
    epochs: int | None = None,
    device: str = "auto",
    retrain: bool = False,
    results: str | Path = SCRATCH,
) -> Runs:
    """The published run ``name`` on ``dataset``: its records if there are any, else trained now.

    Committed records are read always; new ones go to ``results``, and so among the committed ones
    only if ``results`` names their folder. ``epochs`` replaces the recipe's. With ``retrain`` the
    records of ``results`` are made anew and the change of the figures is printed. A model that
    only counts has no chance in it and takes seed 0 alone. What is about to be trained is logged
    with its expected minutes. Raises ``ValueError`` naming what differs if a record is not of
    today's data, settings, golden run or starting runs, and for a device that is not there.
    """
    specs, device = published(dataset, name, seeds, epochs), resolved(device)
    forecast.announce(to_train(specs, retrain, results), device, results)
    made = [run_spec(spec, device, retrain, results) for spec in specs]
    return Runs(name, str(Dataset.parse(dataset)), made)


def to_train(specs: Sequence[Spec], retrain: bool, results: str | Path) -> list[Spec]:
    """What must be trained for ``specs``, in this order: runs without a record, or asked for anew,
    and before each the runs that it starts from, if their weights are not here."""
    found: list[Spec] = []
    for spec in specs:
        if retrain or answering(spec, results) is None:
            for one in sources_of(spec):
                place = home(one, results)
                there = answering(one, place)
                if there is None or _weighted(load(one.folder(root() / there)), one) is None:
                    found += [more for more in to_train([one], True, place) if more not in found]
            found.append(spec)
    return found


def run_spec(
    spec: Spec, device: str = "auto", retrain: bool = False, results: str | Path = SCRATCH
) -> Run:
    """Load the record of ``spec``, or train it and write one.

    Two processes that are asked for the same run take turns: the second one finds the record.
    """
    place = answering(spec, results) or results
    folder = spec.folder(root() / place)
    old = load(folder) if folder.exists() else None
    if old and not retrain:
        if differ := differences(old, spec, place):
            there = f" and results={place!r}" if place != results else ""
            passes, own = old.spec["training"]["epochs"], ""
            if any(one.startswith("training.epochs ") for one in differ):
                own = f", or epochs={passes} (--epochs {passes}) for the stored one"
            raise RecordError(
                f"{folder}: the stored run differs from the one asked for in {', '.join(differ)}; "
                f"pass retrain=True{there} to replace it (--retrain of 'python -m "
                f"seqrec_lib.records train'), or another results folder{own}"
            )
        return old
    folder = spec.folder(root() / results)
    writable(folder.parent)  # before hours of training, not after them
    device = resolved(device)
    if dist.is_initialized():  # all have looked for the record before one of them writes it
        dist.barrier()
        new = _made(spec, device, results)
    else:
        with alone(_beside(folder, "locks", ".lock")):
            if old is None and folder.exists():  # written while this one waited
                return run_spec(spec, device, False, results)
            new = _made(spec, device, results)
    if old:
        for protocol, metrics in new.card["summary"].items():
            before, now = old.card["summary"][protocol]["NDCG@10"], metrics["NDCG@10"]
            print(
                f"{folder.parent.name} s{spec.training.seed} {protocol}: "
                f"NDCG@10 {before:.4f} -> {now:.4f}"
            )
    return new


def measure(name: str, log: EventLog, split: Split) -> pd.DataFrame:
    """Ranks of a published counter on a log at hand; cheap, so that nothing is recorded."""
    model, config, training, *_ = recipe(name)
    counter = MODELS[model](Catalogue.learned(log, split.train), config)  # type: ignore[call-arg]
    fit(counter, log, split, training)
    return ranks(counter, log, split.test, training.max_len)


# --- the way of a run ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A run whose weights are at hand: its model, the raw ids of its items, its record."""

    model: Recommender
    items: np.ndarray
    record: Run


def _made(spec: Spec, device: str, results: str | Path) -> Run:
    """Train ``spec`` and write its record and its model file."""
    folder = spec.folder(root() / results)
    made_by = provenance.now(device)  # before: the files may change while a long run goes on
    standing = provenance.golden(spec)
    advise(Dataset.parse(spec.dataset))
    log, split = datasets.load(spec.dataset)
    data = datasets.digest(log, split, whole=Dataset.parse(spec.dataset).is_file)
    sources = trained_sources(spec, device, results)
    model = started(spec, log, split, sources).to(device)
    split = asked_about(log, split, spec.training.questions)
    if Dataset.parse(spec.dataset).is_file:
        advise_average(log, split)
        if not isinstance(model, CountModel):
            finds = getattr(spec.config, "k", None)
            advise_length(spec.name, spec.training.max_len, finds, log, split)
    provenance.reset_peak(device)
    clock = time.monotonic()
    checkpoint = _beside(folder, "checkpoints", f"-{_fingerprint(spec, data)}.pt")
    history = fit(model, log, split, spec.training, checkpoint)
    learned = time.monotonic()
    if dist.is_initialized() and dist.get_rank():  # process 0 writes, the others wait for it
        dist.barrier()
        return load(folder)
    asked_of = of_sampled_users(log, split.test, spec.training.test_users)
    every = math.ceil(len(asked_of) / LISTS)
    table, shown = ranks_and_exposure(model, log, asked_of, every, spec.training.max_len)
    own = history[-1]["seconds"] if history else learned - clock
    card = made_by | {
        "golden": standing,
        "data_digest": data,
        "starts_from": {name: ranks_digest(one.record.ranks) for name, one in sources.items()},
        "own_seconds": round(own, 3),
        "total_seconds": round(
            own + sum(one.record.card["total_seconds"] for one in sources.values()), 3
        ),
        "scoring_seconds": round(time.monotonic() - learned, 1),
        "peak_bytes": provenance.peak_bytes(device),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "summary": summarise(table),
        "lists": len(range(0, len(asked_of), every)),
        "coverage@10": {p: _covered(shown[p]) for p in ("masked", "unmasked")},
    }
    columns = ["epoch", "loss", "valid_ndcg@10", "valid_hr@10", "seconds"]
    about = {"data_digest": data, "ranks": ranks_digest(table)}
    source = Dataset.parse(spec.dataset)
    if source.is_file and (features := features_of(Path(source.source))):
        about["features"] = features
    save_model(model, spec.as_dict(), log.items, model_file(folder), about)
    # last, since a run that has its record is not made again
    write(folder, spec, card, pd.DataFrame(history, columns=columns), table, shown)
    checkpoint.unlink(missing_ok=True)
    if dist.is_initialized():
        dist.barrier()
    return load(folder)


def _covered(shown: pd.Series) -> float:
    """Share of the items that some list has; 0 where everybody has had everything, so that no list
    is left."""
    return coverage(shown.to_numpy()) if shown.any() else 0.0


def started(
    spec: Spec, log: EventLog, split: Split, sources: Mapping[str, Trained] | None = None
) -> Recommender:
    """The model of ``spec`` as its training finds it: drawn from its seed, or started from others.

    Raises ``ValueError`` if the items of a source are not those of ``log``, numbered alike, where
    the model reads attributes or times that the data set lacks, and as
    :func:`seqrec_lib.records.advice.refuse_unlearnable` does.
    """
    attributes = None
    if MODELS[spec.model].reads_attributes:
        attributes = datasets.attributes(spec.dataset)
        if attributes is None:
            raise ValueError(
                f"{spec.name} reads attributes of items, and {spec.dataset} has none; a log of "
                "one's own has no place for them. Leave it out, or train it from Python on a "
                "Catalogue with attributes"
            )
    model = initialised(spec, Catalogue.learned(log, split.train, attributes))
    if model.reads_times and not datasets.timed(spec.dataset, log):
        raise ValueError(
            f"{spec.name} learns from when events were, and the times of {spec.dataset} are no more"
            f" than places in a history (the last is {log.time.max()}): bring an edition with the "
            "seconds of a clock, or use a model or a setting that reads none"
        )
    refuse_unlearnable(model, spec, log, split)
    for name, one in (sources or {}).items():
        if not np.array_equal(one.items, log.items):
            raise ValueError(f"{name}: its items are not those of {spec}, which starts from it")
    if sources:
        model.start_from(*(one.model for one in sources.values()))  # type: ignore[operator]
    return model


def trained_sources(
    spec: Spec, device: str = "auto", results: str | Path = SCRATCH
) -> dict[str, Trained]:
    """The runs that ``spec`` starts from, with their weights; raises as :func:`trained_model`."""
    return {str(one): trained_model(one, device, home(one, results)) for one in sources_of(spec)}


def initialised(spec: Spec, catalogue: Catalogue) -> Recommender:
    """The model of ``spec``, its weights drawn from the spec's seed."""
    torch.manual_seed(spec.training.seed)
    return MODELS[spec.model](catalogue, spec.config)  # type: ignore[call-arg]


# --- weights ------------------------------------------------------------------------------------


def trained_model(spec: Spec, device: str = "auto", results: str | Path = SCRATCH) -> Trained:
    """A run with its weights, trained now if there is no record, or no model file of that record.

    Weights are not committed: those of a committed record are made again in ``SCRATCH``, and the
    record stays as it is. Raises ``ValueError`` if what is made again is not the run on record
    (:func:`compared`).
    """
    record = run_spec(spec, device, results=results)
    if (kept := _weighted(record, spec)) is None:
        logger.warning("%s: its weights are not here; trained again, %s", spec, _minutes(record))
        kept = run_spec(spec, device, retrain=True, results=SCRATCH)
    if kept is not record and not (table := compared(record, kept))["same"].all():
        raise RecordError(f"{record.folder}: made again it is another run:\n{table}")
    model, items = load_model(model_file(kept.folder))
    return Trained(model, items, record)


def remake(record: str | Path, device: str = "auto") -> pd.DataFrame:
    """Train a record again in ``SCRATCH`` and compare the two; the record stays as it is."""
    old = load(root() / record)
    return compared(old, run_spec(asked(old.spec), device, retrain=True, results=SCRATCH))


def compared(old: Run, new: Run) -> pd.DataFrame:
    """HR@10 and NDCG@10 of two records of a run, the tolerance, and whether they keep to it."""
    names = [(p, name) for p in old.card["summary"] for name in ("HR@10", "NDCG@10")]
    rows = [(p, name, *(run.card["summary"][p][name] for run in (old, new))) for p, name in names]
    table = pd.DataFrame(rows, columns=["protocol", "metric", "old", "new"])
    table["tolerance"] = table["metric"].map(TOLERANCE)
    return table.assign(same=(table["new"] - table["old"]).abs() <= table["tolerance"])


def model_file(folder: Path) -> Path:
    """Where the model of the record in ``folder`` is kept; none is committed."""
    return _beside(folder, "models", ".safetensors")


def _weighted(record: Run, spec: Spec) -> Run | None:
    """The record if its weights are here, or else the same run as made again in ``SCRATCH``, if
    theirs are and it stands."""
    if _has_weights(record):
        return record
    again = spec.folder(root() / SCRATCH)
    kept = load(again) if again.exists() else None
    return kept if kept and _has_weights(kept) and not differences(kept, spec, SCRATCH) else None


def _has_weights(record: Run) -> bool:
    path = model_file(record.folder)
    return path.exists() and stored_about(path).get("ranks") == ranks_digest(record.ranks)


def _beside(folder: Path, kind: str, end: str) -> Path:
    """A file of a record that is not committed: below ``build``, or in its own results folder."""
    results = folder.parents[2]
    shelf = root() / "build" if results == root() / RESULTS else results
    return shelf / kind / ("-".join(folder.parts[-3:]) + end)


def _minutes(record: Run) -> str:
    return f"{record.card['own_seconds'] / 60:.0f} minutes by its card"


def _fingerprint(spec: Spec, data: str) -> str:
    """Of settings and data: a run never goes on from a stranger's checkpoint."""
    settings = {name: chosen(getattr(spec, name)) for name in ("config", "training")}
    words = json.dumps(spec.as_dict() | settings, sort_keys=True) + data
    return hashlib.sha256(words.encode()).hexdigest()[:12]
