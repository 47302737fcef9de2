"""What grows with items and events, as the chapter on production shows it."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib.report.axes import legend_above
from seqrec_lib.report.styles import colour, marker
from seqrec_lib.studies import scaling

TECD_EVENTS, TECD_ITEMS = 135e9, 10**6  # the whole of T-ECD, and the most items measured


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
