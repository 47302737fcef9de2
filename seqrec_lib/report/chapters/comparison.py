"""The comparison of everything: what became of the claims, what minutes buy on every file, and
ours beside the released networks of others, user by user."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data import files
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.chapters import budget
from seqrec_lib.report.chapters.results import METRICS, Row
from seqrec_lib.report.tables import asked, by_user
from seqrec_lib.statistics.intervals import Interval

VERDICTS = {  # colours from blue to red, which everybody can tell apart, and greys for the rest
    "holds": "#2166AC",
    "holds in part": "#92C5DE",
    "does not hold": "#D6604D",
    "not like for like": "#8C8C8C",
    "not tested here": "#D9D9D9",
}
DOCUMENTS = {
    "report": "the T-ECD report",
    "poster": "the poster",
    "survey": "the survey",
    "in-store": "the in-store paper",
    "print": "published figures",
}


# --- the ledger ---------------------------------------------------------------------------------


def claims(text: str | None = None) -> Iterator[tuple[str, str, str, str]]:
    """Document, claim, source and verdict of each row of the ledger (book/claims.md, or ``text``).

    Its rows have five cells: claim, verdict, why, what was measured, source. What comes from none
    of the four documents is a figure in ``print``.
    """
    if text is None:
        text = (files.root() / "book" / "claims.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        cells = re.split(r" \| ?", line.strip()[2:-1].strip()) if line.startswith("| ") else []
        if len(cells) == 5 and cells[0] != "claim":
            source = cells[4].removeprefix("implied by the pipeline, ")
            document = source.split(",")[0]
            yield document if document in DOCUMENTS else "print", cells[0], source, cells[1]


def ledger(text: str | None = None) -> pd.DataFrame:
    """How many :func:`claims` have which verdict: a row a document, a column a verdict."""
    counts = pd.DataFrame(0, list(DOCUMENTS.values()), list(VERDICTS))
    for document, _, _, verdict in claims(text):
        if (said := verdict.strip("*")) in VERDICTS:  # not so the head of another table
            counts.loc[DOCUMENTS[document], said] += 1
    return counts


def draw_ledger(ax: Axes, counts: pd.DataFrame) -> None:
    """A bar a document, in parts by verdict, with the numbers written in."""
    left = np.zeros(len(counts))
    place = np.arange(len(counts))[::-1]
    for verdict, ink in VERDICTS.items():
        count = counts[verdict].to_numpy()
        ax.barh(place, count, left=left, color=ink, label=verdict, height=0.7)
        for y, one, begin in zip(place, count, left, strict=True):
            if one > 1:
                dark = verdict in ("holds", "does not hold")
                ax.text(begin + one / 2, y, str(one), ha="center", va="center",
                        fontsize=report.SMALL, color="white" if dark else "#222222")  # fmt: skip
        left = left + count
    ax.set_yticks(place, [f"{name} ({n})" for name, n in counts.sum(axis=1).items()])
    ax.set_xlabel("claims")
    report.legend_above(ax)


# --- cost and quality ---------------------------------------------------------------------------


def bought(
    rows: Mapping[str, Sequence[Row]], budgets: Mapping[str, float], protocol: str
) -> pd.DataFrame:
    """The best mean NDCG@10 within so many minutes of training, in percent of the file's best.

    A row a file, a column a budget; of models that know item numbers alone
    (:func:`seqrec_lib.report.chapters.budget.best`). A file where nothing is cheap enough for the
    smallest budget, as nothing was counted, is left out.
    """
    table: dict[str, dict[str, float]] = {}
    for file, own in rows.items():
        front = budget.best(own, protocol)
        level = {row.minutes: budget.level(row, protocol).mean for row in front}
        if level and min(level) <= min(budgets.values()):
            best = max(level.values())
            table[file] = {
                words: 100 * report.ratio(max(v for m, v in level.items() if m <= most), best)
                for words, most in budgets.items()
            }
    return pd.DataFrame.from_dict(table, "index")


def costs(
    rows: Mapping[str, Sequence[Row]], protocol: str, by_answer: bool = False
) -> pd.DataFrame:
    """The models on each file's frontier of training time and NDCG@10, or of the time of an answer
    and NDCG@10, with all that they cost.

    Core-minutes of training with all that a model starts from; milliseconds to score one question
    against the catalogue, in batches; megabytes of what is learned, four bytes a number (NaN of
    what is counted: its tables are no parameters).
    """
    lines = []
    for file, own in rows.items():
        for row in budget.best(own, protocol, answering if by_answer else None):
            threads = max(run.card["threads"] for run in row.runs.seeds)
            lines.append(
                {
                    "file": file,
                    "model": row.model,
                    "seeds": row.seeds,
                    "NDCG@10": report.with_half_width(budget.level(row, protocol)),
                    "core-minutes": row.minutes * threads,
                    "ms an answer": answering(row),
                    "MB": 4e-6 * row.parameters or float("nan"),
                }
            )
    return pd.DataFrame(lines)


def answering(row: Row) -> float:
    """Milliseconds to score one question against the catalogue, in batches."""
    return 1e3 * row.seconds / len(row.runs.examples)


# --- beside the networks of others --------------------------------------------------------------


def released(dataset: str) -> dict[str, pd.DataFrame]:
    """The ranks of the networks that others released for a data set, by their model's name.

    They are those of benchmarks/published_quality.py: their weights, our ranking.
    """
    folder = files.root() / "benchmarks" / "results" / "published"
    kept = report.benchmark("published_quality")["checkpoints"]
    return {
        one["model"]: pd.read_parquet(folder / name / "ranks.parquet")
        for name, one in kept.items()
        if one["dataset"] == dataset
    }


def rescored() -> pd.DataFrame:
    """A row a released network and file: HR@10 and NDCG@10 by our ranking under both protocols,
    what stands in print under its own, and what masking adds to NDCG@10, in percent."""
    rows = []
    for one in report.benchmark("published_quality")["checkpoints"].values():
        of, printed = one["summary"], one["printed"]
        row: dict[str, Any] = {"released": one["model"], "file": one["dataset"].capitalize()}
        letter = report.PROTOCOLS[printed["protocol"]]
        row["in print"] = f"{printed['HR@10']:.4f} / {printed['NDCG@10']:.4f} ({letter})"
        for protocol, letter in report.PROTOCOLS.items():
            row[f"ours {letter}"] = f"{of[protocol]['HR@10']:.4f} / {of[protocol]['NDCG@10']:.4f}"
        gain = report.ratio(*(of[protocol]["NDCG@10"] for protocol in report.PROTOCOLS)) - 1
        rows.append(row | {"masking adds, %": 100 * gain})
    return pd.DataFrame(rows).set_index("released")


def over(runs: Runs, other: pd.DataFrame, protocol: str, metric: report.Metric = ndcg) -> Interval:
    """What a run has over a released network on the same users, 95 % over users and our seeds.

    Theirs is one network, as it stands in print: it has no seeds to be drawn again. Raises
    ``ValueError`` if its ranks are of other questions.
    """
    examples = runs.examples[["user", "item"]].to_numpy()
    if not np.array_equal(examples, other[["user", "item"]].to_numpy()):
        raise ValueError(f"{runs.dataset}/{runs.name}: the released ranks are of other questions")
    theirs = metric(other[f"rank_{protocol}"].to_numpy(), 10)
    difference = report.values(runs, protocol, metric) - theirs
    return report.interval(by_user(difference, asked(runs)), runs)


def beside(ours: Mapping[str, Sequence[Runs]]) -> dict[str, pd.DataFrame]:
    """Runs minus each released network of their data set, a table a protocol.

    Verdicts of all, both metrics and protocols, are corrected together.
    """
    found: dict[tuple[str, str, str, str, str], Interval] = {}
    for dataset, several in ours.items():
        for runs, (theirs, table) in product(several, released(dataset).items()):
            for protocol, (name, metric) in product(report.PROTOCOLS, METRICS.items()):
                key = (protocol, dataset.capitalize(), report.label(runs.name), theirs, name)
                found[key] = over(runs, table, protocol, metric)
    said = report.verdicts_of(found)
    lines: dict[str, dict[tuple[str, str, str], dict[str, str]]] = {}
    for key, one in found.items():
        words = report.with_half_width(one, signed=True)
        rows = lines.setdefault(report.WORDS[key[0]], {})
        rows.setdefault(key[1:4], {})[key[4]] = report.in_brackets(words, said[key])
    return {words: _framed(rows) for words, rows in lines.items()}


def _framed(rows: Mapping[tuple[str, str, str], Mapping[str, str]]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(rows, names=("file", "ours", "released"))
    return pd.DataFrame(list(rows.values()), index).reset_index()
