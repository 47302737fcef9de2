"""Who is averaged over: every target population from one ranks table.

A ranks table has a row a test position. Which rows count, and how much, is a choice that a single
figure hides; here each choice is a column of weights, and every figure is made for all of them
from the same ranks. Intervals are over users and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Real
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from seqrec_lib import report
from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.classes import macro
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.axes import LOOKS
from seqrec_lib.statistics.intervals import ONE_SEED, TOO_FEW, Interval, verdicts
from seqrec_lib.statistics.populations import per_user

LABELS = {
    "events": "per event",
    "users": "per user",
    "last": "last event",
    "first": "first event of the day",
}
SURFACES = {  # where an event happens, in the words of a reader
    "u2i": "recommended for the user",
    "i2i": "recommended beside an item",
    "catalog": "catalogue",
    "search": "search",
    "other": "other places",
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
    ranks, user = [run.ranks(protocol) for run in runs], _users(runs, weights)
    found = {}
    for population, weight in weights.items():
        inside = np.flatnonzero(weight)
        rows, weight = user[inside], weight.to_numpy()[inside]
        for run, of in zip(runs, ranks, strict=True):
            found[population, run.name] = [
                report.interval(per_user(_by_seed(metric, of[:, inside], k), weight, rows), run)
                for metric in _METRICS.values()
                for k in ks
            ]
    return _framed(found, names, "model")


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
    user = _users([run for pair in pairs for run in pair], weights)
    cells: dict[tuple[str, str], tuple[Interval, float]] = {}
    better, what = {}, {}
    for population, weight in weights.items():
        inside = np.flatnonzero(weight)
        rows, weight = user[inside], weight.to_numpy()[inside]
        for a, b in pairs:
            first, second = (
                _by_seed(metric, run.ranks(protocol)[seeds][:, inside], k)
                for run, seeds in zip((a, b), report.paired_seeds(a, b), strict=True)
            )
            apart = report.interval(per_user(first - second, weight, rows), a, b)
            floor = float(np.average(second.mean(0), weights=weight))
            percent = 100 * apart.mean / floor if floor else np.nan
            key = str(population), f"{a.name}-{b.name}"
            cells[key] = (apart, percent)
            better[key] = {"higher": report.label(a.name), "lower": report.label(b.name)}
            what[key] = f"{report.label(a.name)} − {report.label(b.name)}"
    judged = verdicts([apart for apart, _ in cells.values()])
    found = {}
    for (key, (apart, percent)), verdict in zip(cells.items(), judged, strict=True):
        note = apart.note if apart.note != TOO_FEW else ""  # that is the verdict
        wins = ", ".join(filter(None, (better[key].get(verdict, verdict), note)))
        found[key] = [apart, percent, wins, what[key]]
    return _framed(found, ["difference", "percent", "wins", "what"], "pair")


def _by_seed(metric: report.Metric, ranks: Int[np.ndarray, "S P"], k: int) -> np.ndarray:
    return np.stack([metric(seed, k) for seed in ranks])


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
        table = half_widths(pd.DataFrame(columns), signed=True)
        found[name] = table.rename(index=LABELS).rename_axis(None)
    return found


def _ahead(wins: str, sides: Sequence[str]) -> str:
    """Who is ahead, in words: "SASRec ahead, one seed", or the verdict that nobody is."""
    winner, _, note = wins.partition(", ")
    return ", ".join(filter(None, (f"{winner} ahead" if winner in sides else winner, note)))


def beside(found: pd.DataFrame, a: str, b: str) -> dict[str, pd.DataFrame]:
    """Every metric of :func:`table` for two runs, by the label of the population.

    The last column is by how many percent ``b`` is above ``a``.
    """
    tables = {}
    for population in dict.fromkeys(found.index.get_level_values("population")):
        two = found.loc[population].loc[[a, b]].T
        level = two.map(lambda cell: cell.mean)
        percent = 100 * (level[b] / level[a] - 1)
        table = half_widths(two).rename(columns=report.label)
        table[f"{report.label(b)} above, %"] = percent.map("{:+.1f}".format)
        tables[LABELS[str(population)]] = table.rename_axis(columns=None)
    return tables


def to_midnight(log: EventLog, split: Split) -> Split:
    """The split with every event before the test day as training, those of validation too."""
    return replace(split, train=np.flatnonzero(log.time < log.time[split.test].min()))


def by_population(found: pd.DataFrame, column: str = "HR@10") -> pd.DataFrame:
    """One column of a table of this module as readers see it: a row a model, a column a population.

    Columns and rows stay in the order in which they were asked for. Intervals are printed as
    half-widths (:func:`half_widths`), those of differences with a sign.
    """
    wide = found[column].unstack("population", sort=False)
    pairs = found["what"].droplevel("population").to_dict() if "what" in found else {}
    wide = wide.rename(index=lambda name: pairs.get(name, report.label(name)), columns=LABELS)
    return half_widths(wide.rename_axis(index=None, columns=None), signed=bool(pairs))


def half_widths(
    table: pd.DataFrame, digits: int = 4, signed: bool = False, scale: float | int = 1
) -> pd.DataFrame:
    """A table whose intervals are printed as mean ± half-width; other cells stay.

    That an interval is over users alone (one seed) is for the caption; that seeds are too few for
    one is said in the cell. With ``scale`` 100 the figures are percents.

    >>> cells = [Interval(0.25, 0.2, 0.3), Interval(-0.1, -0.3, 0.1, note="too few seeds"), "yes"]
    >>> half_widths(pd.DataFrame([cells]), digits=2).iloc[0].tolist()
    ['0.25 ± 0.05', '−0.10 ± 0.20, too few seeds', 'yes']
    """

    def cell(one):
        if not isinstance(one, Interval):
            return one
        if np.isnan(one.mean):
            return None
        middle = f"{scale * one.mean:{'+' if signed else ''}.{digits}f}".replace("-", "−")
        reach = "" if np.isnan(one.low) else f" ± {scale * (one.high - one.low) / 2:.{digits}f}"
        return f"{middle}{reach}, {TOO_FEW}" if one.note == TOO_FEW else f"{middle}{reach}"

    return table.map(cell)


# --- axes ---------------------------------------------------------------------------------------


def draw(ax: Axes, found: pd.DataFrame, metric: str = "HR@10") -> None:
    """One metric of :func:`table`: a row a population, a dot and its interval a run."""
    order = list(dict.fromkeys(found.index.get_level_values("population")))
    models = list(dict.fromkeys(found.index.get_level_values("model")))
    for number, name in enumerate(models):
        cells = [found.loc[(population, name), metric] for population in order]
        middle, reach = _ends(cells)
        one = f", {ONE_SEED}" if cells[0].note == ONE_SEED else ""
        marked = f"{report.label(name)}{one}"
        height = np.arange(len(order)) + 0.7 * ((number + 0.5) / len(models) - 0.5)
        ax.errorbar(middle, height, xerr=reach, fmt=report.marker(name), ms=6, capsize=2, lw=1.2,
                    color=report.colour(name), label=marked)  # fmt: skip
    _rows(ax, [LABELS.get(name, name) for name in order])
    ax.set(xlabel=f"{metric}, U", xlim=(0, None))
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=2, fontsize=9)


def forest(ax: Axes, found: pd.DataFrame, metric: str = "HR@10, U") -> None:
    """The differences of a table: a row a population, a dot and its interval a pair.

    An open dot: seeds are too few for a verdict. Of one pair alone the verdicts stand beside the
    names of the rows; of several the pairs are in a legend.
    """
    order, pairs = (list(dict.fromkeys(found.index.get_level_values(n))) for n in (0, 1))
    for number, pair in enumerate(pairs):
        part = found.xs(pair, level=1).loc[order]
        middle, reach = _ends(part["difference"])
        height = np.arange(len(order)) + 0.6 * ((number + 0.5) / len(pairs) - 0.5)
        look = LOOKS[number % len(LOOKS)]
        ink, sign = look["color"], look["marker"]
        ax.errorbar(middle, height, xerr=reach, fmt="none", ecolor=ink, capsize=3, lw=1.4)
        few = np.array([one.note == TOO_FEW for one in part["difference"]])
        for rows, fill in ((~few, ink), (few, "white")):
            ax.plot(middle[rows], height[rows], sign, ms=7, color=ink, mfc=fill, zorder=3)
        ax.plot([], [], sign, ms=7, color=ink, label=part["what"].iloc[0])
    words = [LABELS.get(name, SURFACES.get(name, name)) for name in order]
    ax.axvline(0, color="black", lw=0.8)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    if len(pairs) > 1:
        _rows(ax, words)
        ax.set_xlabel(f"difference in {metric}")
        ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.2), ncols=2, fontsize=9)
        return
    what = found["what"].iloc[0]
    said = [_ahead(wins, what.split(" − ")) for wins in found["wins"]]
    _rows(ax, [f"{word}:\n{one}" for word, one in zip(words, said, strict=True)])
    ax.set_xlabel(f"difference in {metric}: {what}")


def _ends(cells: Sequence[Interval] | pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Means, and how far their intervals reach to either side."""
    middle = np.array([cell.mean for cell in cells])
    return middle, np.abs(np.array([[cell.low, cell.high] for cell in cells]).T - middle)


