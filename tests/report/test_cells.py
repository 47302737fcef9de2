"""What stands in a cell: means with half-widths, differences with verdicts."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.statistics.intervals import ONE_SEED, TOO_FEW, Interval, verdicts

HALF = Interval(0.5, 0.4, 0.6)


def test_a_half_width_is_that_of_the_interval_and_notes_are_said_if_asked_for():
    assert report.with_half_width(HALF) == "0.5000 ± 0.1000"
    assert report.with_half_width(Interval(-0.5, -0.6, -0.4), 1, scale=100) == "−50.0 ± 10.0"
    assert report.with_half_width(HALF, 2, signed=True) == "+0.50 ± 0.10"
    alone, few = (Interval(0.5, 0.4, 0.6, note=note) for note in (ONE_SEED, TOO_FEW))
    assert report.with_half_width(alone, 2) == "0.50 ± 0.10"
    assert report.with_half_width(few, 2) == "0.50 ± 0.10, too few seeds"
    both = (ONE_SEED, TOO_FEW)
    assert report.with_half_width(alone, 2, notes=both) == "0.50 ± 0.10, one seed"
    assert report.with_half_width(Interval(0.5, np.nan, np.nan), 2) == "0.50"


def test_a_table_keeps_what_is_no_interval_and_leaves_empty_what_is_not_known():
    unknown = Interval(np.nan, np.nan, np.nan)
    table = report.half_widths(pd.DataFrame({"a": [HALF, 3, "yes", unknown]}), 2)
    assert table["a"].iloc[:3].tolist() == ["0.50 ± 0.10", 3, "yes"]
    assert pd.isna(table["a"].iloc[3])


def test_verdicts_by_name_are_those_of_the_whole_table():
    # alone it would be a difference; among twenty it is none
    near = Interval(0.2, 0.01, 0.39, p=0.04)
    found = {"near": near} | {f"{n}": Interval(0.0, -1.0, 1.0, p=0.9) for n in range(19)}
    assert report.verdicts_of({"near": near}) == {"near": "higher"}
    said = report.verdicts_of(found)
    assert said["near"] == "no difference" and list(said) == list(found)
    assert list(said.values()) == verdicts(list(found.values()))


@pytest.mark.parametrize("verdict", ["higher", "lower"])
def test_only_what_is_no_difference_stands_in_brackets(verdict):
    assert report.in_brackets("+1", verdict) == "+1"
    assert report.in_brackets("+1", verdict, ONE_SEED) == "+1, one seed"
    assert report.in_brackets("+1", "no difference") == "(+1)"
    assert report.in_brackets("+1", TOO_FEW, TOO_FEW) == "(+1), too few seeds"
