"""What the chapter on cleaning shows: defects as reported and as found, and costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from seqrec_lib import report
from seqrec_lib.data.simulator import store

TABLES = {
    "marketplace/items": "market items",
    "marketplace/events": "market events",
    "payments/events": "payments",
    "payments/receipts": "receipts",
}
RULES = {
    "duplicate": "same id twice",
    "missing brand_id": "no brand",
    "missing subdomain": "no surface",
    "missing socdem_cluster": "no cluster",
    "no transaction": "shared hash",
}
HASH = ("payments/receipts", "no transaction")
# how a reader should see each kind; a marker as well as a colour
LOOKS: dict[str, dict[str, Any]] = {
    "missing values and copies": {"color": report.colour("gru4rec"), "marker": "o"},
    "no defect: likes": {"color": report.colour("markov"), "marker": "s"},
    "not in the report": {"color": report.colour("sasrec"), "marker": "D"},
}
SYSTEMS = {
    "ours": "this cleaning",
    "rewrite": "DuckDB, rewriting only",
    "pandas": "the report's steps, pandas",
    "spark": "this cleaning, on Spark",
}


def words(table: str, rule: str) -> str:
    """A defect in the words of a reader: "receipts: no brand"."""
    named = RULES.get(rule, rule.replace("missing", "no"))
    return f"{TABLES.get(table, table.replace('/', ' '))}: {named}"


def defects(reported: pd.DataFrame, account: pd.DataFrame) -> pd.DataFrame:
    """Each defect of the report, and the hash that it does not have, beside our count.

    ``reported`` has ``type, table, rule, reported, of``; ``account`` is that of
    :func:`seqrec_lib.data.cleaning.clean` on simulated rows. A row a defect by (table, rule), the
    most frequent first: ``kind`` (of :data:`LOOKS`), ``reported``, ``found`` and the shares in
    percent. The share of the hash is the one that the report's notebook prints.
    """
    ours = account.groupby(["table", "rule"])[["matched", "before"]].sum()
    both = reported.set_index(["table", "rule"])
    both.loc[HASH, "type"] = "hash"
    both = both.join(ours)
    both["reported, %"] = 100 * both["reported"] / both["of"]
    both.loc[HASH, "reported, %"] = 100 * store.NOTHING_SHARE
    both["found, %"] = 100 * both["matched"] / both["before"]
    likes, missed = list(LOOKS)[1:]
    both["kind"] = both["type"].map({"surface": likes, "hash": missed}).fillna(next(iter(LOOKS)))
    both = both.rename(columns={"matched": "found"})
    columns = ["kind", "reported", "reported, %", "found", "found, %"]
    return both[columns].sort_values("reported, %", ascending=False, kind="stable")


def draw_defects(ax: Axes, found: pd.DataFrame) -> None:
    """Shares of rows on a logarithmic axis: a ring as published, a mark as found, a look a kind."""
    shown = found.dropna(subset="reported, %").reset_index(drop=True)
    names = [words(*key) for key in found.dropna(subset="reported, %").index]
    height = np.arange(len(shown))
    for kind, look in LOOKS.items():
        rows = shown["kind"] == kind
        at = height[rows]
        ax.plot(shown["found, %"][rows], at, ls="", ms=5, label=kind, **look)
        ax.plot(shown["reported, %"][rows], at, "o", ms=11, mfc="none", mec="0.3", mew=1)
    ax.plot([], [], "o", ms=10, mfc="none", mec="0.3", label="ring: as published")
    ax.set_yticks(height, names)
    ax.set(xscale="log", xlabel="% of the rows of the table", ylim=(len(shown) - 0.5, -0.5))
    ax.xaxis.set_major_formatter("{x:g}")
    report.legend_above(ax)


def growth(bench: Mapping[str, Any]) -> pd.DataFrame:
    """Cleaning receipts, by system and million rows: ``seconds`` and ``GiB`` of memory."""
    rows = [
        {
            "system": SYSTEMS[system],
            "million rows": run["rows"] / 1e6,
            "seconds": run["seconds"],
            "GiB": run["peak_bytes"] / 2**30,
        }
        for runs in bench["growth_receipts"].values()
        for system, run in runs.items()
    ]
    return pd.DataFrame(rows)


def growth_table(costs: pd.DataFrame) -> pd.DataFrame:
    """:func:`growth` for readers: a row a system, seconds and memory by rows."""
    wide = costs.pivot(index="system", columns="million rows", values=["seconds", "GiB"])
    wide.columns = [f"{unit}, {rows:.0f} M rows" for unit, rows in wide.columns]
    order = [name for name in SYSTEMS.values() if name in wide.index]
    return wide.loc[order].rename_axis(None)


def draw_growth(axes: Iterable[Axes], costs: pd.DataFrame) -> None:
    """Seconds above, memory below, by rows; both axes logarithmic, each line with its name."""
    axes = list(axes)
    styles = dict(zip(SYSTEMS.values(), ("o-", "s--", "^:", "x-."), strict=True))
    inks = [report.colour(name) for name in ("sasrec", "popular", "gru4rec", "markov")]
    for ax, unit in zip(axes, ("seconds", "GiB"), strict=True):
        for (name, style), ink in zip(styles.items(), inks, strict=True):
            run = costs[costs["system"] == name]
            ax.plot(run["million rows"], run[unit], style, color=ink, label=name)
        ax.set(xscale="log", yscale="log", ylabel=unit)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 3)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    report.legend_above(axes[0])
    axes[-1].set_xlabel("million receipt rows")


def sums(account: pd.DataFrame) -> pd.DataFrame:
    """Where the rows of each folder went: in, repaired, rejected, out.

    ``account`` is that of :func:`seqrec_lib.data.cleaning.clean`, with ``rows`` naming the folder.
    """
    found = account.pivot_table("matched", "rows", "kind", "sum", fill_value=0)
    found = found.reindex(columns=["mend", "reject"], fill_value=0).astype(int)
    ends = account[account["kind"] == "reject"].groupby(["rows", "table", "day"], dropna=False)
    table = pd.DataFrame(
        {
            "rows in": ends["before"].first().groupby("rows").sum(),
            "repairs": found["mend"],
            "rejected": found["reject"],
            "rows out": ends["after"].last().groupby("rows").sum(),
        }
    )
    return table.rename_axis(None)


def by_rule(account: pd.DataFrame) -> pd.DataFrame:
    """How many rows each rule matched, by folder; rules that matched none are left out."""
    found = account.groupby(["rows", "table", "kind", "rule"], sort=False)["matched"].sum()
    wide = found[found > 0].unstack("rows").fillna(0).astype(int).reset_index()
    wide.insert(0, "defect", [words(*key) for key in zip(wide["table"], wide["rule"], strict=True)])
    wide["what is done"] = wide["kind"].map({"mend": "repaired", "reject": "to quarantine"})
    return wide.drop(columns=["table", "rule", "kind"]).rename_axis(columns=None)


def draw_prices(ax: Axes, prices: Mapping[str, pd.Series]) -> None:
    """Percent of rows by standardised price, a line a table with its name, and where −1 lies."""
    looks = zip(("markov", "gru4rec", "sasrec"), ("-", "--", ":"), strict=True)
    for (name, price), (ink, dashes) in zip(prices.items(), looks, strict=False):
        share, edge = np.histogram(price.dropna(), bins=60, range=(-10, 10))
        ax.stairs(100 * share / len(price), edge, label=TABLES.get(name, name.replace("/", " ")),
                  ls=dashes, lw=1.8, color=report.colour(ink))  # fmt: skip
    ax.axvline(-1, color="black", lw=0.8)
    ax.set(xlabel="standardised price", ylabel="% of the rows")
    ax.annotate("−1", (-1, ax.get_ylim()[1] * 0.95), xytext=(4, 0), textcoords="offset points")
    report.legend_above(ax)
