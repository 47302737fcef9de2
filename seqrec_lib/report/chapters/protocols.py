"""What the chapter on target attention shows of protocols: the same models asked in several ways,
and whether these order them alike."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.axes import bare, beside, ends
from seqrec_lib.report.cells import judged, verdicts_of, with_half_width
from seqrec_lib.report.chapters.results import device
from seqrec_lib.statistics.intervals import ONE_SEED, Interval
from seqrec_lib.statistics.orders import agreement
from seqrec_lib.statistics.populations import per_user

Kept = Mapping[str, Sequence[pd.DataFrame]]  # seqrec_lib.studies.protocols.kept, by run

# what is asked, as kept, and its name in a table
BEHIND = "reranked masked NDCG@10"
MEASURES = {
    "all masked": "NDCG@10 M, all items",
    "all unmasked": "NDCG@10 U, all items",
    "uniform NDCG@10": "NDCG@10, uniform",
    "uniform AUC": "AUC, uniform",
    "uniform GAUC": "GAUC, uniform",
    "popularity NDCG@10": "NDCG@10, by popularity",
    "popularity AUC": "AUC, by popularity",
    "popularity GAUC": "GAUC, by popularity",
    BEHIND: "NDCG@10 M, behind SASRec",
    "reranked unmasked NDCG@10": "NDCG@10 U, behind SASRec",
}

# what a part is, and the runs with it and without it
PARTS = {
    "DIN: weights left as they are, not a softmax": ("din", "din-softmax"),
    "DIN: Dice, not PReLU": ("din-dice", "din"),
    "DIN: a sum of the weighed events, not a mean": ("din", "din-mean"),
    "pooling: a sum, not a mean": ("pooling-sum", "pooling"),
    "DIEN: the auxiliary loss": ("dien", "dien-alone"),
    "DIEN: the gate of the paper, not of the code": ("dien", "dien-released"),
    "attention: all events, not the latest 50": ("attention", "attention-recent"),
    "SIM, hard: some genre in common, not all": ("sim-hard", "sim-hard-same"),
    "SIM, soft: a search that learns": ("sim-soft", "sim-soft-drawn"),
    "ETA: codes of 64 bits, not 32": ("eta", "eta-32"),
    "ETA: codes of 256 bits, not 64": ("eta-256", "eta"),
    "TWIN: what lies between user and item": ("twin", "twin-plain"),
    "TWIN: one search for both stages": ("twin", "twin-elsewhere"),
    "TWIN: 100 events found, not 10": ("twin", "twin-10"),
    "TWIN-V2: clusters count by their size": ("twin-v2", "twin-v2-unweighted"),
    "TIM: how many events ago": ("tim", "tim-none"),
    "TIM: how long ago": ("tim-intervals", "tim-none"),
    "TIM: event times candidate": ("tim", "tim-added"),
    "TIM without the product: how many events ago": ("tim-added", "tim-bare"),
    "TIM without places: event times candidate": ("tim-none", "tim-bare"),
    "TIM: time added, not beside": ("tim", "tim-concatenated"),
    "TransAct: the latest hours hidden in training": ("transact", "transact-open"),
}
READ = (50, 100, 300, 1000)  # events, by those who are asked how many they need


class Means:
    """A measure of a run: means by ``user`` (S, U), and how many ``questions`` each had. Of a
    measure that was not kept of all seeds, ``run`` has the others."""

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
        there = [(seed, one) for seed, one in zip(run.seeds, kept, strict=True) if measure in one]
        if not there:
            raise ValueError(f"{run.name}: {measure} is not kept; it was asked without a list")
        self.run = replace(run, seeds=[seed for seed, _ in there])
        first = there[0][1]
        self.user, self.questions = (first[name].to_numpy() for name in ("user", "questions"))
        self.values = np.stack([one[measure].to_numpy() for _, one in there])

    def among(self, users: Int[np.ndarray, "V"]) -> tuple[Float[np.ndarray, "S V"], np.ndarray]:
        """The values of these users alone, and their numbers of questions."""
        inside = np.isin(self.user, users)
        return self.values[:, inside], self.questions[inside]

    @property
    def mean(self) -> Interval:
        """Over questions, with its interval over users and seeds."""
        return report.interval(per_user(self.values, self.questions, self.user), self.run)


def gain(a: Means, b: Means) -> Interval:
    """Paired difference a - b on the questions of the users that both have; seeds by number.

    Raises ``ValueError`` if one of these users was asked other numbers of questions by the two.
    """
    users = np.intersect1d(a.user, b.user)
    own, other = report.paired_seeds(a.run, b.run)
    (first, questions), (second, theirs) = a.among(users), b.among(users)
    _same_questions(questions, theirs, (a.run.name, b.run.name))
    return report.interval(per_user(first[own] - second[other], questions, users), a.run, b.run)


def _same_questions(one: np.ndarray, other: np.ndarray, names: Sequence[str]) -> None:
    if not np.array_equal(one, other):
        raise ValueError(
            f"{' and '.join(names)} were asked {one.sum():,} and {other.sum():,} questions of the "
            "same users: there is nothing to pair; compare measures of questions that both had"
        )


def table(
    runs: Sequence[Runs],
    kept: Kept,
    measures: Sequence[str] = tuple(MEASURES),
    baseline: str | None = None,
) -> pd.DataFrame:
    """A row a run, a column a measure, means with half-widths. With ``baseline`` differences to
    that run instead, with verdicts that are corrected together. What is of one seed says so."""
    found = {m: [Means(run, kept[run.name], m) for run in runs] for m in measures}
    rows = [report.label(run.name) for run in runs]
    if baseline is None:
        rows = [_named(run) for run in runs]
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


def gains(runs: Sequence[Runs], kept: Kept, baseline: str, measures: Sequence[str]) -> pd.DataFrame:
    """Differences to a run, for a forest plot: a row a run, a column a measure."""
    base = next(run for run in runs if run.name == baseline)
    others = [run for run in runs if run is not base]
    found = {
        MEASURES[m]: [
            gain(Means(run, kept[run.name], m), Means(base, kept[baseline], m)) for run in others
        ]
        for m in measures
    }
    return pd.DataFrame(found, index=[_named(run) for run in others])


def _named(run: Runs) -> str:
    """A run's name, and that it has one seed."""
    alone = not report.counts(run) and len(run.seeds) == 1
    return report.label(run.name) + f", {ONE_SEED}" * alone


