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


def test_a_legend_names_intervals_of_one_seed(ax, table):
    table["sasrec"] = [Interval(0.4, 0.3, 0.5, note="one seed")] * 2
    failures.bars(ax, table)
    assert ax.get_legend_handles_labels()[1] == ["popularity", "SASRec, one seed"]
    ax.clear()
    failures.lines(ax, table)
    assert ax.get_legend_handles_labels()[1] == ["popularity", "SASRec, one seed"]


def test_bars_stand_as_high_as_the_means_with_their_intervals(ax, table):
    failures.bars(ax, table)
    bars = [bar for bar in ax.patches if bar.get_width() < 1]
    assert [bar.get_height() for bar in bars] == [0.2, 0.1, 0.4, 0.3]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["few\n1,234", "many\n46k"]
    ends = [path.vertices[:, 1].tolist() for one in ax.collections for path in one.get_paths()]
    assert np.allclose(ends, [[0.15, 0.3], [0.05, 0.2], [0.35, 0.5], [0.25, 0.4]])
    centres = [bar.get_x() + bar.get_width() / 2 for bar in bars]
    assert np.allclose(centres, [-0.2, 0.8, 0.2, 1.2])
    assert ax.get_legend_handles_labels()[1] == ["popularity", "SASRec"]


@pytest.mark.parametrize("of_runs", [True, False])
def test_lines_go_through_the_means(ax, table, of_runs):
    failures.lines(ax, table, runs=of_runs, sizes=of_runs)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.2, 0.1], [0.4, 0.3]]
    names = ["popularity", "SASRec"] if of_runs else ["popular", "sasrec"]
    assert ax.get_legend_handles_labels()[1] == names
    ticks = ["few\n1,234", "many\n46k"] if of_runs else ["few", "many"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ticks


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


def test_a_history_shows_events_attention_and_lists():
    look = {
        "case": "sasrec alone finds it", "items": ["a", "b", "c"],
        "minutes_before": [5000.0, 130.0, 2.4], "true": "x",
        "weights": [[[1, 0, 0]] * 2, [[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]]],
        "lists": {"sasrec": ["b", "x"], "gru": ["y", "z"]}, "ranks": {"sasrec": 2, "gru": 1234},
    }  # fmt: skip
    figure, (left, right) = plt.subplots(1, 2)
    failures.history(left, right, look)
    ticks = [tick.get_text() for tick in left.get_yticklabels()]
    assert ticks == ["a, 3 d", "b, 2 h", "c, 2 min"]
    ends = [bar.get_x() + bar.get_width() for bar in left.patches]
    assert ends == pytest.approx([0.1, 0.15, 0.25, 0.4, 0.35, 0.25])  # the mean of the two heads
    words = [text.get_text() for text in right.texts]
    assert "SASRec: rank 2" in words and "GRU-CE: rank 1,234" in words and "true: x" in words
    assert {"▶ x", "· b", "y", "z"} <= set(words)
    plt.close(figure)
