"""What the chapter on stores shows: gains over online only, beside the best that there can be.

All figures are of every event online of the last fifth of each person's, with earlier items left in
(U): people come back for what they looked at before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.sources import WORLDS
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.tables import Metric, asked
from seqrec_lib.statistics.intervals import Interval, verdicts
from seqrec_lib.statistics.parts import difference
from seqrec_lib.studies import stores as study

# what is known of the stores, in the order of how much
KNOWN = {
    "none": "online only",
    "others": "other people's receipts",
    "half": "receipts of a random half",
    "week": "known after a week",
    "known": "known next morning",
    "hour": "known after an hour",
    "time": "known at once",
}
METRICS: tuple[Metric, ...] = (hr, ndcg)


def gain(run: Runs, base: Runs, metric: Metric = ndcg, protocol: str = "unmasked") -> Interval:
    """The paired difference to ``base``, in per cent of what ``base`` has."""
    found, level = report.gain(run, base, protocol, metric), report.mean(base, protocol, metric)
    return _times(found, 100 / level.mean)


def gains(runs: Sequence[Runs], bases: Sequence[Runs]) -> pd.DataFrame:
    """A row a run: HR@10 and NDCG@10, and the gain over its base, an interval in per cent.

    The verdicts are on NDCG@10, corrected together. A run that is its own base has none.
    """
    compared = [(run, base) for run, base in zip(runs, bases, strict=True) if run is not base]
    said = iter(verdicts([gain(run, base) for run, base in compared]))
    rows = []
    for run, base in zip(runs, bases, strict=True):
        row: dict[str, object] = {"model": report.label(run.name), "seeds": len(run.seeds)}
        for metric in METRICS:
            name = metric.__name__.upper()
            row[f"{name}@10 U"] = f"{report.mean(run, 'unmasked', metric).mean:.4f}"
            row[f"{name} gain, %"] = "" if run is base else f"{gain(run, base, metric):+.1f}"
        row["verdict on NDCG"] = "" if run is base else next(said)
        rows.append(row)
    return pd.DataFrame(rows).set_index("model").rename_axis(None)


def as_sets(pairs: dict[str, tuple[Runs, Runs]]) -> pd.DataFrame:
    """Baskets read as sets over the same lines read one by one, by name: gains in NDCG@10.

    The verdicts of all rows and both protocols are corrected together.
    """
    compared = [(one, flat, p) for flat, one in pairs.values() for p in report.PROTOCOLS]
    said = iter(verdicts([gain(one, flat, ndcg, p) for one, flat, p in compared]))
    rows: dict[str, dict[str, object]] = {}
    for name, (flat, one) in pairs.items():
        rows[name] = {"seeds": len(one.seeds)}
        for protocol, letter in report.PROTOCOLS.items():
            found = {"line by line": flat, "as sets": one}
            for how, run in found.items():
                mean = report.mean(run, protocol).mean
                rows[name][f"NDCG@10 {how} {letter}"] = f"{mean:.4f}"
            rows[name][f"gain, % {letter}"] = f"{gain(one, flat, ndcg, protocol):+.1f}"
            rows[name][f"verdict {letter}"] = next(said)
    return pd.DataFrame.from_dict(rows, "index")


def by_log(runs: Sequence[Runs], bases: Sequence[Runs]) -> pd.DataFrame:
    """:func:`gains`, and what each run is of and knows of the stores."""
    table = gains(runs, bases)
    table.insert(0, "receipts", [known(one) for one in runs])
    table.insert(0, "of", [world(one) for one in runs])
    return table


def world(run: Runs) -> str:
    """How many visits end a need there; of a real log its name."""
    source = Dataset.parse(run.dataset).source
    if source not in WORLDS:
        return {"hm": "articles", "hm-department": "departments"}.get(source, source)
    words = {1.0: "every visit ends a need", 0.5: "half of them do", 0.0: "none does"}
    return words.get(WORLDS[source].strength, source)


def known(run: Runs) -> str:
    """What a run was given of the stores."""
    return KNOWN[Dataset.parse(run.dataset).stores]


def cost(runs: Sequence[Runs]) -> list[float]:
    """Processor seconds of a thousand targets in training, from benchmarks/encoders.py."""
    found = report.benchmark("encoders")["encoders"]
    return [found.get(run.name, {}).get("learning_s", float("nan")) for run in runs]


def read_ms(windows: Sequence[str]) -> list[float]:
    """Median milliseconds to read a window of a customer, from benchmarks/pipeline.py."""
    found = report.benchmark("pipeline")["windows"]
    return [found.get(window, {}).get("p50_ms", float("nan")) for window in windows]


def levels(ax: Axes, runs: dict[str, Runs], best: pd.DataFrame) -> None:
    """HR@10 by name, from top to bottom, and what the oracle has without receipts and with them."""
    place = np.arange(len(runs))[::-1]
    for height, run in zip(place, runs.values(), strict=True):
        one = report.mean(run, "unmasked", hr)
        reach = [[one.mean - one.low], [one.high - one.mean]]
        style = {"marker": report.marker(run.name), "color": report.colour(run.name)}
        ax.errorbar(one.mean, height, xerr=reach, ms=7, capsize=3, **style)  # type: ignore[arg-type]
    for stores, dashes, said in (("none", ":", "without receipts"), ("known", "--", "with them")):
        value = best.loc[(stores, "HR@10"), "value"]
        ax.axvline(value, color="black", lw=1, ls=dashes)
        ax.text(
            value,
            len(runs) - 0.4,
            f"the oracle\n{said}",
            ha="center",
            va="bottom",
            fontsize=report.SMALL,
        )
    ax.set_yticks(place, list(runs))
    ax.set(xlabel="HR@10, U", ylim=(-0.6, len(runs) - 0.4))
    ax.margins(x=0.1)


def bars(ax: Axes, rows: dict[str, Interval], marks: Sequence[float]) -> None:
    """Gains by name, from top to bottom, and the oracle's beside the first of them."""
    found, place = list(rows.values()), np.arange(len(rows))[::-1]
    middle = np.array([one.mean for one in found])
    reach = np.abs(np.array([[one.low, one.high] for one in found]).T - middle)
    style = {"fmt": "o", "color": report.colour("sasrec-attne"), "capsize": 3}
    ax.errorbar(middle, place, xerr=reach, label="attnE", **style)  # type: ignore[arg-type]
    ax.plot(marks, place[: len(marks)], "|", color="black", ms=14, label="the oracle")
    ax.axvline(0, color="black", lw=0.8)
    ax.set_yticks(place, list(rows))
    ax.set(xlabel="gain in HR@10 over online only, %")
    report.legend_above(ax)


