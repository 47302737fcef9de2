"""Tables and axes for the chapters: every figure follows from ranks, by arithmetic.

``masked`` (M) ranks leave out the user's earlier
items, ``unmasked`` (U) ranks do not; the two never share a column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.metrics.uncertainty import ONE_SEED, TOO_FEW, Interval, over_seeds, verdicts
from seqrec_lib.models import MODELS
from seqrec_lib.models.base import CountModel
from seqrec_lib.styles import colour, label, marker
from seqrec_lib.training.records import Runs

HOLM = "verdicts corrected (Holm)"  # stands on a table whose verdicts are
PROTOCOLS = {"masked": "M", "unmasked": "U"}
_COSTS = ["parameters", "training_seconds", "peak_bytes"]
Metric = Callable[[np.ndarray, int], np.ndarray]


def style() -> None:
    """The book's look for figures: quiet axes, readable type."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.2, 3.6), "figure.dpi": 110, "savefig.bbox": "tight",
            "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
            "grid.alpha": 0.3, "grid.linewidth": 0.6, "font.size": 10, "legend.frameon": False,
        }
    )  # fmt: skip


def values(runs: Runs, protocol: str, metric: Metric = ndcg, k: int = 10) -> np.ndarray:
    """A metric by seed and test user, (S, U)."""
    return np.stack([metric(ranks, k) for ranks in runs.ranks(protocol)])


def mean(runs: Runs, protocol: str, metric: Metric = ndcg, k: int = 10) -> Interval:
    """Mean of a metric with its 95 % interval over users and seeds."""
    return interval(values(runs, protocol, metric, k), runs)


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


def figures(runs: Runs, k: int = 10) -> dict[str, float]:
    """HR and NDCG under both protocols, means over users and seeds: ``hr-m``, ..., ``ndcg-u``."""
    return {
        f"{metric.__name__}-{letter.lower()}": float(values(runs, protocol, metric, k).mean())
        for protocol, letter in PROTOCOLS.items()
        for metric in (hr, ndcg)
    }


def gain(a: Runs, b: Runs, protocol: str, metric: Metric = ndcg, k: int = 10) -> Interval:
    """Paired difference a - b on the same users, with its 95 % interval over users and seeds.

    Seeds are paired by :func:`paired_seeds`.
    """
    first, second = (
        values(run, protocol, metric, k)[rows]
        for run, rows in zip((a, b), paired_seeds(a, b), strict=True)
    )
    return interval(first - second, a, b)


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


def table(runs: Sequence[Runs], baseline: str | None = None, k: int = 10) -> pd.DataFrame:
    """HR and NDCG of each run under both protocols, 95 % half-widths over users and seeds.

    A row whose half-width is over users alone says so beside its number of seeds; a counter needs
    none. With ``baseline``, the name of one of the runs, each row says whether its masked NDCG
    differs from it (:func:`judged`).
    """
    floor = next((r for r in runs if r.name == baseline), None)
    if baseline is not None and floor is None:
        raise ValueError(f"baseline {baseline!r} is not among {[r.name for r in runs]}")
    rows = []
    for run in runs:
        row = {"model": label(run.name), "seeds": _seeds(run)}
        for protocol, letter in PROTOCOLS.items():
            for name, metric in (("HR", hr), ("NDCG", ndcg)):
                row[f"{name}@{k} {letter}"] = _with_half_width(mean(run, protocol, metric, k))
        row["coverage M"] = f"{np.mean([s.card['coverage@10']['masked'] for s in run.seeds]):.1%}"
        rows.append(row)
    found = pd.DataFrame(rows).set_index("model").rename_axis(None)
    if floor is not None:
        other = [run is not floor for run in runs]
        differences = [gain(run, floor, "masked", ndcg, k) for run in runs if run is not floor]
        name = f"NDCG@{k} M against {label(floor.name)}, {HOLM}"
        found[name] = ""
        found.loc[other, name] = judged(differences)
    return found


