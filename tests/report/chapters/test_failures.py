"""Axes and tables of the failure modes: what is drawn is what was counted."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.splits import Split
from seqrec_lib.report.chapters import failures
from seqrec_lib.statistics.intervals import Interval


@pytest.fixture
def table():
    cells = {"popular": (0.2, 0.1), "sasrec": (0.4, 0.3)}
    columns = {
        name: [Interval(mean, mean - 0.05, mean + 0.1) for mean in means]
        for name, means in cells.items()
    }
    return pd.DataFrame(columns | {"events": [1234, 45_678], "users": [9, 9]}, ["1–4", "5+"])


def test_only_users_tested_throughout_are_looked_at(made, log_of, monkeypatch):
    log = log_of([1, 1, 2], [2, 3, 1, 3])
    split = Split(np.array([0, 1, 3, 4]), np.array([], dtype=int), np.array([2, 5, 6]))
    everyone = failures.tested("simulated", log, split, asked(made, [False, False, True]))
    assert everyone.row.tolist() == [0, 1, 2] and everyone.user.tolist() == [0, 1, 1]
    assert everyone.frequency.tolist() == [0, 2, 1, 1]
    assert everyone.target.tolist() == [2, 2, 3]  # trained once or twice; the last a repeat
    monkeypatch.setattr(failures.datasets, "followed", lambda *_: np.array([False, True]))
    found = failures.tested("simulated", log, split, asked(made, [False, False, True]))
    assert found.row.tolist() == [1, 2] and found.position.tolist() == [5, 6]
    assert found.earlier.tolist() == [2, 3] and found.trained.tolist() == [2, 1]
    assert found.repeat.tolist() == [False, True]
    found = failures.hits([asked(made, [False] * 3, ranks=[1, 10, 11])], found)
    assert found["popular"].tolist() == [[1, 0]]


def asked(made, repeat, ranks=(1, 1, 1)):
    run = made("popular", np.array(ranks))
    run.seeds[0].ranks["repeat"] = repeat
    return run


def words(ax):
    return [one.get_text() for one in ax.texts]


def test_a_line_is_named_at_its_end_and_says_if_its_intervals_are_of_one_seed(ax, table):
    table["sasrec"] = [Interval(0.4, 0.3, 0.5, note="one seed")] * 2
    failures.lines(ax, table)
    assert words(ax) == ["popularity", "SASRec, one seed"]


def test_names_of_lines_that_end_together_do_not_overprint(ax, table):
    table["sasrec"] = table["popular"]
    failures.lines(ax, table)
    low, high = (one.xyann[1] for one in ax.texts)
    assert high - low == pytest.approx(0.075 * ax.get_ylim()[1])


@pytest.mark.parametrize("of_runs", [True, False])
def test_lines_go_through_the_means(ax, table, of_runs):
    failures.lines(ax, table, runs=of_runs, sizes=of_runs)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.2, 0.1], [0.4, 0.3]]
    assert words(ax) == (["popularity", "SASRec"] if of_runs else ["popular", "sasrec"])
    ticks = ["1\n1.2k", "5\n45.7k"] if of_runs else ["1–4", "5+"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ticks


def rows_of(trained, repeat, user=None):
    count = len(trained)
    return failures.Tested(
        row=np.arange(count), position=np.arange(count),
        user=np.arange(count) if user is None else np.array(user), earlier=np.ones(count, int),
        trained=np.array(trained), repeat=np.array(repeat), frequency=np.zeros(5, int),
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
    assert words(ax) == ["← lower", "higher →", "raw", "alike"]


def test_a_change_of_domain_is_a_share_of_what_there_is_without_one():
    rows = rows_of([5] * 8, [False] * 8, user=[0, 0, 1, 1, 2, 2, 3, 3])
    switch = np.array([False, True] * 4)
    hits = {"popular": np.array([[1, 0, 1, 1, 1, 0, 1, 1.0]])}
    found = failures.switching(hits, rows, switch, ["popular"]).loc["popular"]
    assert found["stays"].mean == 1 and found["changes"].mean == 0.5
    for way in ("as it is", "same user", "alike"):
        assert found[way].mean == pytest.approx(-0.5)
