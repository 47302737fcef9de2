"""Where models fail, what their lists show, what they attend to: tables and axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Real
from matplotlib.axes import Axes

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.lists import coverage, gini
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.records.store import Runs
from seqrec_lib.report import colour, label, marker
from seqrec_lib.report.axes import spread
from seqrec_lib.statistics.intervals import ONE_SEED
from seqrec_lib.statistics.parts import between, difference, matched, means

RARE = 50  # occurrences below which the T-ECD report calls an item rare
TRAINED = (0, 1, 5, 10, 50, 100, 500, 5000, np.inf)  # classes of training events of an item
# for what is no run: Okabe and Ito's palette
PALETTE = ("#000000", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")
DASHES = ("-", "--", ":", "-.", "-")
ENDS = ("#555555", "#D55E00")  # of a dumbbell


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
    their colours; otherwise they stand for themselves. ``sizes``: the number of events stands
    below a part's name. ``span`` is that of the axis.
    """
    place = np.arange(len(table))
    names = [name for name in table.columns if name not in ("events", "users")]
    ends: dict[str, tuple[float, str]] = {}
    for number, name in enumerate(names):
        look, sign = (colour(name), marker(name)) if runs else (PALETTE[number], "osv^DPX*"[number])
        middle, low, high = np.array([[one.mean, one.low, one.high] for one in table[name]]).T
        ax.plot(place, middle, color=look, marker=sign, ms=5, lw=1.4, ls=DASHES[number % 5])
        ax.fill_between(place, low, high, color=look, alpha=0.15, lw=0)
        ends[label(name) + _one_seed(table[name]) if runs else name] = (float(middle[-1]), look)
    ticks = [f"{name}\n{_short(size)}" if sizes else name for name, size in table["events"].items()]
    ax.set_xticks(place, ticks, fontsize=8)
    ax.set(ylabel=ylabel, ylim=span)
    named(ax, ends, len(table) - 1.0)


def named(ax: Axes, ends: dict[str, tuple[float, str]], place: float) -> None:
    """Names to the right of where lines end, each in its colour, none upon another."""
    known = {name: end for name, end in ends.items() if np.isfinite(end[0])}
    gap = 0.075 * float(np.ptp(ax.get_ylim()))
    heights = spread([value for value, _ in known.values()], gap)
    for (name, (_, ink)), height in zip(known.items(), heights, strict=True):
        ax.annotate(name, (place, height), (8, 0), textcoords="offset points", va="center",
                    color=ink, fontsize=9, annotation_clip=False)  # fmt: skip


def dumbbell(ax: Axes, table: pd.DataFrame) -> None:
    """Two intervals a row, joined: an open dot for the first column, a filled one for the second.

    The names of the columns stand above the first row's dots.
    """
    for row, cells in enumerate(table.to_numpy()):
        middle = [cell.mean for cell in cells]
        ax.plot(middle, [row, row], color="0.75", lw=4, zorder=1, solid_capstyle="round")
        for ink, fill, sign, cell in zip(ENDS, ("white", ENDS[1]), "so", cells, strict=True):
            reach = [[cell.mean - cell.low], [cell.high - cell.mean]]
            ax.errorbar(cell.mean, row, xerr=reach, fmt=sign, color=ink, mfc=fill, ms=8,
                        capsize=3, lw=1.4)  # fmt: skip
    left = min(cell.mean for cell in table.iloc[0])
    for ink, name, cell in zip(ENDS, table.columns, table.iloc[0], strict=True):
        side = "right" if cell.mean == left else "center"
        ax.annotate(name, (cell.mean, 0), (0, 12), textcoords="offset points", ha=side,
                    color=ink, fontsize=9)  # fmt: skip
    ax.axvline(0, color="black", lw=0.8)
    ax.set_yticks(range(len(table)), list(table.index))
    ax.set(ylim=(len(table) - 0.5, -0.75))
    ax.grid(axis="y", visible=False)


def _one_seed(cells: pd.Series) -> str:
    """What is added to a name whose intervals are over users alone, where not all are."""
    return f", {ONE_SEED}" if any(one.note == ONE_SEED for one in cells) else ""


def _short(size: int) -> str:
    return f"{size / 1000:.0f}k" if size >= 10_000 else f"{size:,}"


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


# --- what the lists show ------------------------------------------------------------------------


def lists(runs: Sequence[Runs], frequency: Real[np.ndarray, "N"]) -> pd.DataFrame:
    """What the top-10 lists (U) show: a row a run, means over seeds; last, what was true.

    ``coverage``: share of the catalogue shown to anyone. ``gini`` of exposure. ``top 1 %``: share
    of the places held by the hundredth of the items shown most. ``popularity``: training events of
    the item in a place, mean. ``rare``: share of the places held by items with fewer than 50
    training events. ``frequency`` counts training events of the items 0 (padding), 1, ...
    """
    rows = {
        label(run.name): np.mean([_facts(one, frequency) for one in _exposures(run)], axis=0)
        for run in runs
    }
    rows["true items"] = _facts(_true(runs[0], frequency), frequency)
    columns = ["coverage", "gini", "top 1 %", "popularity", "rare"]
    return pd.DataFrame.from_dict(rows, "index", columns=columns)


