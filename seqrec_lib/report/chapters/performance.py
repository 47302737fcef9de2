"""What the chapter on performance shows: ours beside others, as benchmarks/ last published it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.report.axes import PLAIN, named
from seqrec_lib.report.benchmarks import benchmark

PEERS = {"rectools": "RecTools", "recbole": "RecBole"}
SYSTEMS = {"seqrec_lib": "this library", **PEERS}
PUBLISHED = {  # each with what it measures
    "training": "training, beside RecTools and RecBole",
    "time_to_quality": "training until a quality is reached",
    "scoring": "ranks of all test users",
    "scoring_din": "the same by a network for each pair",
    "report_shapes": "a training step at the report's shapes",
    "cleaning": "cleaning, beside DuckDB, pandas and Spark",
    "pairs": "pairs of items in receipts and sessions",
    "retrieval": "making and asking a memory",
    "pipeline": "the hybrid pipeline",
    "encoders": "store encoders",
    "families": "the survey's networks",
    "rankers": "models that score candidates, beside FuxiCTR",
    "passes": "a pass of the same over a whole log",
    "feast": "features, beside Feast",
    "serving": "lists by HTTP",
}


def beside() -> pd.DataFrame:
    """Every comparison with something of others: how many times as fast ours is, and how many
    times less memory it takes where that was measured.

    ``part`` is training, cleaning or features; below 1 ours is slower, or larger.
    """
    rows: list[tuple[str, str, float, float | None]] = []
    systems = benchmark("training")["systems"]
    ours = systems["seqrec_lib"]
    for name, words in PEERS.items():
        speed = ours["positions_per_s"] / systems[name]["positions_per_s"]
        less = systems[name]["peak_bytes"] / ours["peak_bytes"]
        rows.append(("training", f"SASRec, beside {words}", speed, less))
    for model, words in {"sasrec": "SASRec", "gru": "GRU"}.items():
        at = benchmark("report_shapes")[model]
        less = at["peak_bytes"]["report"] / at["peak_bytes"]["ours"]
        rows.append(
            ("training", f"{words} at the report's shapes*", at["ratio_of_speed"], less),
        )
    for model, at in benchmark("rankers")["systems"].items():
        rows.append(("training", f"{model}, beside FuxiCTR*", at["ratio"], None))
    runs = benchmark("cleaning")["growth_receipts"]["60 M"]
    for name, words in {"pandas": "the steps in pandas", "rewrite": "DuckDB rewriting"}.items():
        speed, less = (runs[name][k] / runs["ours"][k] for k in ("seconds", "peak_bytes"))
        rows.append(("cleaning", f"receipts, beside {words}", speed, less))
    feast = benchmark("feast")
    mine, theirs = feast["ours"], feast["feast"]
    speed = mine["write"]["rows_per_s"] / theirs["write"]["rows_per_s"]
    rows.append(("features", "writing, beside Feast", speed, None))
    speed = theirs["read_1"]["p50_ms"] / mine["read_1"]["p50_ms"]
    rows.append(("features", "reading a customer, beside Feast", speed, None))
    speed = theirs["historical"]["seconds"] / mine["historical"]["seconds"]
    rows.append(("features", "joining offline, beside Feast", speed, None))
    return pd.DataFrame(rows, columns=["part", "work", "times as fast", "times less memory"])


def draw_beside(ax: Axes, found: pd.DataFrame) -> None:
    """:func:`beside` on a logarithmic axis: a dot for speed, a ring for memory, a row a work."""
    ink = report.colour("gru4rec")
    for height, (_, row) in enumerate(found[::-1].iterrows()):
        ax.plot([1, row["times as fast"]], [height, height], color=ink, lw=1.5)
        ax.plot(row["times as fast"], height, "o", color=ink, ms=7, label="speed")
        ax.plot(row["times less memory"], height, "D", mfc="white", mec=ink, ms=6, label="memory")
        digits = 0 if row["times as fast"] >= 10 else 1 if row["times as fast"] >= 1 else 2
        ax.text(1.02, height, f"{row['times as fast']:.{digits}f}", va="center",
                transform=ax.get_yaxis_transform())  # fmt: skip
    ax.text(1.02, len(found) - 0.4, "times\nas fast", transform=ax.get_yaxis_transform())
    ax.axvline(1, color="black", lw=0.8)
    ax.set_yticks(range(len(found)), found["work"][::-1])
    ax.set(xscale="log", xlabel="times as fast, times less memory (logarithmic)")
    ax.set_xlim(0.2, 300)
    ax.xaxis.set_major_formatter(PLAIN)
    shown = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    ax.legend(shown.values(), shown, loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=2)


def training() -> pd.DataFrame:
    """Speed, span over the repetitions and memory of SASRec's training in the three systems."""
    rows = {}
    for name, words in SYSTEMS.items():
        one = benchmark("training")["systems"][name]
        speeds = [run["positions_per_s"] for run in one["runs"]]
        version = f" {one['version']}" if "version" in one else ""
        rows[words + version] = {
            "positions a second": round(one["positions_per_s"]),
            "least and most": f"{min(speeds):,.0f} to {max(speeds):,.0f}",
            "seconds a pass": f"{one['seconds_per_pass']:.1f}",
            "peak memory, MB": round(one["peak_bytes"] / 1e6),
            "precision": one["precision"],
        }
    return pd.DataFrame.from_dict(rows, "index")


