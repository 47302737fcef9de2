"""What the chapters on item embeddings, counts and recurrent networks show: levels asked in two
ways, and what is near an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from seqrec_lib import report
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.axes import LOOKS, ends
from seqrec_lib.report.chapters.marketplace import SURFACES
from seqrec_lib.report.tables import Metric
from seqrec_lib.statistics.intervals import Interval

KINDS = {"domain": "same domain", "category": "same category", "need": "same need"}
KINDS |= {"surface": "same surface"}


def levels(ax: Axes, found: Mapping[str, Mapping[str, Interval]], of: str) -> None:
    """A row a model, from the top, and a mark with its 95 % interval for each way to ask.

    ``found`` holds, by model and then by way, means of the metric that ``of`` names.
    """
    fullest = max(found.values(), key=len)  # its order is that of the legend and the colours
    ways = list(dict.fromkeys([*fullest, *(way for row in found.values() for way in row)]))
    for number, way in enumerate(ways):
        rows = [at for at, row in enumerate(found.values()) if way in row]
        own = [row[way] for row in found.values() if way in row]
        middle, reach = ends(own)
        look = LOOKS[number % len(LOOKS)] | {"linestyle": "none"}
        place = np.array(rows) + 0.24 * (number - (len(ways) - 1) / 2)
        ax.errorbar(middle, place, xerr=reach, ms=6, lw=1.5, capsize=3, label=way, **look)
    ax.set_yticks(range(len(found)), list(found))
    ax.set(ylim=(len(found) - 0.5, -0.5), xlabel=of)
    ax.set_xlim(0, None)
    report.legend_above(ax)


def by_model(
    runs: Sequence[Runs], metric: Metric = ndcg, ways: Mapping[str, str] = report.WORDS
) -> dict[str, dict[str, Interval]]:
    """Means of a metric under each protocol of ``ways``, by the names of models, for `levels`."""
    return {
        report.label(run.name): {
            way: report.mean(run, protocol, metric) for protocol, way in ways.items()
        }
        for run in runs
    }


def masking(runs: Sequence[Runs]) -> pd.DataFrame:
    """What masking adds to NDCG@10, in per cent, beside the measured reason: own items above."""
    rows = {}
    for run in runs:
        more = report.ratio(*(report.mean(run, one).mean for one in report.PROTOCOLS)) - 1
        above = report.own_above(run)
        rows[run.name] = {"own items above the true one": above, "masking adds, %": 100 * more}
    return pd.DataFrame.from_dict(rows, "index")


def ahead(pairs: Sequence[tuple[Runs, Runs]]) -> pd.DataFrame:
    """NDCG@10 of the first of each pair minus the second: a row a data set, a column a protocol."""
    rows = {
        Dataset.parse(first.dataset).name.capitalize(): {
            way: f"{report.gain(first, second, protocol):+.4f}"
            for protocol, way in report.WORDS.items()
        }
        for first, second in pairs
    }
    return pd.DataFrame.from_dict(rows, "index")


def kinds(measures: pd.DataFrame) -> pd.DataFrame:
    """Shares of the ten nearest that are of an item's kind; the last row is what chance gives.

    ``measures`` has a row a model with ``<kind>_purity`` and ``<kind>_chance``.
    """
    there = [kind for kind in KINDS if f"{kind}_purity" in measures]
    shares = measures[[f"{kind}_purity" for kind in there]].dropna()
    chance = [measures[f"{kind}_chance"].dropna().iloc[0] for kind in there]
    found = pd.DataFrame(shares.to_numpy(float), shares.index, [KINDS[kind] for kind in there])
    found = found.rename(index={"random": "random vectors"}).rename_axis(None)
    found.loc["what chance gives"] = chance
    return found


def partners(measures: pd.DataFrame) -> dict[str, Interval]:
    """HR@10 with every known partner taken out of the list, by model."""
    own = measures.dropna(subset="hr")
    rows = own[["hr", "hr_low", "hr_high"]].astype(float).to_numpy()
    return {
        report.label(str(name)): Interval(*row) for name, row in zip(own.index, rows, strict=True)
    }


def losses(ax: Axes, runs: Sequence[Runs]) -> None:
    """The training loss by epoch: a line a model, of its first seed."""
    for run in runs:
        history = run.seeds[0].history
        ax.plot(history["epoch"], history["loss"], color=report.colour(run.name), lw=1.2,
                marker=report.marker(run.name), label=report.label(run.name))  # fmt: skip
    ax.set(xlabel="epoch (passes over the training pairs)", ylabel="training loss")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def lengths(ax: Axes, norms: pd.DataFrame) -> dict[str, float]:
    """Which share of the table's rows is how long; returns the median lengths by kind of row."""
    parts = norms[norms["rows"] != "padding"].groupby("rows", sort=False)
    for number, ((name, own), look) in enumerate(zip(parts, LOOKS, strict=False)):
        ax.plot(own["length"], 100 * own["quantile"], **look, ms=4)
        height = 75 - 30 * number  # one below the other, each to the right of the longest
        ax.annotate(f"{name} ({own['count'].iloc[0]:,})", (norms["length"].max(), height),
                    xytext=(8, 0),
                    textcoords="offset points", va="center", color=look["color"])  # fmt: skip
    ax.axvline(1, color="black", ls=":", lw=1)
    ax.text(0.98, 8, "unit length,\nas the text says", ha="right", va="center")
    ax.set(xlabel="length of the row, before any normalisation", ylabel="% of rows up to it")
    ax.set_xlim(0, 1.05)
    return {str(name): float(own["length"].median()) for name, own in norms.groupby("rows")}


def in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows, surfaces by the names that readers know."""
    names = SURFACES | {"none": SURFACES["-"]}
    there = [column for column in ("surface", "query_surface") if column in rows]
    return rows.replace({column: names for column in there})


def neighbours(nearest: pd.DataFrame, queries: int = 2) -> pd.DataFrame:
    """The nearest items of the first ``queries`` products, in words a reader knows."""
    kind = "surface" if "query_surface" in nearest else "category"
    nearest = in_words(nearest)
    first = nearest["query_item"].drop_duplicates().iloc[:queries]
    own = nearest[nearest["query_item"].isin(first)]
    product = own[f"query_{kind}"].astype(str)
    if "query_domain" in own:
        product = product + ", " + own["query_domain"].astype(str)
    words = {"domain": "neighbour's domain", kind: f"its {kind}", "popularity": "times seen"}
    words["cosine"] = "cosine"
    return pd.DataFrame({"product": product}).join(
        own[[name for name in words if name in own]].rename(columns=words)
    ).reset_index(drop=True)  # fmt: skip
