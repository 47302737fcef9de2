"""RRN beside factorisation: errors of ratings by model, and the worlds of films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data.ratings import YEAR_S
from seqrec_lib.data.worlds.films import FilmWorld, draw
from seqrec_lib.records.store import SCRATCH
from seqrec_lib.report.axes import ends, named
from seqrec_lib.statistics.intervals import Interval, over_seeds
from seqrec_lib.statistics.populations import per_user
from seqrec_lib.studies import ratings as study

FLOORS = ("best", "still")  # of a world; nothing is learned in them


@dataclass(frozen=True)
class Errors:
    """What the study keeps of a data set: ``runs``, a row a model and seed, and squared errors
    summed by user."""

    runs: pd.DataFrame
    by_user: pd.DataFrame

    @classmethod
    def read(cls, dataset: str, results: str | Path = SCRATCH) -> Errors:
        """Raises ``FileNotFoundError``, with the command, if the study was not made."""
        asked = study.Study(dataset, results)
        csv, parquet = (asked.place(ending) for ending in (".csv", "-errors.parquet"))
        if not (csv.exists() and parquet.exists()):
            raise FileNotFoundError(
                f"{csv} is not there: python -m seqrec_lib.studies.ratings {dataset}"
            )
        return cls(pd.read_csv(csv), pd.read_parquet(parquet))

    @property
    def models(self) -> list[str]:
        """In the order of the study, whatever was made first."""
        have = set(self.runs["model"])
        return [name for name in (*FLOORS, *study.MODELS, *study.ABLATIONS) if name in have]

    def seeds(self, model: str) -> list[int]:
        return sorted(self.runs.loc[self.runs["model"] == model, "seed"])

    def squares(
        self, model: str, seeds: Sequence[int], among: Bool[np.ndarray, "everyone"]
    ) -> Float[np.ndarray, "S U"]:
        """A value a user whose plain mean is the mean squared error of all ratings, by seed."""
        count = self.by_user["count"].to_numpy()[among]
        total = np.stack([self.by_user[f"{model}/{s}"].to_numpy(float)[among] for s in seeds])
        return per_user(total / count, count, np.arange(len(count)))

    def everyone(self, long: bool = False) -> Bool[np.ndarray, "everyone"]:
        """All users, or those who span more than 30 days."""
        kept = self.by_user["long"].to_numpy()
        return kept if long else np.ones_like(kept)


def made(
    dataset: str,
    results: str | Path,
    retrain: bool = False,
    small: bool = False,
    seeds: Sequence[int] = (0, 1, 2),
) -> Errors:
    """What is kept of a data set; or made anew of ``seeds``, to ``retrain``, or ``small``: of one
    seed and few ratings."""
    if small:
        asked = study.Study(study.SMALL, results, trials=1, passes=1, anew=True)
        asked.run(seeds=[0])
        return Errors.read(asked.dataset, results)
    if retrain:
        study.Study(dataset, results, anew=True).run(seeds=seeds)
    return Errors.read(dataset, results)


def films(
    results: str | Path,
    retrain: bool = False,
    small: bool = False,
    seeds: Sequence[int] = (0, 1, 2),
) -> dict[str, Errors]:
    """:func:`made` of each world of films, from films that stay to films that move most."""
    return {name: made(name, results, retrain, small, seeds) for name in study.FILMS}


def rmse(errors: Errors, model: str, long: bool = False) -> Interval:
    """The root of the mean squared error over ratings, users and seeds, with its 95 % interval."""
    squares = errors.squares(model, errors.seeds(model), errors.everyone(long))
    found = over_seeds(squares, learned=model not in FLOORS)
    low, high = max(found.low, 0.0), found.high
    return replace(found, mean=found.mean**0.5, low=low**0.5, high=high**0.5)


def gain(errors: Errors, model: str, base: str, long: bool = False) -> Interval:
    """By how much the RMSE of ``base`` is above that of ``model``: the paired difference of squared
    errors over the sum of both roots. Positive: ``model`` is better. Seeds are paired by number."""
    seeds = sorted(set(errors.seeds(model)) & set(errors.seeds(base)))
    if not seeds:
        raise ValueError(f"no seed is common to {model} and {base}")
    among = errors.everyone(long)
    one, other = (errors.squares(name, seeds, among) for name in (model, base))
    found = over_seeds(other - one)
    roots = one.mean() ** 0.5 + other.mean() ** 0.5
    ends_of = {end: float(getattr(found, end) / roots) for end in ("mean", "low", "high")}
    return replace(found, **ends_of)  # type: ignore[arg-type]


def table(errors: Errors, base: str = "svdpp", long: bool = False) -> pd.DataFrame:
    """A row a model: RMSE ± half of its interval, what it gains over ``base`` with the verdict
    (corrected together), and the seconds of a training in the median."""
    models = [name for name in errors.models if name not in FLOORS]
    gains = [gain(errors, name, base, long) for name in models if name != base]
    said = iter(
        one.replace("(higher)", "(better)").replace("(lower)", "(worse)")  # of errors, not scores
        for one in report.judged(gains)
    )
    rows = {}
    for name in models:
        runs = errors.runs[errors.runs["model"] == name]
        rows[report.label(name)] = {
            "seeds": len(runs),
            "RMSE": report.with_half_width(rmse(errors, name, long)),
            f"below {report.label(base)}": "" if name == base else next(said),
            "seconds": round(runs["seconds"].median(), 1),
        }
    return pd.DataFrame.from_dict(rows, "index")


def film(ax: Axes, number: int = 4, world: FilmWorld | None = None) -> None:
    """How far the ratings of one film lie from what user and film are worth by themselves: a dot a
    rating, and the line that the world draws."""
    world = world or FilmWorld()
    table = draw(world)
    one = table[table["item"] == number].sort_values("time")
    years, plain = one["time"] / YEAR_S, one["still"]
    ax.plot(years, one["rating"] - plain, ".", ms=2, color=report.LOOKS[0]["color"], alpha=0.6)
    ax.plot(years, one["expected"] - plain, color=report.LOOKS[1]["color"], lw=1.6)
    ax.set(xlabel="years", ylabel="stars above\nwhat stays", xlim=(0, world.years))


def worlds(
    ax: Axes,
    found: Mapping[str, Errors],
    models: Sequence[str] = ("svdpp", "time-svd", "rrn", "rrn-still-items"),
) -> pd.DataFrame:
    """RMSE in worlds of films by how much seasons and awards move them, a line a model, between
    the best possible and the least error of what stays; returns the means drawn."""
    strength = [study.WORLDS[name].strength for name in found]
    drawn, tips = {}, {}
    for name, words in (("best", "best possible"), ("still", "what stays known")):
        drawn[words] = [rmse(errors, name).mean for errors in found.values()]
        ax.plot(strength, drawn[words], color="black", lw=1, ls="--" if name == "best" else ":")
        tips[words] = (drawn[words][-1], "black")
    for name in models:
        middle, reach = ends([rmse(errors, name) for errors in found.values()])
        style = {"color": report.colour(name), "marker": report.marker(name), "capsize": 3}
        ax.errorbar(strength, middle, yerr=reach, **style)  # type: ignore[arg-type]
        drawn[report.label(name)] = list(middle)
        tips[report.label(name)] = (middle[-1], report.colour(name))
    named(ax, tips, max(strength))
    ax.set(xlabel="size of seasons and awards", ylabel="RMSE, stars")
    return pd.DataFrame(drawn, index=strength)