def levels(runs: Sequence[Runs], kept: Kept) -> pd.DataFrame:
    """A row a run: four ways to ask with half-widths, numbers learned, minutes, and the machine."""
    found = table(runs, kept, [*list(MEASURES)[:2], "uniform AUC", "popularity AUC"])
    took = report.costs(runs)[["parameters", "own minutes"]].set_axis(found.index)
    found = found.join(took.rename(columns={"own minutes": "minutes"}))
    return found.assign(on=[device(run) for run in runs])


def parts(runs: Sequence[Runs], kept: Kept) -> pd.DataFrame:
    """A row a part of :data:`PARTS`: AUC with it minus without it, by law, with verdicts that are
    corrected together."""
    of = {run.name: run for run in runs}
    laws = ("uniform AUC", "popularity AUC")
    there = {word: pair for word, pair in PARTS.items() if set(pair) <= of.keys()}
    found = [
        gain(*(Means(of[name], kept[name], law) for name in pair))
        for law in laws
        for pair in there.values()
    ]
    said = np.array(judged(found)).reshape(len(laws), len(there)).T
    index = pd.Index(there, name="part")
    return pd.DataFrame(said, index=index, columns=[MEASURES[law] for law in laws])


def by_length(
    runs: Mapping[str, Sequence[Runs]], kept: Kept, measure: str = "uniform AUC"
) -> pd.DataFrame:
    """A row a model, a column a number of events read (:data:`READ`), with half-widths."""
    rows = {
        report.label(name): [
            with_half_width(Means(run, kept[run.name], measure).mean) for run in its
        ]
        for name, its in runs.items()
    }
    columns = pd.Index(READ, name="events read")
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


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
        weight = weight if len(weight) else parts[0][1]
        for run, (_, asked) in zip(runs, parts, strict=True):
            _same_questions(weight, asked, (runs[0].name, run.name))
    return {(a, b): agreement(values[a], values[b], weight)
            for a, b in itertools.combinations(measures, 2)}  # fmt: skip


