"""The poster's three stages: the training set written anew, an encoder, a memory around it.

Each stage is a published run of its own, so that what one earns is the difference of two records.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.runs import run
from seqrec_lib.records.store import SCRATCH, Runs
from seqrec_lib.statistics.intervals import TOO_FEW, Interval, Verdict

STAGES = ("encoder", "regenerated", "retrieval", "both")
# what is held against what: (with the stage, without)
EARNED = {
    "regenerated": ("regenerated", "encoder"),
    "retrieval": ("retrieval", "encoder"),
    "all three stages": ("both", "encoder"),
    "retrieval after regeneration": ("both", "regenerated"),
}
LOOKS = {
    "regenerated": {"color": "#1B7F5C", "marker": "D"},
    "retrieval": {"color": "#5D3A9B", "marker": "s"},
    "all three stages": {"color": "#000000", "marker": "o"},
    "then retrieval": {"color": "#5D3A9B", "marker": "s"},
}
DRAWN = {"retrieval after regeneration": "then retrieval"}  # shorter, in a figure
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


def table1(
    found: dict[tuple[str, str], dict[str, Runs]],
    poster: pd.DataFrame,
    metrics: Sequence[str] = ("R@10", "N@10"),
) -> dict[str, pd.DataFrame]:
    """Table 1 of the poster beside ours, a table a data set: the backbone, all stages, the change.

    ``found`` has the stages of each (data set, backbone); ``poster`` its figures, with columns
    ``dataset``, ``method`` (``SASRec``, ``SASRec (Ours)``, ...) and the six metrics, for the sets
    that it has. A change of ours that is no difference is in brackets; verdicts of all cells are
    corrected together (:func:`~seqrec_lib.statistics.intervals.verdicts`), and words say where a
    change stands on one seed or too few.
    """
    heads = ("alone", "all stages", "change")
    return {
        dataset: _framed(
            {
                row: {
                    f"{metric} {head}": value
                    for metric in metrics
                    for head, value in zip(heads, cells[metric], strict=True)
                }
                for row, cells in rows.items()
            }
        )
        for dataset, rows in _cells(found, poster).items()
    }


def changes(
    found: dict[tuple[str, str], dict[str, Runs]], poster: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """The relative change of all six metrics, a table a data set; as in :func:`table1`."""
    return {
        dataset: _framed(
            {row: {name: cell[2] for name, cell in cells.items()} for row, cells in rows.items()}
        )
        for dataset, rows in _cells(found, poster).items()
    }


def _framed(rows: dict[tuple[str, str], dict[str, str]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, "index").rename_axis(["backbone", "figures"])


def _cells(
    found: dict[tuple[str, str], dict[str, Runs]], poster: pd.DataFrame
) -> dict[str, dict[tuple[str, str], dict[str, tuple[str, str, str]]]]:
    """By data set and (backbone, whose figures): of each metric before, after, and the change."""
    tables: dict[str, dict[tuple[str, str], dict[str, tuple[str, str, str]]]] = {}
    judged, figures = _judged(found, "all three stages"), poster.set_index(["dataset", "method"])
    for (dataset, backbone), by_stage in found.items():
        name, rows = report.label(backbone), tables.setdefault(dataset.capitalize(), {})
        if (dataset, name) in figures.index:
            before, after = (figures.loc[(dataset, f"{name}{end}")] for end in ("", " (Ours)"))
            rows[name, "poster"] = {
                metric: _cell(before[metric], after[metric]) for metric in METRICS
            }
        for protocol, letter in (("unmasked", "U"), ("masked", "M")):
            rows[name, f"ours, {letter}"] = {
                metric: _ours(
                    by_stage, protocol, metric, *judged[dataset, backbone, protocol, metric]
                )
                for metric in METRICS
            }
    return tables


def verdicts(
    found: dict[tuple[str, str], dict[str, Runs]],
    protocol: str,
    earned: str = "all three stages",
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


def counted(found: dict[tuple[str, str], dict[str, Runs]]) -> dict[str, int]:
    """Verdicts counted, by what the text calls them, and a letter for the protocol.

    ``cells-higher-m``, ``cells-lower-m``: of all three stages over all cells.
    ``retrieval-higher-m``, ``regeneration-higher-m``: of retrieval alone, and after regeneration,
    in NDCG@10; ``retrieval-recall-m``, ``regeneration-recall-m``: in recall.
    """
    counts: dict[str, int] = {}
    for protocol, letter in (("masked", "m"), ("unmasked", "u")):
        cells = verdicts(found, protocol)
        counts |= {f"cells-{name}-{letter}": int(cells[name]) for name in ("higher", "lower")}
        for when in ("retrieval", "retrieval after regeneration"):
            for kind, metrics in {"higher": ["N@10"], "recall": ["R@5", "R@10", "R@20"]}.items():
                higher = verdicts(found, protocol, when, metrics)["higher"]
                counts[f"{when.split()[-1]}-{kind}-{letter}"] = int(higher)
    return counts


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
    said = report.verdicts_of(gains)
    return {cell: (gain, said[cell]) for cell, gain in gains.items()}


def gains_apart(one: tuple[Runs, Runs], other: tuple[Runs, Runs], protocol: str) -> Interval:
    """How much more (with, without) gains in NDCG@10 than another pair does, paired on users."""
    runs = (*one, *other)
    seeds = zip(runs, report.paired_seeds(*runs), strict=True)
    a, b, c, d = (report.values(run, protocol)[rows] for run, rows in seeds)
    return report.interval((a - b) - (c - d), *runs)


def beyond_noise(found: dict[tuple[str, str], dict[str, Runs]], poster: pd.DataFrame) -> int:
    """How many of the poster's differences exceed half the width of our interval for that cell (U).

    The poster prints single runs; users and training vary for it as they do here, or more.
    """
    figures, count = poster.set_index(["dataset", "method"]), 0
    for (dataset, backbone), by_stage in found.items():
        name = report.label(backbone)
        if (dataset, name) not in figures.index:
            continue
        before, after = (figures.loc[(dataset, f"{name}{end}")] for end in ("", " (Ours)"))
        for metric, how in METRICS.items():
            ours = report.gain(by_stage["both"], by_stage["encoder"], "unmasked", *how)
            count += int(abs(after[metric] - before[metric]) > ours.half_width)
    return count


def _cell(before: float, after: float) -> tuple[str, str, str]:
    change = f"{100 * (after / before - 1):+.1f} %" if before else "from nothing"
    return f"{before:.4f}", f"{after:.4f}", change


def _ours(
    by_stage: dict[str, Runs], protocol: str, name: str, gain: Interval, verdict: Verdict
) -> tuple[str, str, str]:
    metric, k = METRICS[name]
    before, after = (
        report.mean(by_stage[stage], protocol, metric, k).mean for stage in ("encoder", "both")
    )
    old, new, change = _cell(before, after)
    return old, new, report.in_brackets(change, verdict, gain.note)


def ablation(found: dict[tuple[str, str], dict[str, Runs]]) -> pd.DataFrame:
    """What each stage adds to its backbone's NDCG@10 under both protocols, paired.

    A difference that is no difference is in brackets. Verdicts of the whole
    table, both protocols, are corrected together; what an interval does not cover stands beside it.
    """
    gains = {
        (case, name, protocol): report.gain(by_stage[stage], by_stage[base], protocol)
        for case, by_stage in found.items()
        for name, (stage, base) in EARNED.items()
        for protocol in report.PROTOCOLS
    }
    said = report.verdicts_of(gains)
    rows: dict = {}
    for case, by_stage in found.items():
        dataset, backbone = case
        row = rows[dataset.capitalize(), report.label(backbone)] = {}
        for protocol, letter in report.PROTOCOLS.items():
            alone = report.mean(by_stage["encoder"], protocol)
            row[f"backbone alone {letter}"] = f"{alone.mean:.4f}"
            for name in EARNED:
                gain, verdict = gains[case, name, protocol], said[case, name, protocol]
                words = f"{gain.mean:+.4f}"
                row[f"{name} {letter}"] = report.in_brackets(words, verdict, gain.note)
    return pd.DataFrame.from_dict(rows, "index").rename_axis(["data set", "backbone"])


def forest(
    axes: Collection[Axes], found: dict[tuple[str, str], dict[str, Runs]], names: Sequence[str]
) -> None:
    """What stages change in NDCG@10, paired: a panel a protocol, a row a backbone and data set.

    ``names`` are of ``EARNED``. The scale is the same whichever are drawn.
    """
    tables = {}
    for protocol, title in report.WORDS.items():
        rows: dict[str, dict[str, Interval]] = {}
        for (dataset, backbone), by_stage in found.items():
            rows[f"{report.label(backbone)}, {dataset.capitalize()}"] = {
                DRAWN.get(name, name): report.gain(by_stage[stage], by_stage[base], protocol)
                for name, (stage, base) in EARNED.items()
            }
        tables[title] = pd.DataFrame.from_dict(rows, "index")
    every = [one for table in tables.values() for one in table.to_numpy().ravel()]
    tables = {title: table[[DRAWN.get(n, n) for n in names]] for title, table in tables.items()}
    report.forest(axes, tables, "difference in NDCG@10", LOOKS, held=every)


def stage_costs(found: dict[str, Runs], regeneration: dict) -> pd.DataFrame:
    """Minutes, seconds of scoring and memory of each stage, from the cards.

    ``regeneration`` is the card of what a regenerator wrote; a stage is given with what only it
    adds.
    """
    written = regeneration["pairs_and_training_seconds"] + regeneration["rewriting_seconds"]
    rows = {"regeneration": {"minutes": written / 60, "peak_bytes": regeneration["peak_bytes"]}}
    names = ["encoder", "encoder, regenerated data", "retrieval", "retrieval, regenerated data"]
    for stage, name in zip(STAGES, names, strict=True):
        costs = found[stage].costs
        rows[name] = {
            "minutes": costs["own_seconds"] / 60,
            "seconds to score all test users": costs["scoring_seconds"],
            "peak_bytes": costs["peak_bytes"],
        }
    table = pd.DataFrame.from_dict(rows, "index")
    table["peak GiB"] = table.pop("peak_bytes") / 2**30
    return table.round(1)
