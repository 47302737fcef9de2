"""Ratings of a log, and users who were there for long."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seqrec_lib.data.ratings import Ratings, long_span


def test_ratings_are_those_at_the_positions(log_of):
    log = replace(log_of([3, 1], [2, 3, 1]), rating=np.array([1, 2, 3, 4, 5], np.float32))
    found = Ratings.of(log, np.array([1, 4]))
    assert found.user.tolist() == [0, 1] and found.item.tolist() == [1, 1]
    assert found.time.tolist() == [86_400, 2 * 86_400] and found.rating.tolist() == [2, 5]
    assert found[torch.tensor([1])].rating.tolist() == [5] and len(found) == 2


def test_a_log_without_ratings_is_refused(log_of):
    with pytest.raises(ValueError, match="no ratings: give its table a column 'rating'"):
        Ratings.of(log_of([1, 2]), np.array([0]))


def test_a_span_is_from_the_first_event_to_the_last(log_of):
    log = log_of([1, 2], [1, 2, 1], [1], days=[[0, 31], [5, 6, 35], [400]])
    assert long_span(log).tolist() == [True, False, False]
