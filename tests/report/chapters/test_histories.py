"""Lengths, years, days and their order, as the chapter draws them."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest

from seqrec_lib.data import ties
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.report.chapters import histories


def test_the_table_has_the_facts_under_heads_of_words(small_log):
    split = leave_last_out(small_log)
    found = histories.table({"beauty": ties.facts(small_log, split)})
    assert found.index.tolist() == ["Beauty"]
    assert found.columns.tolist() == list(histories.HEADS.values())
    assert found["events"].iloc[0] == len(small_log)


def test_last_days_are_drawn_in_percent_and_the_longest_together(ax):
    histories.draw_last_days(ax, np.array([1, 1, 2, 10, 40]))
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([40, 20, 40])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "10+"]


def test_the_order_of_each_file_has_its_mark_within_a_day_and_across(ax):
    histories.draw_order(ax, {"beauty": {"different days": 0.4, "same day": 1.0}})
    beauty = next(line for line in ax.lines if line.get_label() == "Beauty")
    assert beauty.get_xdata() == pytest.approx([100, 40])  # one day above, different days below


def test_an_item_without_training_events_is_drawn_at_a_half(ax):
    histories.draw_popularity(ax, np.array([3, 1, 0]))
    assert ax.lines[0].get_ydata().tolist() == [3, 1, 0.5]


def test_both_curves_of_the_years_end_at_all_events(ax, small_log):
    histories.draw_years(ax, small_log, leave_last_out(small_log))
    assert len(ax.lines) == 2
    assert all(line.get_ydata()[-1] == 100 for line in ax.lines)
