"""Does a model that sees time rate better? RRN beside factorisation, by RMSE on later ratings.

Of each user the last fifth of the ratings tests and the tenth before validates (``tail``): by one
cut through all users next to nobody rates on both sides of it (39 of 1,975 on movielens_small).
Ratings of other people may so be later than the one that is asked about; models that bin or
average over time read them, a state of RRN never does.

Every model has as many trials, drawn from its declared space and judged on validation; then it
learns from training and validation ratings together, for as many passes as were best, from each
seed. Beside the results, ``ratings/<data>.csv`` has a row a model and seed,
``ratings/<data>-trials.csv`` a row a trial, and ``ratings/<data>-errors.parquet`` the sum of the
squared errors of each user. What is kept is not made again.

python -m seqrec_lib.studies.ratings movielens_small-tail --seeds 0 1 2 --results book/results
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from seqrec_lib.data import datasets, files
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.ratings import Ratings, long_span
from seqrec_lib.data.splits import Split, tail
from seqrec_lib.data.worlds.films import FilmWorld, draw, floors
from seqrec_lib.models.ratings.bias import Biases
from seqrec_lib.models.ratings.mf import BiasedMF
from seqrec_lib.models.ratings.rrn import RRN
from seqrec_lib.models.ratings.svdpp import SVDpp
from seqrec_lib.models.ratings.time_bias import TimeBias
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import beside, keep
from seqrec_lib.studies import spaces
from seqrec_lib.training.ratings import Diverged, RatingTraining, fit

FILMS = ("films-0", "films-25", "films-50")  # how much seasons and awards move them, %
SMALL = "films-small"  # to see that all runs
WORLDS = {name: FilmWorld(strength=int(name.removeprefix("films-")) / 100) for name in FILMS}
WORLDS[SMALL] = FilmWorld(num_users=40, num_films=5)
MODELS: dict[str, type[Biases]] = {
    "bias": Biases,
    "time-bias": TimeBias,
    "biased-mf": BiasedMF,
    "time-svd": TimeBias,
    "svdpp": SVDpp,
    "rrn": RRN,
}
# RRN with the settings that its own trials chose, and one part taken out or put in its place
ABLATIONS: dict[str, dict[str, Any]] = {
    "rrn-gru": {"cell": "gru"},
    "rrn-still-users": {"users_move": False},
    "rrn-still-items": {"items_move": False},
    "rrn-still": {"users_move": False, "items_move": False},
    "rrn-moving-alone": {"embed_dim": 0},
}
_ALL = {"decay": (0.01, 0.02, 0.05, 0.1), "learning_rate": (0.005, 0.01, 0.02)}
_TIME = {"bins": (10, 30, 100), "seasons": (0, 12)}
_FACTORS = _ALL | {"embed_dim": (10, 20, 50, 100)}
SPACES: dict[str, dict[str, tuple[Any, ...]]] = {
    "bias": _ALL,
    "time-bias": _ALL | _TIME,
    "biased-mf": _FACTORS,
    "time-svd": _FACTORS | _TIME,
    "svdpp": _FACTORS,
    "rrn": {
        "decay": (0.02, 0.05, 0.1, 0.2),
        "learning_rate": (0.001, 0.003, 0.01),
        "batch_size": (2048, 8192),
        "embed_dim": (10, 20, 50),
        "hidden_dim": (20, 40),
        "state_dim": (5, 10, 20),
        "user_days": (1 / 24, 1.0, 30.0),
        "item_days": (30.0, 120.0, 365.0),
        "dropout": (0.0, 0.1, 0.3),
        # from the trained factorisation, with the settings that its own trials chose
        "started": (False, True),
    },
}
TRIALS, PASSES = 8, 100
LEARNING = ("learning_rate", "batch_size")  # settings of the training; the others are the model's
FIRST: dict[str, dict[str, Any]] = {
    "time-bias": {"seasons": 12},
    "time-svd": {"embed_dim": 50, "seasons": 12},
    "rrn": {"learning_rate": 0.003, "batch_size": 8192, "item_days": 120.0, "started": True},
}
# in the place of these in a world: sixty films make few batches of thousands of ratings, so that
# states would not learn in the passes there are, and users stay for half a year each
FILM_SPACE: dict[str, tuple[Any, ...]] = {
    "batch_size": (256, 512, 1024),
    "user_days": (30.0, 180.0, 1000.0),
    "item_days": (15.0, 30.0, 60.0),
    "decay": (0.02, 0.05),
}
FILM_FIRST: dict[str, Any] = {
    "batch_size": 512, "learning_rate": 0.003, "decay": 0.02, "embed_dim": 10, "hidden_dim": 20,
    "state_dim": 5, "user_days": 1000.0, "item_days": 30.0,
}  # fmt: skip


def loaded(dataset: str) -> tuple[EventLog, Split]:
    """The log and split of a data set with ratings, or of a world of films."""
    if dataset not in WORLDS:
        return datasets.load(dataset)
    log = EventLog.build(draw(WORLDS[dataset]))
    return log, tail(log)


def drawn(name: str, trial: int, films: bool = False) -> dict[str, Any]:
    """The settings of a trial, each uniform over its values; those of trial 0 are ours."""
    moved = films and name == "rrn"
    if not trial:
        return FILM_FIRST if moved else FIRST.get(name, {})
    return spaces.drawn(SPACES[name] | (FILM_SPACE if moved else {}), trial)


def best_of(trials: pd.DataFrame) -> tuple[int, int]:
    """The trial that was best on validation, and its passes.

    Raises ``ValueError`` where every trial diverged.
    """
    if trials["valid"].isna().all():
        raise ValueError(f"every trial of {trials['model'].iloc[0]} diverged: declare other values")
    best = trials.loc[trials["valid"].idxmin()]
    return int(best["trial"]), int(best["passes"])


def built(name: str, log: EventLog, chosen: dict[str, Any], seed: int) -> Biases:
    """A model by name and settings, as drawn from a seed."""
    kind = MODELS["rrn" if name in ABLATIONS else name]
    torch.manual_seed(seed)
    fields = kind.Config.__dataclass_fields__
    config = kind.Config(**{key: value for key, value in chosen.items() if key in fields})
    return kind(log.num_users, log.num_items, config)


@dataclass(frozen=True)
class Study:
    """The question asked of one data set, and where its answers are kept: beside ``results``, or,
    ``anew``, there alone, whatever the committed ones are."""

    dataset: str
    results: str | Path = SCRATCH
    trials: int = TRIALS
    passes: int = PASSES
    anew: bool = False

    def place(self, ending: str) -> Path:
        """The file of what is kept; ``ending`` is .csv, -trials.csv or -errors.parquet."""
        named = self.dataset in WORLDS
        name = self.dataset if named else datasets.folder(self.dataset)
        return beside(self.results, "ratings", name + ending, anew=self.anew)

    def search(self, name: str) -> pd.DataFrame:
        """A row a trial of a model: settings, ``passes`` at the best, ``valid`` (RMSE; nan where it
        diverged), minutes."""
        if name == "rrn":  # some of its trials start from what those of the factorisation chose
            self.search("biased-mf")
        path = self.place("-trials.csv")
        kept = pd.read_csv(path) if path.exists() else pd.DataFrame({"model": [], "trial": []})
        have = set(kept.loc[kept["model"] == name, "trial"])
        if missing := sorted(set(range(self.trials)) - have):
            log, split = loaded(self.dataset)
            known, valid = Ratings.of(log, split.train), Ratings.of(log, split.valid)
        for trial in missing:
            chosen, began = self._drawn(name, trial), time.monotonic()
            model = self._ready(name, log, known, chosen, 0)
            row = {"model": name, "trial": trial} | chosen
            try:
                history = fit(model, known, valid, self._training(name, chosen, 0, self.passes))
                best = history.loc[history["valid"].idxmin()]
                row |= {"passes": int(best["pass"]), "valid": best["valid"]}
            except Diverged:  # these settings are out
                row |= {"passes": 0, "valid": math.nan}
            row["minutes"] = (time.monotonic() - began) / 60
            kept = pd.concat([kept, pd.DataFrame([row])], ignore_index=True)
            keep(kept, path)
        kept = pd.read_csv(path)
        return kept[(kept["model"] == name) & (kept["trial"] < self.trials)].reset_index(drop=True)

    def run(
        self, names: Sequence[str] = (*MODELS, *ABLATIONS), seeds: Sequence[int] = (0, 1, 2)
    ) -> pd.DataFrame:
        """A row a model and seed: the ``trial`` that was best, ``rmse`` on the test ratings,
        ``long`` on those of users who span more than 30 days (nan: there are none), ``passes`` and
        ``seconds``.

        Of a world also ``best`` and ``still``, the two
        :func:`~seqrec_lib.data.worlds.films.floors`.
        """
        path = self.place(".csv")
        kept = pd.read_csv(path) if path.exists() else pd.DataFrame({"model": [], "seed": []})
        have = set(zip(kept["model"], kept["seed"], strict=True))
        floor = ("best", "still") if self.dataset in WORLDS else ()
        wanted = [(name, 0) for name in floor] + [(name, seed) for name in names for seed in seeds]
        if missing := [one for one in wanted if one not in have]:
            log, split = loaded(self.dataset)
            known = Ratings.of(log, np.sort(np.concatenate([split.train, split.valid])))
            test = Ratings.of(log, split.test)
        for name, seed in missing:
            row: dict[str, Any] = {"model": name, "seed": seed}
            began = time.monotonic()
            if name in floor:
                world = WORLDS[self.dataset]
                learned = np.concatenate([split.train, split.valid])
                said = floors(world, draw(world), learned, split.test)[name]
                predicted = torch.from_numpy(said).float()
            else:
                searched = "rrn" if name in ABLATIONS else name
                trial, passes = best_of(self.search(searched))
                chosen = self._drawn(searched, trial) | ABLATIONS.get(name, {})
                began = time.monotonic()
                model = self._ready(name, log, known, chosen, seed)
                fit(model, known, None, self._training(searched, chosen, seed, passes))
                predicted = model.predict(test)
                row |= {"trial": trial, "passes": passes}
            row["seconds"] = time.monotonic() - began
            error = ((predicted - test.rating) ** 2).double().numpy()
            row |= self._keep_errors(log, test, f"{name}/{seed}", error)
            kept = pd.concat([kept, pd.DataFrame([row])], ignore_index=True)
            keep(kept, path)
        return pd.read_csv(path)

    def _drawn(self, name: str, trial: int) -> dict[str, Any]:
        return drawn(name, trial, films=self.dataset in WORLDS)

    def _ready(
        self, name: str, log: EventLog, known: Ratings, chosen: dict[str, Any], seed: int
    ) -> Biases:
        """A model before its training; one that is ``started``, with the factorisation trained."""
        if not chosen.get("started"):
            return built(name, log, chosen, seed)
        base = "biased-mf"
        trial, passes = best_of(self.search(base))
        own = self._drawn(base, trial)
        plain = built(base, log, own, seed)
        fit(plain, known, None, self._training(base, own, seed, passes))
        if chosen.get("embed_dim") != 0:
            chosen = chosen | {"embed_dim": plain.config.embed_dim}
        model = built(name, log, chosen, seed)
        model.start_from(plain)  # type: ignore[operator]
        return model

    def _training(
        self, name: str, chosen: dict[str, Any], seed: int, passes: int
    ) -> RatingTraining:
        how: dict[str, Any] = {"batch_size": 256} if self.dataset in WORLDS else {}  # few films
        if name == "rrn":
            how = {"optimizer": "adam"}
        how |= {key: chosen[key] for key in LEARNING if key in chosen}
        return RatingTraining(passes, seed=seed, **how)

    def _keep_errors(
        self, log: EventLog, test: Ratings, name: str, error: np.ndarray
    ) -> dict[str, float]:
        """Add a model's squared errors, summed by user, to what is kept; its RMSE, and that of
        users who span more than 30 days."""
        path, user = self.place("-errors.parquet"), test.user.numpy()
        count = np.bincount(user, minlength=log.num_users)
        total, asked, long = np.bincount(user, error, log.num_users), count > 0, long_span(log)
        if path.exists():
            kept = pd.read_parquet(path)
        else:
            raw = {"user": log.users[asked], "count": count[asked], "long": long[asked]}
            kept = pd.DataFrame(raw)
        kept[name] = total[asked].astype(np.float32)
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.written_aside(path) as aside:
            kept.to_parquet(aside, index=False)
        among = long[user]
        some = float(np.sqrt(error[among].mean())) if among.any() else float("nan")
        return {"rmse": float(np.sqrt(error.mean())), "long": some}


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.ratings", description=__doc__
    )
    parser.add_argument("dataset", help=f"movielens_small-tail, or one of {', '.join(WORLDS)}")
    parser.add_argument("--models", nargs="+", default=[*MODELS, *ABLATIONS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    chosen = parser.parse_args(arguments)
    study = Study(chosen.dataset, chosen.results, chosen.trials)
    print(study.run(chosen.models, chosen.seeds).round(4).to_string())


if __name__ == "__main__":
    main()
