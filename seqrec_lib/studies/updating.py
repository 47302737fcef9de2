"""What is updating per click worth? A day is replayed, and each question asked four ways.

The user's state is fresh (all events before the question) or of last night (those before the day);
what was counted of items is of last night too, or counted anew so many times in the day, from the
events of everybody. A network's weights stay as they are: of it only the state is fresh.
``production/updating.csv`` beside the results has a row a model, state, number of counts, protocol
and metric, with what it gains over a night of both. Counting anew ever more often shows where
counting at every click would end.

python -m seqrec_lib.studies.updating tecd-marketplace --results book/results
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split, of_sampled_users
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import CountModel, Recommender
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import initialised, trained_model
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import Growing, made
from seqrec_lib.statistics.intervals import bootstrap
from seqrec_lib.statistics.populations import per_user
from seqrec_lib.training.device import device as resolved
from seqrec_lib.training.evaluation import PROTOCOLS, ranks

MODELS = ("popular", "markov-1", "gru", "sasrec")
TIMES = (1, 4, 16, 64, 256)  # a day that items are counted; once is at night
STATES = ("night", "fresh")
USERS = 2000
METRICS = {"HR@10": hr, "NDCG@10": ndcg}
KEYS = ["dataset", "model", "state", "counts"]
NAMED = ("production", "updating.csv")


def known_before(log: EventLog, test: Int[np.ndarray, "S"]) -> Int[np.ndarray, "U"]:
    """How many events of each user came before the day: before the earliest test event."""
    before = np.asarray(log.time) < log.time[test].min()
    return np.add.reduceat(before, log.offsets[:-1])


def returning(log: EventLog, split: Split, users: int = 0) -> Int[np.ndarray, "S"]:
    """The test positions of ``users`` (0: all) of whom something was known before the day, and of
    whom every event of the day is asked."""
    user = log.user_of(split.test)
    before = known_before(log, split.test)
    whole = np.bincount(user, minlength=log.num_users) == np.diff(log.offsets) - before
    return of_sampled_users(log, split.test[(whole & (before > 0))[user]], users)


def of_last_night(
    log: EventLog, test: Int[np.ndarray, "S"], positions: Int[np.ndarray, "P"]
) -> tuple[EventLog, Int[np.ndarray, "P"]]:
    """The same questions, each with the history that its user had before the day; each is a user of
    its own, so that nothing of the day is history."""
    user = log.user_of(positions)
    begin, count = log.offsets[user], known_before(log, test)[user]
    parts = [np.r_[b : b + n, p] for b, n, p in zip(begin, count, positions, strict=True)]
    offsets = np.r_[0, np.cumsum(count + 1)].astype(np.int64)
    whole = np.concatenate(parts)
    users = np.arange(len(positions))
    found = EventLog(log.item[whole], np.asarray(log.time)[whole], offsets, users, log.items)
    return found, offsets[1:] - 1


def counted(
    log: EventLog, split: Split, positions: Int[np.ndarray, "P"], times: int
) -> Iterator[tuple[Int[np.ndarray, "L"], Int[np.ndarray, "R"]]]:
    """What is counted, and the rows of ``positions`` that are asked before it is counted again.

    The day is cut into as many parts of equally many events, and before each all events so far are
    counted: those of the night alone before the first.
    """
    time = np.asarray(log.time)
    day = np.sort(time[time >= time[split.test].min()])
    edges = day[np.linspace(0, len(day), times, endpoint=False).astype(int)]
    part = np.searchsorted(edges, time[positions], side="right") - 1
    for number, edge in enumerate(edges):
        rows = np.flatnonzero(part == number)
        if len(rows):
            learned = np.flatnonzero(time < edge)
            yield learned if log.context is None else learned[~log.context[learned]], rows


def asked(
    model: Recommender,
    log: EventLog,
    split: Split,
    positions: Int[np.ndarray, "P"],
    state: str,
    times: int,
    length: int,
) -> pd.DataFrame:
    """Ranks of these positions (:func:`seqrec_lib.training.evaluation.ranks`)."""
    asked_of, where = log, positions
    if state == "night":
        asked_of, where = of_last_night(log, split.test, positions)
    if not isinstance(model, CountModel):
        return ranks(model, asked_of, where, length)
    found = []
    for learned, rows in counted(log, split, positions, times):
        model.count(log, learned)
        found.append(ranks(model, asked_of, where[rows], length).assign(row=rows))
    return pd.concat(found).sort_values("row", ignore_index=True)


def measured(
    table: pd.DataFrame, nothing: pd.DataFrame, user: Int[np.ndarray, "P"]
) -> list[dict[str, Any]]:
    """A row a protocol and metric, per event, with 95 % intervals over users."""
    found = []
    for protocol in PROTOCOLS:
        own, other = (one[f"rank_{protocol}"].to_numpy() for one in (table, nothing))
        for name, of in METRICS.items():
            values = bootstrap(_by_user(of(own, 10), user))
            gain = bootstrap(_by_user(of(own, 10) - of(other, 10), user))
            row: dict[str, Any] = {"protocol": protocol, "metric": name}
            for key, one in (("", values), ("gain ", gain)):
                row |= {f"{key}mean": one.mean, f"{key}low": one.low, f"{key}high": one.high}
            found.append(row)
    return found


def _by_user(values: Float[np.ndarray, "P"], user: Int[np.ndarray, "P"]) -> np.ndarray:
    return per_user(values[None], np.ones(len(values)), user)[0]


def asked_anew(
    dataset: str,
    models: Sequence[str] = MODELS,
    times: Sequence[int] = TIMES,
    users: int = USERS,
    epochs: int | None = None,
    device: str = "auto",
    results: str | Path = SCRATCH,
) -> Iterator[list[dict[str, Any]]]:
    """The rows of each model; the first of ``times`` is what others gain over. Nothing is kept.

    Raises ``ValueError`` for a split that is not by time: there is no day to replay.
    """
    if not models:
        return
    log, split = datasets.load(dataset)
    if not split.time_ordered:
        raise ValueError(f"{dataset}: not split by time; use split=time, or tecd-marketplace")
    positions = returning(log, split, users)
    user = log.user_of(positions)
    for name in models:
        (spec,) = published(dataset, name, [0], epochs)
        model = initialised(spec, Catalogue.learned(log, split.train))
        if not isinstance(model, CountModel):
            model = trained_model(spec, device, results).model.to(resolved(device))
        often = times if isinstance(model, CountModel) else times[:1]
        how = (log, split, positions)
        length = spec.training.max_len
        nothing = asked(model, *how, "night", times[0], length)
        rows: list[dict[str, Any]] = []
        for state, number in itertools.product(STATES, often):
            same = (state, number) == ("night", times[0])
            table = nothing if same else asked(model, *how, state, number, length)
            about = dict(zip(KEYS, (dataset, name, state, number), strict=True))
            about |= {"events": len(positions), "users": len(np.unique(user))}
            rows += [about | one for one in measured(table, nothing, user)]
        yield rows


def study(
    dataset: str,
    results: str | Path = SCRATCH,
    models: Sequence[str] = MODELS,
    users: int = USERS,
    device: str = "auto",
    anew: bool = False,
) -> pd.DataFrame:
    """The table of all data sets; a model that is there is not asked again, unless all are to be
    made ``anew``."""
    rows = Growing(results, *NAMED, keys=KEYS[:2], anew=anew)
    missing = [name for name in models if (dataset, name) not in rows.by]
    for found in asked_anew(dataset, missing, users=users, device=device, results=results):
        rows.add(*found)
    return rows.table()


def kept(results: str | Path = SCRATCH) -> pd.DataFrame:
    """The table that was made. Raises ``FileNotFoundError`` if there is none."""
    return made("studies.updating tecd-marketplace", results, *NAMED, keys=KEYS[:2])


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.updating", description=__doc__.splitlines()[0]
    )
    parser.add_argument("dataset", nargs="?", default="tecd-marketplace", help="split by time")
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--users", type=int, default=USERS, help="0: all")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--smoke", action="store_true", help="counts alone, 100 users, not kept")
    chosen = parser.parse_args(arguments)
    if chosen.smoke:
        rows = asked_anew(chosen.dataset, MODELS[:2], TIMES[:2], users=100)
        found = pd.DataFrame([one for of_a_model in rows for one in of_a_model])
    else:
        found = study(chosen.dataset, chosen.results, chosen.models, chosen.users, chosen.device)
    print(found[found["metric"] == "HR@10"].round(4).to_string())


if __name__ == "__main__":
    main()
