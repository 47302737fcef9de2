"""Forest plots: dots with their intervals, a row each, around a line at zero."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from seqrec_lib.report.axes import LOOKS, SMALL
from seqrec_lib.report.styles import ink
from seqrec_lib.statistics.intervals import TOO_FEW, Interval

Looks = Mapping[str, Mapping[str, Any]]
Spots = dict[str, float]  # the height of each dot of a row


def forest(
    axes: Collection[Axes],
    found: Mapping[str, pd.DataFrame],
    xlabel: str,
    looks: Looks | None = None,
    sides: tuple[str, str] | None = ("lower", "higher"),
    held: Iterable[Interval] = (),
) -> list[Spots]:
    """Intervals one below the other: a panel a table, by its title, all panels on one scale.

    A table has a row for each of the plot's; an index of two levels gives headings. Each of its
    columns is a dot in the row, open where seeds are too few for a verdict; a cell that holds no
    :class:`~seqrec_lib.statistics.intervals.Interval` is left out. Where there are several, the
    first row names them. ``looks`` has colour and marker by column, else they are those of
    ``LOOKS``. ``sides`` say what it means to lie left and right of zero; with None there are
    levels, on a scale that begins there. The scale has room for what is ``held`` besides, such as
    what another figure shows.

    Returns the heights of the dots in the last panel, a row each.
    """
    panels, tables = list(axes), list(found.values())
    columns = dict.fromkeys(str(name) for table in tables for name in table)
    looks = looks or dict(zip(columns, cycle(LOOKS), strict=False))
    spots: list[list[Spots]] = []
    for ax, (title, table) in zip(panels, found.items(), strict=True):
        spots.append(_dots(ax, table, looks))
        if sides:
            zones(ax, sides)
        if title:
            ax.set_title(title, loc="left", fontsize=10, pad=18 if sides else 6)
        ax.xaxis.set_major_locator(MaxNLocator(4))
    panels[-1].set_xlabel(xlabel)
    ends = _ends([*held, *(cell for table in tables for cell in table.to_numpy().ravel())])
    low, high = min([0.0, *ends]), max([0.0, *ends])
    margin = 0.05 * (high - low)
    span = (low - margin if sides else 0.0, high + margin)
    if spots[0] and len(spots[0][0]) > 1:
        span = _names(panels[0], tables[0].iloc[0], spots[0][0], looks, span)
    if span[0] < span[1]:
        for ax in panels:
            ax.set_xlim(span)
    return spots[-1]


def zones(ax: Axes, sides: tuple[str, str] = ("lower", "higher")) -> None:
    """A line at zero, and above the axes what it means to lie on either side of it."""
    ax.axvline(0, color="black", lw=0.9)
    words = (f"← {sides[0]}", "right", -5), (f"{sides[1]} →", "left", 5)
    for said, side, place in words:
        ax.annotate(said, (0, 1), xytext=(place, 3), xycoords=("data", "axes fraction"),
                    textcoords="offset points", ha=side, va="bottom", fontsize=SMALL)  # fmt: skip


def rows(ax: Axes, names: Iterable[Any]) -> list[int]:
    """Rows from the top down with their names, and a pale line between any two; their heights.

    Of names in two parts, (heading, row), each new heading has a row of its own.
    """
    heights: list[int] = []
    words: list[tuple[str, bool]] = []
    before = None
    for name in names:
        heading, own = name if isinstance(name, tuple) else (None, name)
        if heading != before:
            words.append((str(heading), True))
            before = heading
        heights.append(len(words))
        words.append((str(own), False))
    ax.set_yticks(range(len(words)), [word for word, _ in words], fontsize=SMALL)
    for tick, (_, bold) in zip(ax.get_yticklabels(), words, strict=True):
        tick.set_fontweight("bold" if bold else "normal")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    for place in range(1, len(words)):
        ax.axhline(place - 0.5, color="0.9", lw=0.8, zorder=0)
    ax.set_ylim(max(1, len(words)) - 0.5, -0.5)
    return heights


def _dots(ax: Axes, table: pd.DataFrame, looks: Looks) -> list[Spots]:
    placed = []
    for height, cells in zip(rows(ax, table.index), table.to_dict("records"), strict=True):
        there = {str(name): one for name, one in cells.items() if isinstance(one, Interval)}
        apart = min(0.34, 0.8 / max(1, len(there)))
        spots = height + apart * (np.arange(len(there)) - (len(there) - 1) / 2)
        for spot, (name, one) in zip(spots, there.items(), strict=True):
            ink = looks[name]["color"]
            ax.plot([one.low, one.high], [spot, spot], color=ink, lw=1.8, solid_capstyle="butt")
            ax.plot(one.mean, spot, looks[name]["marker"], color=ink, ms=6.5, mew=1.4,
                    mfc="white" if one.note == TOO_FEW else ink)  # fmt: skip
        placed.append(dict(zip(there, spots.tolist(), strict=True)))
    return placed


def _ends(cells: Iterable[Any]) -> list[float]:
    """Where intervals and their means lie, of those that are known."""
    there = (one for one in cells if isinstance(one, Interval))
    return [x for one in there for x in (one.low, one.mean, one.high) if np.isfinite(x)]


def _names(
    ax: Axes, first: pd.Series, spots: Spots, looks: Looks, span: tuple[float, float]
) -> tuple[float, float]:
    """Names of the dots in the first row, each beside its interval, clear of zero.

    All stand on one side: where they are nearer to their dots, and the scale has to grow less.
    Returns the span of the scale, made longer where a name would not fit.
    """
    low, high = span
    own = {name: _ends([first[name]]) or [0.0] for name in spots}
    ax.set_xlim(low, high)
    words = {
        name: ax.annotate(name, (0, spot), (0, 0), textcoords="offset points", va="center",
                          color=ink(looks[name]["color"]), fontsize=SMALL)
        for name, spot in spots.items()
    }  # fmt: skip
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    width = ax.get_window_extent().width
    share = {name: min(0.6, one.get_window_extent().width / width + 0.05)
             for name, one in words.items()}  # fmt: skip
    right = {name: max(0.0, *ends) for name, ends in own.items()}
    left = {name: min(0.0, *ends) for name, ends in own.items()}
    longer = max(high, *((right[n] - s * low) / (1 - s) for n, s in share.items()))
    lower = min(low, *((left[n] - s * high) / (1 - s) for n, s in share.items()))
    far = {
        "left": longer - high + float(np.mean([right[n] - max(own[n]) for n in own])),
        "right": low - lower + float(np.mean([min(own[n]) - left[n] for n in own])),
    }
    side = min(far, key=lambda one: far[one])
    for name, word in words.items():
        word.xy = ((right if side == "left" else left)[name], spots[name])
        word.set(ha=side, position=(6 if side == "left" else -6, 0))
    return (low, longer) if side == "left" else (lower, high)
