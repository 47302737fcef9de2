"""Tables for the chapters: every figure follows from ranks, by arithmetic.

``masked`` (M) ranks leave out the user's earlier
items, ``unmasked`` (U) ranks do not; the two never share a column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.styles import label
from seqrec_lib.statistics.intervals import Interval, over_seeds, verdict

PROTOCOLS = {"masked": "M", "unmasked": "U"}
_COSTS = ["parameters", "own_seconds", "total_seconds", "peak_bytes"]
Metric = Callable[[np.ndarray, int], np.ndarray]


def values(runs: Runs, protocol: str, metric: Metric = ndcg, k: int = 10) -> np.ndarray:
    """A metric by seed and test user, (S, U)."""
    return np.stack([metric(ranks, k) for ranks in runs.ranks(protocol)])


def mean(runs: Runs, protocol: str, metric: Metric = ndcg, k: int = 10) -> Interval:
    """Mean of a metric with its 95 % interval over users and seeds."""
    return over_seeds(values(runs, protocol, metric, k))


def figures(runs: Runs, k: int = 10) -> dict[str, float]:
    """HR and NDCG under both protocols, means over users and seeds: ``hr-m``, ..., ``ndcg-u``."""
    return {
        f"{metric.__name__}-{letter.lower()}": float(values(runs, protocol, metric, k).mean())
        for protocol, letter in PROTOCOLS.items()
        for metric in (hr, ndcg)
    }


def gain(a: Runs, b: Runs, protocol: str, metric: Metric = ndcg, k: int = 10) -> Interval:
    """Paired difference a - b on the same users, with its 95 % interval over users and seeds.

    Seeds are paired in order; a run with one seed is compared with every seed of the other.
    """
    return over_seeds(paired_seeds(values(a, protocol, metric, k), values(b, protocol, metric, k)))


def paired_seeds(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """first - second by seed and user: seeds in order, or a single one with each of the other's."""
    if len(first) > 1 and len(second) > 1:
        count = min(len(first), len(second))
        first, second = first[:count], second[:count]
    return first - second


def table(runs: Sequence[Runs], baseline: str | None = None, k: int = 10) -> pd.DataFrame:
    """HR and NDCG of each run under both protocols, 95 % half-widths over users and seeds.

    With ``baseline``, the name of one of the runs, each row says whether its masked NDCG differs
    from it: a difference whose interval includes zero is no difference.
    """
    floor = next((r for r in runs if r.name == baseline), None)
    if baseline is not None and floor is None:
        raise ValueError(f"baseline {baseline!r} is not among {[r.name for r in runs]}")
    rows = []
    for run in runs:
        row = {"model": label(run.name), "seeds": str(len(run.seeds))}
        for protocol, letter in PROTOCOLS.items():
            for name, metric in (("HR", hr), ("NDCG", ndcg)):
                row[f"{name}@{k} {letter}"] = _with_half_width(mean(run, protocol, metric, k))
        row["coverage M"] = f"{np.mean([s.card['coverage@10']['masked'] for s in run.seeds]):.1%}"
        if floor is not None:
            row[f"NDCG@{k} M against {label(floor.name)}"] = _against(run, floor, k)
        rows.append(row)
    return pd.DataFrame(rows).set_index("model").rename_axis(None)


def _with_half_width(interval: Interval) -> str:
    return f"{interval.mean:.4f} ± {(interval.high - interval.low) / 2:.4f}".replace("0.", ".")


def _against(run: Runs, floor: Runs, k: int) -> str:
    if run is floor:
        return ""
    difference = gain(run, floor, "masked", ndcg, k)
    return f"{difference:+.4f} ({verdict(difference)})"


def published(figures: dict[str, tuple[float, float]], runs: Runs, protocol: str) -> pd.DataFrame:
    """Published (HR@10, NDCG@10) rows above our mean over seeds, for the same protocol."""
    ours = {
        f"ours, {len(runs.seeds)} seeds": tuple(
            mean(runs, protocol, metric).mean for metric in (hr, ndcg)
        )
    }
    rows = {name: [f"{value:.4f}" for value in pair] for name, pair in (figures | ours).items()}
    letter = PROTOCOLS[protocol]
    return pd.DataFrame.from_dict(rows, "index", columns=[f"HR@10 {letter}", f"NDCG@10 {letter}"])


def costs(runs: Sequence[Runs]) -> pd.DataFrame:
    """What each run took, from its cards: medians over the seeds, and the epoch that is tested.

    ``peak GiB`` is the most memory held: of a GPU its own, else of the whole process.
    """
    rows = {}
    for run in runs:
        card = pd.DataFrame([seed.card for seed in run.seeds])[_COSTS].median()
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
        row = {"data set": run.dataset, "seeds": str(len(run.seeds))}
        for protocol, letter in PROTOCOLS.items():
            for name, metric in (("HR", hr), ("NDCG", ndcg)):
                row[f"{name}@10 {letter}"] = _with_half_width(mean(run, protocol, metric))
        pair = published_rows.get(run.dataset)
        row[f"{label(floor.name)} M"] = " / ".join(
            f"{mean(floor, 'masked', metric).mean:.4f}" for metric in (hr, ndcg)
        )
        row["published M"] = "" if pair is None else f"{pair[0]:.4f} / {pair[1]:.4f}"
        rows.append(row)
    return pd.DataFrame(rows).set_index("data set").rename_axis(None)
