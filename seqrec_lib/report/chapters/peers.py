"""Other libraries' SASRec, trained to its own end, beside ours: quality and what it takes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data import files
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Run, Runs
from seqrec_lib.report.benchmarks import benchmark
from seqrec_lib.report.chapters import floors

OURS = "this library"
NAMES = {"recbole": "RecBole", "rectools": "RecTools"}


def peers(dataset: str = "beauty") -> dict[str, Runs]:
    """What ``benchmarks/peers_quality.py`` kept, by the library's name: a run of one seed, whose
    card is the report of its training. Ranks are read when asked for. Of other data sets than
    Beauty nothing is kept."""
    found: dict[str, Runs] = {}
    if dataset != "beauty":
        return found
    for name, about in benchmark("peers_quality")["systems"].items():
        folder = files.root() / "benchmarks" / "results" / "peers" / name
        one = Run(folder, {"model": "sasrec", "training": {"seed": 0}}, about)
        found[NAMES[name]] = Runs(NAMES[name], "beauty", [one])
    return found


def compared(ours: Runs, theirs: Mapping[str, Runs]) -> pd.DataFrame:
    """HR@10 and NDCG@10 of ours and theirs under both protocols, and theirs minus ours.

    Differences are of NDCG@10, on the same users and on ours of seed 0, with an interval over
    users; verdicts of the table are corrected together.
    """
    gains = {
        (name, protocol): report.gain(run, ours, protocol)
        for name, run in theirs.items()
        for protocol in report.PROTOCOLS
    }
    said = report.verdicts_of(gains)
    rows: dict[str, dict[str, str]] = {}
    for name, run in ({OURS: ours, **theirs}).items():
        row = {"seeds": str(len(run.seeds))}
        for protocol, letter in report.PROTOCOLS.items():
            for metric, of in (("HR", hr), ("NDCG", ndcg)):
                mean = report.mean(run, protocol, of)
                row[f"{metric}@10 {letter}"] = report.with_half_width(mean)
            against = gains.get((name, protocol))
            row[f"minus ours, NDCG@10 {letter}"] = (
                "" if against is None else f"{against:+.4f} ({said[name, protocol]})"
            )
        rows[name] = row
    return pd.DataFrame.from_dict(rows, "index")


def efforts(ours: Runs, theirs: Mapping[str, Runs]) -> pd.DataFrame:
    """Passes until the end and to the weights kept, minutes of one processor core, parameters.

    Minutes are processor time, validation included, so that a busy machine does not count; ours
    are of the card, on one core, by the clock.
    """
    best = [int(one.history["valid_ndcg@10"].argmax()) + 1 for one in ours.seeds]
    rows = {
        OURS: {
            "passes": len(ours.seeds[0].history),
            "best pass": int(pd.Series(best).median()),
            "minutes of a core": float(ours.costs["own_seconds"]) / 60,
            "parameters": int(ours.costs["parameters"]),
        }
    }
    for name, run in theirs.items():
        about = run.seeds[0].card
        rows[name] = {
            "passes": about["passes"],
            "best pass": about["best_pass"],
            "minutes of a core": about["cpu_seconds"] / 60,
            "parameters": about["parameters"],
        }
    return pd.DataFrame.from_dict(rows, "index")


def facts(theirs: Mapping[str, Runs]) -> dict[str, float]:
    """What the prose says of single libraries: RecTools with its last weights, RecBole by its own
    ranking and by ours; nothing of those that are not there."""
    found = {}
    for name, run in theirs.items():
        card = run.seeds[0].card
        for way, letter in report.PROTOCOLS.items():
            found[f"{name}-ndcg-{letter.lower()}"] = report.mean(run, way).mean
            if "last" in card:
                found[f"{name}-last-{letter.lower()}"] = float(card["last"][way]["NDCG@10"])
        if "own_test" in card:
            found[f"{name}-own"] = float(card["own_test"]["ndcg@10"])
    return found


def draw(ax: Axes, ours: Runs, theirs: Mapping[str, Runs]) -> None:
    """NDCG@10 of both protocols, a row a library, and the minutes of a core beside them."""
    minutes = efforts(ours, theirs)["minutes of a core"]
    named = {OURS: ours, **theirs}
    levels = {
        name: {way: report.mean(run, protocol) for protocol, way in report.WORDS.items()}
        for name, run in named.items()
    }
    floors.levels(ax, levels, "NDCG@10")
    beside = {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "center"}
    ax.text(1.14, -0.47, "minutes", beside, weight="bold", va="top")  # below the legend
    for height, name in enumerate(named):
        ax.text(1.14, height, f"{minutes[name]:,.0f}", beside)


def curves(ax: Axes, ours: Runs, theirs: Mapping[str, Runs]) -> None:
    """Validation NDCG@10 by pass, where a library says it: of ours a line a seed, under M; of the
    others as they rank it, earlier items left in."""
    for number, one in enumerate(ours.seeds):
        line = one.history["valid_ndcg@10"]
        name = f"{OURS}, M" if number == 0 else None
        ax.plot(one.history["epoch"], line, color=report.colour("sasrec"), lw=1, label=name)
    for name, run in theirs.items():
        found = [one["ndcg@10"] for one in run.seeds[0].card["validations"] if "ndcg@10" in one]
        if found:
            ax.plot(range(1, len(found) + 1), found, "--", color="black", label=f"{name}, U")
    ax.set(xlabel="pass", ylabel="validation NDCG@10", ylim=(0, None))
    report.legend_above(ax)
