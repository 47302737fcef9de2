"""Seed 002's three stages: the training set written anew, an encoder, a memory around it.

Each stage is a published run of its own, so that what one earns is the difference of two records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from seqrec_lib import report
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.runs import run
from seqrec_lib.records.store import SCRATCH, Runs
from seqrec_lib.statistics.intervals import TOO_FEW, Interval, Verdict
from seqrec_lib.statistics.intervals import verdicts as corrected

STAGES = ("encoder", "regenerated", "retrieval", "both")
# what is held against what: (with the stage, without)
EARNED = {
    "regenerated": ("regenerated", "encoder"),
    "retrieval": ("retrieval", "encoder"),
    "both": ("both", "encoder"),
    "retrieval after regeneration": ("both", "regenerated"),
}
METRICS = {
    f"{short}@{k}": (metric, k) for short, metric in (("R", hr), ("N", ndcg)) for k in (5, 10, 20)
}


def stages(
    dataset: str,
    backbone: str,
    seeds: Sequence[int],
    epochs: int | None = None,
    device: str = "auto",
    retrain: bool = False,
    results: str | Path = SCRATCH,
) -> dict[str, Runs]:
    """The runs of a backbone by the stages it went through; arguments as those of ``run``."""
    how = (list(seeds), epochs, device, retrain, results)
    more = Dataset.parse(dataset).but(regenerated="every")
    return {
        "encoder": run(dataset, backbone, *how),
        "regenerated": run(more, backbone, *how),
        "retrieval": run(dataset, f"{backbone}-retrieval", *how),
        "both": run(more, f"{backbone}-retrieval", *how),
    }


def table1(found: dict[tuple[str, str], dict[str, Runs]], seed: pd.DataFrame) -> pd.DataFrame:
    """Table 1 of the seed beside ours: each cell is the backbone, then all stages, then the gain.

    ``found`` has the stages of each (data set, backbone); ``seed`` the seed's figures, with
    columns ``dataset``, ``method`` (``SASRec``, ``SASRec (Ours)``, ...) and the six metrics, for
    the sets that it has. A gain of ours that is no difference is in brackets; verdicts of all
    cells are corrected together (:func:`~seqrec_lib.statistics.intervals.verdicts`), and words
    say where a gain stands on one seed or too few.
    """
    rows, judged = {}, _judged(found, "both")
    figures = seed.set_index(["dataset", "method"])
    for (dataset, backbone), by_stage in found.items():
        name = report.label(backbone)
        if (dataset, name) in figures.index:
            before, after = (figures.loc[(dataset, f"{name}{end}")] for end in ("", " (Ours)"))
            rows[dataset, name, "seed"] = {
                metric: _cell(before[metric], after[metric]) for metric in METRICS
            }
        for protocol, letter in (("unmasked", "U"), ("masked", "M")):
            rows[dataset, name, f"ours, {letter}"] = {
                metric: _ours(
                    by_stage, protocol, metric, *judged[dataset, backbone, protocol, metric]
                )
                for metric in METRICS
            }
    table = pd.DataFrame.from_dict(rows, "index")
    return table.rename_axis(["data set", "backbone", "figures"]).rename_axis(columns=report.HOLM)


def verdicts(
    found: dict[tuple[str, str], dict[str, Runs]],
    protocol: str,
    earned: str = "both",
    metrics: Sequence[str] = tuple(METRICS),
) -> pd.Series:
    """How many cells of the table a stage makes ``higher``, ``lower`` or ``no difference``.

    ``earned`` is a name of ``EARNED``. Verdicts are those of all cells of the stage, both
    protocols and all metrics, corrected together, also where few of them are counted.
    """
    judged = _judged(found, earned)
    cells = [judged[(*case, protocol, metric)][1] for case in found for metric in metrics]
    names = ["higher", "no difference", "lower", TOO_FEW]
    return pd.Series(cells).value_counts().reindex(names, fill_value=0)


def _judged(
    found: dict[tuple[str, str], dict[str, Runs]], earned: str
) -> dict[tuple[str, str, str, str], tuple[Interval, Verdict]]:
    """What a stage adds to each cell of the table, by (data set, backbone, protocol, metric)."""
    stage, base = EARNED[earned]
    gains = {
        (*case, protocol, name): report.gain(by_stage[stage], by_stage[base], protocol, *metric)
        for case, by_stage in found.items()
        for protocol in report.PROTOCOLS
        for name, metric in METRICS.items()
    }
    pairs = zip(gains.values(), corrected(list(gains.values())), strict=True)
    return dict(zip(gains, pairs, strict=True))


def gains(pairs: Mapping[Any, Sequence[Runs]]) -> pd.DataFrame:
    """NDCG@10 of each pair's first run, and its paired gain over the second."""
    rows: dict[Any, dict[str, str]] = {}
    for name, (one, base) in pairs.items():
        rows[name] = {}
        for protocol, letter in report.PROTOCOLS.items():
            rows[name][f"NDCG@10 {letter}"] = f"{report.mean(one, protocol).mean:.4f}"
            rows[name][f"gain {letter}"] = f"{report.gain(one, base, protocol):+.4f}"
    return pd.DataFrame.from_dict(rows, "index")


