"""What the chapter on small worlds shows of real histories: what is lost where a history is cut,
and where accidents are put into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.records.store import Runs
from seqrec_lib.report.axes import named
from seqrec_lib.report.chapters.protocols import Kept, Means
from seqrec_lib.report.styles import colour, label, marker
from seqrec_lib.statistics.intervals import Interval
from seqrec_lib.studies import altered as study

AMOUNTS = {"last": "events that are left of a history", "accidents": "accidents behind each event"}


def asked(
    runs: Sequence[Runs], results: str | Path, device: str = "auto", epochs: int | None = None
) -> dict[str, list[pd.DataFrame]]:
    """What is kept of each run, by its name; what is missing is made first."""
    for run in runs:
        study.study(run.dataset, [run.name], run.numbers, results, device, epochs)
    return {run.name: study.kept(run, results) for run in runs}


def amounts(kept: Kept, change: str) -> list[str]:
    """How much was done, from left to right: from one event to the ``whole`` history, or from
    there to the most accidents. What was not done to all runs is left out: who reads few events has
    few to lose."""
    first, *others = (tables[0] for tables in kept.values())
    found = [
        name.split()[1]
        for name in first
        if name.startswith(f"{change} ")
        and name.endswith(" unmasked")
        and all(name in other for other in others)
    ]
    return [*found, "whole"] if change == "last" else ["whole", *found]


def _column(change: str, amount: str, protocol: str) -> str:
    return f"{amount if amount == 'whole' else f'{change} {amount}'} {protocol}"


def means(runs: Sequence[Runs], kept: Kept, change: str, protocol: str) -> pd.DataFrame:
    """NDCG@10 with its interval over users and seeds: a row a run, a column an amount."""
    return pd.DataFrame(
        {
            run.name: {
                amount: Means(run, kept[run.name], _column(change, amount, protocol)).mean
                for amount in amounts(kept, change)
            }
            for run in runs
        }
    ).T


def left(
    run: Runs, kept: Kept, change: str, amount: str, protocol: str
) -> Float[np.ndarray, "S U"]:
    """The share of the whole history's NDCG@10 that is left: a value a user whose mean it is.

    It is a ratio of two sums over users, so that its interval is of its linear form (delta method,
    as :func:`~seqrec_lib.statistics.populations.per_user`). NaN where the whole history finds
    nothing.
    """
    whole, part = (
        Means(run, kept[run.name], _column(change, one, protocol)) for one in ("whole", amount)
    )
    had, has = whole.questions * whole.values, part.questions * part.values
    total = had.sum(1, keepdims=True)
    total[total == 0] = np.nan
    share = has.sum(1, keepdims=True) / total
    return share + had.shape[1] * (has - share * had) / total


def _interval(values: Float[np.ndarray, "S U"], *runs: Runs) -> Interval:
    if np.isnan(values).any():
        return Interval(np.nan, np.nan, np.nan)
    return report.interval(values, *runs)


def shares(runs: Sequence[Runs], kept: Kept, change: str, protocol: str) -> pd.DataFrame:
    """:func:`left` with its interval: a row a run, a column an amount; none of the whole."""
    return pd.DataFrame(
        {
            run.name: {
                amount: _interval(left(run, kept, change, amount, protocol), run)
                for amount in amounts(kept, change)
                if amount != "whole"
            }
            for run in runs
        }
    ).T


def gain(a: Runs, b: Runs, kept: Kept, change: str, amount: str, protocol: str) -> Interval:
    """What is left of run a minus what is left of run b, as shares, paired by user."""
    own, other = report.paired_seeds(a, b)
    first, second = (left(one, kept, change, amount, protocol) for one in (a, b))
    return _interval(first[own] - second[other], a, b)


def in_print(found: pd.DataFrame, **how: Any) -> pd.DataFrame:
    """:func:`means` or :func:`shares` in print, by the models' names."""
    return report.half_widths(found, **how).set_axis([label(name) for name in found.index])


def curves(ax: Axes, runs: Sequence[Runs], kept: Kept, change: str, protocol: str) -> None:
    """:func:`means` against the amount, a line a run, with 95 % intervals."""
    found = means(runs, kept, change, protocol)
    tips = {}
    for number, (name, row) in enumerate(found.iterrows()):
        at = [place + 0.04 * (number - (len(found) - 1) / 2) for place in range(len(row))]
        mean = [one.mean for one in row]
        reach = [[one.mean - one.low for one in row], [one.high - one.mean for one in row]]
        ax.errorbar(at, mean, yerr=reach, color=colour(name), marker=marker(name), ms=5, lw=1.2)
        tips[label(name)] = (mean[-1], colour(name))
    words = {"whole": "all" if change == "last" else "none"}
    ax.set_xticks(range(found.shape[1]), [words.get(one, one) for one in found])
    ax.set(xlabel=AMOUNTS[change], ylabel=f"NDCG@10 {report.PROTOCOLS[protocol]}")
    ax.set_ylim(bottom=0)
    named(ax, tips, found.shape[1] - 0.75)


def figures(runs: Sequence[Runs], kept: Kept) -> dict[str, float]:
    """What is left, as in ``gru-last-4-m``."""
    return {
        f"{name}-{change}-{amount}-{letter.lower()}": one.mean
        for change in AMOUNTS
        for protocol, letter in report.PROTOCOLS.items()
        for name, row in shares(runs, kept, change, protocol).iterrows()
        for amount, one in row.items()
    }
