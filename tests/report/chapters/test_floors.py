"""Levels asked in two ways, and what is near an item."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.report.chapters import floors
from seqrec_lib.statistics.intervals import Interval


@pytest.fixture
def measures():
    return pd.DataFrame(
        {
            "hr": [0.1, 0.3, np.nan], "hr_low": [0.05, 0.2, np.nan], "hr_high": [0.2, 0.4, np.nan],
            "category_purity": [np.nan, 0.3, 0.04], "category_chance": [np.nan, 0.05, 0.05],
            "band_purity": [np.nan, 0.8, 0.8], "band_chance": [np.nan, 0.8, 0.8],
        },
        index=pd.Index(["popular", "svd", "random"], name="model"),
    )  # fmt: skip


def test_each_level_stands_in_the_row_of_its_model_also_where_another_was_not_asked(ax):
    one, other = Interval(0.2, 0.1, 0.4), Interval(0.5, 0.4, 0.6)
    floors.levels(ax, {"a": {"left in": one}, "b": {"left in": one, "taken out": other}}, "HR@10")
    drawn = {c.get_label(): c.lines[0] for c in ax.containers}
    assert drawn["left in"].get_xdata().tolist() == [0.2, 0.2]
    assert drawn["taken out"].get_ydata().round().tolist() == [1]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    ends = ax.containers[0].lines[2][0].get_segments()[0][:, 0]
    np.testing.assert_allclose(ends, [0.1, 0.4])
    assert ax.get_ylim() == (1.5, -0.5)  # the first on top


def test_levels_of_runs_are_their_means_under_both_protocols(runs):
    found = floors.by_model(runs)
    assert list(found) == ["Markov chain", "SASRec"]
    m, u = found["SASRec"].values()
    assert m == report.mean(runs[1], "masked") and u == report.mean(runs[1], "unmasked")
    assert m.mean > u.mean


def test_what_masking_adds_stands_beside_the_own_items_that_it_takes_out(made):
    own = made("markov", np.array([1, 2, 50]), unmasked=np.array([1, 4, 90]))
    found = floors.masking([own]).loc["markov"]
    assert found["own items above the true one"] == 1  # of the two hits: none, two
    before, after = 1 + 1 / np.log2(5), 1 + 1 / np.log2(3)
    assert found["masking adds, %"] == pytest.approx(100 * (after / before - 1))


def test_ahead_is_the_first_minus_the_second_with_its_sign(runs):
    poor, good = runs
    found = floors.ahead([(good, poor)])
    assert found.index.tolist() == ["Beauty"] and found.shape == (1, 2)
    assert found.iloc[0, 0] == f"{report.gain(good, poor, 'masked'):+.4f}"
    assert found.iloc[0, 0].startswith("+")


def test_kinds_have_words_for_names_and_chance_in_the_last_row(measures):
    found = floors.kinds(measures)
    assert found.columns.tolist() == ["same category"]  # how popular a neighbour is, is no kind
    assert found.index.tolist() == ["svd", "random vectors", "what chance gives"]
    assert found["same category"].tolist() == [0.3, 0.04, 0.05]


def test_partners_are_intervals_of_the_models_that_were_asked(measures):
    found = floors.partners(measures)
    assert list(found) == ["popularity", "SVD of PMI"]
    assert found["SVD of PMI"] == Interval(0.3, 0.2, 0.4) or found["SVD of PMI"].high == 0.4


def test_lengths_are_medians_and_padding_is_not_drawn(ax):
    steps = (0, 0.5, 1)
    rows = {"padding": (0, 0, 0), "items with pairs": (0.1, 0.2, 0.4)}
    norms = pd.DataFrame(
        [
            {"rows": name, "count": 7, "quantile": at, "length": length}
            for name, own in rows.items()
            for at, length in zip(steps, own, strict=True)
        ]
    )
    assert floors.lengths(ax, norms) == {"padding": 0, "items with pairs": 0.2}
    assert len([line for line in ax.lines if len(line.get_xdata()) == 3]) == 1
    assert "items with pairs (7)" in [text.get_text() for text in ax.texts]


def test_neighbours_name_their_product_and_not_by_its_number():
    nearest = pd.DataFrame(
        {
            "query_item": ["i1", "i1", "i2", "i3"],
            "query_category": ["Tools", "Tools", "Toys", "A"],
            "query_domain": "retail", "item": ["i4", "i5", "i6", "i7"], "popularity": [3, 4, 5, 6],
            "category": ["Toys", "Tools", "Toys", "A"], "domain": "retail",
            "cosine": [0.9, 0.8, 0.7, 0.6],
        }
    )  # fmt: skip
    found = floors.neighbours(nearest)
    assert found["product"].tolist() == ["Tools, retail", "Tools, retail", "Toys, retail"]
    assert found["its category"].tolist() == ["Toys", "Tools", "Toys"]
    assert not {"item", "query_item"} & set(found)
