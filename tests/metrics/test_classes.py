"""Accuracy and macro figures, as scikit-learn defines them with zero_division=0."""

import numpy as np
import pytest

from seqrec_lib.metrics.classes import macro


def slowly(true, predicted, weights):
    """One class after the other, by the definition."""
    precision, recall = [], []
    for c in sorted(set(true) | set(predicted)):
        both = weights[(true == c) & (predicted == c)].sum()
        said, there = weights[predicted == c].sum(), weights[true == c].sum()
        precision.append(both / said if said else 0.0)
        recall.append(both / there if there else 0.0)
    return weights[true == predicted].sum() / weights.sum(), np.mean(precision), np.mean(recall)


@pytest.mark.parametrize("weighted", [False, True])
def test_macro_figures_are_those_of_the_definition(weighted):
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 30, 200), rng.integers(10, 50, 200)
    predicted[:80] = true[:80]
    weights = rng.exponential(size=200) if weighted else np.ones(200)
    found = macro(true, predicted, weights if weighted else None)
    np.testing.assert_allclose(found, slowly(true, predicted, weights), rtol=1e-12)


def test_a_class_counts_once_however_often_it_is_true():
    # class 1: nine of ten right; class 2: never predicted; class 3: predicted once, never true
    true = np.array([1] * 10 + [2])
    predicted = np.array([1] * 9 + [3, 1])
    found = macro(true, predicted)
    assert found.accuracy == pytest.approx(9 / 11)
    assert found.precision == pytest.approx((9 / 10 + 0 + 0) / 3)
    assert found.recall == pytest.approx((9 / 10 + 0 + 0) / 3)


def test_positions_outside_the_population_bring_no_classes():
    inside = macro(np.array([1, 2]), np.array([1, 1]))
    within = macro(np.array([1, 2, 7]), np.array([1, 1, 8]), np.array([1.0, 1.0, 0.0]))
    assert within == inside
    with pytest.raises(ValueError, match="is the population empty"):
        macro(np.array([1]), np.array([1]), np.array([0.0]))


def test_nothing_right_is_nothing_and_no_error():
    assert macro(np.array([1, 2]), np.array([2, 3])) == (0.0, 0.0, 0.0)
