"""The frontier of cost and quality, the best within a budget, and labels that do not collide."""

import numpy as np
import pytest

from seqrec_lib.report.axes import spread
from seqrec_lib.report.chapters import budget
from seqrec_lib.report.chapters.results import Row
from seqrec_lib.statistics.intervals import Interval


def row(made, name, minutes, masked, unmasked=0.1, device="CPU, AMD EPYC", model=None):
    found = {"NDCG@10 M": masked, "NDCG@10 U": unmasked}
    ends = {key: Interval(value, value - 0.01, value + 0.01) for key, value in found.items()}
    run = made(name, np.array([1, 2]))
    return Row("a file", model or name, run, ends, float(minutes), float(minutes), 1.0, 0, device)


@pytest.fixture
def rows(made):
    return [
        row(made, "popular", 0.0, 0.1, 0.3),
        row(made, "gru", 10, 0.3, 0.2),
        row(made, "sasrec", 20, 0.2, 0.4),
        row(made, "sasrec-attributed", 12, 0.9),
        row(made, "duorec", 1, 0.9, device="GPU, H100"),
        row(made, "ensemble", 60, 0.5, 0.4),
    ]


def test_a_point_is_on_the_frontier_unless_another_is_as_good_and_cheaper():
    cost, quality = np.array([1, 2, 2, 3, 4]), np.array([1, 3, 3, 2, 4])
    # the two in the second place are equal: neither beats the other
    assert budget.frontier(cost, quality).tolist() == [True, True, True, False, True]


def test_the_frontier_is_of_item_numbers_on_one_kind_of_device(rows):
    def names(protocol):
        return [one.runs.name for one in budget.best(rows, protocol)]

    assert names("masked") == ["popular", "gru", "ensemble"]
    assert names("unmasked") == ["popular", "sasrec"]  # as good as the ensemble, and cheaper
    assert budget.best(rows[3:4], "masked") == []


def test_within_a_budget_the_best_is_taken_and_not_the_dearest(rows):
    table = budget.within({"a file": rows}, {"none": -1.0, "15": 15, "30": 30, "all": 99}, "masked")
    assert table.loc["a file"].tolist() == ["", "gru, 0.3000", "gru, 0.3000", "ensemble, 0.5000"]


def test_a_drawing_names_the_frontier_and_those_asked_for(ax, rows):
    front = budget.cost_quality(ax, rows, "masked", named=("sasrec",))
    assert front == ["popular", "gru", "ensemble"]
    words = {text.get_text() for text in ax.texts}
    assert words == {"popular", "gru", "ensemble", "sasrec"}
    grey = [line for line in ax.lines if line.get_color() == "#AAAAAA"]
    assert sorted(line.get_xdata()[0] for line in grey) == [1, 12]
    # both protocols have one scale
    assert ax.get_ylim() == (0, pytest.approx(1.03 * 0.91))
    assert ax.get_ylabel() == "NDCG@10, M"


def test_a_drawing_of_nothing_says_so(ax):
    assert budget.cost_quality(ax, [], "masked", ()) == []
    assert [text.get_text() for text in ax.texts] == ["no records"]


@pytest.mark.parametrize(
    ("heights", "placed"),
    [
        ([], []),
        ([1.0, 5.0], [1.0, 5.0]),  # far enough apart
        ([3.0, 3.0], [2.5, 3.5]),
        ([0.0, 0.0, 0.0], [0.0, 1.0, 2.0]),  # the lower end
        ([9.0, 9.5], [8.0, 9.0]),  # the upper end
    ],
)
def test_labels_stand_apart_and_between_the_ends(heights, placed):
    assert spread(heights, gap=1.0, within=(0.0, 9.0)) == placed
