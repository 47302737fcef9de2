"""Choices between two models, each measured on the same questions: what to take, over what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Real
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.chapters.results import Row, weighed
from seqrec_lib.report.forest import zones
from seqrec_lib.report.tables import asked
from seqrec_lib.statistics.intervals import TOO_FEW, Interval, verdicts

LETTERS = {letter: protocol for protocol, letter in report.PROTOCOLS.items()}
LOOKS: dict[str, dict[str, Any]] = {
    "M": {"color": "#D55E00", "marker": "o"},
    "U": {"color": "#0072B2", "marker": "s"},
}


@dataclass(frozen=True)
class Choice:
    """One run taken over another, on one file under one protocol.

    ``gain`` is the paired difference in NDCG@10, ``level`` that of the other run, ``verdict`` that
    of :func:`~seqrec_lib.statistics.intervals.verdicts` among all that were weighed together.
    """

    file: str
    letter: str
    take: Row
    over: Row
    gain: Interval
    level: float
    verdict: str = ""

    @property
    def percent(self) -> Interval:
        """The gain in percent of the other run's level; nan where that is 0."""
        one, unit = self.gain, report.ratio(100, self.level)
        return replace(one, mean=unit * one.mean, low=unit * one.low, high=unit * one.high)

    def __str__(self) -> str:
        """The gain as a table has it: ``+33 % [+29, +38], higher``."""
        percent = self.percent
        ends = "" if percent.low != percent.low else f" [{percent.low:+.0f}, {percent.high:+.0f}]"
        note = self.gain.note if self.gain.note != TOO_FEW else ""  # that is the verdict
        parts = [f"{percent.mean:+.0f} %{ends}", self.verdict, note]
        return ", ".join(part for part in parts if part).replace("-", "−")


def weigh(
    asked_for: Mapping[str, tuple[str, str, str, str]],
    rows: Iterable[Row],
    weights: Mapping[str, Real[np.ndarray, "Q"] | None],
) -> dict[str, Choice]:
    """Choices by key, of ``(file, protocol's letter, take, over)`` by the names that rows have.

    ``weights`` has by file how much each question counts, if not alike. A choice of which one side
    has no row is left out. Verdicts of all are corrected together.
    """
    known = {(row.file, row.model): row for row in rows}
    found = {}
    for key, (file, letter, take, over) in asked_for.items():
        if (file, take) in known and (file, over) in known:
            a, b = known[file, take], known[file, over]
            gain, level = against(a.runs, b.runs, letter, weights.get(file))
            found[key] = Choice(file, letter, a, b, gain, level)
    said = verdicts([one.gain for one in found.values()])
    return {
        key: replace(one, verdict=verdict)
        for (key, one), verdict in zip(found.items(), said, strict=True)
    }


def against(
    a: Runs, b: Runs, letter: str, weight: Real[np.ndarray, "Q"] | None = None
) -> tuple[Interval, float]:
    """NDCG@10 of a minus that of b, on the same questions and seeds, and the level of b there."""
    protocol = LETTERS[letter]
    first, second = (
        report.values(run, protocol, ndcg)[seeds]
        for run, seeds in zip((a, b), report.paired_seeds(a, b), strict=True)
    )
    weight = np.ones(first.shape[1]) if weight is None else weight
    gain = report.interval(weighed(first - second, weight, asked(a)), a, b)
    return gain, float(np.average(second.mean(0), weights=weight))


def table(choices: Mapping[str, Choice]) -> pd.DataFrame:
    """A row a choice: what is taken over what, the levels, the gain, and minutes of training."""
    lines = []
    for one in choices.values():
        gain = one.gain
        lines.append(
            {
                "file": one.file,
                "protocol": one.letter,
                "take": one.take.model,
                "over": one.over.model,
                "NDCG@10 of the latter": one.level,
                "change": f"{gain.mean:+.4f} ± {(gain.high - gain.low) / 2:.4f}",
                f"verdict ({report.HOLM})": one.verdict,
                "minutes": f"{one.take.minutes:.1f}",
                "over those of the latter": f"{one.over.minutes:.1f}",
            }
        )
    return pd.DataFrame(lines)


def forest(ax: Axes, choices: Mapping[str, Choice], words: Mapping[str, str]) -> None:
    """Changes in NDCG@10 in percent, a row a choice in the order of ``words``, by file.

    ``words`` are the names of rows by the keys of choices; what was not weighed has no row. A
    choice without a verdict of a difference has an open mark.
    """
    names, height = [], 0.0
    drawn = [key for key in words if key in choices]
    for file, keys in groupby(drawn, lambda key: choices[key].file):
        names.append((height, ""))
        ax.text(-0.02, height, file, weight="bold", va="center", ha="right",
                transform=ax.get_yaxis_transform())  # fmt: skip
        for key in keys:
            height += 1
            one = choices[key]
            look, percent = LOOKS[one.letter], one.percent
            sure = one.verdict in ("higher", "lower")
            ax.plot([percent.low, percent.high], [height] * 2, color=look["color"], lw=1.8)
            ax.plot(percent.mean, height, ms=7, mfc=look["color"] if sure else "white", **look)
            names.append((height, f"{words[key]}, {one.letter}"))
        height += 1.3
    if not drawn:
        ax.text(0.5, 0.5, "no records", ha="center", va="center", transform=ax.transAxes)
    zones(ax)
    ax.set_yticks([place for place, _ in names], [name for _, name in names])
    ax.tick_params(axis="y", length=0)
    ax.set(ylim=(height - 0.5, -0.7), xlabel="change in NDCG@10, %")
    ax.grid(axis="y", visible=False)


def asking(rows: Sequence[Row], files: Sequence[str]) -> pd.DataFrame:
    """What answers cost: seconds to score a thousand test questions in batches, and parameters."""
    lines = [
        {
            "file": row.file,
            "model": row.model,
            "seconds for 1,000": 1000 * row.seconds / len(row.runs.seeds[0].ranks),
            "parameters": row.parameters,
            "trained and scored on": row.device,
        }
        for row in rows
        if row.file in files
    ]
    return pd.DataFrame(lines)


def repeats(row: Row, weight: Real[np.ndarray, "Q"] | None = None) -> float:
    """The share of a file's questions, in percent, whose answer the user has had before."""
    again = row.runs.examples["repeat"].to_numpy()
    return float(100 * np.average(again, weights=weight))
