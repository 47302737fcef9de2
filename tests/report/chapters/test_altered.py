"""Real histories cut, and with accidents: what is left of a model's figure."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.report.chapters import altered


@pytest.fixture
def runs(made):
    return [made("gru", np.array([1, 3, 9])), made("sasrec", np.array([1, 1, 2]))]


@pytest.fixture
def kept():
    def one(values):
        rows = {"user": [0, 1, 2], "questions": [1, 1, 2], "history_length": [3.0, 4.0, 5.0]}
        for name, value in values.items():
            for protocol, factor in (("masked", 1.0), ("unmasked", 0.5)):
                rows[f"{name} {protocol}"] = factor * np.array(value)
        return [pd.DataFrame(rows)]

    return {
        "gru": one(
            {"whole": [0.8, 0.4, 0.2], "last 1": [0.4, 0.2, 0.1], "last 4": [0.8, 0.4, 0.0],
             "accidents 0.5": [0.0, 0.0, 0.2], "accidents 2": [0.0, 0.0, 0.0]}
        ),
        "sasrec": one(dict.fromkeys(
            ("whole", "last 1", "last 4", "accidents 0.5", "accidents 2"), [0.5, 0.5, 0.5]
        )),
    }  # fmt: skip


def test_amounts_begin_where_most_is_asked_of_a_cut_and_least_of_accidents(kept):
    assert altered.amounts(kept, "last") == ["1", "4", "whole"]
    assert altered.amounts(kept, "accidents") == ["whole", "0.5", "2"]
    # a model that reads four events is not asked with the last four of them
    del kept["sasrec"][0]["last 4 unmasked"]
    assert altered.amounts(kept, "last") == ["1", "whole"]


def test_means_are_over_questions(runs, kept):
    found = altered.means(runs, kept, "last", "masked")
    assert found.loc["gru", "whole"].mean == pytest.approx((0.8 + 0.4 + 2 * 0.2) / 4)
    assert found.loc["gru", "4"].mean == pytest.approx((0.8 + 0.4) / 4)
    assert found.loc["gru", "4"].low < 0.3 < found.loc["gru", "4"].high
    table = altered.in_print(found)
    assert list(table.index) == [report.label("gru"), report.label("sasrec")]
    assert table.iloc[1, 0].startswith("0.5000")


def test_figures_are_shares_of_the_whole_history_by_protocol(runs, kept):
    found = altered.figures(runs, kept)
    assert found["gru-last-1-m"] == found["gru-last-1-u"] == pytest.approx(0.5)
    assert found["gru-accidents-0.5-m"] == pytest.approx(0.4 / 1.6)
    assert found["gru-accidents-2-u"] == 0 and found["sasrec-last-4-m"] == 1
    assert "gru-last-whole-m" not in found


def test_a_share_has_the_interval_of_a_ratio_of_sums(runs, kept):
    # GRU has 0.8, 0.4, 2 x 0.2 whole and 0.8, 0.4, 0 after a cut: 1.2 of 1.6
    user = altered.left(runs[0], kept, "last", "4", "masked")[0]
    assert user == pytest.approx(0.75 + 3 * np.array([0.2, 0.1, -0.3]) / 1.6)
    found = altered.shares(runs, kept, "last", "masked")
    assert found.loc["gru", "4"].mean == pytest.approx(0.75)
    assert found.loc["gru", "4"].low < 0.75 < found.loc["gru", "4"].high
    one = found.loc["gru", "1"]  # half of each user: nothing to be unsure of
    assert one.low == pytest.approx(0.5) == pytest.approx(one.high)
    assert altered.in_print(found, digits=0, scale=100).iloc[1, 0] == "100 ± 0"


def test_what_is_left_is_compared_user_by_user(runs, kept):
    gain = altered.gain(*runs, kept, "last", "1", "unmasked")
    assert gain.mean == pytest.approx(-0.5) == pytest.approx(gain.high)


def test_a_model_that_finds_nothing_has_no_share(runs, kept):
    kept["sasrec"][0].loc[:, "whole masked"] = 0.0
    found = altered.shares(runs, kept, "last", "masked")
    assert np.isnan(found.loc["sasrec", "1"].mean)
    assert pd.isna(altered.in_print(found).iloc[1, 0])


@pytest.mark.parametrize(("change", "ends"), [("last", "all"), ("accidents", "2")])
def test_a_line_a_run_from_left_to_right(runs, kept, change, ends):
    figure, ax = plt.subplots()
    altered.curves(ax, runs, kept, change, "masked")
    assert len(ax.containers) == 2 and ax.get_ylim()[0] == 0
    assert ax.get_xticklabels()[-1].get_text() == ends
    assert ax.get_xlabel() == altered.AMOUNTS[change]
    plt.close(figure)
