"""Forest plots: a dot where the mean is, names that fit, one scale."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.report.forest import rows
from seqrec_lib.statistics.intervals import TOO_FEW, Interval


def one(mean, reach=0.1, note=""):
    return Interval(mean, mean - reach, mean + reach, note=note)


@pytest.fixture
def panels():
    figure, panels = plt.subplots(2, 1, figsize=(5, 5), layout="constrained")
    yield panels
    plt.close(figure)


def dots(ax):
    return [
        (line.get_xdata()[0], line.get_ydata()[0], line.get_marker(), line.get_markerfacecolor())
        for line in ax.lines
        if line.get_marker() not in ("None", "")
    ]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_row_holds_a_dot_for_each_column_apart_and_from_the_top(ax):
    table = pd.DataFrame({"a": [one(1.0), one(2.0)], "b": [one(-1.0), None]}, ["first", "second"])
    placed = report.forest([ax], {"": table}, "what")
    assert [(x, y) for x, y, *_ in dots(ax)] == [
        (1.0, placed[0]["a"]), (-1.0, placed[0]["b"]), (2.0, 1.0)
    ]  # fmt: skip
    assert placed[0]["a"] < 0 < placed[0]["b"] and placed[1] == {"a": 1.0}
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # from the top down
    assert len({mark for *_, mark, _ in dots(ax)}) == 2  # told apart without colours
    assert ax.get_xlabel() == "what"


def test_an_interval_reaches_from_end_to_end_and_is_open_if_seeds_are_too_few(ax):
    table = pd.DataFrame({"a": [one(1.0), one(2.0, note=TOO_FEW), one(3.0, note="one seed")]})
    report.forest([ax], {"": table}, "")
    spans = [line.get_xdata().tolist() for line in ax.lines if line.get_linewidth() == 1.8]
    assert spans == [[0.9, 1.1], [1.9, 2.1], [2.9, 3.1]]
    assert [fill == "white" for *_, fill in dots(ax)] == [False, True, False]


def test_all_panels_have_one_scale_that_holds_zero_and_every_interval(panels):
    tables = {"near": pd.DataFrame({"a": [one(1.0)]}), "far": pd.DataFrame({"a": [one(9.0, 2.0)]})}
    report.forest(panels, tables, "what")
    low, high = panels[0].get_xlim()
    assert (low, high) == panels[1].get_xlim() and low < 0 and high > 11
    assert [ax.get_title(loc="left") for ax in panels] == ["near", "far"]
    assert [ax.get_xlabel() for ax in panels] == ["", "what"]
    assert [texts(ax) for ax in panels] == [["← lower", "higher →"]] * 2


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_names_stand_beside_their_intervals_clear_of_zero_and_within_the_axes(panels, sign):
    names = {"a name of some length": 0.5 * sign, "another that is longer still": sign}
    table = pd.DataFrame({name: [one(x), one(x)] for name, x in names.items()})
    report.forest(panels, {"above": table, "below": table}, "", sides=("worse", "better"))
    panels[0].figure.draw_without_rendering()
    assert texts(panels[0])[2:] == list(names) and texts(panels[1]) == ["← worse", "better →"]
    frame = panels[0].get_window_extent()
    for word, x in zip(panels[0].texts[2:], names.values(), strict=True):
        box = word.get_window_extent()
        points = [(0, 0), (x - 0.1, 0), (x + 0.1, 0)]
        zero, low, high = panels[0].transData.transform(points)[:, 0]
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1
        assert box.x1 < min(zero, low) or box.x0 > max(zero, high)
        assert min(abs(box.x1 - min(zero, low)), abs(box.x0 - max(zero, high))) < 20


def test_a_name_stands_beside_its_own_dot_and_not_beside_another_across_zero(ax):
    table = pd.DataFrame({"M": [one(30.0)], "U": [one(0.0)]}, index=["far apart"])
    report.forest([ax], {"": table}, "change, %")
    words = {word.get_text(): word for word in ax.texts if word.get_text() in "MU"}
    assert words["M"].xy[0] >= 30 and words["U"].xy[0] >= 0
    assert {word.get_ha() for word in words.values()} == {"left"}


def test_one_dot_a_row_needs_no_name(ax):
    looks = {"a": {"color": "red", "marker": "P"}, "b": {"color": "blue", "marker": "*"}}
    table = pd.DataFrame({"a": [one(1.0), None], "b": [None, one(2.0)]}, ["first", "second"])
    report.forest([ax], {"": table}, "", looks)
    assert texts(ax) == ["← lower", "higher →"]
    assert [mark for *_, mark, _ in dots(ax)] == ["P", "*"]


def test_levels_begin_at_zero_and_have_no_sides(ax):
    report.forest([ax], {"": pd.DataFrame({"a": [one(1.0), one(3.0)]})}, "HR@10", sides=None)
    assert ax.get_xlim()[0] == 0 and ax.get_xlim()[1] > 3.1 and texts(ax) == []


def test_what_has_no_interval_is_drawn_where_it_is(ax):
    cell = Interval(1.0, np.nan, np.nan)
    report.forest([ax], {"": pd.DataFrame({"a": [cell], "b": [cell]})}, "")
    assert [x for x, *_ in dots(ax)] == [1.0, 1.0] and texts(ax)[2:] == ["a", "b"]


def test_rows_of_an_index_of_two_levels_stand_below_headings(ax):
    assert rows(ax, [("Beauty", "GRU"), ("Beauty", "SASRec"), ("Toys", "GRU")]) == [1, 2, 4]
    ticks = {tick.get_text(): tick.get_fontweight() for tick in ax.get_yticklabels()}
    assert ticks == {"Beauty": "bold", "GRU": "normal", "SASRec": "normal", "Toys": "bold"}


def test_the_scale_has_room_for_what_another_figure_shows(ax):
    report.forest([ax], {"": pd.DataFrame({"a": [one(1.0)]})}, "", held=[one(-5.0), one(7.0)])
    low, high = ax.get_xlim()
    assert low < -5.1 and high > 7.1 and len(dots(ax)) == 1


def test_a_table_without_rows_leaves_an_empty_panel(ax):
    empty = pd.DataFrame(columns=["a", "b"], index=pd.Index([]))
    assert report.forest([ax], {"": empty}, "what") == [] and ax.get_xlabel() == "what"
