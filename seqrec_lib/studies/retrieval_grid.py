"""What a memory does, measured once and kept: K and alpha on trial, and neighbours to look at.

Both need weights, which are not committed. ``neighbours/<dataset>/<name>/`` beside the results
holds ``grid.csv`` (a row a cell) and ``examples.json``, made from ``build/models``:

python -m seqrec_lib.studies.retrieval_grid beauty
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from tqdm import tqdm

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.wrappers.retrieval import Retrieval
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import trained_model
from seqrec_lib.records.store import SCRATCH, results_folder, write_json
from seqrec_lib.records.tables import Growing, beside
from seqrec_lib.training.device import device as resolved
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.loop import fit

COUNTS, ALPHAS = (5, 10, 20, 50, 100), (0.1, 0.3, 0.5, 0.7, 0.9)
EPOCHS = 2  # of each cell, as many as published
SHOWN, TOLD = 3, 5  # examples of a kind; neighbours of an example
FOUND, MISSED = 10, 20  # an example has the true item within one, and outside the other


def place(dataset: str, name: str, results: str | Path = SCRATCH) -> Path:
    """The folder of what is kept."""
    return beside(results, "neighbours", datasets.folder(dataset), name)


def grid(
    dataset: str,
    name: str = "sasrec-retrieval",
    results: str | Path = SCRATCH,
    device: str = "auto",
    counts: tuple[int, ...] = COUNTS,
    alphas: tuple[float, ...] = ALPHAS,
) -> pd.DataFrame:
    """Validation figures of every K and alpha, each fine-tuned for two epochs from seed 0.

    Columns ``neighbours``, ``alpha``, and HR@10 and NDCG@10 under both protocols; the row with no
    neighbours is the encoder alone. Cells that are kept are not made again, so that an interrupted
    call goes on.
    """
    file = ("neighbours", datasets.folder(dataset), name, "grid.csv")
    rows = Growing(results, *file, keys=["neighbours", "alpha"], float_format="%.6f")
    cells = [(0, 1.0), *((k, alpha) for alpha in alphas for k in counts)]
    missing = [cell for cell in cells if cell not in rows.by]
    if not missing:
        return rows.table()
    device = resolved(device)
    log, split = datasets.load(dataset)
    catalogue = Catalogue.learned(log, split.train)
    (spec,) = published(dataset, name, [0])
    (alone,) = published(dataset, name.removesuffix("-retrieval"), [0])
    encoder = trained_model(alone, device).model.to(device)
    source = Retrieval(catalogue, replace(spec.config, neighbours=max(counts)))
    source.start_from(encoder)
    if any(k for k, _ in missing):
        source.to(device).begin_pass(log, split.train, spec.training.max_len)
    training = replace(spec.training, epochs=EPOCHS)
    for k, alpha in tqdm(missing, desc="grid", unit="cell"):
        if k:
            torch.manual_seed(0)
            model = Retrieval(catalogue, replace(spec.config, neighbours=k, alpha=alpha))
            model.start_from(encoder)
            model.to(device).share(source, log)
            fit(model, log, split, training)
        found = ranks(model if k else encoder, log, split.valid, training.max_len)
        row: dict[str, float] = {"neighbours": k, "alpha": alpha}
        for protocol, letter in (("masked", "M"), ("unmasked", "U")):
            rank = found[f"rank_{protocol}"].to_numpy()
            row[f"HR@10 {letter}"], row[f"NDCG@10 {letter}"] = (
                hr(rank, 10).mean(),
                ndcg(rank, 10).mean(),
            )
        rows.add(row)
    return rows.table()


def examples(
    dataset: str,
    name: str = "sasrec-retrieval",
    results: str | Path = SCRATCH,
    device: str = "auto",
) -> dict[str, Any]:
    """Test histories whose ranking the memory changed, and the neighbours they were given.

    ``tests``, ``found`` and ``lost`` count all histories and those whose true item (M) it brought
    within ten from beyond twenty, and the reverse; ``own`` is the share of earlier states of
    the same user among the neighbours of all, ``alike`` that of states after the very item that
    the history ends with, ``leading`` the share of histories with a neighbour
    that led to the true item. Each of ``examples`` has ``kind`` (``found`` or ``lost``),
    ``history`` and ``true`` (raw ids), ``before`` and ``after`` (ranks of the true item) and
    ``neighbours``, the nearest and further down those that led to the true item: ``place``,
    ``cosine``, ``weight``, the ``last`` items of its history and the item it led to, ``next``.
    Drawn at random, from seed 0.
    """
    path = place(dataset, name, results) / "examples.json"
    if path.exists():
        return json.loads(path.read_text())
    device = resolved(device)
    log, split = datasets.load(dataset)
    (spec,) = published(dataset, name, [0])
    model = trained_model(spec, device).model.to(device)
    assert isinstance(model, Retrieval)
    length = spec.training.max_len
    before, after = (
        ranks(one, log, split.test, length)["rank_masked"].to_numpy()
        for one in (model.encoder, model)
    )
    states = F.normalize(model.states(log, split.test, length), dim=-1)
    entries = model.memory.nearest(states, model.config.neighbours).cpu()
    owners, items = model.memory.owners.cpu()[entries], model.memory.items.cpu()[entries]
    user, true = (
        torch.from_numpy(x[:, None]) for x in (log.user_of(split.test), log.item[split.test])
    )
    seen = model.memory.positions.cpu().numpy()[entries]
    made: dict[str, Any] = {
        "tests": len(split.test),
        "own": round(float((owners == user).float().mean()), 4),
        "alike": round(float((log.item[seen - 1] == log.item[split.test - 1, None]).mean()), 4),
        "leading": round(float((items == true).any(1).float().mean()), 4),
        "examples": [],
    }
    rng = np.random.default_rng(0)
    for kind, good, bad in (("found", after, before), ("lost", before, after)):
        rows = np.flatnonzero((good <= FOUND) & (bad > MISSED))
        made[kind] = len(rows)
        for row in rng.permutation(rows)[:SHOWN]:
            ends = {"kind": kind, "before": int(before[row]), "after": int(after[row])}
            made["examples"].append(ends | _told(model, log, int(split.test[row]), length))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, made)
    return made


@torch.inference_mode()
def _told(model: Retrieval, log: EventLog, position: int, length: int) -> dict[str, Any]:
    """A test position in words: its history, its true item, neighbours that tell."""
    device = model.memory.keys.device
    batch = model.batch(log, np.array([position]), length).to(device)
    found, weights = (part[0] for part in model.consulted(batch))
    unit = F.normalize(model.encoder.state(batch), dim=-1)[0]
    cosine = model.memory.keys[found] @ unit
    entry = model.memory.positions[found].cpu().numpy()
    start = log.offsets[log.user_of(entry)]
    told = [i for i in range(len(entry)) if i < TOLD or log.item[entry[i]] == log.item[position]]
    neighbours = [
        {
            "place": i + 1,
            "cosine": round(float(cosine[i]), 3),
            "weight": round(float(weights[i]), 3),
            "last": _raw(log, slice(max(start[i], entry[i] - 3), entry[i])),
            "next": _raw(log, slice(entry[i], entry[i] + 1))[0],
        }
        for i in told
    ]
    first = max(log.offsets[log.user_of(np.array([position]))[0]], position - 8)
    return {
        "history": _raw(log, slice(first, position)),
        "true": _raw(log, slice(position, position + 1))[0],
        "neighbours": neighbours,
    }


def _raw(log: EventLog, part: slice) -> list[str]:
    return [str(raw) for raw in log.items[log.item[part] - 1]]


def main(arguments: list[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.retrieval_grid", description=__doc__
    )
    parser.add_argument("dataset")
    parser.add_argument("--name", default="sasrec-retrieval")
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args(arguments)
    how = (chosen.dataset, chosen.name, chosen.results, chosen.device)
    print(grid(*how).round(4).to_string())
    print({name: value for name, value in examples(*how).items() if name != "examples"})


if __name__ == "__main__":
    main()