def oracle_gains(best: pd.DataFrame, order: Sequence[str]) -> list[float]:
    """What the oracle gains in HR@10 over its own answers without receipts, in per cent.

    By other people's receipts it gains nothing.
    """
    alone = best.loc[("none", "HR@10"), "value"]
    gain = best["gain"].xs("HR@10", level="metric")
    return [100 * gain.get(one, 0.0) / alone for one in order]


def removed(run: Runs, treated: np.ndarray, metric: Metric = ndcg) -> Interval:
    """What receipts are worth to those who have them, by a trial: by a random half of the people.

    ``treated`` says for each person whether their receipts were kept. The mean over the questions
    of those, less that of the others, in per cent of the latter. The same model answers both.
    """
    user = asked(run)
    kept = treated[user]
    scores = report.values(run, "unmasked", metric)
    return _times(difference(scores, user, kept, ~kept, relative=True), 100.0)


def oracle(dataset: str, results: str) -> pd.DataFrame:
    """:func:`seqrec_lib.studies.stores.oracle` by what is known and metric; nan of a real log."""
    if dataset in WORLDS:
        return study.kept("oracle", dataset, results).set_index(["stores", "metric"])
    index = pd.MultiIndex.from_product([KNOWN, ("HR@10", "NDCG@10")], names=["stores", "metric"])
    return pd.DataFrame(np.nan, index, ["value", "gain", "low", "high"])


def lags(ax: Axes, tables: dict[str, pd.DataFrame], category: str) -> None:
    """Lift of a category by lag, a line a world, and what other people's receipts give."""
    for (name, table), look in zip(tables.items(), report.LOOKS, strict=False):
        rows = table[table["category"] == category]
        ax.plot(rows["lag"], rows["lift"], label=name, ms=4, markevery=4, **look)  # the grey shows
        ax.fill_between(
            rows["lag"], rows["null_low"], rows["null_high"], color="#888888", alpha=0.4
        )
    ax.axvline(0, color="black", lw=0.8)
    ax.set(xlabel="days from the receipt to the event online", ylabel=f"lift of the {category}")
    report.legend_above(ax)


def _times(one: Interval, factor: float) -> Interval:
    return replace(one, mean=one.mean * factor, low=one.low * factor, high=one.high * factor)
