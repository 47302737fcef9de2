"""Axes for the chapters: every figure follows from ranks, by arithmetic."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox
from scipy.optimize import isotonic_regression

from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.styles import colour, ink, label, marker
from seqrec_lib.report.tables import (
    PROTOCOLS,
    WORDS,
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
# of a name beside its point, the best first: its side, and how far across and up, in points
PLACES = (
    *(("left", 9, 0), ("right", -9, 0), ("left", 9, 9), ("left", 9, -9), ("right", -9, 9)),
    *(("right", -9, -9), ("center", 0, 15), ("center", 0, -15), ("left", 9, 18), ("left", 9, -18)),
)
SMALL = 9.5  # points, the smallest type: 8 pixels of 5.2 inches in a dropdown on a telephone

PLAIN = FuncFormatter(lambda value, _: f"{value:g}")  # of a logarithmic axis: 100, not 10²


def style() -> None:
    """The book's look for figures: quiet axes, readable type, and all of it within their size."""
    plt.rcParams.update(
        {
            "figure.figsize": (5.2, 3.4), "figure.dpi": 135, "savefig.bbox": "tight",
            "figure.constrained_layout.use": True,
            "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
            "axes.axisbelow": True,
            "grid.alpha": 0.3, "grid.linewidth": 0.6, "font.size": 10, "legend.frameon": False,
        }
    )  # fmt: skip


def legend_above(ax: Axes, own: bool = False) -> None:
    """A legend above the figure, or above one panel as its ``own``, in as few rows as fit.

    There it covers nothing that is drawn, and its marks are not read as data. Panels of one figure
    that say the same share theirs.
    """
    handles, names = ax.get_legend_handles_labels()
    figure = ax.get_figure(root=True)
    assert figure is not None
    if not names or any([text.get_text() for text in one.get_texts()] == names
                        for one in figure.legends):  # fmt: skip
        return
    place: dict[str, Any] = {"loc": "outside upper center"}
    if own := own or bool(figure.legends):  # two would stand upon each other
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}
    for rows in range(1, len(names) + 1):
        drawn = (ax if own else figure).legend(
            handles, names, ncols=-(-len(names) // rows), fontsize=SMALL, **place
        )
        if drawn.get_window_extent().width <= figure.bbox.width:
            break
        drawn.remove()
    else:
        raise ValueError(f"the figure is narrower than one name of its legend: {names}")


def bare(ax: Axes) -> None:
    """No grid, no dashes at the ticks and no frame: of pictures that are no plots."""
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)


