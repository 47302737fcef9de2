"""Axes and tables of the failure modes: what is drawn is what was counted."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.splits import Split
from seqrec_lib.records.store import Run, Runs
from seqrec_lib.report.chapters import failures
from seqrec_lib.statistics.intervals import Interval

FREQUENCY = np.array([0, 100, 60, 49, 0])  # of padding and four items


@pytest.fixture
def runs():
    """Two models' exposure of four items, one from two seeds; true are items 1, 1, 3, 4."""

    def made(name, *exposures):
        seeds = []
        for exposure in exposures:
            one = Run(Path(), {}, {})
            one.__dict__["exposure"] = pd.DataFrame({"unmasked": exposure})
            one.__dict__["ranks"] = pd.DataFrame(
                {"user": 0, "item": [1, 1, 3, 4], "history_length": 1, "repeat": False}
            )
            seeds.append(one)
        return Runs(name, "tecd-marketplace", seeds)

    return [made("popular", [6, 2, 0, 0]), made("sasrec", [2, 2, 4, 0], [4, 2, 1, 1])]


@pytest.fixture
def table():
    cells = {"popular": (0.2, 0.1), "sasrec": (0.4, 0.3)}
    columns = {
        name: [Interval(mean, mean - 0.05, mean + 0.1) for mean in means]
        for name, means in cells.items()
    }
    return pd.DataFrame(columns | {"events": [1234, 45_678], "users": [9, 9]}, ["few", "many"])


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_only_users_tested_throughout_are_looked_at(runs, log_of, monkeypatch):
    log = log_of([1, 1, 2], [2, 3, 1, 3])
    split = Split(np.array([0, 1, 3, 4]), np.array([], dtype=int), np.array([2, 5, 6]))
    everyone = failures.tested("simulated", log, split, many(runs, [False, False, True]))
    assert everyone.row.tolist() == [0, 1, 2] and everyone.user.tolist() == [0, 1, 1]
    assert everyone.frequency.tolist() == [0, 2, 1, 1]
    assert everyone.target.tolist() == [2, 2, 3]  # trained once or twice; the last a repeat
    monkeypatch.setattr(failures.datasets, "followed", lambda *_: np.array([False, True]))
    found = failures.tested("simulated", log, split, many(runs, [False, False, True]))
    assert found.row.tolist() == [1, 2] and found.position.tolist() == [5, 6]
    assert found.earlier.tolist() == [2, 3] and found.trained.tolist() == [2, 1]
    assert found.repeat.tolist() == [False, True]
    found = failures.hits([many(runs, [False] * 3, ranks=[1, 10, 11])], found)
    assert found["popular"].tolist() == [[1, 0]]


def many(runs, repeat, ranks=(1, 1, 1)):
    table = pd.DataFrame(
        {"user": 0, "item": 1, "history_length": 1, "repeat": repeat, "rank_unmasked": ranks}
    )
    runs[0].seeds[0].__dict__["ranks"] = table
    return runs[0]


def words(ax):
    return [one.get_text() for one in ax.texts]


def test_a_line_is_named_at_its_end_and_says_if_its_intervals_are_of_one_seed(ax, table):
    table["sasrec"] = [Interval(0.4, 0.3, 0.5, note="one seed")] * 2
    failures.lines(ax, table)
    assert words(ax) == ["popularity", "SASRec, one seed"]


def test_names_of_lines_that_end_together_do_not_overprint(ax, table):
    table["sasrec"] = table["popular"]
    failures.lines(ax, table)
    low, high = (one.xy[1] for one in ax.texts)
    assert high - low == pytest.approx(0.075 * ax.get_ylim()[1])


