"""What SASRec attends to: the entropy of its attention, and a few histories to look at.

Both need the weights of a model, which are not committed, so they are kept as a small record
beside the results: ``attention/<dataset>/<name>/`` with ``card.json`` (which training it belongs
to), ``sample.parquet`` (a row a sampled test position) and ``histories.json``. A record is made
from the files in ``build/models`` when a chapter asks for one that is not there.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data import datasets
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.log import EventLog
from seqrec_lib.metrics.entropy import normalised_entropy
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.records.model_file import load_model
from seqrec_lib.records.runs import model_file
from seqrec_lib.records.store import Run, Runs, write_json
from seqrec_lib.statistics.parts import between
from seqrec_lib.training.evaluation import ranks

LENGTHS = (2, 11, 26, 51, 101, 201, np.inf)  # events before a position; as many from each part
SHORT = 50  # newest events read for rank_short: what seed 001's model reads
SHOWN = (10, 16)  # events of a history that a page has room for


@dataclass(frozen=True)
class Attention:
    """The record of one model's attention.

    ``sample`` has columns ``row`` (of the ranks table), ``history_length``, ``visible`` (events
    that the model reads), ``entropy_<layer>_<head>`` (normalised, of the last step, layers and
    heads from 1), ``rank`` (U), and the rank if every step attended to all before it alike
    (``rank_uniform``), if each step's weights were dealt to its events at random
    (``rank_permuted``), and if the model read no more than the newest 50 (``rank_short``).

    ``histories`` are dictionaries: ``case`` (who finds the next item), ``items`` and
    ``minutes_before`` of the events read, ``weights`` (layer, head, event), the ``true`` next item,
    ``lists`` (model: ten items) and ``ranks`` (model: of the true item).
    """

    sample: pd.DataFrame
    histories: list[dict[str, Any]]

    @property
    def heads(self) -> dict[str, Float[np.ndarray, "1 rows"]]:
        """Normalised entropy of the last step's attention, by the name of the head."""
        names = self.sample.filter(like="entropy_").columns
        return {
            "layer {}, head {}".format(*name.split("_")[1:]): self.sample[[name]].T.to_numpy(float)
            for name in names
        }

    @property
    def hits(self) -> dict[str, Float[np.ndarray, "1 rows"]]:
        """Is the true item among the first ten, by what was done to the model."""
        done = {
            "as trained": "rank",
            "plain mean": "rank_uniform",
            "dealt at random": "rank_permuted",
            f"newest {SHORT} events": "rank_short",
        }
        return {
            name: (self.sample[[column]].T.to_numpy() <= 10).astype(float)
            for name, column in done.items()
        }


def attention(run: Runs, beside: Runs, remake: bool = False, per_length: int = 2000) -> Attention:
    """The record of ``run``'s first seed: read if there is one, else made from its model file.

    Histories are shown with the lists of ``beside`` as well; the sample has ``per_length``
    positions (at most) of each part of ``LENGTHS``. Raises ``FileNotFoundError`` if a model file
    is needed and not there, ``ValueError`` if record or model file come from another training.
    """
    one, other = run.seeds[0], beside.seeds[0]
    folder = one.folder.parents[2].parent / "attention" / one.folder.parts[-3] / run.name
    made_from = {run.name: one.card["date"], beside.name: other.card["date"]}
    if remake or not folder.exists():
        log, split = datasets.load(run.dataset)
        models = {runs.name: _model(runs.seeds[0]) for runs in (run, beside)}
        # of users all of whose positions are tested: the others' rows are first events of a day
        row = np.flatnonzero(datasets.followed(run.dataset, log)[log.user_of(split.test)])
        sample = measured(models[run.name], log, split.test[row], _length(one), per_length)  # type: ignore[arg-type]
        sample["row"] = row[sample["row"]].astype(np.int32)
        _same(one, sample)
        histories = looked_at(log, split.test, models, {run.name: one, beside.name: other})
        with written_aside(folder) as aside:
            aside.mkdir()
            write_json(aside / "card.json", made_from)
            write_json(aside / "histories.json", histories)
            sample.to_parquet(aside / "sample.parquet", compression="zstd", index=False)
    stored = json.loads((folder / "card.json").read_text())
    if stored != made_from:
        raise ValueError(
            f"{folder}: made from trainings of {stored}, the records are of {made_from}; delete "
            "the folder and run the chapter where build/models has the models"
        )
    histories = json.loads((folder / "histories.json").read_text())
    return Attention(pd.read_parquet(folder / "sample.parquet"), histories)


def _length(run: Run) -> int:
    return int(run.spec["training"]["max_len"])


def _model(run: Run) -> Recommender:
    path = model_file(run.folder)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: weights are not committed; train them with run(..., retrain=True)"
        )
    return load_model(path)[0]


def _same(run: Run, sample: pd.DataFrame) -> None:
    """Raise ValueError unless the sample's ranks are, but for rounding, those of the record."""
    recorded = run.ranks["rank_unmasked"].to_numpy()[sample["row"]]
    if ((recorded <= 10) != (sample["rank"] <= 10)).mean() > 0.01:
        raise ValueError(f"{run.folder}: build/models has the model of another training")


