"""How to read an interval: what is drawn and tabled follows from the runs."""

import numpy as np
import pytest

from seqrec_lib import report
from seqrec_lib.report.chapters import intervals
from seqrec_lib.statistics.intervals import Interval


@pytest.fixture
def pair(made):
    """A run, and one that finds what it finds a place higher: alike over users."""
    rng = np.random.default_rng(0)
    base = [rng.integers(2, 30, 400) for _ in range(5)]
    return made("sasrec", *base), made(
        "sasrec-neighbours", *(one - 1 for one in base), model="retrieval"
    )


def test_levels_and_differences_are_drawn_on_scales_of_one_length(pair, ax):
    base, better = pair
    below = ax.figure.add_subplot(2, 1, 2)
    intervals.side_by_side((ax, below), base, [better], "masked")
    (low, high), (left, right) = ax.get_xlim(), below.get_xlim()
    assert high - low == pytest.approx(right - left)
    assert (low + high) / 2 == pytest.approx(report.mean(base, "masked").mean)
    assert left == -right
    gain = report.gain(better, base, "masked")
    assert below.lines[0].get_xdata() == pytest.approx([gain.low, gain.high])
    assert [text.get_text() for text in below.texts] == ["higher"]
    names = [[tick.get_text() for tick in one.get_yticklabels()] for one in (ax, below)]
    assert names == [["SASRec", "+ neighbours by name"], ["+ neighbours by name"]]


def test_most_studies_of_some_users_hold_the_mean_of_all(ax):
    values = np.random.default_rng(1).random((3, 5000))
    found = intervals.studies(values, count=200, users=300)
    held = intervals.many(ax, float(values.mean()), found)
    assert 180 <= held < 200
    assert [one.note for one in found] == [""] * 200
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() > 2]
    assert len(drawn) == 200 - held  # what misses stands out
    assert intervals.studies(values, count=3)[0] == intervals.studies(values, count=3)[0]


def test_a_study_of_one_user_is_refused():
    with pytest.raises(ValueError, match="a study of 1 users has no interval"):
        intervals.studies(np.ones((1, 5)), users=1)


def test_pairing_narrows_what_is_alike_over_users(pair):
    base, better = pair
    row = intervals.widths(base, [better], "masked").loc["+ neighbours by name"]
    assert row["difference, unpaired"] == pytest.approx(
        np.hypot(row["level"], row["level of SASRec"])
    )
    gain = report.gain(better, base, "masked")
    assert row["difference, paired"] == pytest.approx((gain.high - gain.low) / 2)
    assert row["difference, paired"] < row["difference, unpaired"] / 1.2
    assert (
        row["times as narrow"] == f"{row['difference, unpaired'] / row['difference, paired']:.1f}"
    )
    assert 0.5 < float(row["correlation over users"]) < 1


def test_what_finds_nothing_has_no_correlation(made, pair):
    nothing = made("gru", *[np.full(400, 99)] * 5)
    row = intervals.widths(pair[0], [nothing], "masked").iloc[0]
    assert row["correlation over users"] == "nan"


def test_more_seeds_say_more(pair):
    table = intervals.by_seeds(*pair, (1, 2, 3, 5))
    assert table.index.tolist() == ["1 seed", "2 seeds", "3 seeds", "5 seeds"]
    assert table["words"].tolist()[:2] == ["lower, one seed", "too few seeds"]
    assert table["words"].iloc[-1] == "lower"
    first = report.gain(*pair, "masked")
    assert table.loc["5 seeds", "difference"] == f"{first.mean:+.4f}"
    assert table.loc["5 seeds", "its length"] == pytest.approx(first.high - first.low)


def test_no_more_seeds_are_asked_than_there_are(made):
    ranks = np.arange(1, 101)
    few = made("sasrec", ranks, ranks), made("gru", ranks + 1, ranks + 2)
    assert intervals.by_seeds(*few, (1, 2, 3, 5)).index.tolist() == ["1 seed", "2 seeds"]


def test_holm_is_shown_in_the_order_of_the_p_values():
    found = {
        "c": Interval(0.2, 0.01, 0.4, 0.04),
        "a": Interval(0.3, 0.2, 0.4, 0.0001),
        "b": Interval(-0.2, -0.4, -0.01, 0.03),
    }
    table = intervals.corrected(found)
    assert table.index.tolist() == ["a", "b", "c"]
    assert table["times"].tolist() == [3, 2, 1]
    assert table["p"].tolist() == ["<0.001", "0.030", "0.040"]
    assert table["corrected p"].tolist() == ["<0.001", "0.060", "0.060"]  # never below the last
    assert table["verdict"].tolist() == ["higher", "no difference", "no difference"]