def gains_apart(one: tuple[Runs, Runs], other: tuple[Runs, Runs], protocol: str) -> Interval:
    """How much more (with, without) gains in NDCG@10 than another pair does, paired on users."""
    runs = (*one, *other)
    seeds = zip(runs, report.paired_seeds(*runs), strict=True)
    a, b, c, d = (report.values(run, protocol)[rows] for run, rows in seeds)
    return report.interval((a - b) - (c - d), *runs)


def beyond_noise(found: dict[tuple[str, str], dict[str, Runs]], seed: pd.DataFrame) -> int:
    """How many of the seed's differences exceed half the width of our interval for that cell (U).

    The seed prints single runs; users and training vary for it as they do here, or more.
    """
    figures, count = seed.set_index(["dataset", "method"]), 0
    for (dataset, backbone), by_stage in found.items():
        name = report.label(backbone)
        if (dataset, name) not in figures.index:
            continue
        before, after = (figures.loc[(dataset, f"{name}{end}")] for end in ("", " (Ours)"))
        for metric, how in METRICS.items():
            ours = report.gain(by_stage["both"], by_stage["encoder"], "unmasked", *how)
            count += int(abs(after[metric] - before[metric]) > (ours.high - ours.low) / 2)
    return count


def _cell(before: float, after: float, sure: bool = True) -> str:
    gain = f"{after / before - 1:+.1%}" if before else "from nothing"
    old, new = f"{before:.4f}", f"{after:.4f}"
    return f"{old} → {new} {gain if sure else f'({gain})'}"


def _ours(
    by_stage: dict[str, Runs], protocol: str, name: str, gain: Interval, verdict: Verdict
) -> str:
    metric, k = METRICS[name]
    before, after = (
        report.mean(by_stage[stage], protocol, metric, k).mean for stage in ("encoder", "both")
    )
    cell = _cell(before, after, verdict in ("higher", "lower"))
    return f"{cell}, {gain.note}" if gain.note else cell


def ablation(found: dict[tuple[str, str], dict[str, Runs]], protocol: str) -> pd.DataFrame:
    """What each stage adds to its backbone's NDCG@10, paired, with the study's verdict.

    The last column is retrieval's gain over an encoder of regenerated data. Verdicts of the table
    are corrected together.
    """
    cells = iter(
        report.judged(
            [
                report.gain(by_stage[stage], by_stage[base], protocol)
                for by_stage in found.values()
                for stage, base in EARNED.values()
            ]
        )
    )
    rows = {}
    for (dataset, backbone), by_stage in found.items():
        row = {"backbone alone": f"{report.mean(by_stage['encoder'], protocol).mean:.4f}"}
        rows[dataset, report.label(backbone)] = row | {name: next(cells) for name in EARNED}
    table = pd.DataFrame.from_dict(rows, "index").rename_axis(["data set", "backbone"])
    return table.rename_axis(columns=report.HOLM)


def forest(ax: Axes, found: dict[tuple[str, str], dict[str, Runs]], protocol: str) -> None:
    """Paired differences of NDCG@10 that the stages make, a row a backbone and data set."""
    colours = ("#009E73", "#5D3A9B", "#000000", "#B79FD9")
    for number, by_stage in enumerate(found.values()):
        for place, (name, colour) in enumerate(zip(EARNED, colours, strict=True)):
            stage, base = EARNED[name]
            gain = report.gain(by_stage[stage], by_stage[base], protocol)
            height = number + 0.18 * (place - 1.5)
            ax.plot([gain.low, gain.high], [height, height], color=colour, lw=1.5)
            ax.plot(gain.mean, height, "o", color=colour, ms=5, label=None if number else name)
    ax.axvline(0, color="black", lw=0.8)
    names = [f"{report.label(backbone)}, {dataset}" for dataset, backbone in found]
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)  # the first on top, on shared axes too
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set(xlabel=f"NDCG@10 less that without the stage, {report.PROTOCOLS[protocol]}")


