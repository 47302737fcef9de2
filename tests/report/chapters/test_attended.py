"""A few histories: bars are the weights, lists are counted."""

import pytest

from seqrec_lib.report.chapters import attended

LOOK = {
    "case": "sasrec alone finds it", "items": ["a", "b", "a"],
    "minutes_before": [5000.0, 130.0, 2.4], "true": "x",
    "weights": [[[1, 0, 0]] * 2, [[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]]],
    "lists": {"sasrec": ["b", "x"], "gru": ["y", "b"]}, "ranks": {"sasrec": 2, "gru": 1234},
}  # fmt: skip


def test_a_history_shows_events_and_attention(ax):
    attended.history(ax, LOOK)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["3 d", "2 h", "2 min, again"]
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert ends == pytest.approx([0.1, 0.15, 0.25, 0.4, 0.35, 0.25])  # the mean of the two heads
    assert ax.get_title(loc="left") == "SASRec alone finds it"


def test_what_two_lists_hold_is_counted():
    found = attended.drawn([LOOK]).loc["SASRec alone finds it"]
    assert found["rank by GRU-CE"] == 1234 and found["rank by SASRec"] == 2
    assert found["seen items of SASRec"] == found["seen items of GRU-CE"] == 1
    assert found["items in both lists"] == 1
