"""What minutes of training buy: the frontier of cost and quality, and the best within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Real
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.report.axes import spread
from seqrec_lib.report.chapters.results import Row
from seqrec_lib.statistics.intervals import Interval

SHORTEST = 1 / 60  # of a minute: what is counted takes no longer, and the axis begins there
GAP = 0.054  # between two labels, of the height of the axes
INK = "#222222"  # of labels: the colours of some models are too light to read


def frontier(cost: Real[np.ndarray, "N"], quality: Real[np.ndarray, "N"]) -> Bool[np.ndarray, "N"]:
    """Which points no other beats: none is as cheap and as good, and in one of both better.

    >>> frontier(np.array([1, 2, 3, 3]), np.array([5, 4, 6, 7])).tolist()
    [True, False, False, True]
    """
    good = (cost <= cost[:, None]) & (quality >= quality[:, None])
    better = (cost < cost[:, None]) | (quality > quality[:, None])
    return ~np.any(good & better, axis=1)


def best(
    rows: Sequence[Row], protocol: str, cost_of: Callable[[Row], float] | None = None
) -> list[Row]:
    """The rows on the frontier of a cost and NDCG@10, the cheapest first; of minutes of training
    unless another cost is given.

    They know item numbers alone. Times of a processor and of a GPU are not compared: those on
    the frontier were trained on the kind that trained most rows.
    """
    cost_of = cost_of or _minutes
    able = [row for row in rows if not row.informed and _kind([row]) == _kind(rows)]
    if not able:
        return []
    cost = np.array([cost_of(row) for row in able])
    on = frontier(cost, np.array([level(row, protocol).mean for row in able]))
    return sorted((row for row, is_on in zip(able, on, strict=True) if is_on), key=cost_of)


def level(row: Row, protocol: str) -> Interval:
    """A row's NDCG@10 under a protocol."""
    return row.found[f"NDCG@10 {report.PROTOCOLS[protocol]}"]


def within(
    rows: Mapping[str, Sequence[Row]], budgets: Mapping[str, float], protocol: str
) -> pd.DataFrame:
    """The best mean NDCG@10 within so many minutes of training: a row a file, a column a budget.

    Whatever :func:`best` may hold is looked at; a dash stands where nothing is cheap enough.
    """
    table: dict[str, dict[str, str]] = {}
    for file, own in rows.items():
        front = best(own, protocol)
        table[file] = {}
        for words, most in budgets.items():
            able = [row for row in front if row.minutes <= most]
            cell = f"{able[-1].model}, {level(able[-1], protocol).mean:.4f}" if able else ""
            table[file][words] = cell
    return pd.DataFrame.from_dict(table, "index")


def cost_quality(ax: Axes, rows: Sequence[Row], protocol: str, named: Sequence[str]) -> list[str]:
    """NDCG@10 against minutes of training; returns the runs on the frontier, cheapest first.

    Those on the frontier (:func:`best`) and those ``named`` that learned from the file as it is
    have their names; the others are grey dots. Where there are no rows, words say so.
    """
    letter = report.PROTOCOLS[protocol]
    if not rows:
        ax.text(0.5, 0.5, "no records", ha="center", va="center")
        ax.set_axis_off()
        return []
    front, far = best(rows, protocol), []
    if front:
        points = [(_minutes(row), level(row, protocol).mean) for row in front]
        ax.step(*zip(*points, strict=True), where="post", color="black", lw=1, zorder=1)
    top = 1.03 * max(row.found[f"NDCG@10 {x}"].high for row in rows for x in "MU")
    for row in rows:
        one, minutes = level(row, protocol), _minutes(row)
        if row not in front and not (row.runs.name in named and "data" not in row.model):
            ax.plot(minutes, one.mean, "o", color="#AAAAAA", ms=3.5, zorder=0)
            continue
        ink, mark = report.colour(row.runs.name), report.marker(row.runs.name)
        ax.plot([minutes] * 2, [one.low, one.high], color=ink, lw=1.2)
        ax.plot(minutes, one.mean, mark, color=ink, ms=6.5)
        if minutes < 1:  # nothing stands to the right of what is counted
            ax.annotate(row.model.replace(", ", ",\n"), (minutes, one.mean), xytext=(7, -3),
                        color=INK, fontsize=report.SMALL, va="top",
                        textcoords="offset points")  # fmt: skip
        else:
            far.append((one.mean, minutes, row.model, ink))
    far.sort()
    heights = spread([mean for mean, *_ in far], GAP * top, (GAP / 2 * top, (1 - GAP / 2) * top))
    for height, (mean, minutes, words, ink) in zip(heights, far, strict=True):
        ax.annotate(words, (minutes, mean), xytext=(1.06, height), color=INK, va="center",
                    fontsize=report.SMALL, textcoords=ax.get_yaxis_transform(),
                    arrowprops={"arrowstyle": "-", "color": ink, "lw": 0.6, "relpos": (0, 0.5)},
                    )  # fmt: skip
    ax.set(xscale="log", ylim=(0, top), xlim=(0.7 * SHORTEST, None), ylabel=f"NDCG@10, {letter}")
    ticks = {SHORTEST: "1 s", 1: "1 min", 10: "10 min", 60: "1 h"}
    ax.set_xticks(list(ticks), list(ticks.values()))
    ax.minorticks_off()
    return [row.runs.name for row in front]


def _minutes(row: Row) -> float:
    return max(row.minutes, SHORTEST)


def _kind(rows: Sequence[Row]) -> str:
    """What most of the rows were trained on: CPU or GPU."""
    return pd.Series([row.device.split(",")[0] for row in rows]).mode()[0]