def _exposures(run: Runs) -> list[np.ndarray]:
    return [seed.exposure["unmasked"].to_numpy() for seed in run.seeds]


def _true(run: Runs, frequency: np.ndarray) -> np.ndarray:
    """How many test events each item is the true one of."""
    return np.bincount(run.examples["item"], minlength=len(frequency))[1:]


def _facts(exposure: np.ndarray, frequency: np.ndarray) -> list[float]:
    place, known = exposure / exposure.sum(), frequency[1:]
    most = np.sort(place)[::-1][: max(1, len(place) // 100)]
    rare = place[known < RARE]
    return [coverage(exposure), gini(exposure), most.sum(), place @ known, rare.sum()]


def concentration(ax: Axes, runs: Sequence[Runs], frequency: Real[np.ndarray, "N"]) -> None:
    """Share of the places in lists (U) held by the most shown x % of the catalogue, first seeds."""
    exposures = {run.name: _exposures(run)[0] for run in runs}
    for name, exposure in (exposures | {"true items": _true(runs[0], frequency)}).items():
        share = np.sort(exposure)[::-1].cumsum() / exposure.sum()
        kept = np.unique(np.geomspace(1, len(share), 300).astype(int))  # of a logarithmic axis
        ax.plot(100 * kept / len(share), share[kept - 1], color=colour(name), label=label(name),
                ls="-" if name in exposures else "--", marker=marker(name) if name in exposures
                else "", markevery=40, ms=5)  # fmt: skip
    ax.set(xscale="log", ylim=(0, 1.02), xlabel="% of the catalogue, most shown first",
           ylabel="share of places in top-10 lists")  # fmt: skip


def popularity_bias(
    ax: Axes, runs: Sequence[Runs], frequency: Real[np.ndarray, "N"]
) -> pd.DataFrame:
    """Share of places that items of a popularity hold, over the share of test events that are
    theirs: at 1 they are shown as often as they are true.

    Popularity is training events. Returns the ratios, a column a run.
    """
    groups, true = between(frequency[1:], TRAINED), _true(runs[0], frequency)
    groups = {name: part for name, part in groups.items() if true[part].any()}
    table = pd.DataFrame(index=list(groups))
    for run in runs:
        exposure = np.mean(_exposures(run), axis=0)
        table[label(run.name)] = [
            exposure[part].sum() / exposure.sum() / (true[part].sum() / true.sum())
            for part in groups.values()
        ]
        ax.plot(range(len(table)), table[label(run.name)], color=colour(run.name), lw=1.4, ms=5,
                marker=marker(run.name), label=label(run.name))  # fmt: skip
    ax.axhline(1, color="black", lw=0.8, ls="--")
    ax.set_xticks(range(len(table)), list(table.index), fontsize=8)
    # below a thousandth nothing can be told from nothing, which a logarithm cannot show
    ax.set_yscale("symlog", linthresh=1e-3)
    ax.set(xlabel="training events of the item", ylabel="share shown / share true", ylim=(0, None))
    return table


# --- a few histories ----------------------------------------------------------------------------


def history(ax: Axes, look: dict[str, Any]) -> None:
    """One user's events with the attention over them.

    ``look`` is one of :class:`~seqrec_lib.studies.attention.Attention`'s histories. Bars are the
    last layer's weights, a shade a head, oldest event on top. An event is named by how long before
    the test event it was, and by "again" where its item was met before.
    """
    heads, place = np.array(look["weights"][-1]), np.arange(len(look["items"]))
    begin = np.zeros(len(place))
    for number, weights in enumerate(heads / len(heads)):
        shade = 0.35 + 0.65 * (number + 1) / len(heads)
        ax.barh(place, weights, left=begin, color=colour("sasrec"), alpha=shade,
                label=f"head {number + 1}")  # fmt: skip
        begin = begin + weights
    items = look["items"]
    ticks = [
        _ago(minutes) + (", again" if item in items[:number] else "")
        for number, (item, minutes) in enumerate(zip(items, look["minutes_before"], strict=True))
    ]
    ax.set_yticks(place, ticks, fontsize=8)
    ax.set(ylim=(len(place) - 0.5, -0.5), xlabel="attention of the last step, last layer")
    ax.set_title(_case(look), fontsize=10, loc="left")
    ax.grid(axis="y", visible=False)


def drawn(histories: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """What the lists of ten hold for a few histories: a row a history, named by its case."""
    rows = {}
    for look in histories:
        row = {}
        for name, items in look["lists"].items():
            row[f"rank by {label(name)}"] = look["ranks"][name]
            row[f"seen items of {label(name)}"] = len(set(items) & set(look["items"]))
        first, second = look["lists"].values()
        rows[_case(look)] = row | {"items in both lists": len(set(first) & set(second))}
    return pd.DataFrame.from_dict(rows, "index")


def _case(look: dict[str, Any]) -> str:
    known = {name: label(name) for name in look["lists"]}
    words = " ".join(known.get(word, word) for word in look["case"].split())
    return words[0].upper() + words[1:]


def _ago(minutes: float) -> str:
    if minutes < 60:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} d"
