"""What the chapter on long histories shows: what attention costs by their length, and what every
way to pay less of it loses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.studies import long_histories as study

# a colour and dashes a way; those of one kind share the colour
LOOKS = {
    "full": ("#222222", "-", "o"),
    "cached keys": ("#777777", "-", "s"),
    "exact top": ("#D55E00", "-", "D"),
    "recent": ("#E69F00", "--", "v"),
    "random": ("#E69F00", ":", "^"),
    "soft": ("#A6761D", "--", "p"),
    "bucket": ("#CC79A7", "-", "P"),
    "SimHash 32": ("#56B4E9", ":", "<"),
    "SimHash 64": ("#0072B2", "-", "d"),
    "SimHash 256": ("#004B75", "--", ">"),
    "clusters": ("#009E73", "-", "H"),
    "clusters, unweighted": ("#66C2A5", ":", "h"),
    "state": ("#5D3A9B", "-.", "X"),
}
WORDS = {
    "full": "all events", "cached keys": "all, keys kept", "exact top": "exact top 50",
    "recent": "latest 50", "random": "random 50", "soft": "soft, 16 numbers",
    "bucket": "same topic", "clusters": "clusters, ln n",
    "clusters, unweighted": "clusters, no ln n", "state": "a fixed state",
}  # fmt: skip
MEASURES = {
    "ms": "ms for 32 candidates",
    "gflops": "GFLOP for 32 candidates",
    "prepare_ms": "ms to prepare a history",
    "read": "events or summaries read",
    "recall": "recall of the exact top 50",
    "mass": "softmax mass inside",
    "error": "error of the output",
}
LINEAR = ("recall", "mass", "error")  # shares, and a part of a length


def made(
    results: str | Path, retrain: bool = False, small: bool = False, of: ModuleType = study
) -> pd.DataFrame:
    """A study's rows, kept; or made anew, to ``retrain``, or ``small``: of short histories."""
    if small:
        return of.smoke()
    return of.study(results, anew=True) if retrain else of.kept(results)


def word(way: str) -> str:
    """A way as the chapter calls it."""
    return WORDS.get(way, way)


def means(table: pd.DataFrame, sharpness: float) -> pd.DataFrame:
    """Means over seeds of one sharpness, a row a way and length; timings are medians.

    Raises ``ValueError`` for a sharpness that the table lacks.
    """
    own = table[table["sharpness"] == sharpness]
    if own.empty:
        raise ValueError(
            f"sharpness {sharpness}; there is {sorted(set(table['sharpness'].tolist()))}"
        )
    rows = own.assign(gflops=own["flops"] / 1e9).groupby(["way", "length"])
    timed = ["ms", "prepare_ms"]
    found = rows[[name for name in (*MEASURES, "bytes") if name not in timed]].mean()
    return found.join(rows[timed].median()).loc[[way for way in LOOKS if way in set(own["way"])]]


def curves(
    ax: Axes,
    table: pd.DataFrame,
    measure: str,
    sharpness: float = 2.0,
    ways: Sequence[str] | None = None,
) -> None:
    """A measure against the length of a history, a line a way; bars from the least to the most of
    the seeds. Costs stand on logarithmic scales."""
    own = table[table["sharpness"] == sharpness].assign(gflops=lambda one: one["flops"] / 1e9)
    for way in ways or LOOKS:
        rows = own[own["way"] == way].groupby("length")[measure]
        of = rows.agg(["mean", "min", "max"]).dropna()
        if of.empty:
            continue
        colour, dashes, marker = LOOKS[way]
        reach = np.array([of["mean"] - of["min"], of["max"] - of["mean"]])
        ax.errorbar(of.index, of["mean"], yerr=reach, color=colour, ls=dashes, marker=marker,
                    ms=4.5, lw=1.2, capsize=2, label=word(way))  # fmt: skip
    ax.set(xscale="log", xlabel="events of the history", ylabel=MEASURES[measure])
    if measure in LINEAR:
        ax.set_ylim(0, None)
    else:
        ax.set_yscale("log")
    report.legend_above(ax)


def in_full(table: pd.DataFrame, sharpness: float = 2.0) -> dict[str, pd.DataFrame]:
    """A table a length: a row a way, its costs and what it loses."""
    found = means(table, sharpness)
    return {
        f"{length:,} events": found.xs(length, level="length")
        .rename(index=word)[list(MEASURES)]
        .rename(columns=MEASURES)
        for length in found.index.unique("length")
    }


def errors(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A table a sharpness: a row a way, a column a length, means over seeds of the error."""
    return {
        f"sharpness {sharp:g}": means(table, sharp)["error"]
        .unstack("length")
        .rename(index=word, columns="{:,} events".format)
        .rename_axis(index=None, columns=None)
        .reindex([word(way) for way in LOOKS if way in set(table["way"])])
        for sharp in sorted(set(table["sharpness"].tolist()))
    }


def figures(table: pd.DataFrame, sharpness: float = 2.0) -> dict[str, float]:
    """Every measure by way and length, as in ``exact-top-100000-mass``, to glue."""
    return {
        f"{way}-{length}-{name}".replace(", ", "-").replace(" ", "-").lower(): float(value)
        for (way, length), row in means(table, sharpness)[list(MEASURES)].iterrows()
        for name, value in row.dropna().items()
    }
