"""Differences that a regenerated data set makes, and what is said of its sequences."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.report.chapters import regeneration

BASE = np.full(200, 50)
BETTER = np.r_[np.full(100, 1), np.full(100, 50)]
SEQUENCES = pd.DataFrame(
    {
        "length": [2, 2, 2, 3],
        "own": [0.0, 0.5, 1.0, 1.0],
        "retold": [False, False, True, True],
        "known": [1.0, 0.0, 0.0, 1.0],
        "nearest": [0.5, 1.0, 1.0, 1.0],
    }
)


def test_differences_are_of_each_pair_and_protocol(made):
    figure, ax = plt.subplots()
    one, base = (made("sasrec", *[r] * 3, unmasked=BASE) for r in (BETTER, BASE))
    alone = made("sasrec", BETTER, unmasked=BASE)
    found = regeneration.differences(ax, {"gains": (one, base), "alone": (alone, base)})
    assert found["gains", "M"].mean == pytest.approx(0.5) and found["gains", "U"].mean == 0
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == ["gains", "alone\n(one seed)"]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([0.5, 0.5])
    assert [text.get_text() for text in ax.texts][2:] == list(report.WORDS.values())
    plt.close(figure)


def test_bars_are_shares_of_the_sequences():
    figure, (top, bottom) = plt.subplots(2, 1)
    regeneration.shape(top, bottom, np.array([2, 5, 30, 40]), SEQUENCES)
    originals, regenerated = ([bar.get_height() for bar in c] for c in top.containers)
    assert originals == [0.25, 0, 0, 0.25, 0, 0, 0, 0, 0.5]
    assert regenerated[:2] == [0.75, 0.25]
    own, nearest = ([bar.get_height() for bar in c] for c in bottom.containers)
    assert own == [0.25, 0.25, 0.5] and nearest == [0, 0.25, 0.75]
    plt.close(figure)


def test_what_had_to_run_before_is_in_the_minutes(made):
    table = regeneration.costs([made("sasrec", BASE, seconds=60.0)], {"sasrec": 120.0})
    assert table["training, minutes"].tolist() == [1.0]
    assert table["with all before it, minutes"].tolist() == [3.0]
    assert table["best pass"].tolist() == [2]


def test_sequences_are_counted_by_length_and_in_percent():
    table = regeneration.by_length(SEQUENCES)
    assert table.loc[2, "sequences"] == 3 and table.loc[2, "items from its own history"] == 50
    written = pd.DataFrame(
        {"sequence": [0, 0, 1, 1, 2, 2, 3, 3, 3], "item": [1, 2] * 3 + [1, 2, 3]}
    )
    facts = regeneration.facts(written, SEQUENCES, {(1, 2), (4, 5, 6)})
    assert facts == {
        "written": 4, "distinct": 2, "copies": 3, "pairs-share": 75, "known-share": 50,
        "mined-share": 75, "pattern-pairs": 50,
    }  # fmt: skip
