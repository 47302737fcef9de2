"""What lists show is what was counted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.records.store import Run, Runs
from seqrec_lib.report.chapters import lists

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


def test_what_lists_show_by_hand(runs):
    found = lists.lists(runs, FREQUENCY)
    assert found.loc["popularity"].tolist() == [0.5, 0.625, 0.75, (600 + 120) / 8, 0]
    sasrec = found.loc["SASRec"]
    assert sasrec["coverage"] == (0.75 + 1) / 2 and sasrec["top 1 %"] == 0.5
    assert sasrec["rare"] == pytest.approx((4 / 8 + 2 / 8) / 2)
    true = found.loc["true items"]
    assert true.name == found.index[-1] and true["coverage"] == 0.75
    assert (true["popularity"], true["rare"]) == pytest.approx(((2 * 100 + 49) / 4, 0.5))


def test_concentration_rises_to_one_and_keeps_to_the_most_shown(ax, runs):
    lists.concentration(ax, runs, FREQUENCY)
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert drawn["popularity"] == [[25, 0.75], [50, 1], [75, 1], [100, 1]]
    assert drawn["SASRec"] == [[25, 0.5], [50, 0.75], [75, 1], [100, 1]]  # the first seed
    assert drawn["true items"] == [[25, 0.5], [50, 0.75], [75, 1], [100, 1]]


def test_popularity_bias_is_shown_over_true(ax, runs, monkeypatch):
    monkeypatch.setattr(lists, "TRAINED", (0, 50, 61, np.inf))
    found = lists.popularity_bias(ax, runs, FREQUENCY)
    # items 3 and 4; item 2 is true nowhere and has no ratio; item 1
    assert found.index.tolist() == ["0–49", "61+"]
    assert found["popularity"].tolist() == [0, 0.75 / 0.5]
    assert found["SASRec"].tolist() == pytest.approx([(4 + 2) / 16 / 0.5, 6 / 16 / 0.5])
    assert [line.get_ydata()[0] for line in ax.lines[:2]] == found.iloc[0].tolist()