def against(ax: Axes, runs: Sequence[Runs], kept: Kept, x: str, y: str) -> None:
    """Each run by two measures, with half-widths; its name beside it. Hollow: one seed."""
    points, bars = {}, []
    for run in runs:
        across, up = (Means(run, kept[run.name], measure).mean for measure in (x, y))
        inside = "white" if up.note == ONE_SEED else report.colour(run.name)
        ax.errorbar(across.mean, up.mean, xerr=ends([across])[1], yerr=ends([up])[1], capsize=2,
                    color=report.colour(run.name), marker=report.marker(run.name),
                    mfc=inside)  # fmt: skip
        points[textwrap.fill(report.label(run.name), 20)] = (
            across.mean, up.mean, report.colour(run.name),
        )  # fmt: skip
        bars.append((across.mean, up.low, across.mean, up.high))
        bars.append((across.low, up.mean, across.high, up.mean))
    ax.margins(0.2, 0.08)
    ax.set(xlabel=MEASURES[x], ylabel=MEASURES[y])
    beside(ax, points, bars)


def squares(ax: Axes, found: Mapping[tuple[str, str], Interval]) -> None:
    """Kendall's tau of each two measures in a square, with its interval; darker the more alike."""
    names = list(dict.fromkeys(itertools.chain.from_iterable(found)))
    tau = np.full((len(names), len(names)), np.nan)
    for (a, b), one in found.items():
        row, column = names.index(b), names.index(a)
        tau[row, column] = one.mean
        ax.text(column, row, f"{one.mean:.2f}\n[{one.low:.2f}, {one.high:.2f}]".replace("-", "−"),
                ha="center", va="center", fontsize=report.SMALL)  # fmt: skip
    # the darkest bears black digits
    ax.imshow(tau, cmap="Blues", vmin=-1, vmax=2.8, aspect="auto")
    words = [textwrap.fill(MEASURES.get(name, name), 12) for name in names]
    ax.set_xticks(range(len(names) - 1), words[:-1])
    ax.set_yticks(range(1, len(names)), words[1:])
    ax.set(xlim=(-0.5, len(names) - 1.5), ylim=(len(names) - 0.5, 0.5))
    ax.xaxis.tick_top()
    bare(ax)


def figures(runs: Sequence[Runs], kept: Kept, measures: Sequence[str]) -> dict[str, float]:
    """Means by run and measure, as in ``din-uniform-auc``, to glue."""
    return {
        f"{run.name}-{_key(m)}": Means(run, kept[run.name], m).mean.mean
        for run in runs
        for m in measures
    }


def differences(
    runs: Sequence[Runs], kept: Kept, pairs: Iterable[tuple[str, str]], measures: Sequence[str]
) -> dict[str, str]:
    """Of those pairs of runs that are there, the first minus the second by measure, as in
    ``tim-din-uniform-auc``, with intervals, to glue. Where there is no difference, once all of
    them are corrected together, it says so."""
    of = {run.name: run for run in runs}
    found = {
        f"{a}-{b}-{_key(m)}": gain(*(Means(of[name], kept[name], m) for name in (a, b)))
        for a, b in pairs
        if {a, b} <= of.keys()
        for m in measures
    }
    return {
        name: f"{found[name]:+.4f}" + f", {verdict}" * (verdict == "no difference")
        for name, verdict in verdicts_of(found).items()
    }


def _key(measure: str) -> str:
    return measure.replace(" ", "-").replace("@10", "").lower()