def judged(differences: Sequence[Interval]) -> list[str]:
    """The differences of one table in print, each with its verdict; those are corrected together.

    The interval is that of the difference alone. What it does not cover stands beside it; if
    that is most of the spread between seeds, in place of a verdict.
    """
    return [
        f"{one:+.4f}" if one.note == TOO_FEW else f"{one:+.4f} ({said})"
        for one, said in zip(differences, verdicts(differences), strict=True)
    ]


def _seeds(run: Runs) -> str:
    """How many seeds, in the words of a table."""
    if counts(run):
        return "none"
    return str(len(run.seeds)) if len(run.seeds) > 1 else "1, users only"


def _with_half_width(interval: Interval) -> str:
    width = f"{interval.mean:.4f} ± {(interval.high - interval.low) / 2:.4f}".replace("0.", ".")
    return f"{width}, {TOO_FEW}" if interval.note == TOO_FEW else width


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


# --- axes ---------------------------------------------------------------------------------------


def curves(ax: Axes, runs: Sequence[Runs]) -> None:
    """Validation NDCG@10 by epoch, as it was selected on: a line a seed, the best epoch marked."""
    selected = {run.seeds[0].spec.get("training", {}).get("select", "masked") for run in runs}
    letters = ", ".join(sorted(PROTOCOLS[protocol] for protocol in selected))
    for run in runs:
        for number, seed in enumerate(run.seeds):
            epoch, score = seed.history["epoch"], seed.history["valid_ndcg@10"]
            ax.plot(epoch, score, color=colour(run.name), lw=1.2, alpha=0.85,
                    label=label(run.name) if number == 0 else None)  # fmt: skip
            best = score.idxmax()
            ax.plot(epoch[best], score[best], marker(run.name), color=colour(run.name), ms=6)
    ax.set(xlabel="epoch (passes over the training positions)")
    ax.set(ylabel=f"validation NDCG@10, {letters}")
    ax.legend(loc="best", fontsize=8)


def gains_by(
    ax: Axes,
    runs: Sequence[Runs],
    segment: np.ndarray,
    edges: Sequence[float | int],
    protocol: str = "masked",
    metric: Metric = hr,
    k: int = 10,
    names: Sequence[str] | None = None,
    base: Runs | None = None,
) -> pd.DataFrame:
    """A metric in segments of the test users, with 95 % intervals; returns the numbers drawn.

    ``segment`` is a value per test user; segment i holds ``edges[i] <= value < edges[i + 1]``
    and is called ``names[i]``. A segment of fewer than two users is left out. With ``base`` it is
    the paired difference to that run.
    """
    names = names or [_between(low, high) for low, high in zip(edges, edges[1:], strict=False)]
    part = np.digitize(segment, edges) - 1
    sizes = [int((part == i).sum()) for i in range(len(names))]
    full = [i for i, size in enumerate(sizes) if size > 1]
    names, sizes = [names[i] for i in full], [sizes[i] for i in full]
    columns = {}
    for number, run in enumerate(runs):
        per_user, of = values(run, protocol, metric, k), [run]
        if base is not None:
            own, other = paired_seeds(run, base)
            per_user, of = per_user[own] - values(base, protocol, metric, k)[other], [run, base]
        found = [interval(per_user[:, part == i], *of) for i in full]
        middle = np.array([one.mean for one in found])
        reach = np.abs(np.array([[i.low, i.high] for i in found]).T - middle)
        name = marked(run, found[0]) if found else label(run.name)
        place = np.arange(len(names)) + 0.08 * (number - (len(runs) - 1) / 2)
        ax.errorbar(place, middle, yerr=reach, color=colour(run.name), marker=marker(run.name),
                    lw=1.2, ms=5, capsize=2, label=name)  # fmt: skip
        columns[label(run.name)] = middle
    ticks = [f"{name}\n{size:,}" for name, size in zip(names, sizes, strict=True)]
    ax.set_xticks(range(len(names)), ticks)
    ax.set_ylabel(f"{metric.__name__.upper()}@{k}, {PROTOCOLS[protocol]}")
    if base is None:
        ax.set_ylim(0, None)
    else:
        ax.axhline(0, color=colour(base.name), lw=0.8)
        ax.set_ylabel(f"{ax.get_ylabel()}, less that of {label(base.name)}")
    ax.legend()
    return pd.DataFrame(columns | {"users": sizes}, index=names)