def taken_before(log: EventLog, split: Split) -> Bool[np.ndarray, "S"]:
    """Which test steps, from the last item to the true one, stand in some training history."""
    learned = split.train[log.history_length(split.train) > 0]
    taken, asked = (
        log.item[positions - 1].astype(np.int64) * (log.num_items + 1) + log.item[positions]
        for positions in (learned, split.test)
    )
    return np.isin(asked, taken)


def stage_costs(found: dict[str, Runs], regeneration: dict) -> pd.DataFrame:
    """Seconds and memory of each stage, from the cards.

    ``regeneration`` is the card of what a regenerator wrote; a stage is given with what only it
    adds.
    """
    written = regeneration["pairs_and_training_seconds"] + regeneration["rewriting_seconds"]
    rows = {"regeneration": {"seconds": written, "peak_bytes": regeneration["peak_bytes"]}}
    names = ["encoder", "encoder, regenerated data", "retrieval", "retrieval, regenerated data"]
    for stage, name in zip(STAGES, names, strict=True):
        costs = found[stage].costs
        rows[name] = {
            "seconds": costs["own_seconds"],
            "scoring": costs["scoring_seconds"],
            "peak_bytes": costs["peak_bytes"],
        }
    table = pd.DataFrame.from_dict(rows, "index")
    table["peak GiB"] = (table.pop("peak_bytes") / 2**30).round(2)
    return table.round(1)


# --- the memory --------------------------------------------------------------------------------


def searched(bench: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The benchmark of retrieval as two tables: the search on Beauty, and how it grows.

    The first has a row an index and setting: the seconds to make the index and to search, what was
    found of the exact neighbours, and the NDCG@10 that follows. The second has, of each index and
    number of entries, the setting that finds most.
    """
    shown = {"ivf": "IVF", "hnsw": "HNSW"}
    names = {"build_seconds": "to make", "recall": "found"}
    found = bench["beauty"]["search"].items()
    rows = [{"index": kind} | one for kind, settings in found for one in settings]
    search = pd.DataFrame(rows).replace({"index": shown}).rename(columns=names)
    for protocol, letter in report.PROTOCOLS.items():
        search[f"NDCG@10 {letter}"] = [figures[protocol] for figures in search["ndcg@10"]]
    search = search.set_index(["index", "setting"])[
        ["to make", "seconds", "found", "NDCG@10 M", "NDCG@10 U"]
    ]
    grown = pd.DataFrame(bench["grown"]).replace({"index": shown}).rename(columns=names)
    grown["GiB"] = grown["peak_bytes"] / 2**30
    best = grown.groupby(["index", "entries"])["found"].idxmax()
    columns = ["index", "entries", "to make", "seconds", "found", "GiB"]
    return search.round({"seconds": 2}), grown.loc[best, columns]


def growth(left: Axes, right: Axes, grown: pd.DataFrame) -> None:
    """Memory and time of a search by entries, a line an index; ``grown`` as from ``searched``."""
    for kind, rows in grown.groupby("index"):
        left.loglog(rows["entries"], rows["GiB"], "o-", label=kind)
        name = f"{kind}: {rows['found'].iloc[-1]:.2f}"
        right.loglog(rows["entries"], rows["seconds"], "o-", label=name)
    left.set(xlabel="entries", ylabel="GiB")
    right.set(xlabel="entries", ylabel="seconds for 1,000 histories")
    left.legend()
    right.legend(title="found, at its last point")


def heat_map(ax: Axes, change: pd.DataFrame) -> None:
    """Differences by alpha (rows) and neighbours (columns), each with its figure."""
    reach = max(1e-6, 2 * change.abs().max(axis=None))  # pale: figures stay legible
    ax.grid(visible=False)
    ax.imshow(change, cmap="PuOr_r", vmin=-reach, vmax=reach, aspect="auto", origin="lower")
    for (row, column), value in np.ndenumerate(change.to_numpy()):
        ax.text(column, row, f"{value:+.4f}", ha="center", va="center", fontsize=8)
    ax.set_xticks(range(len(change.columns)), change.columns)
    ax.set_yticks(range(len(change)), change.index)
    ax.set(xlabel="neighbours, K", ylabel="share of the own state, α")