def draw_quality(ax: Axes) -> None:
    """Test NDCG@10 (M) of the weights that validation keeps, by seconds of a whole training."""
    of = benchmark("time_to_quality")
    passes = pd.DataFrame(of["passes"])
    best = passes["test_ndcg@10"][passes["valid_ndcg@10"].cummax() == passes["valid_ndcg@10"]]
    ink = report.colour("sasrec")
    ax.plot(passes["seconds"][best.index], best, color=ink, marker=report.marker("sasrec"), ms=5)
    ax.axhline(of["target_ndcg@10"], color="black", lw=0.8, ls="--")
    ax.annotate("the best SASRec in print", (0, of["target_ndcg@10"]), xytext=(4, 4),
                textcoords="offset points", fontsize=report.SMALL)  # fmt: skip
    ax.set_xlim(0, None)
    ax.set(xlabel="seconds of training and validation, two cores", ylabel="test NDCG@10, M")
    ax.set_ylim(0, 1.12 * max(best.max(), of["target_ndcg@10"]))


def shapes() -> pd.DataFrame:
    """A training step at the report's shapes: ours, the report's networks here, and its figure."""
    rows = {}
    for model, words in {"gru": "GRU", "sasrec": "SASRec"}.items():
        at = benchmark("report_shapes")[model]
        seconds, size = at["seconds_per_step"], at["peak_bytes"]
        rows[f"{words}, {at['batch']} histories"] = {
            "seconds, ours": f"{seconds['ours']:.2f}",
            "seconds, the report's": f"{seconds['report']:.1f}",
            "GB, ours": f"{size['ours'] / 1e9:.2f}",
            "GB, the report's": f"{size['report'] / 1e9:.1f}",
            "GB, printed in the report": f"{at['reported_bytes'] / 1e9:.2f}",
        }
    return pd.DataFrame.from_dict(rows, "index")


def networks() -> pd.DataFrame:
    """Positions that each network of the survey learns a second on Beauty, by cores."""
    found = benchmark("families")["speeds"]
    return pd.DataFrame(
        {
            report.label(name): {
                "on one core": round(found["1"][name]),
                "on two": round(found["2"][name]),
                "two, as a share of SASRec": f"{found['2'][name] / found['2']['sasrec']:.1f}",
            }
            for name in sorted(found["2"], key=lambda one: -found["2"][one])
        }
    ).T


def steps(threads: int = 2) -> pd.DataFrame:
    """Milliseconds of an update from as many positions: a row a length of history, a column a
    network."""
    found = pd.DataFrame(benchmark("families")["steps"][str(threads)])
    return found.set_axis(found.index.astype(int), axis=0)