def _between(low: float | int, high: float | int) -> str:
    if np.isinf(high):
        return f"{low:g}+"
    return f"{low:g}" if high - low == 1 else f"{low:g}–{high - 1:g}"


def both_protocols(ax: Axes, runs: Sequence[Runs], metric: Metric = ndcg, k: int = 10) -> None:
    """Each model's figure with earlier items left in (U) and taken out (M), joined by a line."""
    ends, names = {}, {}
    for run in runs:
        pair = [mean(run, protocol, metric, k) for protocol in ("unmasked", "masked")]
        middle = [one.mean for one in pair]
        reach = np.abs(np.array([[i.low, i.high] for i in pair]).T - middle)
        ax.errorbar([0, 1], middle, yerr=reach, color=colour(run.name), marker=marker(run.name),
                    lw=1.5, capsize=2)  # fmt: skip
        ends[run.name] = middle[1]
        names[run.name] = marked(run, pair[1])
    gap, height = 0.06 * max(ends.values()), -np.inf
    for name, value in sorted(ends.items(), key=lambda pair: pair[1]):
        height = max(value, height + gap)  # labels do not overlap
        ax.annotate(names[name], (1, value), xytext=(1.06, height), va="center", color=colour(name))
    ax.set_xticks([0, 1], ["U: earlier items left in", "M: earlier items masked"])
    ax.set(xlim=(-0.2, 1.8), ylim=(0, None), ylabel=f"{metric.__name__.upper()}@{k}")


def cost_quality(ax: Axes, runs: Sequence[Runs], protocol: str = "masked") -> None:
    """NDCG@10 against the seconds that training took (median of the seeds)."""
    placed: list[tuple[float, float]] = []
    for run in runs:
        seconds = float(np.median([max(seed.card["training_seconds"], 0.1) for seed in run.seeds]))
        found = mean(run, protocol)
        reach = [[found.mean - found.low], [found.high - found.mean]]
        ax.errorbar(seconds, found.mean, yerr=reach, marker=marker(run.name),
                    color=colour(run.name), ms=8, capsize=2)  # fmt: skip
        crowded = any(abs(np.log10(seconds / x)) < 0.5 and abs(found.mean - y) < 0.004
                      for x, y in placed)  # fmt: skip
        ax.annotate(marked(run, found), (seconds, found.mean), xytext=(-9 if crowded else 9, 4),
                    textcoords="offset points", ha="right" if crowded else "left",
                    color=colour(run.name))  # fmt: skip
        placed.append((seconds, found.mean))
    ax.set_xscale("log")
    ax.margins(x=0.35, y=0.15)
    ax.set(xlabel="training time, seconds", ylabel=f"NDCG@10, {PROTOCOLS[protocol]}")


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
            "training minutes": round(card["training_seconds"] / 60, 1),
            "peak GiB": round(card["peak_bytes"] / 2**30, 2),
        }
    return pd.DataFrame.from_dict(rows, "index")


def popularity_of(runs: Runs, catalogue: Catalogue) -> np.ndarray:
    """How often each test example's true item occurs in training."""
    return catalogue.frequency[runs.examples["item"].to_numpy()]


def across(
    runs: Sequence[Runs], floors: Sequence[Runs], published_rows: dict[str, tuple[float, float]]
) -> pd.DataFrame:
    """One model on several data sets: both protocols, the floor of each set and a published row.

    ``floors`` are the runs of a counter, a data set each, in the order of ``runs``; the published
    (HR@10, NDCG@10) are masked.
    """
    rows = []
    for run, floor in zip(runs, floors, strict=True):
        row = {"data set": run.dataset, "seeds": _seeds(run)}
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
