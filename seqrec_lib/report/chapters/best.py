"""The best of what we have beside what is in print: how good it is, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.segments import times_followed
from seqrec_lib.data.splits import Split
from seqrec_lib.records.store import Runs
from seqrec_lib.statistics.intervals import ONE_SEED, TOO_FEW, Interval

# of an ensemble its members, of a mixture what stands under it: all have to run
MEMBERS = {
    "ensemble": ("sasrec", "sasrec-wide", "gru", "slit"),
    "ensemble-attributed": ("sasrec", "sasrec-wide", "gru", "slit", "sasrec-attributed"),
    "sasrec-neighbours": ("sasrec",),
    "sasrec-markov": ("sasrec", "markov"),
}
# what a pupil is compared with, and pupils
TAUGHT = ("sasrec", "sasrec-wide", "sasrec-taught", "sasrec-taught-repeats", "sasrec-taught-twice")


def spent(run: Runs, of: Mapping[str, Runs]) -> tuple[float, float]:
    """Minutes to train a run with all that it is made of, and seconds to score all test users.

    ``of`` has the runs by name. Each is the median over its seeds that the commonest device
    trained.
    """
    parts = [run, *(of[name] for name in MEMBERS.get(run.name, ()))]
    return (
        sum(float(part.costs["own_seconds"]) for part in parts) / 60,
        float(run.costs["scoring_seconds"]),
    )


def kept(pupil: Runs, plain: Runs, teachers: Runs, protocol: str) -> float:
    """Of what the teachers have over a plain network in NDCG@10, the share that the pupil has."""
    mean = {one.name: report.mean(one, protocol).mean for one in (pupil, plain, teachers)}
    above = {name: value - mean[plain.name] for name, value in mean.items()}
    return report.ratio(above[pupil.name], above[teachers.name])


def compared(found: Mapping[str, Mapping[str, Runs]]) -> dict[str, pd.DataFrame]:
    """Runs of each data set beside SASRec's, a table a data set and protocol (``Beauty, M``)."""
    tables = {}
    for dataset, of in found.items():
        table = report.table(list(of.values()), baseline="sasrec")
        for words, part in report.by_protocol(table).items():
            tables[f"{dataset.capitalize()}, {words[0]}"] = part
    return tables


def with_costs(shown: Sequence[str], of: Mapping[str, Runs]) -> pd.DataFrame:
    """NDCG@10 of the runs of one data set under both protocols, and what they take."""
    rows = {}
    for name in shown:
        minutes, seconds = spent(of[name], of)
        row: dict[str, Any] = {
            f"NDCG@10 {letter}": report.with_half_width(
                report.mean(of[name], protocol), notes=(ONE_SEED, TOO_FEW)
            )
            for protocol, letter in report.PROTOCOLS.items()
        }
        row |= {"training, minutes": minutes, "scoring, seconds": seconds}
        rows[report.label(name)] = row
    return pd.DataFrame.from_dict(rows, "index")


def against_print(
    ax: Axes,
    found: Mapping[str, Mapping[str, Runs]],
    shown: Sequence[str],
    in_print: Mapping[str, tuple[float, float]],
) -> pd.DataFrame:
    """NDCG@10 (M) relative to the best row in print, in percent, with what each run takes.

    ``found`` has by data set the runs by name, ``in_print`` the (HR@10, NDCG@10) of a data set;
    one that has none is held against the first of ``shown``. Returns the intervals, a column a run.
    """
    rows, costs = {}, []
    for dataset, of in found.items():
        first = report.mean(of[shown[0]], "masked").mean
        base = in_print[dataset][1] if dataset in in_print else first
        for name in (one for one in shown if one in of):
            short = report.short(name, shown[0])
            rows[dataset.capitalize(), short] = {
                name: _percent(report.mean(of[name], "masked"), base)
            }
            costs.append(spent(of[name], of))
    table = pd.DataFrame.from_dict(rows, "index")
    looks = {name: {"color": report.colour(name), "marker": report.marker(name)} for name in table}
    spots = report.forest(
        [ax], {"": table}, "NDCG@10 (M), % above or below the best in print", looks
    )
    heights = [height for row in spots for height in row.values()]
    beside = {"va": "center", "transform": ax.get_yaxis_transform(), "fontsize": report.SMALL}
    for column, head in enumerate(("train,\nmin", "score,\ns")):
        place = 1.14 + 0.21 * column
        ax.text(place, 0.4, head, beside, weight="bold", ha="right", va="bottom")
        for height, cost in zip(heights, costs, strict=True):
            ax.text(place, height, f"{cost[column]:.0f}", beside, ha="right")
    return table


def _percent(one: Interval, base: float) -> Interval:
    """By how many percent a level and the ends of its interval are above ``base``."""
    mean, low, high = (100 * (report.ratio(x, base) - 1) for x in (one.mean, one.low, one.high))
    return replace(one, mean=mean, low=low, high=high)


def gains(pairs: Mapping[Any, Sequence[Runs]]) -> pd.DataFrame:
    """NDCG@10 of each pair's first run, and its paired gain over the second.

    A gain that is no difference is in brackets, the verdicts of the table corrected together.
    """
    found = {
        (name, protocol): report.gain(one, base, protocol)
        for name, (one, base) in pairs.items()
        for protocol in report.PROTOCOLS
    }
    said = report.verdicts_of(found)
    rows: dict[Any, dict[str, str]] = {name: {} for name in pairs}
    for (name, protocol), gain in found.items():
        letter = report.PROTOCOLS[protocol]
        level = report.mean(pairs[name][0], protocol).mean
        words = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
        words = report.in_brackets(words, said[name, protocol], gain.note)
        rows[name] |= {f"NDCG@10 {letter}": f"{level:.4f}", f"change {letter}": words}
    return pd.DataFrame.from_dict(rows, "index")


def taken_before(log: EventLog, split: Split) -> Bool[np.ndarray, "S"]:
    """Which test steps, from the last item to the true one, stand in some training history."""
    return times_followed(log, split.train, split.test) > 0
