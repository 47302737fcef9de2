"""Ratings by bins of the wall clock."""

import pytest
import torch

from seqrec_lib.data.ratings import DAY_S
from seqrec_lib.models.ratings.steps import Steps, spelled


@pytest.fixture
def steps(some):
    return Steps.of(some.user, some.item, some.time, some.rating, 3, 2 * DAY_S)


def test_a_step_has_the_ratings_of_a_bin_and_empty_bins_are_none(steps):
    # bins of two days: user 0 on days 0, 0, 3, 9; user 1 on 1, 4, 9; user 2 on 5
    assert steps.first.tolist() == [0, 3, 6, 7]
    assert (steps.key % 2**24).tolist() == [0, 1, 4, 0, 2, 4, 2]
    assert steps.start.tolist() == [0, 2, 3, 4, 5, 6, 7, 8]
    assert steps.other.tolist() == [1, 2, 3, 4, 1, 2, 3, 1]
    assert steps.value.tolist() == [4, 5, 3, 1, 2, 4, 5, 3]


def test_only_earlier_bins_come_before(steps):
    owner = torch.tensor([0, 0, 0, 0, 0, 2, 2])
    days = torch.tensor([0, 1, 2, 9, 10, 5, 6])
    key = steps.asked(owner, days * DAY_S)
    assert steps.before(key).tolist() == [0, 0, 1, 2, 3, 0, 1]
    gaps = steps.gap_days(torch.tensor([0, 6]), key[[3, 6]])
    assert gaps.tolist() == [8.0, 2.0]


def test_bins_that_are_too_many_are_refused(some):
    late = some.time + 2**25
    with pytest.raises(ValueError, match="bins of 1 s are too narrow"):
        Steps.of(some.user, some.item, late, some.rating, 3, 1)


def test_ranges_may_be_empty():
    places, first = spelled(torch.tensor([2, 7, 0]), torch.tensor([4, 7, 1]))
    assert places.tolist() == [2, 3, 0] and first.tolist() == [0, 2, 2]
