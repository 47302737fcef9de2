"""What the chapter on recurrent networks shows of cells: how far back a gradient reaches."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqrec_lib.report.axes import legend_above
from seqrec_lib.report.styles import colour, label
from seqrec_lib.studies import gradients as study

SMALL = {"passes": 1, "num_users": 40}
MOMENTS = {"before": "before training", "after": "after it"}
SHOWN = 1e-5  # what is less is as good as nothing
DASHES = ("-", "--", ":")


def made(results: str, seeds: int, retrain: bool = False, small: bool = False) -> pd.DataFrame:
    """The table that is kept; or made anew, to ``retrain``, or ``small``: of few users."""
    if small or retrain:
        return study.study(seeds, **(SMALL if small else {}))
    table = study.kept(results)
    return table[table["seed"] < seeds]


def reached(ax: Axes, table: pd.DataFrame) -> None:
    """A line a cell and seed: the share of the newest event's gradient by events back, on a
    logarithmic scale."""
    for dashes, (cell, every) in zip(DASHES, table.groupby("cell", sort=False), strict=False):
        for seed, own in every.groupby("seed"):
            ax.plot(own["events back"], own["share"].clip(lower=SHOWN), dashes, lw=1.4,
                    color=colour(cell), label=None if seed else label(cell))  # fmt: skip
    ax.set(yscale="log", ylim=(SHOWN, 10), ylabel="gradient, share of the newest")


def gradients(table: pd.DataFrame) -> Figure:
    """:func:`reached` before training, above, and after it, at one scale."""
    figure, axes = plt.subplots(2, 1, figsize=(5.2, 6.0), sharex=True, sharey=True,
                                layout="constrained")  # fmt: skip
    for ax, (moment, title) in zip(axes, MOMENTS.items(), strict=True):
        reached(ax, table[table["moment"] == moment])
        ax.set_title(title)
    legend_above(axes[0])
    axes[1].set_xlabel("events back")
    return figure


def far(table: pd.DataFrame, back: int) -> dict[str, float]:
    """By moment and cell, as in ``before-gru``, the share so many events ``back``, in per cent; as
    in ``gru-hr``, HR@1 after training. Means over seeds."""
    at = table[table["events back"] == back]
    share = at.groupby(["moment", "cell"])["share"].mean()
    found = {f"{moment}-{cell}": 100 * float(value) for (moment, cell), value in share.items()}
    hit = at.groupby("cell")["HR@1"].mean()
    return found | {f"{cell}-hr": float(value) for cell, value in hit.items()}