def _rows(ax: Axes, names: Sequence[str]) -> None:
    """Rows from the top down, with their names and a line between any two."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    for border in np.arange(len(names) - 1) + 0.5:
        ax.axhline(border, color="0.85", lw=0.8)


# --- the item as a class ------------------------------------------------------------------------


def classification(runs: Sequence[Runs], weights: pd.DataFrame) -> pd.DataFrame:
    """Accuracy, macro precision and macro recall of the item ranked first, earlier items left in.

    Rows (population, run's name); means over seeds, in [0, 1]. See
    :mod:`seqrec_lib.metrics.classes` for what is averaged.
    """
    _users(runs, weights)
    true, found = runs[0].examples["item"].to_numpy(), {}
    for population, weight in weights.items():
        for run in runs:
            seeds = [macro(true, first, weight.to_numpy()) for first in firsts(run)]
            found[population, run.name] = np.mean(seeds, axis=0).tolist()
    return _framed(found, ["accuracy", "macro precision", "macro recall"], "model")


def first_seen(
    log: EventLog, train: Int[np.ndarray, "T"], labels: np.ndarray | pd.Series
) -> np.ndarray:
    """A class for each item, (N,): the label of its earliest training event.

    ``labels`` has one for each position of the log. Items that training does not have, and row 0,
    are of the class "not in training".
    """
    order = train[np.argsort(log.time[train], kind="stable")]
    items, earliest = np.unique(log.item[order], return_index=True)
    classes = np.full(log.num_items + 1, "not in training", dtype=object)
    classes[items] = np.asarray(labels)[order[earliest]]
    return classes


def precision_by_class(
    runs: Sequence[Runs], classes: np.ndarray, weights: Real[np.ndarray, "P"] | None = None
) -> pd.DataFrame:
    """How often the true item is of the class of the item ranked first, by that class.

    ``classes`` has one for each item (:func:`first_seen`). A row a class, the most frequent among
    the true items first: ``support`` and ``share`` are of positions whose true item is in it;
    for each run the precision with its interval, and ``<run> predicted``, the share of the
    positions (mean over seeds) at which an item of the class was first. None where it never was.
    """
    user = _users(runs, pd.DataFrame({"": weights}) if weights is not None else runs[0].examples)
    weight = np.ones(len(user)) if weights is None else np.asarray(weights, dtype=float)
    true = classes[runs[0].examples["item"].to_numpy()]
    support = pd.Series(true[weight > 0]).value_counts()
    found = pd.DataFrame({"support": support, "share": support / support.sum()})
    for run in runs:
        said = [classes[first] for first in firsts(run)]
        precision: list[Interval | None] = []
        predicted = []
        for name in found.index:
            chosen = [weight * (one == name) for one in said]
            predicted.append(np.mean([one.sum() for one in chosen]) / weight.sum())
            right = (true == name).astype(float)[None]
            inside = np.any(chosen, axis=0)
            seeds = [
                per_user(right[:, inside], one[inside], user[inside]) for one in chosen if one.any()
            ]
            precision.append(report.interval(np.concatenate(seeds), run) if seeds else None)
        found[f"{run.name} predicted"] = predicted
        found[run.name] = pd.Series(precision, found.index, dtype=object)
    return found.rename_axis("class")


def right_about_place(found: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A table of :func:`precision_by_class` as readers see it, in percent, places alone."""
    part = found[found.index.isin(SURFACES)]
    columns = {"true items, %": 100 * part["share"]}
    for name in names:
        columns[f"{report.label(name)} first, %"] = 100 * part[f"{name} predicted"]
        columns[f"{report.label(name)} right, %"] = half_widths(part[[name]], 1, scale=100)[name]
    return pd.DataFrame(columns).rename(index=SURFACES).rename_axis(None)


def firsts(run: Runs) -> Int[np.ndarray, "S P"]:
    """The item that each seed ranks first at each test position, earlier items left in."""
    return np.stack([seed.ranks["first"].to_numpy() for seed in run.seeds])


def kinds(dataset: str, log: EventLog) -> pd.DataFrame:
    """``surface`` and ``action`` of every position of the log; of T-ECD, elsewhere there is one."""
    if not Dataset.parse(dataset).is_tecd:
        return pd.DataFrame({"surface": "surface", "action": "action"}, index=range(len(log)))
    rows = datasets.tecd_table(dataset, surface=True)
    if len(rows) != len(log):
        raise ValueError(f"{dataset} has {len(rows)} events, the log {len(log)}; is it another's?")
    return rows[["surface", "action"]]


def _users(runs: Sequence[Runs], weights: pd.DataFrame) -> np.ndarray:
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


def _framed(found: dict, columns: list[str], second: str) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(list(found), names=["population", second])
    return pd.DataFrame(list(found.values()), index, columns)
