"""What the chapter on target attention shows of protocols: the same models asked in several ways,
and whether these order them alike."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.axes import bare
from seqrec_lib.report.cells import judged, with_half_width
from seqrec_lib.statistics.intervals import Interval
from seqrec_lib.statistics.orders import agreement
from seqrec_lib.statistics.populations import per_user

Kept = Mapping[str, Sequence[pd.DataFrame]]  # seqrec_lib.studies.protocols.kept, by run

# what is asked, as kept, and its name in a table
MEASURES = {
    "all masked": "NDCG@10 M, all items",
    "all unmasked": "NDCG@10 U, all items",
    "uniform NDCG@10": "NDCG@10, uniform",
    "uniform AUC": "AUC, uniform",
    "uniform GAUC": "GAUC, uniform",
    "popularity NDCG@10": "NDCG@10, by popularity",
    "popularity AUC": "AUC, by popularity",
    "popularity GAUC": "GAUC, by popularity",
    "reranked masked NDCG@10": "NDCG@10 M, behind SASRec",
    "reranked unmasked NDCG@10": "NDCG@10 U, behind SASRec",
}


class Means:
    """A measure of a run: means by ``user`` (S, U), and how many ``questions`` each had."""

    def __init__(self, run: Runs, kept: Sequence[pd.DataFrame], measure: str):
        self.run = run
        if measure.startswith("all "):
            protocol = measure.removeprefix("all ")
            of = [(one.ranks["user"], one.ranks[f"rank_{protocol}"]) for one in run.seeds]
            rows = [pd.Series(ndcg(rank.to_numpy(), 10)).groupby(user) for user, rank in of]
            self.user = np.array(rows[0].size().index)
            self.questions = rows[0].size().to_numpy()
            self.values = np.stack([one.mean().to_numpy() for one in rows])
            return
        if measure not in kept[0]:
            raise ValueError(f"{run.name}: {measure} is not kept; it was asked without a list")
        self.user, self.questions = (kept[0][name].to_numpy() for name in ("user", "questions"))
        self.values = np.stack([one[measure].to_numpy() for one in kept])

    def among(self, users: Int[np.ndarray, "V"]) -> tuple[Float[np.ndarray, "S V"], np.ndarray]:
        """The values of these users alone, and their numbers of questions."""
        inside = np.isin(self.user, users)
        return self.values[:, inside], self.questions[inside]

    @property
    def mean(self) -> Interval:
        """Over questions, with its interval over users and seeds."""
        return report.interval(per_user(self.values, self.questions, self.user), self.run)


def gain(a: Means, b: Means) -> Interval:
    """Paired difference a - b on the questions of the users that both have; seeds by number."""
    users = np.intersect1d(a.user, b.user)
    own, other = report.paired_seeds(a.run, b.run)
    (first, questions), (second, _) = a.among(users), b.among(users)
    return report.interval(per_user(first[own] - second[other], questions, users), a.run, b.run)


def table(
    runs: Sequence[Runs],
    kept: Kept,
    measures: Sequence[str] = tuple(MEASURES),
    baseline: str | None = None,
) -> pd.DataFrame:
    """A row a run, a column a measure, means with half-widths. With ``baseline`` differences to
    that run instead, with verdicts that are corrected together."""
    found = {m: [Means(run, kept[run.name], m) for run in runs] for m in measures}
    rows = [report.label(run.name) for run in runs]
    if baseline is None:
        cells = {m: [with_half_width(one.mean) for one in column] for m, column in found.items()}
    else:
        if baseline not in (names := [run.name for run in runs]):
            raise ValueError(f"baseline {baseline!r} is not among {names}")
        at = names.index(baseline)
        rows.pop(at)
        pairs = [(m, one) for m, column in found.items() for one in column if one is not column[at]]
        said = judged([gain(one, found[m][at]) for m, one in pairs])
        cells = {m: said[i * len(rows) : (i + 1) * len(rows)] for i, m in enumerate(found)}
    return pd.DataFrame(cells, index=rows).rename(columns=MEASURES)


def agreements(
    runs: Sequence[Runs], kept: Kept, measures: Sequence[str] = tuple(MEASURES)
) -> dict[tuple[str, str], Interval]:
    """Kendall's tau of the runs by each two measures, over the users that all of them have."""
    found = {m: [Means(run, kept[run.name], m) for run in runs] for m in measures}
    users = found[measures[0]][0].user
    for one in itertools.chain.from_iterable(found.values()):
        users = np.intersect1d(users, one.user)
    values, weight = {}, np.empty(0)
    for m, column in found.items():
        parts = [one.among(users) for one in column]
        values[m] = np.stack([part.mean(0) for part, _ in parts])
        weight = parts[0][1]
    return {(a, b): agreement(values[a], values[b], weight)
            for a, b in itertools.combinations(measures, 2)}  # fmt: skip


def squares(ax: Axes, found: Mapping[tuple[str, str], Interval]) -> None:
    """Kendall's tau of each two measures in a square, with its interval; darker the more alike."""
    names = list(dict.fromkeys(itertools.chain.from_iterable(found)))
    tau = np.full((len(names), len(names)), np.nan)
    for (a, b), one in found.items():
        row, column = names.index(b), names.index(a)
        tau[row, column] = one.mean
        ax.text(column, row, f"{one.mean:.2f}\n[{one.low:.2f}, {one.high:.2f}]".replace("-", "−"),
                ha="center", va="center", fontsize=report.SMALL,
                color="white" if one.mean > 0.8 else "black")  # fmt: skip
    ax.imshow(tau, cmap="Blues", vmin=-1, vmax=1.3)
    words = [MEASURES.get(name, name) for name in names]
    ax.set_xticks(range(len(names) - 1), words[:-1], rotation=35, ha="left")
    ax.set_yticks(range(1, len(names)), words[1:])
    ax.set(xlim=(-0.5, len(names) - 1.5), ylim=(len(names) - 0.5, 0.5))
    ax.xaxis.tick_top()
    bare(ax)


def figures(runs: Sequence[Runs], kept: Kept, measures: Sequence[str]) -> dict[str, float]:
    """Means by run and measure, as in ``din-uniform-auc``, to glue."""
    return {
        f"{run.name}-{m.replace(' ', '-').replace('@10', '').lower()}": Means(
            run, kept[run.name], m
        ).mean.mean
        for run in runs
        for m in measures
    }
