"""What the chapter on production shows: serving as it was measured, and what keeps lists fresh."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from seqrec_lib.records.store import SCRATCH
from seqrec_lib.report.axes import legend_above
from seqrec_lib.report.styles import colour, label, marker
from seqrec_lib.statistics.intervals import Interval
from seqrec_lib.studies import scaling, updating

LETTERS = {"masked": "M", "unmasked": "U"}
WAYS = {
    "popular": "popularity",
    "alike": "attributes shared, nothing learned",
    "sasrec": "SASRec, item numbers",
    "attributed": "SASRec, attributes",
}
ASKED = {  # of the benchmark: what is called how
    "small": {
        "1 connections": "12,101 items, one connection",
        "empty, 1 connections": "nothing, one connection",
        "32 connections": "12,101 items, 32 connections",
        "empty, 32 connections": "nothing, 32 connections",
        "capacity": "12,101 items, all that can be answered",
    },
    "large": {
        "exact, 1 connection": "456,186 items, exactly",
        "exact, 8 connections": "456,186 items, exactly, 8 connections",
        "index, 1 connection": "456,186 items, by an index",
    },
}
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
ENDS = ("mean", "low", "high")
TECD_EVENTS, TECD_ITEMS = 135e9, 10**6  # the whole of T-ECD, and the most items measured


# --- the server -----------------------------------------------------------------------------------


def answers(of: Mapping[str, Any]) -> pd.DataFrame:
    """A row a run of the benchmark: milliseconds from when a question was due, processor time of an
    answer, answers a second."""
    rows = {}
    for part, names in ASKED.items():
        for key, words in names.items():
            one = of[part][key]
            rows[words] = {
                "p50, ms": one["due_ms"].get("p50"),
                "p99, ms": one["due_ms"].get("p99"),
                "processor, ms": one["cpu_ms"],
                "answers a second": round(one["answers_per_s"]),
                "answers": one["n"],
            }
    return pd.DataFrame.from_dict(rows, "index")


def wanted(of: Mapping[str, Any]) -> pd.DataFrame:
    """What was asked for before it was measured, beside what came."""
    small, large, over = of["small"], of["large"], of["overload"]["small"]
    came = {
        "small, 1 connection: p99": small["1 connections"]["due_ms"].get("p99"),
        "small, 32 connections: answers a second": small["32 connections"]["answers_per_s"],
        "small, 32 connections: p99": small["32 connections"]["due_ms"].get("p99"),
        "large, exact, 1 connection: p99": large["exact, 1 connection"]["due_ms"].get("p99"),
        "large, index, 1 connection: p99": large["index, 1 connection"]["due_ms"].get("p99"),
        "large, index: recall@10": large["recall"],
        "overload: p99 of the accepted": over["sent_ms"].get("p99"),
        "overload: seconds until well": over["well_after_s"],
    }
    found = pd.DataFrame({"asked for": of["wanted"], "came": came})
    more = found.index.str.contains("a second|recall")
    met = np.where(more, found["came"] >= found["asked for"], found["came"] <= found["asked for"])
    found["met"] = np.where(found["came"].isna(), "too few", np.where(met, "yes", "no"))
    return found


def server_figures(of: Mapping[str, Any]) -> dict[str, float]:
    """What the prose says of the benchmark: milliseconds, answers a second, per cent."""
    small, over = of["small"], of["overload"]["small"]
    busy, killed = small["32 connections"], of["killed"]
    return {
        "small-p99": small["1 connections"]["due_ms"]["p99"],
        "busy-per-s": busy["answers_per_s"],
        "busy-cpu": busy["cpu_ms"],
        "busy-empty-cpu": small["empty, 32 connections"]["cpu_ms"],
        "over-times": over["offered_per_s"] / over["capacity_per_s"],
        "over-refused": 100 * over["refused"] / (over["refused"] + over["n"]),
        "over-p99": over["sent_ms"]["p99"],
        "killed-events": float(killed["events"]),
        "killed-lost": float(killed["lost"]),
    }


# --- a replay -------------------------------------------------------------------------------------


def replayed(found: pd.DataFrame) -> pd.DataFrame:
    """A row a model: HR@10 and NDCG@10 with intervals over users, calibration error, coverage, by
    protocol."""
    columns = {"HR@10": "HR@10", "NDCG@10": "NDCG@10", "calibration_error": "calibration error",
               "coverage": "coverage"}  # fmt: skip
    rows: dict[str, dict[str, Any]] = {}
    for _, one in found[found["measure"].isin(columns)].iterrows():
        value: Any = float(one["mean"])
        if not np.isnan(one["low"]):
            value = Interval(value, float(one["low"]), float(one["high"]))
        name = f"{columns[one['measure']]} {LETTERS[one['protocol']]}"
        rows.setdefault(one["model"], {})[name] = value
    return pd.DataFrame.from_dict(rows, "index")


def draw_calibration(ax: Axes, found: pd.DataFrame, protocol: str = "masked") -> None:
    """How often the first item came, by the chance it was given, with intervals over users."""
    bins = found[(found["measure"] == "calibration") & (found["protocol"] == protocol)]
    most = float(bins[["chance", "high"]].to_numpy().max())
    said = np.geomspace(float(bins["chance"].min()) / 2, most, 200)
    ax.plot(said, said, color="black", lw=0.8, ls="--", label="as often as said")
    for model, one in bins.groupby("model", sort=False):
        ax.errorbar(
            one["chance"], one["mean"], [one["mean"] - one["low"], one["high"] - one["mean"]],
            color=colour(model), marker=marker(model), ms=5, lw=1.2, label=label(model),
        )  # fmt: skip
    ax.set(xscale="log", xlabel="probability given to the first item", ylabel="how often it came")
    ax.xaxis.set_major_formatter(PLAIN)
    legend_above(ax)


def sure_figures(
    found: pd.DataFrame, chain: str = "markov", network: str = "sasrec"
) -> dict[str, float]:
    """How far off chances are (M), and of the tenth where a model is surest what it said and what
    came, for the prose."""
    masked = found[found["protocol"] == "masked"]
    errors = masked[masked["measure"] == "calibration_error"].set_index("model")["mean"]
    figures = {f"error-{model}": float(value) for model, value in errors.items()}
    bins = found[found["measure"] == "calibration"]
    for name, model, protocol in (
        ("chain-{}", chain, "masked"), ("sasrec-{}-u", network, "unmasked")
    ):  # fmt: skip
        one = bins[(bins["model"] == model) & (bins["protocol"] == protocol)]
        surest = one.sort_values("chance").iloc[-1]
        figures[name.format("said")] = float(surest["chance"])
        figures[name.format("came")] = float(surest["mean"])
    return figures


# --- what is fresh --------------------------------------------------------------------------------


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
        rows.setdefault(one["model"], {})[f"{names[key]} {LETTERS[one['protocol']]}"] = value
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
            name = f"{names[part, metric]} {LETTERS[protocol]}"
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


# --- what scales ----------------------------------------------------------------------------------


def draw_scaling(ax: Axes, table: pd.DataFrame) -> None:
    """Seconds of a step by items, a line a loss, at the most events that did not break."""
    looks = {"whole": ("sasrec", "-"), "sampled": ("gru", "--")}
    for loss, one in table[table["broke"] == ""].groupby("loss", sort=False):
        largest = one.sort_values("events").groupby("items").last().reset_index()
        name, dashes = looks[str(loss)]
        ax.plot(largest["items"], largest["step_s"], color=colour(name), ls=dashes,
                marker=marker(name), label=f"{loss} softmax")  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="items", ylabel="seconds of a step")
    legend_above(ax)


def sizes(table: pd.DataFrame) -> pd.DataFrame:
    """A row a size and loss: what a step takes, what memory holds, what broke."""
    found = table.set_index(["items", "events", "loss"])
    columns = {"step_s": "step, s", "begin_s": "first batch after, s", "log_mb": "log, MB",
               "model_mb": "model, MB", "peak_mb": "peak, MB"}  # fmt: skip
    shown = found[list(columns)].rename(columns=columns)
    return shown.assign(broke=found["broke"].replace("", "–"))


def scale_figures(table: pd.DataFrame) -> dict[str, float]:
    """Seconds of a step at the fewest and the most items, and GB of all of T-ECD, for the prose."""
    found: dict[str, float] = {}
    for loss in scaling.LOSSES:
        rows = table[(table["loss"] == loss) & (table["broke"] == "")].sort_values("items")
        if len(rows):
            found[f"{loss}-few"] = float(rows["step_s"].iloc[0])
            found[f"{loss}-many"] = float(rows["step_s"].iloc[-1])
    most = table[table["events"] == table["events"].max()].iloc[0]
    found |= {f"{name}-100m": float(most[f"{name}_mb"]) / 1e3 for name in ("log", "peak")}
    one = scaling.passes(table, TECD_EVENTS, TECD_ITEMS, "sampled")
    return found | {"log-gb": one["log GB"], "model-gb": one["model GB"]}


def plan(table: pd.DataFrame, processes: tuple[int, ...] = (1, 64, 1024)) -> pd.DataFrame:
    """On paper: one pass over the whole of T-ECD, by the step that was measured."""
    rows = {}
    for loss in scaling.LOSSES:
        for number in processes:
            try:
                one = scaling.passes(table, TECD_EVENTS, TECD_ITEMS, loss, number)
            except LookupError:
                continue
            rows[loss, f"{number:,}"] = {
                "days of a pass": one["hours"] / 24,
                "log, GB a process": one["log GB"] / number,
                "model, GB a process": one["model GB"],
            }
    index = pd.MultiIndex.from_tuples(rows, names=["softmax", "cores"])
    return pd.DataFrame(list(rows.values()), index=index)
