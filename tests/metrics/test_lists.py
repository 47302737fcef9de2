import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqrec_lib.metrics.lists import coverage, gini

exposures = arrays(np.int32, st.integers(1, 40), elements=st.integers(0, 10**6)).filter(np.any)


def test_by_hand():
    exposure = np.array([2, 3, 1, 0, 4])
    assert coverage(exposure) == 0.8
    pairs = np.abs(exposure[:, None] - exposure)  # mean |difference| over twice the mean
    assert gini(exposure) == pytest.approx(pairs.mean() / (2 * exposure.mean())) == 0.4


def test_the_ends_of_the_scale():
    assert gini(np.full(7, 3)) == 0
    assert gini(np.eye(1, 8)[0]) == 1 - 1 / 8
    assert coverage(np.eye(1, 8)[0]) == 1 / 8
    assert coverage(np.full(7, 3)) == 1
    assert type(gini(np.arange(9))) is type(coverage(np.arange(9))) is float


@given(exposures, st.integers(2, 50))
def test_neither_depends_on_the_order_of_items_or_the_number_of_lists(exposure, times):
    for metric in (coverage, gini):
        assert metric(exposure[::-1]) == metric(exposure)
        assert metric(exposure.astype(int) * times) == pytest.approx(metric(exposure), abs=1e-12)


@given(exposures)
def test_what_is_never_shown_counts_against_both(exposure):
    size = len(exposure)
    widened = np.append(exposure, np.zeros(size, dtype=exposure.dtype))
    assert coverage(widened) == pytest.approx(coverage(exposure) / 2)
    assert gini(widened) == pytest.approx((1 + gini(exposure)) / 2)
    assert -1e-12 <= gini(exposure) <= 1 - 1 / size + 1e-12


def test_showing_a_rare_item_in_place_of_a_common_one_is_more_equal():
    assert gini(np.array([9, 4, 1])) > gini(np.array([8, 4, 2])) > gini(np.array([5, 5, 4])) > 0


@pytest.mark.parametrize("metric", [coverage, gini])
def test_bad_input_is_refused_in_words(metric):
    with pytest.raises(ValueError, match="empty"):
        metric(np.array([], dtype=int))
    with pytest.raises(ValueError, match=r"item 1 \(counted from 0\) is -2"):
        metric(np.array([3, -2]))
    with pytest.raises(ValueError, match="is nan"):
        metric(np.array([3, np.nan]))
    with pytest.raises(ValueError, match="no list was counted"):
        metric(np.zeros(4))