def curves(ax: Axes, runs: Sequence[Runs]) -> None:
    """Validation NDCG@10 by epoch, as it was selected on: a line a seed, the best epoch marked."""
    selected = {run.seeds[0].spec.get("training", {}).get("select", "masked") for run in runs}
    letters = ", ".join(sorted(PROTOCOLS[protocol] for protocol in selected))
    for place, run in enumerate(runs):
        dashes = LOOKS[place % len(LOOKS)]["linestyle"]
        ax.plot([], [], marker(run.name), color=colour(run.name), ls=dashes, label=label(run.name))
        for seed in run.seeds:
            epoch, score = seed.history["epoch"], seed.history["valid_ndcg@10"]
            ax.plot(epoch, score, color=colour(run.name), ls=dashes, lw=1.2, alpha=0.85)
            best = score.idxmax()
            ax.plot(epoch[best], score[best], marker(run.name), color=colour(run.name), ms=6)
    ax.set(xlabel="epoch (passes over the training positions)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(ylabel=f"validation NDCG@10, {letters}")
    legend_above(ax)


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
    joined: bool = True,
) -> pd.DataFrame:
    """A metric in segments of the test questions, with 95 % intervals; returns the numbers drawn.

    Say ``joined=False`` of segments that have no order: a line between them would mean nothing.

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
        middle, reach = ends(found)
        name = marked(run, found[0]) if found else label(run.name)
        place = np.arange(len(names)) + 0.08 * (number - (len(runs) - 1) / 2)
        dashes = LOOKS[number % len(LOOKS)]["linestyle"] if joined else ""
        ax.errorbar(place, middle, yerr=reach, color=colour(run.name), marker=marker(run.name),
                    ls=dashes, lw=1.2, elinewidth=1.2, ms=5, capsize=2, label=name,
                    clip_on=False)  # fmt: skip
        columns[label(run.name)] = middle
    ticks = [f"{name}\n{size:,}" for name, size in zip(names, sizes, strict=True)]
    ax.set_xticks(range(len(names)), ticks)
    ax.set_ylabel(f"{metric.__name__.upper()}@{k}, {PROTOCOLS[protocol]}")
    if base is None:
        ax.set_ylim(0, None)
    else:
        ax.axhline(0, color=colour(base.name), lw=0.8)
        ax.set_ylabel(f"{ax.get_ylabel()} − that of {label(base.name)}")
    legend_above(ax)
    return pd.DataFrame(columns | {"users": sizes}, index=names)


def ends(cells: Iterable[Interval]) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "2 N"]]:
    """Means, and how far their intervals reach to either side."""
    bounds = np.array([[one.mean, one.low, one.high] for one in cells]).reshape(-1, 3).T
    return bounds[0], np.abs(bounds[1:] - bounds[0])


def spread(
    values: Sequence[float], gap: float, within: tuple[float, float] | None = None
) -> list[float]:
    """Heights for labels, in the order given: at least ``gap`` apart, as near their values as can
    be. Those that would overlap stand around the mean of their values.

    They stay ``within`` two ends; where these leave too little room the last are beyond them.

    >>> spread([1.0, 1.0, 0.0], 0.5), spread([1.0, 1.0, 9.0], gap=2.0, within=(1.0, 8.0))
    ([0.75, 1.25, 0.0], [1.0, 3.0, 8.0])
    """
    if not len(values):
        return []
    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(order))
    free = isotonic_regression(np.asarray(values, dtype=float)[order] - steps).x
    if within is not None:
        free = np.maximum(np.minimum(free, within[1] - steps[-1]), within[0])
    return (free + steps)[np.argsort(order)].round(9).tolist()


def named(ax: Axes, lines: Mapping[str, tuple[float, str]], place: float) -> None:
    """Names to the right of where lines end, at ``place``: the height and colour of each by name.

    None stands upon another, or below the axes; one that is not at its line's height is tied to it.
    A line that ends nowhere has none.
    """
    known = {name: end for name, end in lines.items() if np.isfinite(end[0])}
    low, high = ax.get_ylim()
    gap = 0.075 * (high - low)
    heights = spread([end for end, _ in known.values()], gap, (low, high))
    for (name, (end, shade)), height in zip(known.items(), heights, strict=True):
        tie = {"arrowstyle": "-", "color": shade, "lw": 0.7, "shrinkA": 1, "shrinkB": 0,
               "relpos": (0, 0.5)}  # fmt: skip
        ax.annotate(name, (place, end), (20, height), textcoords=("offset points", "data"),
                    va="center", color=ink(shade), annotation_clip=False, arrowprops=tie,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip


def turns(
    ax: Axes, pairs: Mapping[str, tuple[Runs, Runs]], metric: Metric = ndcg, k: int = 10
) -> dict[tuple[str, str], Interval]:
    """The first run of each pair less the second, with earlier items left in (U) and taken out (M).

    A line a pair, with its 95 % intervals and its name; returns the differences by name and
    protocol.
    """
    found: dict[tuple[str, str], Interval] = {}
    tips: dict[str, tuple[float, str]] = {}
    for number, (name, (first, second)) in enumerate(pairs.items()):
        place = np.array([0, 1]) + 0.05 * (number - (len(pairs) - 1) / 2)
        drawn = [gain(first, second, protocol, metric, k) for protocol in ("unmasked", "masked")]
        found |= {(name, protocol): one for protocol, one in zip("UM", drawn, strict=True)}
        middle, reach = ends(drawn)
        look = LOOKS[number % len(LOOKS)]
        ax.errorbar(place, middle, yerr=reach, lw=1.5, ms=6, capsize=3, **look)
        tips[name] = (middle[1], look["color"])
    named(ax, tips, 1.05)
    ax.axhline(0, color="black", lw=0.8)
    ax.set_xticks([0, 1], [WORDS["unmasked"], WORDS["masked"]])
    ours, theirs = (label(one.name) for one in next(iter(pairs.values())))
    ax.set(xlim=(-0.45, 1.4), ylabel=f"{metric.__name__.upper()}@{k}: {ours} − {theirs}")
    ax.text(-0.43, 0, f"{ours}\nahead ↑\n\n{theirs}\nahead ↓", va="center", fontsize=SMALL)
    return found


def cost_quality(ax: Axes, runs: Sequence[Runs], protocol: str = "masked") -> None:
    """NDCG@10 against the seconds that training took."""
    points: dict[str, tuple[float, float, str]] = {}
    bars: list[tuple[float, float, float, float]] = []
    for run in runs:
        seconds = max(run.costs["total_seconds"], 0.1)
        found = mean(run, protocol)
        ax.errorbar(seconds, found.mean, yerr=ends([found])[1], marker=marker(run.name),
                    color=colour(run.name), ms=8, capsize=2)  # fmt: skip
        points[textwrap.fill(marked(run, found), 18)] = (seconds, found.mean, colour(run.name))
        bars += [(seconds, found.low, seconds, found.high)] * bool(np.isfinite(found.low))
    ax.set_xscale("log")
    ax.margins(x=0.35, y=0.15)
    ax.set(xlabel="training time, seconds", ylabel=f"NDCG@10, {PROTOCOLS[protocol]}")
    beside(ax, points, bars)


def beside(
    ax: Axes,
    points: Mapping[str, tuple[float, float, str]],
    bars: Iterable[tuple[float, float, float, float]] = (),
) -> None:
    """Names beside their points, (x, y, colour) by name, where they cover no point and no name, nor
    one of the ``bars``, upright or level: (left, low, right, high)."""
    words = {
        name: ax.annotate(name, (x, y), (0, 0), textcoords="offset points", color=ink(shade))
        for name, (x, y, shade) in points.items()
    }
    bars = list(bars)
    for _ in range(3):  # where a name takes room beside the axes, these become smaller
        _place(ax, words, points, bars)


def _place(
    ax: Axes,
    words: Mapping[str, Annotation],
    points: Mapping[str, tuple[float, float, str]],
    bars: Sequence[tuple[float, float, float, float]],
) -> None:
    """Each name to the first of ``PLACES`` that is free in the figure as it is laid out now."""
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    places = ax.transData.transform([(x, y) for x, y, _ in points.values()])
    taken = [Bbox.from_extents(x - 9, y - 9, x + 9, y + 9) for x, y in places]
    own = ax.get_window_extent()
    taken.append(Bbox.from_extents(-1e4, own.y0, own.x0, own.y1))  # what the axis says of itself
    for left, low, right, high in bars:
        (x0, y0), (x1, y1) = ax.transData.transform([(left, low), (right, high)])
        across, up = (5, 0) if left == right else (0, 5)
        taken.append(Bbox.from_extents(x0 - across, y0 - up, x1 + across, y1 + up))
    for word in words.values():
        for side, across, up in PLACES:
            word.set(ha=side, va="center", position=(across, up))
            box = word.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)
