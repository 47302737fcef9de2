"""Spec, Run, run(): load the record of a training run, or train and write it.

A record is ``<results>/<dataset>/<name>/s<seed>/``: ``spec.json`` says what was run, ``card.json``
where and when, ``history.csv`` has a row an epoch, ``ranks.parquet`` a row a test example,
``exposure.parquet`` a row an item. Nothing else in the library touches these folders, but for
:mod:`seqrec_lib.training.renewal`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from jaxtyping import Int

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import root, written_aside
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.lists import coverage
from seqrec_lib.metrics.ranking import summary
from seqrec_lib.models import MODELS
from seqrec_lib.models.base import CountModel, Recommender
from seqrec_lib.training.evaluation import exposure, ranks
from seqrec_lib.training.loop import Training, fit
from seqrec_lib.training.model_file import completed, load_model, plain, save_model
from seqrec_lib.training.provenance import peak_bytes, provenance
from seqrec_lib.training.recipes import recipe

RESULTS = "book/results"  # relative to the project's folder
LISTS = 40_000  # exposure is counted over so many lists at most, evenly spaced


@dataclass(frozen=True)
class Spec:
    """What is run: a model with its settings on a data set, from one seed (``training.seed``)."""

    dataset: str
    name: str  # the folder of the record: the model's name, or that of a published variant
    model: str
    config: Any
    training: Training
    pretrained: str | None = None  # "dataset/name": the run whose item vectors it starts from

    def as_dict(self) -> dict[str, Any]:
        """Plain values, nested; a setting that is an object of its own carries its class name."""
        return {
            "dataset": self.dataset,
            "name": self.name,
            "model": self.model,
            "config": plain(self.config),
            "training": asdict(self.training),
            "pretrained": self.pretrained,
        }

    def folder(self, results: Path) -> Path:
        return _shelf(results, self.dataset, self.name) / f"s{self.training.seed}"


@dataclass(frozen=True)
class Run:
    """The record of one run, read back; tables are read when asked for."""

    folder: Path
    spec: dict[str, Any]
    card: dict[str, Any]

    @cached_property
    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "history.csv")

    @cached_property
    def ranks(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "ranks.parquet")

    @cached_property
    def exposure(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "exposure.parquet")


@dataclass(frozen=True)
class Runs:
    """The same run from several seeds."""

    name: str
    dataset: str
    seeds: list[Run]

    def ranks(self, protocol: str) -> Int[np.ndarray, "S U"]:
        """Ranks by seed and test example; ``protocol`` is ``masked`` or ``unmasked``."""
        return np.stack([run.ranks[f"rank_{protocol}"].to_numpy() for run in self.seeds])

    @property
    def examples(self) -> pd.DataFrame:
        """User, item and history length of the test examples, the same for every seed."""
        return self.seeds[0].ranks[["user", "item", "history_length", "repeat"]]


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
    if epochs is not None:
        training = replace(training, epochs=epochs)
    if issubclass(MODELS[model], CountModel):
        seeds = (0,)
    pretrained = f"{dataset}-{start[0]}" if start else None  # of the same data set's pairs
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
        differ = _differences(completed(old.spec), json.loads(json.dumps(spec.as_dict())))
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


def load(folder: Path) -> Run:
    """Read a record; raises ``FileNotFoundError`` naming what is missing."""
    for part in ("spec.json", "card.json", "history.csv", "ranks.parquet", "exposure.parquet"):
        if not (folder / part).exists():
            raise FileNotFoundError(f"{folder}: {part} is missing; delete the folder, then retrain")
    spec, card = (json.loads((folder / f"{part}.json").read_text()) for part in ("spec", "card"))
    return Run(folder, spec, card)


def recorded(dataset: str, name: str, results: str | Path = RESULTS) -> Runs:
    """Every stored seed of a run; raises ``FileNotFoundError`` if there is none."""
    folder = _shelf(root() / results, dataset, name)
    seeds = sorted(folder.glob("s*"), key=lambda path: int(path.name[1:]))
    if not seeds:
        raise FileNotFoundError(f"{folder}: no record; train it with run({dataset!r}, {name!r})")
    return Runs(name, dataset, [load(seed) for seed in seeds])


def _shelf(results: Path, dataset: str, name: str) -> Path:
    """Where the seeds of a run stand; a data set given as a file goes by its name."""
    return results / re.sub(r"\.(csv|tsv|parquet|gz)", "", Path(dataset).name) / name


def _train(spec: Spec, device: str, folder: Path) -> Run:
    log, split = datasets.load(spec.dataset)
    started = time.monotonic()
    model = untrained(spec, log, split, device)
    made_by = provenance(model, device)  # now: the files may change while a long run goes on
    place = _place(folder)
    # other settings or other code: another file, so that a run never goes on from a stranger's
    kind = f"{_fingerprint(spec)}-{made_by['code_digest'][:8]}"
    checkpoint = root() / "build" / "checkpoints" / f"{place}-{kind}.pt"
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
    with written_aside(folder) as aside:
        aside.mkdir()
        _write_json(aside / "spec.json", spec.as_dict())
        _write_json(aside / "card.json", card)
        pd.DataFrame(history, columns=columns).to_csv(aside / "history.csv", index=False)
        write_table(table, aside / "ranks.parquet")
        write_table(shown, aside / "exposure.parquet")
    save_model(model, spec.as_dict(), log.items, _model_file(folder))
    checkpoint.unlink(missing_ok=True)
    if dist.is_initialized():
        dist.barrier()
    return load(folder)


def _vectors(source: str, items: np.ndarray, device: str) -> torch.Tensor:
    """Item vectors of the run ``dataset/name``, seed 0; trained now if its model is not here.

    Raises ``ValueError`` if that run numbers the items otherwise.
    """
    dataset, name = source.split("/")
    (spec,) = published(dataset, name, [0])
    folder = spec.folder(root() / "build" / "results")  # committed records stay as they are
    path = _model_file(folder)
    if not path.exists():
        run_spec(spec, device, retrain=True, results="build/results")
    model, known = load_model(path)
    if not np.array_equal(known, items):
        raise ValueError(f"{path}: its items are not those of the run that starts from it")
    return torch.from_numpy(model.vectors())  # type: ignore[operator]


def _model_file(folder: Path) -> Path:
    return root() / "build" / "models" / f"{_place(folder)}.pt"


def _place(folder: Path) -> str:
    return "-".join(folder.parts[-3:])


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table of a record, small: of counts and ranks, zstd packs like bytes together."""
    split = [name for name in table if table[name].dtype == np.int32]
    if "rank_masked" in split:  # ids of items in no order: whole numbers repeat, bytes do not
        split = [name for name in split if name not in ("item", "first")]
    table.to_parquet(
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=False,
        column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
        index=False,
    )


def summarise(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """HR, NDCG, MRR at 5, 10, 20 of a ranks table under both protocols."""
    return {p: summary(table[f"rank_{p}"].to_numpy()) for p in ("masked", "unmasked")}


def build(spec: Spec, catalogue: Catalogue) -> Recommender:
    """The model of ``spec``, its weights drawn from the spec's seed."""
    torch.manual_seed(spec.training.seed)
    return MODELS[spec.model](catalogue, spec.config)  # type: ignore[call-arg]


def untrained(spec: Spec, log: EventLog, split: Split, device: str) -> Recommender:
    """The model of ``spec`` as its training finds it: drawn, or with another run's vectors."""
    model = build(spec, Catalogue.learned(log, split.train))
    if spec.pretrained is not None:
        model.start_from(_vectors(spec.pretrained, log.items, device))  # type: ignore[operator]
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


def _fingerprint(spec: Spec) -> str:
    return hashlib.sha256(json.dumps(spec.as_dict(), sort_keys=True).encode()).hexdigest()[:12]


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
