"""How item vectors lie, measured once and kept: the vectors themselves are not.

``book/maps/<dataset>/`` holds four small tables, made from the models of ``<dataset>-pairs``
(trained if they are not in ``build/models``):

python -m seqrec_lib.studies.maps tecd-marketplace tecd-sim
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from seqrec_lib.data import datasets, files
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.labels import labels
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.partners import mirrored, with_partners
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics import embeddings
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.counts.svd import SVD
from seqrec_lib.models.encoders.item2vec import Item2Vec
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import initialised, trained_model
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import beside
from seqrec_lib.statistics.intervals import bootstrap, paired
from seqrec_lib.training.device import device as resolved
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.loop import fit

NAMES = ("popular", "svd", "item2vec", "item2vec-report")
SAMPLE, QUERIES, MAPPED = 10_000, 2_000, 5_000
NEIGHBOURS = 10
LEAST = 5  # pairs of an item on the map: below that its place is mostly its random start


@dataclass(frozen=True)
class Maps:
    """The tables of one data set; each is a file of the folder.

    * ``measures``: a row a model, see :func:`measured`;
    * ``norms``: lengths of the rows of the table before any normalisation, by quantile;
    * ``nearest``: the nearest items of a few;
    * ``points``: a row an item on the map: ``item`` (raw id), ``x``, ``y``, ``popularity``
      (training events), and what is known of it.
    """

    measures: pd.DataFrame
    norms: pd.DataFrame
    nearest: pd.DataFrame
    points: pd.DataFrame


def maps(
    dataset: str, results: str | Path = SCRATCH, retrain: bool = False, device: str = "auto"
) -> Maps:
    """The tables of ``dataset``, read, or made (with ``retrain`` made anew) and written.

    They stand in ``maps`` beside the folder ``results``; the committed ones are read from scratch.
    """
    parsed = Dataset.parse(dataset)
    shelf = datasets.folder(parsed.but(split="") if parsed.split == "users" else parsed)
    folder = beside(results, "maps", shelf, anew=retrain)
    if retrain or not folder.exists():
        made = make(dataset, device)
        with files.written_aside(folder) as aside:
            aside.mkdir()
            for field in fields(Maps):
                table = getattr(made, field.name)
                table.to_parquet(aside / f"{field.name}.parquet", compression="zstd", index=False)
    names = [field.name for field in fields(Maps)]
    return Maps(*(pd.read_parquet(folder / f"{name}.parquet") for name in names))


def make(dataset: str, device: str = "auto") -> Maps:
    """Measure the models of ``<dataset>-pairs``, seed 0, and lay out those of ``item2vec``."""
    device, pairs = resolved(device), Dataset.parse(dataset).but(pairs="apart")
    log, split = datasets.load(pairs)
    things = labels(dataset)
    specs = {name: published(pairs, name, [0])[0] for name in NAMES}
    models = {name: trained_model(spec, device).model.to(device) for name, spec in specs.items()}
    vectors = {name: table for name, one in models.items() if (table := _table(one)) is not None}
    met = Catalogue.learned(log, split.train).frequency
    known = np.flatnonzero(np.logical_and.reduce([t.any(1) for t in vectors.values()]) & (met > 0))
    rng = np.random.default_rng(0)
    vectors["random"] = rng.standard_normal(vectors["item2vec"].shape)
    filtered = with_partners(log, split)
    rows = [
        {"model": name}
        | _recall(models.get(name), *filtered)
        | (measured(vectors[name], known, log, split, things) if name in vectors else {})
        for name in (*NAMES, "random")
    ]
    rows[NAMES.index("item2vec")] |= _mirror(pairs, models["item2vec"], log, split, device)
    table = _raw(models["item2vec-report"])
    chosen = _some(np.flatnonzero(met >= LEAST), MAPPED, rng)
    points = things.iloc[chosen - 1].assign(**_layout(vectors["item2vec"][chosen]))
    return Maps(
        pd.DataFrame(rows),
        _norms(table, met),
        _nearest(vectors["item2vec"], known, things),
        points.reset_index(drop=True),
    )


# --- measures -----------------------------------------------------------------------------------


def measured(
    vectors: Float[np.ndarray, "N D"],
    known: Int[np.ndarray, "K"],
    log: EventLog,
    split: Split,
    things: pd.DataFrame,
) -> dict[str, float]:
    """How the vectors of the items ``known`` lie (:mod:`seqrec_lib.metrics.embeddings`).

    ``alignment`` of held-out pairs, ``uniformity`` of a sample, ``cosine_random`` (mean) and
    ``cosine_random_99`` (quantile) of random pairs, ``cosine_nearest`` (median over the queries);
    ``<label>_purity`` of the ten nearest and ``<label>_chance`` for each label with several
    values, ``crossing`` the share of the ten that are of another domain, and ``far_nearest`` the
    median cosine of the nearest item of another domain.
    """
    rng = np.random.default_rng(1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    ends = np.stack([log.item[split.test - 1], log.item[split.test]], 1).astype(int)
    a, b = rng.choice(known, (2, 100_000))
    cosine = (unit[a] * unit[b]).sum(1)[a != b]
    queries = _some(np.arange(len(known)), QUERIES, rng)
    found, near = embeddings.nearest(unit[known], min(NEIGHBOURS, len(known) - 1), queries)
    values = {
        "alignment": embeddings.alignment(unit, ends[np.isin(ends, known).all(1)]),
        "uniformity": embeddings.uniformity(unit[_some(known, SAMPLE, rng)]),
        "cosine_random": float(cosine.mean()),
        "cosine_random_99": float(np.quantile(cosine, 0.99)),
        "cosine_nearest": float(np.median(near[:, 0])),
    }
    own = things.iloc[known - 1]
    for name in ("domain", "category", "need", "surface", "band"):
        if name in own and own[name].nunique() > 1:
            label = own[name].to_numpy()
            values[f"{name}_purity"] = float(embeddings.purity(found, label, queries).mean())
            values[f"{name}_chance"] = embeddings.chance_purity(label, queries)
    domain = own["domain"].to_numpy()
    if len(set(domain)) > 1:
        values["crossing"] = 1 - values["domain_purity"]
        other = domain[queries][:, None] != domain
        cross = np.where(other, unit[known[queries]] @ unit[known].T, -1)
        values["far_nearest"] = float(np.median(cross.max(1)))
    return values


def _mirror(pairs: Dataset, model: Recommender, log: EventLog, split: Split, device: str) -> dict:
    """Recall of the same pairs without and with their reverse in training."""
    (spec,) = published(pairs, "item2vec", [0])
    seen = mirrored(split)
    leaking = initialised(spec, Catalogue.learned(log, seen.train)).to(device)
    fit(leaking, log, seen, spec.training)
    found = [ranks(one, log, seen.test)["rank_masked"].to_numpy() for one in (model, leaking)]
    apart, together = (hr(one, 10) for one in found)
    gain = paired(together, apart)
    return {
        "hr_apart": float(apart.mean()), "hr_mirrored": float(together.mean()),
        "mirror_gain": gain.mean, "mirror_gain_low": gain.low, "mirror_gain_high": gain.high,
    }  # fmt: skip


def _recall(model: Recommender | None, log: EventLog, positions: Int[np.ndarray, "S"]) -> dict:
    """HR@10 and NDCG@10 of ``with_partners``, with intervals over the pairs."""
    if model is None:
        return {}
    found = ranks(model, log, positions, length=1)["rank_masked"].to_numpy()
    values: dict[str, float] = {}
    for name, metric in (("hr", hr), ("ndcg", ndcg)):
        interval = bootstrap(metric(found, 10))
        values |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return values


def _norms(table: Float[np.ndarray, "N D"], met: Int[np.ndarray, "N"]) -> pd.DataFrame:
    """Quantiles of the rows' lengths, of items with pairs and without; padding is apart."""
    length = np.linalg.norm(table, axis=1)
    item = np.arange(len(length)) > 0
    parts = {"padding": ~item, "items with pairs": item & (met > 0), "items without": met == 0}
    parts["items without"] &= item
    rows = [
        {
            "rows": name,
            "count": int(own.sum()),
            "quantile": at,
            "length": np.quantile(length[own], at),
        }
        for name, own in parts.items()
        if own.any()
        for at in (0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1)
    ]
    return pd.DataFrame(rows)