def draw_steps(ax: Axes) -> None:
    """:func:`steps` by length (logarithmic), a line a network with its name at the right end."""
    found = steps()
    tips = {}
    for name, line in found.items():
        ink = report.colour(str(name))
        ax.plot(found.index, line, color=ink, marker=report.marker(str(name)), ms=4)
        tips[report.label(str(name))] = (float(line.iloc[-1]), ink)
    ax.set(xscale="log", xlabel="events of a history (logarithmic)", ylabel="ms of an update")
    ax.set_ylim(0, None)
    ax.set_xticks(found.index, [f"{one}" for one in found.index])
    ax.minorticks_off()
    named(ax, tips, float(found.index[-1]))


def scoring() -> pd.DataFrame:
    """Ranks of all Beauty's test users under both protocols, by an encoder and by a ranker."""
    rows = {}
    for name, words in {"scoring": "SASRec", "scoring_din": "DIN"}.items():
        one = benchmark(name)
        rows[words] = {
            "users": one["users"],
            "items": one["items"],
            "cores": one["threads"],
            "seconds": f"{one['seconds']:.1f}",
            "MB above the model": round(one["peak_above_model_bytes"] / 1e6),
        }
    return pd.DataFrame.from_dict(rows, "index")


def tables_of_events() -> pd.DataFrame:
    """Cleaning a whole simulated day, and pairs of items: rows, seconds, rows a second, memory."""
    works = {"cleaning": "cleaning a day, every row accounted for", "pairs": "pairs of items"}
    rows = {}
    for name, words in works.items():
        one = benchmark(name)
        rows[words] = {
            "million rows": f"{one['rows'] / 1e6:.1f}",
            "seconds": f"{one['seconds']:.1f}",
            "million rows a second": f"{one['rows'] / one['seconds'] / 1e6:.1f}",
            "memory, GB": f"{one['peak_bytes'] / 1e9:.1f}",
        }
    return pd.DataFrame.from_dict(rows, "index")


def features() -> pd.DataFrame:
    """What both stores of features take for one stream; a dash where one has no such step.

    Feast joins rows that have been finished before: what we took to make them stands with it.
    """
    found = benchmark("feast")
    mine, theirs = found["ours"], found["feast"]

    def row(words: str, key: str, ours: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        rows[words] = {
            name: f"{one[key]:,.2f}" if one[key] < 100 else f"{one[key]:,.0f}"
            for name, one in (("this library", ours), ("Feast", other))
            if key in one
        }

    rows: dict[str, dict[str, str]] = {}
    row("writing, finished rows a second", "rows_per_s", mine["write"], theirs["write"])
    row("reading one customer, median ms", "p50_ms", mine["read_1"], theirs["read_1"])
    row("slowest of a hundred, ms", "p99_ms", mine["read_1"], theirs["read_1"])
    row("reading a hundred at once, median ms", "p50_ms", mine["read_100"], theirs["read_100"])
    requests = f"{mine['historical']['requests']:,} requests"
    row(f"joining {requests}, seconds", "seconds", mine["historical"], theirs["historical"])
    row("making the rows for that, seconds", "seconds", {}, mine["export"])
    return pd.DataFrame.from_dict(rows, "index")


def from_the_future() -> float:
    """Percent of the requests for which Feast's join, without the filter that is off by default,
    takes a row that was written after the request."""
    found = benchmark("feast")["agreement"]
    return 100 * found["written_after_the_request"]["without"] / found["requests"]


def runs() -> pd.DataFrame:
    """Of each benchmark: when, of which commit, on what, and how busy the machine was."""
    rows = {}
    for name, words in PUBLISHED.items():
        one = benchmark(name)
        machine = one["machine"]
        rows[words] = {
            "date": one["date"],
            "commit": one["commit"][:10],
            "processor": machine["cpu"].replace("(R)", "").replace(" Processor", ""),
            "cores": machine["cores"],
            "bf16 units": bool(machine["bf16_units"]),
            "load": f"{machine['load']:.1f}",
        }
    return pd.DataFrame.from_dict(rows, "index")
