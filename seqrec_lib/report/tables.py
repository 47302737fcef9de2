"""Tables for the chapters: every figure follows from ranks, by arithmetic.

``masked`` (M) ranks leave out the user's earlier
items, ``unmasked`` (U) ranks do not; the two never share a column.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pandas as pd

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.store import Runs
from seqrec_lib.report.cells import judged, with_half_width
from seqrec_lib.report.styles import label
from seqrec_lib.statistics.intervals import ONE_SEED, Interval, over_seeds
from seqrec_lib.statistics.populations import per_user

HOLM = "Verdicts are corrected together (Holm)."  # ends the caption of a table that has some
PROTOCOLS = {"masked": "M", "unmasked": "U"}
WORDS = {"masked": "M: earlier items taken out", "unmasked": "U: earlier items left in"}
Metric = Callable[[np.ndarray, int], np.ndarray]


def values(runs: Runs, protocol: str, metric: Metric = ndcg, k: int = 10) -> np.ndarray:
    """A metric by seed and test question, (S, Q)."""
    return np.stack([metric(ranks, k) for ranks in runs.ranks(protocol)])


def counts(runs: Runs) -> bool:
    """Does the model only count? Then it has one seed, and another would change nothing."""
    return issubclass(MODELS[runs.seeds[0].spec["model"]], CountModel)


def interval(values: np.ndarray, *runs: Runs) -> Interval:
    """Mean and 95 % interval of what was computed from the runs, by seed and user.

    It says so if it stands on one seed of what is learned, or on fewer seeds than a run has.
    """
    most = max((len(run.seeds) for run in runs if not counts(run)), default=0)
    note = f"{len(values)} common seeds" if len(values) < most else ""
    return over_seeds(values, learned=most > 0, note=note)


def asked(runs: Runs) -> np.ndarray:
    """The user of each test question, (Q,)."""
    return runs.seeds[0].ranks["user"].to_numpy()


def by_user(values: np.ndarray, users: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """A value a user, (S, U), of those of questions: the questions of one user are alike.

    Their plain mean is that of the questions, each of which counts as much as its ``weight``, if
    there are any; users that weigh nothing are out.
    """
    if weight is not None:
        inside = np.flatnonzero(weight)
        return per_user(values[:, inside], weight[inside], users[inside])
    if len(np.unique(users)) == len(users):
        return values
    return per_user(values, np.ones(len(users)), users)


def mean(
    runs: Runs,
    protocol: str,
    metric: Metric = ndcg,
    k: int = 10,
    weight: np.ndarray | None = None,
) -> Interval:
    """Mean of a metric over questions with its 95 % interval over users and seeds; ``weight`` says
    how much each question counts, if not alike."""
    return interval(by_user(values(runs, protocol, metric, k), asked(runs), weight), runs)


def ratio(a: float, b: float) -> float:
    """a / b, and NaN where b is 0: a model that finds nothing breaks no chapter."""
    return a / b if b else float("nan")


def figures(runs: Runs, k: int = 10) -> dict[str, float]:
    """HR and NDCG under both protocols, means over users and seeds: ``hr-m``, ..., ``ndcg-u``."""
    return {
        f"{metric.__name__}-{letter.lower()}": float(values(runs, protocol, metric, k).mean())
        for protocol, letter in PROTOCOLS.items()
        for metric in (hr, ndcg)
    }


def gain(
    a: Runs,
    b: Runs,
    protocol: str,
    metric: Metric = ndcg,
    k: int = 10,
    weight: np.ndarray | None = None,
) -> Interval:
    """Paired difference a - b on the same questions, with its 95 % interval over users and seeds.

    Seeds are paired by :func:`paired_seeds`; ``weight`` is that of :func:`mean`.
    """
    first, second = (
        values(run, protocol, metric, k)[rows]
        for run, rows in zip((a, b), paired_seeds(a, b), strict=True)
    )
    return interval(by_user(first - second, asked(a), weight), a, b)


def own_above(runs: Runs, k: int = 10) -> float:
    """How many of the user's own items stand above the true one, in the mean of the hits.

    Hits are the questions whose true item is among the first k once earlier items are taken out.
    NaN if there is none.
    """
    above = [u - m for m, u in zip(*map(runs.ranks, PROTOCOLS), strict=True)]
    hits = [m <= k for m in runs.ranks("masked")]
    found = np.concatenate([one[hit] for one, hit in zip(above, hits, strict=True)])
    return float(found.mean()) if len(found) else float("nan")


def masking(runs: Sequence[Runs], k: int = 10) -> pd.DataFrame:
    """What taking out earlier items adds to NDCG, and why: :func:`own_above`."""
    rows = {}
    for run in runs:
        masked, unmasked = (mean(run, protocol, ndcg, k).mean for protocol in PROTOCOLS)
        rows[label(run.name)] = {
            "own items above the true one": own_above(run, k),
            "added by masking, %": 100 * (ratio(masked, unmasked) - 1),
        }
    return pd.DataFrame.from_dict(rows, "index")


def paired_seeds(*runs: Runs) -> list[list[int]]:
    """Which of its seeds each run brings to a comparison: those whose number all have.

    A counter brings its only one for each of them. Raises ``ValueError`` if no number is common.
    """
    learned = [run for run in runs if not counts(run)]
    for run in learned:
        if len(set(run.numbers)) < len(run.numbers):
            raise ValueError(f"{run.dataset}/{run.name} has a seed twice: {run.numbers}")
    common = set(learned[0].numbers if learned else [0])
    for run in learned:
        common &= set(run.numbers)
    if not common:
        named = ", ".join(f"{run.dataset}/{run.name} {run.numbers}" for run in learned)
        raise ValueError(f"no seed is common to {named}; runs are paired by the seed's number")
    return [
        [0] * len(common)
        if counts(run)
        else [run.numbers.index(number) for number in sorted(common)]
        for run in runs
    ]


def table(
    runs: Sequence[Runs],
    baseline: str | None = None,
    k: int = 10,
    protocols: Collection[str] = tuple(PROTOCOLS),
) -> pd.DataFrame:
    """HR, NDCG and coverage of each run under each protocol, 95 % half-widths over users and seeds.

    A row whose half-width is over users alone says so beside its number of seeds; a counter needs
    none. With ``baseline``, the name of one of the runs, each row says whether its NDCG differs
    from it (:func:`judged`); verdicts of all protocols are corrected together.
    """
    floor = next((r for r in runs if r.name == baseline), None)
    if baseline is not None and floor is None:
        raise ValueError(f"baseline {baseline!r} is not among {[r.name for r in runs]}")
    rows = []
    for run in runs:
        row = {"model": label(run.name), "seeds": _seeds(run)}
        for protocol in protocols:
            letter = PROTOCOLS[protocol]
            for name, metric in (("HR", hr), ("NDCG", ndcg)):
                row[f"{name}@{k} {letter}"] = with_half_width(mean(run, protocol, metric, k))
            covered = np.mean([one.card["coverage@10"][protocol] for one in run.seeds])
            row[f"coverage {letter}"] = f"{100 * covered:.1f} %"
        rows.append(row)
    found = pd.DataFrame(rows).set_index("model").rename_axis(None)
    if floor is not None:
        other = [run for run in runs if run is not floor]
        said = judged([gain(run, floor, one, ndcg, k) for one in protocols for run in other])
        for place, protocol in enumerate(protocols):
            words = iter(said[place * len(other) :])
            name = f"NDCG@{k} {PROTOCOLS[protocol]} against {label(floor.name)}"
            found[name] = ["" if run is floor else next(words) for run in runs]
    return found


def _seeds(run: Runs) -> str:
    """How many seeds, in the words of a table."""
    if counts(run):
        return "none"
    return str(len(run.seeds)) if len(run.seeds) > 1 else "1, users only"


def marked(run: Runs, interval: Interval) -> str:
    """The run's name beside what is drawn of it: an interval of one seed says so."""
    return f"{label(run.name)}, {ONE_SEED}" if interval.note == ONE_SEED else label(run.name)