@torch.inference_mode()
def measured(
    model: SASRec,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    length: int,
    per_length: int,
    seed: int = 0,
) -> pd.DataFrame:
    """The table ``sample`` of :class:`Attention`, of random rows of ``positions``."""
    rng = np.random.default_rng(seed)
    earlier = log.history_length(positions)
    drawn = [
        rng.permutation(np.flatnonzero(part))[:per_length]
        for part in between(earlier, LENGTHS).values()
    ]
    row = np.sort(np.concatenate(drawn))
    chosen, visible = positions[row], np.minimum(earlier[row], length)
    table = {"row": row.astype(np.int32), "history_length": earlier[row], "visible": visible}
    layers, heads = model.config.num_layers, model.config.num_heads
    entropy = np.empty((len(row), layers, heads), dtype=np.float32)
    for count in np.unique(visible):
        for begin in range(0, (visible == count).sum(), 64):
            here = np.flatnonzero(visible == count)[begin : begin + 64]
            _, weights = model.attended(model.batch(log, chosen[here], length))
            entropy[here] = normalised_entropy(weights[..., -1, :].transpose(0, 1).numpy())
    table |= {
        f"entropy_{layer + 1}_{head + 1}": entropy[:, layer, head].round(4)
        for layer in range(layers)
        for head in range(heads)
    }
    generator = torch.Generator().manual_seed(seed)
    kinds = {
        "rank": (model, length),
        "rank_uniform": (_changed(model, uniform), length),
        "rank_permuted": (_changed(model, lambda weights: permuted(weights, generator)), length),
        "rank_short": (model, min(length, SHORT)),
    }
    for name, (kind, newest) in kinds.items():
        table[name] = ranks(kind, log, chosen, newest)["rank_unmasked"].to_numpy()
    return pd.DataFrame(table)


def _changed(model: SASRec, change) -> SASRec:
    """The same weights, attending otherwise."""
    other = copy.copy(model)
    other.encode = lambda batch: model.attended(batch, change)[0]  # type: ignore[method-assign]
    return other


def uniform(weights: Float[Tensor, "B H T T"]) -> Float[Tensor, "B H T T"]:
    """Every step attends alike to itself and all before it."""
    even = torch.ones_like(weights).tril()
    return even / even.sum(-1, keepdim=True)


def permuted(
    weights: Float[Tensor, "B H T T"], generator: torch.Generator
) -> Float[Tensor, "B H T T"]:
    """Each step's weights, dealt at random to the steps that it sees: the entropy stays."""
    ahead = torch.ones(weights.shape[-2:], dtype=torch.bool).triu(1)
    chance = torch.rand(weights.shape, generator=generator).masked_fill(ahead, 2.0)
    return weights.gather(-1, chance.argsort(-1))


@torch.inference_mode()
def looked_at(
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    models: Mapping[str, Recommender],
    runs: Mapping[str, Run],
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Three histories, drawn at random from those of a few events: both models find the next item,
    the first alone does, neither does. The first of ``models`` is the one that attends."""
    first, second = models
    rank = {name: run.ranks["rank_unmasked"].to_numpy() for name, run in runs.items()}
    hit = {name: of <= 10 for name, of in rank.items()}
    new = ~runs[first].ranks["repeat"].to_numpy()
    cases = {
        "both find it": hit[first] & hit[second],
        f"{first} alone finds it": hit[first] & ~hit[second],
        "neither finds it": ~hit[first] & ~hit[second],
    }
    order = np.random.default_rng(seed).permutation(len(positions))
    earlier = log.history_length(positions)
    order = order[(earlier[order] >= SHOWN[0]) & (earlier[order] < SHOWN[1]) & new[order]]
    found = []
    for case, part in cases.items():
        for row in order[part[order]][:1]:
            batch = log.histories(positions[[row]], _length(runs[first]), ("time",))
            _, weights = cast(SASRec, models[first]).attended(batch)
            lists = {
                name: model.score_all(model.batch(log, positions[[row]], _length(runs[name])))
                .topk(10)
                .indices[0]
                .numpy()
                for name, model in models.items()
            }
            before = log.time[positions[row]] - batch.time[0].numpy()  # type: ignore[index]
            found.append(
                {
                    "case": case,
                    "items": _raw(log, batch.item[0].numpy()),
                    "minutes_before": (before / 60).round(1).tolist(),
                    "weights": weights[:, 0, :, -1].numpy().astype(float).round(4).tolist(),
                    "true": _raw(log, log.item[positions[[row]]])[0],
                    "lists": {name: _raw(log, items) for name, items in lists.items()},
                    "ranks": {name: int(of[row]) for name, of in rank.items()},
                }
            )
    return found


def _raw(log: EventLog, items: np.ndarray) -> list[str]:
    return [str(raw) for raw in log.items[items - 1]]
