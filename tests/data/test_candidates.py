"""Shared candidates: by which law, never of the future, and the same everywhere."""

import numpy as np
import pytest

from seqrec_lib.data import candidates


@pytest.fixture(scope="module", params=candidates.LAWS)
def drawn(request, small_log, small_split):
    return request.param, candidates.shared(
        small_log, small_split.train, small_split.test, request.param
    )


def test_the_true_item_comes_first_and_no_other_is_ahead(drawn, small_log):
    _, found = drawn
    last = small_log.offsets[1:] - 1
    assert np.array_equal(found[:, 0], small_log.item[last])
    assert found.shape == (200, 101) and found.min() >= 1 and found.max() <= 40
    assert not (found[:, 1:] == found[:, :1]).any()


@pytest.mark.parametrize("law", candidates.LAWS)
def test_what_the_user_has_later_is_no_negative_and_what_they_had_before_is(log_of, law):
    log = log_of([1, 2, 3, 4, 1, 2], [5, 6, 7, 8, 1, 2, 3])
    asked = np.array([2, 8])
    found = candidates.shared(log, np.arange(len(log)), asked, law, count=500)
    # after 1 2: 3 4 1 2 are to come; after 5 6: 7 8 1 2 3
    assert set(found[0, 1:]) == {5, 6, 7, 8}
    assert set(found[1, 1:]) == {4, 5, 6}


def test_items_are_drawn_as_the_law_says(small_log, small_split, drawn):
    law, found = drawn
    count = np.bincount(found[:, 1:].ravel(), minlength=41)[1:]
    weight = np.ones(40)
    if law == "popularity":
        weight = np.bincount(small_log.item[small_split.train], minlength=41)[1:]
        assert weight.max() > 1.4 * weight.min()
    # of each position the target cannot be drawn: its share falls to the others
    expected = np.zeros(40)
    for target in found[:, 0]:
        left = np.where(np.arange(1, 41) == target, 0, weight)
        expected += 100 * left / left.sum()
    assert np.abs((count - expected) / expected**0.5).max() < 4
    assert ((count - expected) ** 2 / expected).sum() < 75  # chi square of 39: 62 once in a hundred


def test_any_machine_draws_the_same(log_of):
    log = log_of([3, 1, 4, 1, 5], [9, 2, 6, 5, 3, 5])
    asked = np.array([4, 9, 10])
    digests = [candidates.digest(candidates.shared(log, np.arange(9), asked, law))[:16]
               for law in candidates.LAWS]  # fmt: skip
    assert digests == ["c1e3fbb8f6d30e71", "190fc969bfa7a9f1"]


def test_the_mixing_is_that_of_splitmix64():
    """Its first numbers from seed 0, as published with the generator: there, a counter is mixed."""
    first = candidates._lot(np.array([0]), np.array([0]), 0, 0)
    assert first.tolist() == [0xE220A8397B1DCDAF]
    assert candidates._lot(np.array([0]), np.array([0]), 0, 1).tolist() == [0x6E789E6AA1B965F4]


def test_a_sample_of_positions_has_the_candidates_of_all(drawn, small_log, small_split):
    law, found = drawn
    few = candidates.shared(small_log, small_split.train, small_split.test[50:60], law, count=30)
    assert np.array_equal(few, found[50:60, :31])


def test_the_two_laws_and_all_columns_have_draws_of_their_own(small_split):
    asked, column = np.repeat(small_split.test, 50), np.tile(np.arange(50), 200)
    found = [candidates._lot(asked, column, a, law) for a in range(3) for law in range(2)]
    assert len(np.unique(found)) == 6 * 10_000


def test_what_cannot_be_drawn_is_refused(log_of, small_log, small_split):
    with pytest.raises(ValueError, match="law 'fair', count 100; use uniform or popularity"):
        candidates.shared(small_log, small_split.train, small_split.test, "fair")
    with pytest.raises(ValueError, match="count 1024"):
        candidates.shared(small_log, small_split.train, small_split.test, "uniform", 1024)
    nothing = small_split.train[:0]
    with pytest.raises(ValueError, match="by popularity: no item is learned from"):
        candidates.shared(small_log, nothing, small_split.test, "popularity")
    log = log_of([1, 2, 3, 1])
    with pytest.raises(ValueError, match="position 1: after 1000 draws"):
        candidates.shared(log, np.arange(4), np.array([1]), "uniform", 2)
