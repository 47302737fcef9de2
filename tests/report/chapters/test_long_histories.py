"""Curves and tables of long histories: what was kept, by way and length."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.report.chapters import long_histories
from seqrec_lib.studies.long_histories_ways import WAYS


@pytest.fixture
def table():
    rows = [
        {
            **{"length": length, "sharpness": sharp, "seed": seed, "way": way},
            **{"flops": 1e9 * length * sharp, "ms": length / 100 + 10 * (seed == 2)},
            **{"prepare_ms": 1.0, "bytes": 8 * length, "read": 50.0},
            "recall": np.nan if way == "full" else 1 / (1 + seed),
            "mass": np.nan if way == "full" else 0.5,
            "error": 0.0 if way == "full" else 0.1 * seed,
        }
        for length in (100, 1_000)
        for sharp in (1.0, 2.0)
        for seed in range(3)
        for way in ("recent", "full")
    ]
    return pd.DataFrame(rows)


def test_every_way_has_a_look_of_its_own():
    assert set(long_histories.LOOKS) == set(WAYS) >= set(long_histories.WORDS)
    assert len(set(long_histories.LOOKS.values())) == len(WAYS)


def test_quality_is_a_mean_over_seeds_and_time_a_median(table):
    found = long_histories.means(table, 2.0)
    assert found.index.unique("way").tolist() == ["full", "recent"]
    assert found.loc[("recent", 1_000), "gflops"] == 2_000
    assert found.loc[("recent", 1_000), "ms"] == 10.0  # not that of the slow seed
    assert found.loc[("recent", 100), "recall"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    told = long_histories.figures(table)
    assert told["recent-100-error"] == pytest.approx(0.1) and "full-100-recall" not in told
    with pytest.raises(ValueError, match=r"sharpness 3.0; there is \[1.0, 2.0\]"):
        long_histories.means(table, 3.0)


def test_a_table_a_length_has_a_row_a_way(table):
    found = long_histories.in_full(table)
    assert list(found) == ["100 events", "1,000 events"]
    assert found["100 events"].index.tolist() == ["all events", "latest 50"]
    assert found["100 events"].loc["latest 50", "softmax mass inside"] == 0.5


def test_errors_have_a_table_a_sharpness(table):
    found = long_histories.errors(table)
    assert list(found) == ["sharpness 1", "sharpness 2"]
    assert found["sharpness 2"].index.tolist() == ["all events", "latest 50"]
    assert found["sharpness 1"].loc["latest 50"].tolist() == pytest.approx([0.1, 0.1])


def test_a_short_history_has_every_way_and_keeps_nothing(tmp_path):
    found = long_histories.made(tmp_path, small=True)
    assert found["way"].tolist() == list(WAYS) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("measure", "scale", "drawn"), [("ms", "log", 2), ("recall", "linear", 1)])
def test_costs_are_drawn_on_logarithms_and_shares_are_not(table, ax, measure, scale, drawn):
    long_histories.curves(ax, table, measure)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", scale)
    assert len(ax.get_legend_handles_labels()[1]) == drawn