def published(figures: dict[str, tuple[float, float]], runs: Runs, protocol: str) -> pd.DataFrame:
    """Published (HR@10, NDCG@10) rows above our mean over seeds, for the same protocol."""
    count = len(runs.seeds)
    ours = {
        f"ours, {f'{count} seeds' if count > 1 else ONE_SEED}": tuple(
            mean(runs, protocol, metric).mean for metric in (hr, ndcg)
        )
    }
    rows = {name: [f"{value:.4f}" for value in pair] for name, pair in (figures | ours).items()}
    letter = PROTOCOLS[protocol]
    return pd.DataFrame.from_dict(rows, "index", columns=[f"HR@10 {letter}", f"NDCG@10 {letter}"])


def costs(runs: Sequence[Runs]) -> pd.DataFrame:
    """What each run took (:attr:`seqrec_lib.records.store.Runs.costs`), and the epoch tested.

    ``peak GiB`` is the most memory held: of a GPU its own, else of the whole process.
    """
    rows = {}
    for run in runs:
        card = run.costs
        best = [one.history["valid_ndcg@10"].argmax() + 1 for one in run.seeds if len(one.history)]
        rows[label(run.name)] = {
            "parameters": int(card["parameters"]),
            "best epoch": int(np.median(best)) if best else 0,
            "own minutes": round(card["own_seconds"] / 60, 1),
            "total minutes": round(card["total_seconds"] / 60, 1),
            "peak GiB": round(card["peak_bytes"] / 2**30, 2),
        }
    return pd.DataFrame.from_dict(rows, "index")


def popularity_of(runs: Runs, catalogue: Catalogue) -> np.ndarray:
    """How often each test example's true item occurs in training."""
    return catalogue.frequency[runs.examples["item"].to_numpy()]


def by_dataset(
    runs: Sequence[Runs], floors: Sequence[Runs], published_rows: dict[str, tuple[float, float]]
) -> pd.DataFrame:
    """One model on several data sets: both protocols, the floor of each set and a published row.

    ``floors`` are the runs of a counter, a data set each, in the order of ``runs``; the published
    (HR@10, NDCG@10) are masked.
    """
    rows = []
    for run, floor in zip(runs, floors, strict=True):
        row = {"data set": Dataset.parse(run.dataset).name.capitalize(), "seeds": _seeds(run)}
        for protocol, letter in PROTOCOLS.items():
            for name, metric in (("HR", hr), ("NDCG", ndcg)):
                row[f"{name}@10 {letter}"] = with_half_width(mean(run, protocol, metric))
        pair = published_rows.get(run.dataset)
        for protocol, letter in PROTOCOLS.items():
            row[f"{label(floor.name)} {letter}"] = " / ".join(
                f"{mean(floor, protocol, metric).mean:.4f}" for metric in (hr, ndcg)
            )
        row["published M"] = "" if pair is None else f"{pair[0]:.4f} / {pair[1]:.4f}"
        rows.append(row)
    return pd.DataFrame(rows).set_index("data set").rename_axis(None)
