"""AUC and GAUC: hand arithmetic, and scikit-learn's on drawn scores with ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from seqrec_lib.metrics.auc import auc, gauc


@st.composite
def rows(draw):
    count = draw(st.integers(2, 60))
    seed, levels, groups = draw(st.tuples(*[st.integers(1, 20)] * 3))
    rng = np.random.default_rng(seed)
    true = rng.random(count) < 0.4
    true[:2] = True, False
    return true, rng.integers(levels, size=count) / 7, rng.integers(groups, size=count)


@settings(max_examples=60, deadline=None)
@given(rows())
def test_areas_are_those_of_scikit_learn(drawn):
    true, score, group = drawn
    assert auc(true, score) == pytest.approx(roc_auc_score(true, score), abs=1e-12)
    areas, weights = [], []
    for one in np.unique(group):
        inside = group == one
        if 0 < true[inside].sum() < inside.sum():
            areas.append(roc_auc_score(true[inside], score[inside]))
            weights.append(true[inside].sum())
    if areas:
        expected = np.average(areas, weights=weights)
        assert gauc(true, score, group) == pytest.approx(expected, abs=1e-12)


def test_a_group_weighs_as_many_as_its_true_rows():
    true = np.array([1, 1, 0, 1, 0], dtype=bool)
    score = np.array([2.0, 3.0, 1.0, 0.0, 5.0])  # the first group is right, the second wrong
    group = np.array(["a", "a", "a", "b", "b"])
    assert gauc(true, score, group) == pytest.approx(2 / 3)
    assert auc(true, score) == pytest.approx(2 / 6)


def test_equal_scores_are_worth_nothing():
    true = np.array([True, False, False])
    assert auc(true, np.full(3, np.inf)) == 0.5


@pytest.mark.parametrize("true", [[True, True], [False, False], []])
def test_one_kind_alone_has_no_area(true):
    true = np.array(true, dtype=bool)
    with pytest.raises(ValueError, match="needs a true row and a false one"):
        auc(true, np.arange(len(true)))
    with pytest.raises(ValueError, match="no group has"):
        gauc(true, np.arange(len(true)), np.arange(len(true)))


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        auc(np.array([True, False]), np.array([np.nan, 1.0]))
