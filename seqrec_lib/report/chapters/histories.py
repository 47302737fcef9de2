"""What the chapter on the Amazon histories shows: lengths, years, days and their order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Int
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split

HEADS = {
    "users": "users",
    "items": "items",
    "events": "events",
    "median events a user": "events of a user, median",
    "most events of a user": "events of a user, most",
    "% of test items never trained": "test items never trained, %",
    "% of users whose last two share a day": "last two on one day, % of users",
}
MOST = 10  # events of a last day that are drawn apart


def table(facts: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Facts of :func:`seqrec_lib.data.ties.facts` by file, under heads that a reader knows."""
    rows = {name.capitalize(): {HEADS[k]: one[k] for k in HEADS} for name, one in facts.items()}
    return pd.DataFrame.from_dict(rows, "index")


def draw_lengths(ax: Axes, lengths: Int[np.ndarray, "U"]) -> None:
    """How many users have how many events."""
    bins = np.geomspace(lengths.min(), lengths.max() + 1, 30)
    ax.hist(lengths, bins=list(bins), histtype="step", lw=1.4, color=report.colour("sasrec"))
    ax.set(xscale="log", yscale="log", xlabel="events of a user", ylabel="users")
    _plain(ax)


def draw_popularity(ax: Axes, counts: Int[np.ndarray, "N"]) -> None:
    """Training events by rank of the item; ``counts`` fall, and 0 is drawn at 0.5."""
    ax.plot(np.arange(1, len(counts) + 1), np.maximum(counts, 0.5), color=report.colour("gru4rec"))
    ax.set(xscale="log", yscale="log", xlabel="rank of the item", ylabel="training events")
    _plain(ax)


def draw_years(ax: Axes, log: EventLog, split: Split) -> None:
    """The share of training events, and of test events, that had happened by each date.

    The axis begins where a hundredth of the training events has happened.
    """
    parts = {"training": (split.train, "markov", "--"), "test": (split.test, "sasrec", "-")}
    share = np.linspace(0, 1, 400)
    for name, (positions, ink, dashes) in parts.items():
        when = _dates(np.quantile(log.time[positions], share))
        ax.plot(when, 100 * share, dashes, color=report.colour(ink), lw=1.8, label=f"{name} events")
    ends = np.quantile(log.time[split.train], 0.01), log.time.max()
    ax.set(ylabel="% of the events so far", ylim=(0, 101), xlim=_dates(np.array(ends)))
    report.legend_above(ax)


def draw_last_days(ax: Axes, sizes: Int[np.ndarray, "U"]) -> None:
    """Percent of users by the number of events on their last day."""
    shares = pd.Series(sizes).clip(upper=MOST).value_counts(normalize=True).sort_index()
    names = [f"{n}" if n < MOST else f"{MOST}+" for n in shares.index]
    ax.bar(names, 100 * shares, color=report.colour("markov"))
    ax.set(xlabel="events on the user's last day", ylabel="% of users")
    ax.grid(axis="x", visible=False)


def draw_order(ax: Axes, order: Mapping[str, Mapping[str, float]]) -> None:
    """How often neighbouring events ascend, within a day and across days: a mark a file.

    ``order`` has what :func:`seqrec_lib.data.ties.ascending` gives of each file.
    """
    inks = [report.colour(name) for name in ("sasrec", "gru4rec", "bce-released")]
    places = {"same day": 0, "different days": 1}
    for number, (name, shares) in enumerate(order.items()):
        height = [place + 0.2 * (number - (len(order) - 1) / 2) for place in places.values()]
        at = [100 * shares[key] for key in places]
        ax.plot(at, height, "osD"[number % 3], color=inks[number % 3], label=name.capitalize())
    ax.axvline(50, color="black", lw=0.8)
    ax.set_yticks(list(places.values()), ["events of\none day", "events of\ndifferent days"])
    ax.set(xlim=(0, 103), ylim=(1.5, -0.5), xlabel="% in which the second has the larger number")
    ax.grid(axis="y", visible=False)
    report.legend_above(ax)


def _dates(seconds: np.ndarray) -> np.ndarray:
    return np.asarray(seconds).astype("datetime64[s]")


def _plain(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:,g}")
