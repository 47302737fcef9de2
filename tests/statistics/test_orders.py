"""Orders of models: against SciPy's tau, and what an interval of it covers."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from seqrec_lib.statistics.orders import agreement, kendall


def test_it_is_scipys_tau_where_nothing_ties():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20, 9))
    assert kendall(a, b) == pytest.approx([kendalltau(*pair).statistic for pair in zip(a, b)])  # noqa: B905


def test_a_tie_is_neither():
    assert kendall(np.array([1, 1, 2]), np.array([1, 2, 3])) == pytest.approx(2 / 3)


def test_models_far_apart_have_a_sure_order_and_close_ones_have_none():
    rng = np.random.default_rng(1)
    level = np.arange(6)[:, None]
    weight = rng.integers(1, 11, 300)
    far = [level + rng.normal(size=(6, 300)) for _ in range(2)]
    one = agreement(*far, weight)
    assert (one.mean, one.low, one.high) == (1, 1, 1)
    assert agreement(far[0], -far[1], weight).mean == -1
    close = agreement(*(0.02 * level + rng.normal(size=(6, 300)) for _ in range(2)), weight)
    assert close.high - close.low > 0.5


def test_a_user_counts_as_much_as_its_weight():
    a = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    assert agreement(a, a[::-1], np.array([1, 1, 1])).mean == -1
    b = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    assert agreement(a, b, np.array([1, 1, 1])).mean == 1  # 2 models, second above by both
    assert agreement(a, b, np.array([1, 3, 1])).mean == -1  # now the first, by b alone


def test_a_single_user_or_a_single_model_is_refused():
    with pytest.raises(ValueError, match="same models and users"):
        agreement(np.ones((2, 1)), np.ones((2, 1)), np.ones(1))
    with pytest.raises(ValueError, match="the same two or more"):
        kendall(np.ones(1), np.ones(1))
