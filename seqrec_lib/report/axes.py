"""Axes for the chapters: every figure follows from ranks, by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.styles import colour, label, marker
from seqrec_lib.report.tables import (
    PROTOCOLS,
    Metric,
    asked,
    by_user,
    gain,
    interval,
    marked,
    mean,
    paired_seeds,
    values,
)
from seqrec_lib.statistics.intervals import Interval
from seqrec_lib.statistics.parts import part_name

# colour, marker and dashes together: lines that neither colour-blind nor grey readers mix up
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#D55E00", "marker": "o", "linestyle": "-"},
    {"color": "#0072B2", "marker": "s", "linestyle": "--"},
    {"color": "#222222", "marker": "^", "linestyle": ":"},
    {"color": "#009E73", "marker": "D", "linestyle": "-."},
)


def style() -> None:
    """The book's look for figures: quiet axes, readable type."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.2, 3.6), "figure.dpi": 110, "savefig.bbox": "tight",
            "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
            "grid.alpha": 0.3, "grid.linewidth": 0.6, "font.size": 10, "legend.frameon": False,
        }
    )  # fmt: skip


def curves(ax: Axes, runs: Sequence[Runs]) -> None:
    """Validation NDCG@10 by epoch, as it was selected on: a line a seed, the best epoch marked."""
    selected = {run.seeds[0].spec.get("training", {}).get("select", "masked") for run in runs}
    letters = ", ".join(sorted(PROTOCOLS[protocol] for protocol in selected))
    for place, run in enumerate(runs):
        dashes = LOOKS[place % len(LOOKS)]["linestyle"]
        for number, seed in enumerate(run.seeds):
            epoch, score = seed.history["epoch"], seed.history["valid_ndcg@10"]
            ax.plot(epoch, score, color=colour(run.name), ls=dashes, lw=1.2, alpha=0.85,
                    label=label(run.name) if number == 0 else None)  # fmt: skip
            best = score.idxmax()
            ax.plot(epoch[best], score[best], marker(run.name), color=colour(run.name), ms=6)
    ax.set(xlabel="epoch (passes over the training positions)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(ylabel=f"validation NDCG@10, {letters}")
    ax.legend(loc="best", fontsize=8)


def gains_by(
    ax: Axes,
    runs: Sequence[Runs],
    segment: np.ndarray,
    edges: Sequence[float | int],
    protocol: str = "masked",
    metric: Metric = hr,
    k: int = 10,
    names: Sequence[str] | None = None,
    base: Runs | None = None,
) -> pd.DataFrame:
    """A metric in segments of the test questions, with 95 % intervals; returns the numbers drawn.

    ``segment`` is a value per test question; segment i holds ``edges[i] <= value < edges[i + 1]``
    and is called ``names[i]``. A segment of fewer than two users is left out. With ``base`` it is
    the paired difference to that run.
    """
    names = names or [part_name(low, high) for low, high in zip(edges, edges[1:], strict=False)]
    part = np.digitize(segment, edges) - 1
    sizes = [int((part == i).sum()) for i in range(len(names))]
    users = asked(runs[0])
    full = [i for i in range(len(names)) if len(np.unique(users[part == i])) > 1]
    names, sizes = [names[i] for i in full], [sizes[i] for i in full]
    columns = {}
    for number, run in enumerate(runs):
        found_by, of = values(run, protocol, metric, k), [run]
        if base is not None:
            own, other = paired_seeds(run, base)
            found_by, of = found_by[own] - values(base, protocol, metric, k)[other], [run, base]
        found = [interval(by_user(found_by[:, part == i], users[part == i]), *of) for i in full]
        middle = np.array([one.mean for one in found])
        reach = np.abs(np.array([[i.low, i.high] for i in found]).T - middle)
        name = marked(run, found[0]) if found else label(run.name)
        place = np.arange(len(names)) + 0.08 * (number - (len(runs) - 1) / 2)
        ax.errorbar(place, middle, yerr=reach, color=colour(run.name), marker=marker(run.name),
                    lw=1.2, ms=5, capsize=2, label=name)  # fmt: skip
        columns[label(run.name)] = middle
    ticks = [f"{name}\n{size:,}" for name, size in zip(names, sizes, strict=True)]
    ax.set_xticks(range(len(names)), ticks)
    ax.set_ylabel(f"{metric.__name__.upper()}@{k}, {PROTOCOLS[protocol]}")
    if base is None:
        ax.set_ylim(0, None)
    else:
        ax.axhline(0, color=colour(base.name), lw=0.8)
        ax.set_ylabel(f"{ax.get_ylabel()} − that of {label(base.name)}")
    ax.legend()
    return pd.DataFrame(columns | {"users": sizes}, index=names)


def both_protocols(ax: Axes, runs: Sequence[Runs], metric: Metric = ndcg, k: int = 10) -> None:
    """Each model's figure with earlier items left in (U) and taken out (M), joined by a line."""
    ends, names = {}, {}
    for run in runs:
        pair = [mean(run, protocol, metric, k) for protocol in ("unmasked", "masked")]
        middle = [one.mean for one in pair]
        reach = np.abs(np.array([[i.low, i.high] for i in pair]).T - middle)
        ax.errorbar([0, 1], middle, yerr=reach, color=colour(run.name), marker=marker(run.name),
                    lw=1.5, capsize=2)  # fmt: skip
        ends[run.name] = middle[1]
        names[run.name] = marked(run, pair[1])
    placed = spread(list(ends.values()), 0.06 * max(ends.values()))
    for (name, value), height in zip(ends.items(), placed, strict=True):
        ax.annotate(names[name], (1, value), xytext=(1.06, height), va="center", color=colour(name))
    ax.set_xticks([0, 1], ["U: earlier items left in", "M: earlier items masked"])
    ax.set(xlim=(-0.2, 1.8), ylim=(0, None), ylabel=f"{metric.__name__.upper()}@{k}")


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Heights for labels near their values, in the order given, at least ``gap`` apart."""
    heights = list(values)
    order = np.argsort(heights, kind="stable")
    for below, above in zip(order, order[1:], strict=False):
        heights[above] = max(heights[above], heights[below] + gap)
    return heights


def turns(
    ax: Axes, pairs: Mapping[str, tuple[Runs, Runs]], metric: Metric = ndcg, k: int = 10
) -> dict[tuple[str, str], Interval]:
    """The first run of each pair less the second, with earlier items left in (U) and taken out (M).

    A line a pair, with its 95 % intervals and its name; returns the differences by name and
    protocol.
    """
    found: dict[tuple[str, str], Interval] = {}
    ends: dict[str, tuple[float, str]] = {}
    for number, (name, (first, second)) in enumerate(pairs.items()):
        place = np.array([0, 1]) + 0.05 * (number - (len(pairs) - 1) / 2)
        drawn = [gain(first, second, protocol, metric, k) for protocol in ("unmasked", "masked")]
        found |= {(name, protocol): one for protocol, one in zip("UM", drawn, strict=True)}
        middle = np.array([one.mean for one in drawn])
        reach = np.abs(np.array([[i.low, i.high] for i in drawn]).T - middle)
        look = LOOKS[number % len(LOOKS)]
        ax.errorbar(place, middle, yerr=reach, lw=1.5, ms=6, capsize=3, **look)
        ends[name] = (middle[1], look["color"])
    reach = np.ptp([end for one in found.values() for end in (one.low, one.high)])
    heights = spread([value for value, _ in ends.values()], 0.07 * reach)
    for (name, (_, ink)), height in zip(ends.items(), heights, strict=True):
        ax.text(1.12, height, name, va="center", color=ink)
    ax.axhline(0, color="black", lw=0.8)
    ax.set_xticks([0, 1], ["U: earlier items left in", "M: earlier items taken out"])
    ours, theirs = (label(one.name) for one in next(iter(pairs.values())))
    ax.set(xlim=(-0.45, 1.4), ylabel=f"{metric.__name__.upper()}@{k}: {ours} − {theirs}")
    ax.text(-0.43, 0, f"{ours}\nahead ↑\n\n{theirs}\nahead ↓", va="center", fontsize=9)
    return found


def cost_quality(ax: Axes, runs: Sequence[Runs], protocol: str = "masked") -> None:
    """NDCG@10 against the seconds that training took."""
    placed: list[tuple[float, float]] = []
    for run in runs:
        seconds = max(run.costs["total_seconds"], 0.1)
        found = mean(run, protocol)
        reach = [[found.mean - found.low], [found.high - found.mean]]
        ax.errorbar(seconds, found.mean, yerr=reach, marker=marker(run.name),
                    color=colour(run.name), ms=8, capsize=2)  # fmt: skip
        crowded = any(abs(np.log10(seconds / x)) < 0.5 and abs(found.mean - y) < 0.004
                      for x, y in placed)  # fmt: skip
        ax.annotate(marked(run, found), (seconds, found.mean), xytext=(-9 if crowded else 9, 4),
                    textcoords="offset points", ha="right" if crowded else "left",
                    color=colour(run.name))  # fmt: skip
        placed.append((seconds, found.mean))
    ax.set_xscale("log")
    ax.margins(x=0.35, y=0.15)
    ax.set(xlabel="training time, seconds", ylabel=f"NDCG@10, {PROTOCOLS[protocol]}")
