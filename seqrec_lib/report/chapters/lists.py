"""What the lists of ten show: how much of the catalogue, and popular or rare items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Real
from matplotlib.axes import Axes

from seqrec_lib.metrics.lists import coverage, gini
from seqrec_lib.records.store import Runs
from seqrec_lib.report import SMALL, colour, label, marker
from seqrec_lib.report.chapters.failures import RARE, TRAINED, first_of
from seqrec_lib.statistics.parts import between


def lists(runs: Sequence[Runs], frequency: Real[np.ndarray, "N"]) -> pd.DataFrame:
    """What the top-10 lists (U) show: a row a run, means over seeds; last, what was true.

    ``coverage``: share of the catalogue shown to anyone. ``gini`` of exposure. ``top 1 %``: share
    of the places held by the hundredth of the items shown most. ``popularity``: training events of
    the item in a place, mean. ``rare``: share of the places held by items with fewer than 50
    training events. ``frequency`` counts training events of the items 0 (padding), 1, ...
    """
    rows = {
        label(run.name): np.mean([_facts(one, frequency) for one in _exposures(run)], axis=0)
        for run in runs
    }
    rows["true items"] = _facts(_true(runs[0], frequency), frequency)
    columns = ["coverage", "gini", "top 1 %", "popularity", "rare"]
    return pd.DataFrame.from_dict(rows, "index", columns=columns)


def _exposures(run: Runs) -> list[np.ndarray]:
    return [seed.exposure["unmasked"].to_numpy() for seed in run.seeds]


def _true(run: Runs, frequency: np.ndarray) -> np.ndarray:
    """How many test events each item is the true one of."""
    return np.bincount(run.examples["item"], minlength=len(frequency))[1:]


def _facts(exposure: np.ndarray, frequency: np.ndarray) -> list[float]:
    place, known = exposure / exposure.sum(), frequency[1:]
    most = np.sort(place)[::-1][: max(1, len(place) // 100)]
    rare = place[known < RARE]
    return [coverage(exposure), gini(exposure), most.sum(), place @ known, rare.sum()]


def concentration(ax: Axes, runs: Sequence[Runs], frequency: Real[np.ndarray, "N"]) -> None:
    """Share of the places in lists (U) held by the most shown x % of the catalogue, first seeds."""
    exposures = {run.name: _exposures(run)[0] for run in runs}
    for name, exposure in (exposures | {"true items": _true(runs[0], frequency)}).items():
        share = np.sort(exposure)[::-1].cumsum() / exposure.sum()
        kept = np.unique(np.geomspace(1, len(share), 300).astype(int))  # of a logarithmic axis
        ax.plot(100 * kept / len(share), share[kept - 1], color=colour(name), label=label(name),
                ls="-" if name in exposures else "--", marker=marker(name) if name in exposures
                else "", markevery=40, ms=5)  # fmt: skip
    ax.set(xscale="log", ylim=(0, 1.02), xlabel="% of the catalogue, most shown first",
           ylabel="share of places in top-10 lists")  # fmt: skip


def popularity_bias(
    ax: Axes, runs: Sequence[Runs], frequency: Real[np.ndarray, "N"]
) -> pd.DataFrame:
    """Share of places that items of a popularity hold, over the share of test events that are
    theirs: at 1 they are shown as often as they are true.

    Popularity is training events. Returns the ratios, a column a run.
    """
    groups, true = between(frequency[1:], TRAINED), _true(runs[0], frequency)
    groups = {name: part for name, part in groups.items() if true[part].any()}
    table = pd.DataFrame(index=list(groups))
    for run in runs:
        exposure = np.mean(_exposures(run), axis=0)
        table[label(run.name)] = [
            exposure[part].sum() / exposure.sum() / (true[part].sum() / true.sum())
            for part in groups.values()
        ]
        ax.plot(range(len(table)), table[label(run.name)], color=colour(run.name), lw=1.4, ms=5,
                marker=marker(run.name), label=label(run.name))  # fmt: skip
    ax.axhline(1, color="black", lw=0.8, ls="--")
    ax.set_xticks(range(len(table)), [first_of(name) for name in table.index], fontsize=SMALL)
    # below a thousandth nothing can be told from nothing, which a logarithm cannot show
    ax.set_yscale("symlog", linthresh=1e-3)
    ax.set(
        xlabel="training events of the item, at least",
        ylabel="share shown / share true",
        ylim=(0, None),
    )
    return table
