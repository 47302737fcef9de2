"""What the chapter on production shows of the server: as it was measured, and in a replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib.report.axes import PLAIN, legend_above
from seqrec_lib.report.styles import colour, label, marker
from seqrec_lib.report.tables import PROTOCOLS
from seqrec_lib.statistics.intervals import Interval

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
    index = of["large"]["index, 1 connection"]
    return {
        "small-p99": small["1 connections"]["due_ms"]["p99"],
        "index-p99": index["due_ms"]["p99"],
        "large-items": float(of["large"]["items"]),
        "most-per-s": small["capacity"]["answers_per_s"],
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
        name = f"{columns[one['measure']]} {PROTOCOLS[one['protocol']]}"
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