@pytest.mark.parametrize("of_runs", [True, False])
def test_lines_go_through_the_means(ax, table, of_runs):
    failures.lines(ax, table, runs=of_runs, sizes=of_runs)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.2, 0.1], [0.4, 0.3]]
    assert words(ax) == (["popularity", "SASRec"] if of_runs else ["popular", "sasrec"])
    ticks = ["few\n1,234", "many\n46k"] if of_runs else ["few", "many"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ticks


def rows_of(trained, repeat, user=None):
    count = len(trained)
    return failures.Tested(
        row=np.arange(count), position=np.arange(count),
        user=np.arange(count) if user is None else np.array(user), earlier=np.ones(count, int),
        trained=np.array(trained), repeat=np.array(repeat), frequency=FREQUENCY,
    )  # fmt: skip


def test_a_gap_of_popularity_alone_goes_where_popularity_is_equal():
    # popular items are found, rare ones are not; the first group has more of the rare
    trained, first = [100, 1, 1, 1, 100, 100, 100, 1], [True] * 4 + [False] * 4
    rows = rows_of(trained, [False] * 8)
    values, first = np.array([[float(n == 100) for n in trained]]), np.array(first)
    found = failures.gaps(values, rows, {"first - second": (first, ~first)})
    assert found.iloc[0, 0].mean == pytest.approx(1 / 4 - 3 / 4)
    assert found.iloc[0, 1].mean == pytest.approx(0)


def test_a_dumbbell_joins_both_ends_of_each_row(ax):
    cells = {"raw": [Interval(-0.3, -0.4, -0.2)] * 2, "alike": [Interval(-0.1, -0.2, 0.0)] * 2}
    failures.dumbbell(ax, pd.DataFrame(cells, ["long", "busy"]))
    joined = [one.get_xydata().tolist() for one in ax.lines if one.get_linewidth() == 4]
    assert joined == [[[-0.3, row], [-0.1, row]] for row in (0, 1)]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["long", "busy"]
    assert words(ax) == ["raw", "alike"]


def test_a_change_of_domain_is_a_share_of_what_there_is_without_one():
    rows = rows_of([5] * 8, [False] * 8, user=[0, 0, 1, 1, 2, 2, 3, 3])
    switch = np.array([False, True] * 4)
    hits = {"popular": np.array([[1, 0, 1, 1, 1, 0, 1, 1.0]])}
    found = failures.switching(hits, rows, switch, ["popular"]).loc["popular"]
    assert found["stays"].mean == 1 and found["changes"].mean == 0.5
    for way in ("as it is", "same user", "alike"):
        assert found[way].mean == pytest.approx(-0.5)


def test_what_lists_show_by_hand(runs):
    found = failures.lists(runs, FREQUENCY)
    assert found.loc["popularity"].tolist() == [0.5, 0.625, 0.75, (600 + 120) / 8, 0]
    sasrec = found.loc["SASRec"]
    assert sasrec["coverage"] == (0.75 + 1) / 2 and sasrec["top 1 %"] == 0.5
    assert sasrec["rare"] == pytest.approx((4 / 8 + 2 / 8) / 2)
    true = found.loc["true items"]
    assert true.name == found.index[-1] and true["coverage"] == 0.75
    assert (true["popularity"], true["rare"]) == pytest.approx(((2 * 100 + 49) / 4, 0.5))


def test_concentration_rises_to_one_and_keeps_to_the_most_shown(ax, runs):
    failures.concentration(ax, runs, FREQUENCY)
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert drawn["popularity"] == [[25, 0.75], [50, 1], [75, 1], [100, 1]]
    assert drawn["SASRec"] == [[25, 0.5], [50, 0.75], [75, 1], [100, 1]]  # the first seed
    assert drawn["true items"] == [[25, 0.5], [50, 0.75], [75, 1], [100, 1]]


def test_popularity_bias_is_shown_over_true(ax, runs, monkeypatch):
    monkeypatch.setattr(failures, "TRAINED", (0, 50, 61, np.inf))
    found = failures.popularity_bias(ax, runs, FREQUENCY)
    # items 3 and 4; item 2 is true nowhere and has no ratio; item 1
    assert found.index.tolist() == ["0–49", "61+"]
    assert found["popularity"].tolist() == [0, 0.75 / 0.5]
    assert found["SASRec"].tolist() == pytest.approx([(4 + 2) / 16 / 0.5, 6 / 16 / 0.5])
    assert [line.get_ydata()[0] for line in ax.lines[:2]] == found.iloc[0].tolist()


LOOK = {
    "case": "sasrec alone finds it", "items": ["a", "b", "a"],
    "minutes_before": [5000.0, 130.0, 2.4], "true": "x",
    "weights": [[[1, 0, 0]] * 2, [[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]]],
    "lists": {"sasrec": ["b", "x"], "gru": ["y", "b"]}, "ranks": {"sasrec": 2, "gru": 1234},
}  # fmt: skip


def test_a_history_shows_events_and_attention(ax):
    failures.history(ax, LOOK)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["3 d", "2 h", "2 min, again"]
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert ends == pytest.approx([0.1, 0.15, 0.25, 0.4, 0.35, 0.25])  # the mean of the two heads
    assert ax.get_title(loc="left") == "SASRec alone finds it"


def test_what_two_lists_hold_is_counted():
    found = failures.drawn([LOOK]).loc["SASRec alone finds it"]
    assert found["rank by GRU-CE"] == 1234 and found["rank by SASRec"] == 2
    assert found["seen items of SASRec"] == found["seen items of GRU-CE"] == 1
    assert found["items in both lists"] == 1
