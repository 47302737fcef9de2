"""run(): load the record of a published run, or train and write it."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import root
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.lists import coverage
from seqrec_lib.models.base import CountModel, Recommender
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.model_file import completed, load_model, save_model, stored_spec
from seqrec_lib.records.provenance import peak_bytes, provenance
from seqrec_lib.records.recipes import recipe
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.store import RESULTS, Run, Runs, load, place, summarise, write
from seqrec_lib.training.evaluation import exposure, ranks
from seqrec_lib.training.loop import fit

LISTS = 40_000  # exposure is counted over so many lists at most, evenly spaced


def run(
    dataset: str,
    name: str,
    seeds: list[int] | tuple[int, ...] = (0,),
    epochs: int | None = None,
    device: str = "cpu",
    retrain: bool = False,
    results: str | Path = RESULTS,
) -> Runs:
    """The published run ``name`` on ``dataset``: its records if there are any, else trained now.

    ``epochs`` replaces the recipe's. With ``retrain`` the records are made anew and the change of
    the figures is printed. A model that only counts has no chance in it and takes seed 0 alone.
    Raises ``ValueError`` naming the fields if a stored spec is not the one asked for.
    """
    specs = published(dataset, name, seeds, epochs)
    return Runs(name, dataset, [run_spec(spec, device, retrain, results) for spec in specs])


def published(
    dataset: str, name: str, seeds: list[int] | tuple[int, ...], epochs: int | None = None
) -> list[Spec]:
    """The specs behind :func:`run`, one a seed."""
    model, config, training, *start = recipe(name, dataset)
    if epochs is not None and training.epochs:  # one that learns nothing stays so
        training = replace(training, epochs=epochs)
    if issubclass(MODELS[model], CountModel):
        seeds = (0,)
    base = dataset.removesuffix("-with-validation")
    pretrained = start[0].format(dataset, base) if start else None
    return [
        Spec(dataset, name, model, config, replace(training, seed=seed), pretrained)
        for seed in seeds
    ]


def run_spec(
    spec: Spec, device: str = "cpu", retrain: bool = False, results: str | Path = RESULTS
) -> Run:
    """Load the record of ``spec``, or train it and write one."""
    folder = spec.folder(root() / results)
    if dist.is_initialized():  # all processes look for the record before one of them writes it
        dist.barrier()
    old = load(folder) if folder.exists() else None
    if old and not retrain:
        differ = _differences(completed(old.spec), _plain(spec))
        if differ:
            raise ValueError(
                f"{folder}: the stored run differs from the one asked for in {', '.join(differ)}; "
                "pass retrain=True to replace it, or another results folder"
            )
        return old
    new = _train(spec, device, folder)
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


def _train(spec: Spec, device: str, folder: Path) -> Run:
    log, split = datasets.load(spec.dataset)
    started = time.monotonic()
    model = untrained(spec, log, split, device)
    made_by = provenance(device)  # now: the files may change while a long run goes on
    # other settings: another file, so that a run never goes on from a stranger's
    checkpoint = root() / "build" / "checkpoints" / f"{place(folder)}-{_fingerprint(spec)}.pt"
    history = fit(model, log, split, spec.training, checkpoint)
    trained = time.monotonic()
    if dist.is_initialized() and dist.get_rank():  # process 0 writes, the others wait for it
        dist.barrier()
        return load(folder)
    length = spec.training.max_len
    table = ranks(model, log, split.test, length)
    listed = split.test[:: math.ceil(len(split.test) / LISTS)]
    shown = exposure(model, log, listed, length=length)
    card = made_by | {
        "peak_bytes": peak_bytes(device),
        "training_seconds": round(history[-1]["seconds"] if history else trained - started, 1),
        "scoring_seconds": round(time.monotonic() - trained, 1),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "data_digest": datasets.digest(log, split),
        "summary": summarise(table),
        "lists": len(listed),
        "coverage@10": {p: coverage(shown[p].to_numpy()) for p in ("masked", "unmasked")},
    }
    columns = ["epoch", "loss", "valid_ndcg@10", "valid_hr@10", "seconds"]
    write(folder, spec, card, pd.DataFrame(history, columns=columns), table, shown)
    save_model(model, spec.as_dict(), log.items, model_file(folder))
    checkpoint.unlink(missing_ok=True)
    if dist.is_initialized():
        dist.barrier()
    return load(folder)


def trained_model(
    dataset: str, name: str, seed: int, items: np.ndarray, device: str = "cpu"
) -> Recommender:
    """The model of a published run; trained now if it is not in build/models.

    Raises ``ValueError`` if its items are not ``items``, numbered alike.
    """
    (spec,) = published(dataset, name, [seed])
    folder = spec.folder(root() / "build" / "results")  # committed records stay as they are
    path = model_file(folder)
    if not path.exists() or completed(stored_spec(path)) != _plain(spec):
        run_spec(spec, device, retrain=True, results="build/results")
    model, known = load_model(path)
    if not np.array_equal(known, items):
        raise ValueError(f"{path}: its items are not those of the run that starts from it")
    return model


def model_file(folder: Path) -> Path:
    """Where the model of the record in ``folder`` is kept; it is not committed."""
    return root() / "build" / "models" / f"{place(folder)}.pt"


def initialised(spec: Spec, catalogue: Catalogue) -> Recommender:
    """The model of ``spec``, its weights drawn from the spec's seed."""
    torch.manual_seed(spec.training.seed)
    return MODELS[spec.model](catalogue, spec.config)  # type: ignore[call-arg]


def untrained(spec: Spec, log: EventLog, split: Split, device: str) -> Recommender:
    """The model of ``spec`` as its training finds it: drawn, or started from another run's."""
    kind = MODELS[spec.model]
    attributes = None
    if kind.reads_attributes:
        attributes = datasets.attributes(spec.dataset)
        if attributes is None:
            raise ValueError(f"{spec.name} reads attributes of items, and {spec.dataset} has none")
    model = initialised(spec, Catalogue.learned(log, split.train, attributes))
    if spec.pretrained is not None:
        sources = []
        for run in spec.pretrained.split(","):
            dataset, name = run.rsplit("/", 1)
            # of the same seed; of pairs, which are a data set of their own, that of seed 0
            seed = 0 if dataset.endswith(("-pairs", "-pairs-leaking")) else spec.training.seed
            sources.append(trained_model(dataset, name, seed, log.items, device))
        model.start_from(*sources)  # type: ignore[operator]
    return model.to(device)


def _differences(stored: dict, asked: dict, prefix: str = "") -> list[str]:
    """Names of the fields in which two specs differ."""
    found = []
    for name in stored.keys() | asked.keys():
        old, new = stored.get(name), asked.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name} ({old!r} stored, {new!r} asked)")
    return sorted(found)


def _plain(spec: Spec) -> dict:
    """A spec as it would be read back."""
    return json.loads(json.dumps(spec.as_dict()))


def _fingerprint(spec: Spec) -> str:
    return hashlib.sha256(json.dumps(spec.as_dict(), sort_keys=True).encode()).hexdigest()[:12]
