"""How evenly attention is spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from seqrec_lib.metrics.entropy import normalised_entropy


def test_the_ends_of_the_scale():
    assert normalised_entropy(np.full((3, 7), 1 / 7)) == pytest.approx([1, 1, 1])
    assert normalised_entropy(np.eye(5)[2]) == 0


def test_by_hand():
    found = normalised_entropy(np.array([0.5, 0.25, 0.25, 0.0]))
    assert found == pytest.approx((0.5 * 1 + 2 * 0.25 * 2) / 2)  # in bits, over log2(4)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=40))
def test_it_is_scipys_entropy_over_that_of_equal_shares(sizes):
    shares = np.array(sizes) / sum(sizes)
    assert normalised_entropy(shares) == pytest.approx(entropy(shares) / np.log(len(shares)))
    assert normalised_entropy(shares[::-1]) == pytest.approx(float(normalised_entropy(shares)))


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0], "fewer than two"), ([0.5, 0.6], "sum to 1"), ([1.5, -0.5], "0 or more")],
)
def test_what_is_no_share_is_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        normalised_entropy(np.array(weights))
