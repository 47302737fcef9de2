"""What is worth keeping fresh, as the chapter on production shows it: a day's own events, and items
that nobody had yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib.records.store import SCRATCH
from seqrec_lib.report.axes import PLAIN, legend_above
from seqrec_lib.report.styles import colour, label, marker
from seqrec_lib.report.tables import PROTOCOLS
from seqrec_lib.statistics.intervals import Interval
from seqrec_lib.studies import updating

WAYS = {
    "popular": "popularity",
    "alike": "attributes shared, nothing learned",
    "sasrec": "SASRec, item numbers",
    "attributed": "SASRec, attributes",
}
ENDS = ("mean", "low", "high")


def day(
    dataset: str,
    results: str | Path = SCRATCH,
    epochs: int | None = None,
    device: str = "auto",
    retrain: bool = False,
) -> pd.DataFrame:
    """The last day of a data set, as it is kept; asked now where it is not, or to ``retrain``; of
    other ``epochs`` it is asked now and not kept."""
    if epochs is not None:
        asked = updating.asked_anew(dataset, epochs=epochs, device=device, results=results)
        return pd.DataFrame([row for of_a_model in asked for row in of_a_model])
    found = updating.study(dataset, results, device=device, anew=retrain)
    return found[found["dataset"] == dataset]


def worth(table: pd.DataFrame, metric: str = "HR@10") -> pd.DataFrame:
    """A row a model: the level of last night, and what each thing that is fresh adds to it."""
    rows: dict[str, dict[str, Any]] = {}
    often = int(table["counts"].max())
    first = int(table["counts"].min())
    for _, one in table[table["metric"] == metric].iterrows():
        key = (one["state"], int(one["counts"]))
        names = {
            ("night", first): "last night", ("fresh", first): "+ state",
            ("night", often): "+ counts", ("fresh", often): "+ both",
        }  # fmt: skip
        if key not in names:
            continue
        prefix = "" if key == ("night", first) else "gain "
        value = Interval(*_ends(one[[f"{prefix}{end}" for end in ENDS]]))
        rows.setdefault(one["model"], {})[f"{names[key]} {PROTOCOLS[one['protocol']]}"] = value
    return pd.DataFrame.from_dict(rows, "index")


def fresh_figures(table: pd.DataFrame, chain: str = "markov-1") -> dict[str, float]:
    """HR@10 (U) that is gained over a night of both, for the prose; a model that was not asked has
    no figure."""
    gained = worth(table)
    named = {
        "state-gain": (chain, "+ state U"),
        "counts-gain": (chain, "+ counts U"),
        "most-gain": (chain, "+ both U"),
        "gru-state": ("gru", "+ state U"),
        "sasrec-state": ("sasrec", "+ state U"),
    }
    found = {name: gained.loc[key].mean for name, key in named.items() if key[0] in gained.index}
    found["counts-after"] = found["most-gain"] - found["state-gain"]
    sixteen = table[(table["counts"] == 16) & (table["metric"] == "HR@10")]
    of = sixteen.set_index(["model", "state", "protocol"])["gain mean"]
    found["sixteen-gain"] = float(of[chain, "fresh", "unmasked"])
    if "popular" in gained.index:
        found["popular-loss-m"] = -gained.loc["popular", "+ state M"].mean
    return found


def draw_updating(ax: Axes, table: pd.DataFrame, protocol: str = "unmasked") -> None:
    """HR@10 by how often items are counted in a day; full lines: the user's state is fresh."""
    rows = table[(table["protocol"] == protocol) & (table["metric"] == "HR@10")]
    for (model, state), one in rows.groupby(["model", "state"], sort=False):
        fresh = state == "fresh"
        one = one.sort_values("counts")
        ax.errorbar(
            one["counts"], one["mean"], [one["mean"] - one["low"], one["high"] - one["mean"]],
            color=colour(model), marker=marker(model), ms=5, lw=1.4 if fresh else 1,
            ls="-" if fresh else ":", mfc=None if fresh else "white",
            label=label(model) if fresh else None,
        )  # fmt: skip
    for dashes, words in (("-", "state fresh"), (":", "state of last night")):
        ax.plot([], [], color="black", ls=dashes, label=words)
    ax.set(xscale="log", xlabel="times a day that items are counted", ylabel="HR@10")
    ax.set_xticks(sorted(rows["counts"].unique()))
    ax.minorticks_off()
    ax.xaxis.set_major_formatter(PLAIN)
    legend_above(ax)


def new_items(table: pd.DataFrame) -> pd.DataFrame:
    """A row a way: HR@10 on new and on old answers, and among new items alone; means over seeds,
    each of which has other new items, with the half-width over users of one seed."""
    rows: dict[str, dict[str, Any]] = {}
    names = {("new", "HR@10"): "new", ("new", "HR@10 among new"): "new, among new",
             ("old", "HR@10"): "old", ("old", "HR@10 among old"): "old, among old"}  # fmt: skip
    for key, one in table.groupby(["way", "part", "protocol", "metric"], sort=False):
        way, part, protocol, metric = key
        if (part, metric) in names:
            value = Interval(*_ends(one[list(ENDS)].mean()))
            name = f"{names[part, metric]} {PROTOCOLS[protocol]}"
            rows.setdefault(WAYS[way], {})[name] = value
    return pd.DataFrame.from_dict(rows, "index")


def new_figures(table: pd.DataFrame) -> dict[str, float]:
    """HR@10 (M), means over draws of the new items, for the prose; ``all``: over all questions."""
    rows = table[(table["protocol"] == "masked") & table["metric"].str.startswith("HR@10")]
    mean = rows.groupby(["way", "part", "metric"])["mean"].mean()
    users = rows.groupby("part")["users"].mean()
    ways = {"numbers": "sasrec", "attributes": "attributed", "alike": "alike"}
    found: dict[str, float] = {}
    for word, way in ways.items():
        if way not in mean.index:
            continue
        new, old = (float(mean[way, part, "HR@10"]) for part in ("new", "old"))
        found |= {f"new-{word}": new, f"old-{word}": old}
        found[f"all-{word}"] = float((new * users["new"] + old * users["old"]) / users.sum())
    if ("attributed", "old", "HR@10 among old") in mean.index:
        found["old-among"] = float(mean["attributed", "old", "HR@10 among old"])
    return found


def _ends(found: pd.Series) -> tuple[float, float, float]:
    mean, low, high = map(float, found)
    return mean, low, high
