"""Who is averaged over: every target population from one ranks table.

A ranks table has a row a test position. Which rows count, and how much, is a choice that a single
figure hides; here each choice is a column of weights, and every figure is made for all of them
from the same ranks. Intervals are over users and seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.statistics.intervals import ONE_SEED
from seqrec_lib.statistics.populations import per_user

LABELS = {
    "events": "per event",
    "users": "per user",
    "last": "last event",
    "first": "first event of the day",
}
_METRICS = {"HR": hr, "NDCG": ndcg}


def weights(
    dataset: str, log: EventLog, split: Split, keep: Bool[np.ndarray, "P"] | None = None
) -> pd.DataFrame:
    """How much each row of a ranks table counts: a row a test position, a column a population.

    ``events``: each position once. ``users``: each user once, shared by the user's positions.
    ``last``: the last test position of each user. All three are of the users whose every test
    position is tested (:func:`~seqrec_lib.data.datasets.followed`). ``first``, if the split is by
    time: the first position of the day on which the test begins, of all users with an event
    before that day. With ``keep`` only those rows are in a population (targets that are no
    repeats, for example).

    >>> import pandas as pd
    >>> from seqrec_lib.data.splits import global_time
    >>> day = 86_400
    >>> events = {"user": [1, 1, 1, 2, 2, 2], "item": 1, "time": [0, 9, day, 5, day, day + 1]}
    >>> log = EventLog.build(pd.DataFrame(events))
    >>> weights("simulated", log, global_time(log, 9, day))
       events  users  last  first
    0     1.0    1.0   1.0    1.0
    1     1.0    0.5   0.0    1.0
    2     1.0    0.5   1.0    0.0
    """
    position, user = split.test, log.user_of(split.test)
    kept = np.ones(len(position), dtype=bool) if keep is None else keep
    whole = kept & datasets.followed(dataset, log)[user]
    count = np.bincount(user[whole], minlength=log.num_users)[user]
    chosen = {
        "events": whole,
        "users": np.divide(whole, count, out=np.zeros(len(whole)), where=whole),
        "last": whole & np.append(user[1:] != user[:-1], True),
    }
    if split.time_ordered:
        midnight = log.time[position].min() // datasets.DAY_S * datasets.DAY_S
        # the event before is of the same user: test positions have a history
        chosen["first"] = kept & (log.time[position - 1] < midnight)
    return pd.DataFrame({name: rows.astype(float) for name, rows in chosen.items()})


def groups(labels: pd.Series | np.ndarray, weight: pd.Series) -> pd.DataFrame:
    """A population cut by label, the most frequent first: a column of weights for each.

    ``labels`` has one for each test position.
    """
    names = np.asarray(labels)
    order = pd.Series(names[weight > 0]).value_counts().index
    return pd.DataFrame({name: weight * (names == name) for name in order})


def by_seed(
    metric: report.Metric, ranks: Int[np.ndarray, "S P"], k: int
) -> Float[np.ndarray, "S P"]:
    """A metric of ranks, seed by seed."""
    return np.stack([metric(seed, k) for seed in ranks])


def table(
    runs: Sequence[Runs],
    weights: pd.DataFrame,
    protocol: str = "unmasked",
    ks: Sequence[int] = (5, 10, 20),
) -> pd.DataFrame:
    """HR and NDCG of every run in every population: rows (population, run's name), intervals.

    The 95 % intervals are over users with all their positions, and over seeds.
    """
    names = [f"{name}@{k}" for name in _METRICS for k in ks]
    ranks, user = [run.ranks(protocol) for run in runs], users_of(runs, weights)
    found = {}
    for population, weight in weights.items():
        inside = np.flatnonzero(weight)
        rows, weight = user[inside], weight.to_numpy()[inside]
        for run, of in zip(runs, ranks, strict=True):
            found[population, run.name] = [
                report.interval(per_user(by_seed(metric, of[:, inside], k), weight, rows), run)
                for metric in _METRICS.values()
                for k in ks
            ]
    return framed(found, names, "model")


def beside(found: pd.DataFrame, a: str, b: str) -> dict[str, pd.DataFrame]:
    """Every metric of :func:`table` for two runs, by the label of the population.

    The last column is by how many percent ``b`` is above ``a``.
    """
    tables = {}
    for population in dict.fromkeys(found.index.get_level_values("population")):
        two = found.loc[population].loc[[a, b]].T
        level = two.map(lambda cell: cell.mean)
        percent = 100 * (level[b] / level[a] - 1)
        table = report.half_widths(two).rename(columns=report.label)
        table[f"{report.label(b)} above, %"] = percent.map("{:+.1f}".format)
        tables[LABELS[str(population)]] = table.rename_axis(columns=None)
    return tables


def to_midnight(log: EventLog, split: Split) -> Split:
    """The split with every event before the test day as training, those of validation too."""
    return replace(split, train=np.flatnonzero(log.time < log.time[split.test].min()))


def by_population(found: pd.DataFrame, column: str = "HR@10") -> pd.DataFrame:
    """One column of a table of this module as readers see it: a row a model, a column a population.

    Columns and rows stay in the order in which they were asked for. Intervals are printed as
    half-widths (:func:`~seqrec_lib.report.cells.half_widths`), those of differences with a sign.
    """
    wide = found[column].unstack("population", sort=False)
    pairs = found["what"].droplevel("population").to_dict() if "what" in found else {}
    wide = wide.rename(index=lambda name: pairs.get(name, report.label(name)), columns=LABELS)
    return report.half_widths(wide.rename_axis(index=None, columns=None), signed=bool(pairs))


# --- axes ---------------------------------------------------------------------------------------


def draw(ax: Axes, found: pd.DataFrame, metric: str = "HR@10") -> None:
    """One metric of :func:`table`: a row a population, a dot and its interval a run.

    Names of runs go as far as the comma, where that tells them apart.
    """
    table = crossed(found[metric]).rename(index=LABELS)
    names = {run: report.label(run) for run in table}
    short = {run: name.split(",")[0] for run, name in names.items()}
    names = short if len(set(short.values())) == len(short) else names
    alone = [run for run in table if table[run].iloc[0].note == ONE_SEED]
    names |= {run: f"{names[run]}, {ONE_SEED}" for run in alone}
    looks = {
        name: {"color": report.colour(run), "marker": report.marker(run)}
        for run, name in names.items()
    }
    report.forest([ax], {"": table.rename(columns=names)}, f"{metric}, U", looks, sides=None)


def crossed(cells: pd.Series) -> pd.DataFrame:
    """Rows by the first level of an index, columns by the second, both as they come."""
    first, second = (cells.index.unique(level) for level in (0, 1))
    return pd.DataFrame({name: cells.xs(name, level=1) for name in second}).reindex(first)


def kinds(dataset: str, log: EventLog) -> pd.DataFrame:
    """``surface`` and ``action`` of every position of the log; of T-ECD, elsewhere there is one."""
    if not Dataset.parse(dataset).is_tecd:
        return pd.DataFrame({"surface": "surface", "action": "action"}, index=range(len(log)))
    rows = datasets.tecd_table(dataset, surface=True)
    if len(rows) != len(log):
        raise ValueError(f"{dataset} has {len(rows)} events, the log {len(log)}; is it another's?")
    return rows[["surface", "action"]]


def users_of(runs: Sequence[Runs], weights: pd.DataFrame) -> np.ndarray:
    """The user of each row; raises if the runs, or the weights, are of other rows."""
    examples = runs[0].examples
    for run in runs:
        same = len(run.examples) == len(weights) and run.examples["item"].equals(examples["item"])
        if not same:
            raise ValueError(
                f"{run.dataset}/{run.name} has {len(run.examples)} test positions, the weights "
                f"{len(weights)}; runs and weights must be of one data set"
            )
    return examples["user"].to_numpy()


def framed(
    found: dict[tuple[str, str], list[Any]], columns: list[str], second: str
) -> pd.DataFrame:
    """A row for each (population, what ``second`` names)."""
    index = pd.MultiIndex.from_tuples(list(found), names=["population", second])
    return pd.DataFrame(list(found.values()), index, columns)