def _nearest(
    vectors: Float[np.ndarray, "N D"], known: Int[np.ndarray, "K"], things: pd.DataFrame
) -> pd.DataFrame:
    """The five nearest items of the most popular one of each of five categories or surfaces."""
    own = things.iloc[known - 1].reset_index(drop=True)
    if "showcased" in own:  # shown to everybody: they have no neighbourhood
        own = own.assign(popularity=own["popularity"].where(~own["showcased"].astype(bool), -1))
    kind = next(name for name in ("surface", "category") if name in own)
    top = own.sort_values("popularity", ascending=False, kind="stable").drop_duplicates(kind)
    queries = top.index.to_numpy()[:5]
    found, cosine = embeddings.nearest(vectors[known], min(5, len(known) - 1), queries)
    near = own.iloc[found.ravel()].reset_index(drop=True).drop(columns="band")
    query = own.iloc[np.repeat(queries, found.shape[1])].reset_index(drop=True)
    names = [name for name in ("item", "domain", kind) if name in query]
    near = query[names].add_prefix("query_").join(near)
    return near.assign(cosine=cosine.ravel().round(4))


def _layout(vectors: Float[np.ndarray, "M D"]) -> dict[str, np.ndarray]:
    """UMAP (McInnes et al., 2018, arXiv:1802.03426) on the plane, to a hundredth.

    One thread and a fixed seed; other machines may still give other places.
    """
    from umap import UMAP  # here: it compiles itself, and only new maps need it

    neighbours = min(15, len(vectors) - 1)
    plane = UMAP(neighbours, metric="cosine", random_state=0, n_jobs=1).fit_transform(vectors)
    x, y = (plane - plane.mean(0)).round(2).astype(np.float32).T
    return {"x": x, "y": y}


# --- models -------------------------------------------------------------------------------------


def _table(model: Recommender) -> Float[np.ndarray, "N D"] | None:
    """Unit vectors of items, zero where the model has none."""
    if isinstance(model, SVD):
        return model.factors.cpu().numpy()
    return model.vectors() if isinstance(model, Item2Vec) else None


@torch.no_grad()
def _raw(model: Recommender) -> Float[np.ndarray, "N D"]:
    """The table before the network and before any normalisation."""
    return model.items.weight.cpu().numpy()  # type: ignore[union-attr, operator]


def _some(of: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most ``count`` of them at random, in order."""
    return of if len(of) <= count else np.sort(rng.choice(of, count, replace=False))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.maps",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    chosen = parser.parse_args(arguments)
    for dataset in chosen.datasets:
        made = maps(dataset, chosen.results, retrain=True, device=chosen.device)
        print(made.measures.round(4).to_string(index=False))


if __name__ == "__main__":
    main()
