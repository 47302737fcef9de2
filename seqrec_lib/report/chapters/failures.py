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
from seqrec_lib.statistics.intervals import ONE_SEED
from seqrec_lib.statistics.parts import between

RARE = 50  # occurrences below which seed 001 calls an item rare
TRAINED = (0, 1, 5, 10, 50, 100, 500, 5000, np.inf)  # classes of training events of an item
# for what is no run: Okabe and Ito's palette
PALETTE = ("#000000", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")


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


# --- axes ---------------------------------------------------------------------------------------


def bars(ax: Axes, table: pd.DataFrame, ylabel: str = "HR@10, U") -> None:
    """Grouped bars of a table of :func:`~seqrec_lib.statistics.parts.means`, an interval on each.

    Below a part's name stands its number of events.
    """
    names = [name for name in table.columns if name not in ("events", "users")]
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        middle = np.array([interval.mean for interval in table[name]])
        ends = np.array([[interval.low, interval.high] for interval in table[name]]).T
        place = np.arange(len(table)) + width * (number - (len(names) - 1) / 2)
        ax.bar(place, middle, width * 0.92, yerr=np.abs(ends - middle), color=colour(name),
               label=label(name) + _one_seed(table[name]),
               error_kw={"lw": 1, "capsize": 1.5})  # fmt: skip
    ticks = [f"{name}\n{_short(size)}" for name, size in table["events"].items()]
    ax.set_xticks(range(len(table)), ticks, fontsize=8)
    ax.grid(axis="x", visible=False)
    ax.set(ylabel=ylabel, ylim=(0, None))


def lines(
    ax: Axes, table: pd.DataFrame, ylabel: str = "HR@10, U", runs: bool = True, sizes: bool = False
) -> None:
    """The same for parts in an order, such as hours: a line and its band a column.

    ``runs``: columns are names of runs, with their colours; otherwise they stand for themselves.
    ``sizes``: the number of events stands below a part's name.
    """
    place = np.arange(len(table))
    names = [name for name in table.columns if name not in ("events", "users")]
    for number, name in enumerate(names):
        look, sign = (colour(name), marker(name)) if runs else (PALETTE[number], "osv^DPX*"[number])
        middle, low, high = np.array([[one.mean, one.low, one.high] for one in table[name]]).T
        ax.plot(place, middle, color=look, marker=sign, ms=4, lw=1.2,
                label=(label(name) if runs else name) + _one_seed(table[name]))  # fmt: skip
        ax.fill_between(place, low, high, color=look, alpha=0.15, lw=0)
    ticks = [f"{name}\n{_short(size)}" if sizes else name for name, size in table["events"].items()]
    ax.set_xticks(place, ticks, fontsize=8)
    ax.set(ylabel=ylabel, ylim=(0, None))


def _one_seed(cells: pd.Series) -> str:
    """What a legend adds to a name whose intervals are over users alone."""
    return f", {ONE_SEED}" if any(one.note == ONE_SEED for one in cells) else ""


def _short(size: int) -> str:
    return f"{size / 1000:.0f}k" if size >= 10_000 else f"{size:,}"


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
                ls="-" if name in exposures else "--")  # fmt: skip
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
        ax.plot(range(len(table)), table[label(run.name)], color=colour(run.name), lw=1.2, ms=5,
                marker=marker(run.name), label=label(run.name))  # fmt: skip
    ax.axhline(1, color="black", lw=0.8, ls="--")
    ax.set_xticks(range(len(table)), list(table.index), fontsize=8)
    # below a thousandth nothing can be told from nothing, which a logarithm cannot show
    ax.set_yscale("symlog", linthresh=1e-3)
    ax.set(xlabel="training events of the item", ylabel="share shown / share true", ylim=(0, None))
    return table


# --- one history --------------------------------------------------------------------------------


def history(left: Axes, right: Axes, look: dict[str, Any]) -> None:
    """One user's events with the attention over them, and beside it the models' lists.

    ``look`` is one of :class:`~seqrec_lib.studies.attention.Attention`'s histories. Bars are the
    last layer's weights, a shade a head, oldest event on top; an arrow marks the true next item.
    """
    heads, place = np.array(look["weights"][-1]), np.arange(len(look["items"]))
    begin = np.zeros(len(place))
    for number, weights in enumerate(heads / len(heads)):
        shade = 0.35 + 0.65 * (number + 1) / len(heads)
        left.barh(place, weights, left=begin, color=colour("sasrec"), alpha=shade,
                  label=f"head {number + 1}")  # fmt: skip
        begin = begin + weights
    events = zip(look["items"], look["minutes_before"], strict=True)
    left.set_yticks(place, [f"{item}, {_ago(minutes)}" for item, minutes in events], fontsize=7)
    left.set(ylim=(len(place) - 0.5, -0.5), xlabel="attention of the last step, last layer")
    named = {name: label(name) for name in look["lists"]}
    case = " ".join(named.get(word, word) for word in look["case"].split())
    left.set_title(case, fontsize=10, loc="left")
    left.grid(axis="y", visible=False)
    right.axis("off")
    for column, (name, items) in enumerate(look["lists"].items()):
        x = column / len(look["lists"])
        right.text(x, 1, f"{label(name)}: rank {look['ranks'][name]:,}", color=colour(name),
                   fontsize=8, weight="bold", transform=right.transAxes)  # fmt: skip
        for number, item in enumerate(items, start=1):
            known = {look["true"]: "\u25b6 ", **dict.fromkeys(look["items"], "\u00b7 ")}
            right.text(x, 1 - 0.085 * number, f"{known.get(item, '')}{item}", fontsize=7,
                       weight="bold" if item == look["true"] else "normal",
                       transform=right.transAxes)  # fmt: skip
    right.text(0, -0.02, f"true: {look['true']}", fontsize=8, transform=right.transAxes)


def _ago(minutes: float) -> str:
    if minutes < 60:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} d"
