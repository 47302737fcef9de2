"""A few histories: what the last step attends to, and what is put into the lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib.report import SMALL, colour, label


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
    ax.set_yticks(place, ticks, fontsize=SMALL)
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
