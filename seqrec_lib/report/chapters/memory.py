"""What a memory of histories takes to search, and how many of its neighbours to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report

SETTINGS = {  # FAISS's name of a setting, and what it counts
    "nprobe": "cells read",
    "efSearch": "candidates kept",
    "k_factor_rf": "times as many compared exactly",
}


def in_words(setting: str) -> str:
    """A setting of FAISS as readers know it.

    >>> in_words("nprobe=8")
    '8 cells read'
    """
    name, _, number = setting.partition("=")
    return f"{number} {SETTINGS[name]}" if number else setting


def searched(bench: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The benchmark of retrieval as two tables: the search on Beauty, and how it grows.

    The first has a row an index and setting: the seconds to make the index and to search, what was
    found of the exact neighbours, and the NDCG@10 that follows. The second has, of each index and
    number of entries, the setting that finds most.
    """
    shown = {"ivf": "IVF", "hnsw": "HNSW"}
    names = {"build_seconds": "to make", "recall": "found"}
    found = bench["beauty"]["search"].items()
    rows = [{"index": kind} | one for kind, settings in found for one in settings]
    search = pd.DataFrame(rows).replace({"index": shown}).rename(columns=names)
    for protocol, letter in report.PROTOCOLS.items():
        search[f"NDCG@10 {letter}"] = [figures[protocol] for figures in search["ndcg@10"]]
    search["setting"] = search["setting"].map(in_words)
    search = search.set_index(["index", "setting"])[
        ["to make", "seconds", "found", "NDCG@10 M", "NDCG@10 U"]
    ]
    grown = pd.DataFrame(bench["grown"]).replace({"index": shown}).rename(columns=names)
    grown["GiB"] = grown["peak_bytes"] / 2**30
    best = grown.groupby(["index", "entries"])["found"].idxmax()
    columns = ["index", "entries", "to make", "seconds", "found", "GiB"]
    return search.round({"seconds": 2}), grown.loc[best, columns]


def in_print(search: pd.DataFrame) -> pd.DataFrame:
    """The first table of :func:`searched` with seconds to two places, which is what they bear."""
    seconds = {"to make": "seconds to make", "seconds": "seconds"}
    printed = search.assign(**{name: search[name].map("{:.2f}".format) for name in seconds})
    return printed.rename(columns=seconds | {"found": "share found"})


def growth(top: Axes, bottom: Axes, grown: pd.DataFrame) -> None:
    """Memory and time of a search by entries, a line an index; ``grown`` as from ``searched``."""
    for (kind, rows), look in zip(grown.groupby("index"), report.LOOKS, strict=False):
        name = f"{kind}, finds {rows['found'].iloc[-1]:.2f}"
        top.loglog(rows["entries"], rows["GiB"], label=name, **look)
        bottom.loglog(rows["entries"], rows["seconds"], **look)
    top.set(xlabel="entries", ylabel="GiB")
    bottom.set(xlabel="entries", ylabel="seconds for 1,000 histories")
    report.legend_above(top)


def heat_map(ax: Axes, change: pd.DataFrame) -> None:
    """Differences by alpha (rows) and neighbours (columns), each with its figure."""
    reach = max(1e-6, 2 * change.abs().max(axis=None))  # pale: figures stay legible
    ax.grid(visible=False)
    ax.imshow(change, cmap="PuOr_r", vmin=-reach, vmax=reach, aspect="auto", origin="lower")
    for (row, column), value in np.ndenumerate(change.to_numpy()):
        ax.text(
            column,
            row,
            report.written(f"{value:+.4f}"),
            ha="center",
            va="center",
            fontsize=report.SMALL,
        )
    ax.set_xticks(range(len(change.columns)), change.columns)
    ax.set_yticks(range(len(change)), change.index)
    ax.set(xlabel="neighbours, K", ylabel="share of the own state, α")


def neighbours(examples: Sequence[Mapping[str, Any]], shown: int = 3) -> pd.DataFrame:
    """Test histories that a memory moved, with their true item's rank and nearest neighbours.

    ``examples`` are those of ``studies.retrieval_grid.examples``; of a neighbour there is the last
    item of its history and the one that it led to. Besides the nearest ``shown`` those are there
    that led to the true item.
    """
    rows = []
    for one in examples:
        near = [
            n
            for place, n in enumerate(one["neighbours"])
            if place < shown or n["next"] == one["true"]
        ]
        rows.append(
            {
                "rank": f"{one['before']} → {one['after']}",
                "history ends with": ", ".join(one["history"][-2:]),
                "true item": one["true"],
                "neighbours": "; ".join(f"{n['last'][-1]} → {n['next']}" for n in near),
            }
        )
    return pd.DataFrame(rows)
