"""What the chapter on small worlds shows of real histories: what is lost where a history is cut,
and where accidents are put into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.records.store import Runs
from seqrec_lib.report.axes import named
from seqrec_lib.report.chapters.protocols import Kept, Means
from seqrec_lib.report.styles import colour, label, marker
from seqrec_lib.studies import altered as study

AMOUNTS = {"last": "events that are left of a history", "accidents": "accidents behind each event"}


def asked(
    runs: Sequence[Runs], results: str | Path, anew: bool = False, epochs: int | None = None
) -> dict[str, list[pd.DataFrame]]:
    """What is kept of each run, by its name; made first where it is to be ``anew``."""
    for run in runs if anew else ():
        study.study(run.dataset, [run.name], run.numbers, results, epochs=epochs)
    return {run.name: study.kept(run, results) for run in runs}


def amounts(kept: Kept, change: str) -> list[str]:
    """How much was done, from what asks most of a model to what asks least; the whole history is
    ``whole``."""
    first = next(iter(kept.values()))[0]
    found = [
        name.split()[1]
        for name in first
        if name.startswith(f"{change} ") and name.endswith(" unmasked")
    ]
    return [*found, "whole"] if change == "last" else ["whole", *found]


def means(runs: Sequence[Runs], kept: Kept, change: str, protocol: str) -> pd.DataFrame:
    """NDCG@10 with its interval over users and seeds: a row a run, a column an amount."""
    names = {one: one if one == "whole" else f"{change} {one}" for one in amounts(kept, change)}
    return pd.DataFrame(
        {
            run.name: {
                amount: Means(run, kept[run.name], f"{name} {protocol}").mean
                for amount, name in names.items()
            }
            for run in runs
        }
    ).T


def table(runs: Sequence[Runs], kept: Kept, change: str, protocol: str) -> pd.DataFrame:
    """:func:`means` in print, by the models' names."""
    found = means(runs, kept, change, protocol)
    return report.half_widths(found).set_axis([label(name) for name in found.index])


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
    """The share of the whole history's NDCG@10 that is left, as in ``gru-last-4-m``."""
    found = {}
    for change in AMOUNTS:
        for protocol, letter in report.PROTOCOLS.items():
            for name, row in means(runs, kept, change, protocol).iterrows():
                for amount, one in row.items():
                    key = f"{name}-{change}-{amount}-{letter.lower()}"
                    found[key] = report.ratio(one.mean, row["whole"].mean)
    return found
