"""Two runs on the same test positions: what one has over the other in every average."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.chapters.marketplace import SURFACES
from seqrec_lib.report.chapters.tecd import LABELS, by_seed, crossed, framed, users_of
from seqrec_lib.statistics.intervals import TOO_FEW, Interval
from seqrec_lib.statistics.populations import per_user


def differences(
    pairs: Sequence[tuple[Runs, Runs]],
    weights: pd.DataFrame,
    protocol: str = "unmasked",
    metric: report.Metric = hr,
    k: int = 10,
) -> pd.DataFrame:
    """What the first of each pair of runs has over the second, on the same positions.

    Rows (population, "a-b"); ``difference`` with its interval, ``percent`` of b's figure,
    ``wins``: the label of the better run, or "no difference", and ``what`` is compared, in words.
    What an interval does not cover is said beside who wins. Verdicts are corrected together over
    all rows (:func:`~seqrec_lib.statistics.intervals.verdicts`).
    """
    user = users_of([run for pair in pairs for run in pair], weights)
    cells: dict[tuple[str, str], tuple[Interval, float]] = {}
    better, what = {}, {}
    for population, weight in weights.items():
        inside = np.flatnonzero(weight)
        rows, weight = user[inside], weight.to_numpy()[inside]
        for a, b in pairs:
            first, second = (
                by_seed(metric, run.ranks(protocol)[seeds][:, inside], k)
                for run, seeds in zip((a, b), report.paired_seeds(a, b), strict=True)
            )
            apart = report.interval(per_user(first - second, weight, rows), a, b)
            floor = float(np.average(second.mean(0), weights=weight))
            percent = 100 * apart.mean / floor if floor else np.nan
            key = str(population), f"{a.name}-{b.name}"
            cells[key] = (apart, percent)
            better[key] = {"higher": report.label(a.name), "lower": report.label(b.name)}
            what[key] = f"{report.label(a.name)} − {report.label(b.name)}"
    judged = report.verdicts_of({key: apart for key, (apart, _) in cells.items()})
    found = {}
    for key, (apart, percent) in cells.items():
        note = apart.note if apart.note != TOO_FEW else ""  # that is the verdict
        wins = ", ".join(filter(None, (better[key].get(judged[key], judged[key]), note)))
        found[key] = [apart, percent, wins, what[key]]
    return framed(found, ["difference", "percent", "wins", "what"], "pair")


def verdict_tables(
    pairs: Mapping[str, tuple[Runs, Runs]], weights: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """For each pair, by its name: what the first has over the second, a row a population."""
    of_hr, of_ndcg = (
        differences(list(pairs.values()), weights, metric=metric) for metric in (hr, ndcg)
    )
    found = {}
    for name, (a, b) in pairs.items():
        part = of_hr.xs(f"{a.name}-{b.name}", level="pair")
        sides = [report.label(run.name) for run in (a, b)]
        columns = {
            "HR@10": part["difference"],
            "in %": part["percent"].map("{:+.1f}".format),
            "NDCG@10": of_ndcg.xs(f"{a.name}-{b.name}", level="pair")["difference"],
            "verdict on HR@10": [_ahead(wins, sides) for wins in part["wins"]],
        }
        table = report.half_widths(pd.DataFrame(columns), signed=True)
        found[name] = table.rename(index=LABELS).rename_axis(None)
    return found


def _ahead(wins: str, sides: Sequence[str]) -> str:
    """Who is ahead, in words: "SASRec ahead, one seed", or the verdict that nobody is."""
    winner, _, note = wins.partition(", ")
    return ", ".join(filter(None, (f"{winner} ahead" if winner in sides else winner, note)))


def forest(
    axes: Collection[Axes],
    found: Mapping[str, pd.DataFrame],
    metric: str = "HR@10, U",
    sides: tuple[str, str] | None = None,
) -> None:
    """What :func:`differences` found: a panel a table, by its title, a row a population, a dot a
    pair.

    Of one pair alone the verdicts stand beside the names of the rows. ``sides`` say what it means
    to lie left and right of zero, else they name the two runs of that pair.
    """
    tables = {}
    for title, part in found.items():
        table = crossed(part["difference"])
        what = {pair: rows.iloc[0] for pair, rows in part["what"].groupby(level=1)}
        words = [LABELS.get(name, SURFACES.get(name, name)) for name in map(str, table.index)]
        if len(what) == 1:
            a, b = part["what"].iloc[0].split(" − ")
            said = [_ahead(wins, (a, b)) for wins in part["wins"]]
            words = [f"{word}:\n{one}" for word, one in zip(words, said, strict=True)]
            sides = sides or (f"{b} ahead", f"{a} ahead")
        tables[title] = table.set_axis(words).rename(columns=what)
    names = dict.fromkeys(name for table in tables.values() for name in map(str, table))
    report.forest(
        axes, tables, f"difference in {metric}", report.looks(names), sides or ("lower", "higher")
    )
