"""Where models fail: groups of test positions, as they are and matched; their tables and axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.records.store import Runs
from seqrec_lib.report import SMALL, colour, label, marker
from seqrec_lib.report.axes import ends, named
from seqrec_lib.report.forest import rows, zones
from seqrec_lib.statistics.intervals import ONE_SEED
from seqrec_lib.statistics.parts import difference, matched, means

RARE = 50  # occurrences below which the T-ECD report calls an item rare
TRAINED = (0, 1, 5, 10, 50, 100, 500, 5000, np.inf)  # classes of training events of an item
# for what is no run: Okabe and Ito's palette
PALETTE = ("#000000", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")
DASHES = ("-", "--", ":", "-.", "-")
BEFORE_AFTER: tuple[dict[str, Any], ...] = (  # the ends of a dumbbell
    {"color": "#555555", "marker": "s"},
    {"color": "#D55E00", "marker": "o"},
)


@dataclass(frozen=True)
class Tested:
    """The test positions of users all of whose positions are tested, a value a position.

    (:func:`~seqrec_lib.data.datasets.followed`; of the others the first of the test day alone is,
    which would make a mean over events one over early events.)
    """

    row: Int[np.ndarray, "P"]  # of the ranks table
    position: Int[np.ndarray, "P"]  # in the log
    user: Int[np.ndarray, "P"]
    earlier: Int[np.ndarray, "P"]  # events of the user before it
    trained: Int[np.ndarray, "P"]  # training events of the true item
    repeat: Bool[np.ndarray, "P"]  # is the item among the user's earlier ones?
    frequency: Int[np.ndarray, "N"]  # training events of every item, from 0 (padding) on

    @property
    def target(self) -> Int[np.ndarray, "P"]:
        """What kind of item is asked for: a class of training events, and whether a repeat."""
        return 2 * np.digitize(self.trained, TRAINED[1:-1]) + self.repeat


def tested(dataset: str, log: EventLog, split: Split, run: Runs) -> Tested:
    """What is known of the test positions behind the ranks of ``run``, or of any run beside it."""
    row = np.flatnonzero(datasets.followed(dataset, log)[log.user_of(split.test)])
    position = split.test[row]
    frequency = Catalogue.learned(log, split.train).frequency
    return Tested(
        row=row,
        position=position,
        user=log.user_of(position),
        earlier=log.history_length(position),
        trained=frequency[log.item[position]],
        repeat=run.examples["repeat"].to_numpy()[row],
        frequency=frequency,
    )


def hits(runs: Sequence[Runs], rows: Tested) -> dict[str, Float[np.ndarray, "_ P"]]:
    """For each run: was the true item among the first ten (U), by seed and position?"""
    return {
        run.name: np.stack([hr(seed[rows.row], 10) for seed in run.ranks("unmasked")])
        for run in runs
    }


def gaps(
    values: Float[np.ndarray, "_ P"],
    rows: Tested,
    cuts: dict[str, tuple[Bool[np.ndarray, "P"], Bool[np.ndarray, "P"]]],
) -> pd.DataFrame:
    """How far two groups of positions are apart, a row a pair of them, in three columns.

    First as they are, then with the second group weighted so that its true items are as popular as
    those of the first, last so that they are as often repeats too.
    """
    ways = {
        "as it is": rows.target * 0,
        "at equal popularity": rows.target // 2,
        "at equal popularity and repetition": rows.target,
    }
    columns = {
        name: [difference(values, rows.user, *matched(a, b, way)) for a, b in cuts.values()]
        for name, way in ways.items()
    }
    return pd.DataFrame(columns, list(cuts))


# --- axes ---------------------------------------------------------------------------------------


def lines(
    ax: Axes,
    table: pd.DataFrame,
    ylabel: str = "HR@10, U",
    runs: bool = True,
    sizes: bool = False,
    span: tuple[float | None, float | None] = (0, None),
) -> None:
    """A table of :func:`~seqrec_lib.statistics.parts.means` for parts in an order: a line a column.

    Each has its band and, at its right end, its name. ``runs``: columns are names of runs, with
    their colours; otherwise they stand for themselves. ``sizes``: parts are spans of numbers, with
    the first of them at the tick and the number of events below. ``span`` is that of the axis.
    """
    place = np.arange(len(table))
    names = [name for name in table.columns if name not in ("events", "users")]
    tips: dict[str, tuple[float, str]] = {}
    for number, name in enumerate(names):
        look, sign = (colour(name), marker(name)) if runs else (PALETTE[number], "osv^DPX*"[number])
        middle, low, high = np.array([[one.mean, one.low, one.high] for one in table[name]]).T
        ax.plot(place, middle, color=look, marker=sign, ms=5, lw=1.4, ls=DASHES[number % 5])
        ax.fill_between(place, low, high, color=look, alpha=0.15, lw=0)
        tips[label(name) + _one_seed(table[name]) if runs else name] = (float(middle[-1]), look)
    ticks = [str(name) for name in table.index]
    if sizes:
        ticks = [f"{first_of(n)}\n{_short(s)}" for n, s in zip(ticks, table["events"], strict=True)]
    ax.set_xticks(place, ticks, fontsize=SMALL)
    ax.set(ylabel=ylabel, ylim=span)
    named(ax, tips, len(table) - 1.0)


def dumbbell(ax: Axes, table: pd.DataFrame) -> None:
    """Two intervals a row, joined: a square for the first column, a dot for the second.

    The names of the columns stand above those of the first row.
    """
    rows(ax, table.index)
    zones(ax)
    for row, cells in enumerate(table.to_numpy()):
        middle, reach = ends(cells)
        ax.plot(middle, [row, row], color="0.75", lw=4, zorder=1, solid_capstyle="round")
        for x, far, look in zip(middle, reach.T, BEFORE_AFTER, strict=True):
            ax.errorbar(x, row, xerr=far[:, None], ms=7, lw=1.8, **look)
    first = {str(name): cell.mean for name, cell in table.iloc[0].items()}
    for (name, x), look in zip(first.items(), BEFORE_AFTER, strict=True):
        left = x == min(first.values())
        ax.annotate(name.replace(" and ", "\nand "), (min(x, 0) if left else x, 0),
                    (-5, 9), ha="right" if left else "left",
                    textcoords="offset points", color=look["color"], fontsize=SMALL)  # fmt: skip
    ax.set_ylim(len(table) - 0.5, -1.1)


def _one_seed(cells: pd.Series) -> str:
    """What is added to a name whose intervals are over users alone, where not all are."""
    return f", {ONE_SEED}" if any(one.note == ONE_SEED for one in cells) else ""


def first_of(name: str) -> str:
    """The first number of a part, of its name: spans side by side would run into one another.

    >>> first_of("100–499"), first_of("5000+")
    ('100', '5000')
    """
    return name.rstrip("+").split("–")[0]


def _short(size: int) -> str:
    return f"{size / 1000:.1f}k" if size >= 1_000 else str(size)


# --- changes of domain --------------------------------------------------------------------------


def switching(
    hits: dict[str, Float[np.ndarray, "_ P"]],
    rows: Tested,
    switch: Bool[np.ndarray, "P"],
    counters: Sequence[str],
) -> pd.DataFrame:
    """HR@10 where the domain stays and where it changes, and the change as a share of the first.

    A row a run. The change is given as it is, within users who do both (``same user``), and among
    targets of the same popularity that are repeats equally often (``alike``).
    """
    found = means(hits, rows.user, {"stays": ~switch, "changes": switch}, counters).T
    found = found.loc[list(hits)]
    groups = {"as it is": switch * 0, "same user": rows.user, "alike": rows.target}
    for name, group in groups.items():
        a, b = matched(switch, ~switch, group)
        found[name] = [
            difference(one, rows.user, a, b, True, run not in counters) for run, one in hits.items()
        ]
    return found
