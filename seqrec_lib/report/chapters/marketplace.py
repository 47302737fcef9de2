"""What the chapter on T-ECD's rows shows: where events happen, and how near a simulation comes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data.simulator import marginals
from seqrec_lib.data.simulator.marginals import Marginals

SURFACES = {
    "u2i": "personal recommendations (u2i)",
    "i2i": "similar items (i2i)",
    "catalog": "catalogue",
    "search": "search",
    "other": "other pages",
    "-": "no surface",
}
RECOMMENDED = ("u2i", "i2i")  # lists that a recommender filled
MEASURES = {
    "KS": "largest gap of two cumulative shares",
    "TV": "half the sum of all differences",
    "difference": "difference of two shares",
}
PANELS = (  # field, edges, title, label of the axis, logarithmic
    ("per_user", marginals.COUNTS, "How busy a user is", "events on a day, at most", True),
    ("popularity", marginals.RANKS, "How popular items are", "most frequent items", True),
    ("gaps", marginals.GAPS, "How long people pause", "seconds to the next event, at most", True),
    ("hours", tuple(range(24)), "When it happens (share of each hour)", "hour of the day", False),
)


def by_surface(actions: Mapping[str, float]) -> pd.DataFrame:
    """Percent of all events by surface (rows) and action (columns), the largest first.

    ``actions`` are the shares of :class:`~seqrec_lib.data.simulator.marginals.Marginals`.

    >>> by_surface({"view u2i ios": 0.5, "view u2i other": 0.25, "like - ios": 0.25})
             view  like
    surface
    u2i      75.0   0.0
    -         0.0  25.0
    """
    rows = [(*name.split()[:2], 100 * share) for name, share in actions.items()]
    long = pd.DataFrame(rows, columns=["action", "surface", "percent"])
    wide = long.pivot_table("percent", "surface", "action", "sum", fill_value=0.0)
    wide = wide[wide.sum().sort_values(ascending=False).index]
    return wide.loc[wide.sum(axis=1).sort_values(ascending=False).index].rename_axis(columns=None)


def draw_surfaces(ax: Axes, found: pd.DataFrame) -> None:
    """A bar a surface, views and other actions in one; lists of a recommender have a colour."""
    names = [SURFACES.get(name, name) for name in found.index]
    ink = [report.colour("gru4rec" if n in RECOMMENDED else "popular") for n in found.index]
    views = found.get("view", pd.Series(0.0, found.index))
    rest = found.sum(axis=1) - views
    ax.barh(names, views, color=ink)
    ax.barh(names, rest, left=views, color="white", edgecolor=ink, hatch="////")
    for row, (view, other) in enumerate(zip(views, rest, strict=True)):
        ax.text(view + other + 0.6, row, f"{view + other:.1f}", va="center", fontsize=report.SMALL)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="% of all events")


def in_words(distance: pd.DataFrame) -> pd.DataFrame:
    """:func:`~seqrec_lib.data.simulator.marginals.distances` for readers, the largest first."""
    words = distance.sort_values("distance", ascending=False, kind="stable")
    words = words.assign(measure=words["measure"].map(MEASURES))
    words["marginal"] = words["marginal"].replace(
        {
            "gaps within: their share": "share of gaps that are within a session",
            "action, subdomain, os": "action, surface and system",
            "same item as before": "events on the item of the event before",
            "item seen before": "events on an item met before",
        }
    )
    heads = {"marginal": "what is compared", "measure": "how", "distance": "distance"}
    return words.rename(columns=heads).set_index("what is compared").rename_axis(None)


def draw_marginals(axes: Iterable[Axes], real: Marginals, made: Marginals) -> None:
    """Four marginals, a panel each: real as a grey band of a line, simulated as red dashes."""
    axes = list(axes)
    for ax, (field, edges, title, label, log) in zip(axes, PANELS, strict=True):
        ax.plot(edges, getattr(real, field), "-", color="0.6", lw=4, label="real")
        ax.plot(edges, getattr(made, field), "--", color="#C00000", lw=1.6, label="simulated")
        ax.set(xlabel=label, ylabel="share", ylim=(0, None), xscale="log" if log else "linear")
        ax.set_title(title, loc="left", fontsize=10)
    report.legend_above(axes[0])


def draw_linkage(ax: Axes, link: pd.DataFrame) -> None:
    """Share of receipt lines that follow online interest, and by chance, by simulated strength.

    ``link`` has a row a strength, columns of :class:`seqrec_lib.data.simulator.Linkage`.
    """
    ax.plot(link.index, link["observed"], "o-", color=report.colour("sasrec"))
    ax.plot(link.index, link["chance"], "--", color="0.4")
    middle = link.index[len(link) // 2]
    ax.text(middle, link["observed"].loc[middle] + 0.08, "observed", ha="right")
    ax.text(middle, link["chance"].loc[middle] + 0.03, "by chance")
    ax.set(xlabel="strength of the simulated link", ylabel="share of receipt lines", ylim=(0, 1))
