"""Biases that move, by hand."""

import pytest
import torch

from seqrec_lib.models.ratings.bias import Biases
from seqrec_lib.models.ratings.time_bias import TimeBias


@pytest.fixture
def model(some):
    model = TimeBias(3, 4, TimeBias.Config(bins=3))
    model.read(some)
    return model


def test_at_first_nothing_moves(model, some):
    still = Biases(3, 4, Biases.Config())
    still.read(some)
    torch.testing.assert_close(model(some), still(some))


def test_bins_are_of_equal_width_and_what_is_outside_falls_to_the_nearest(model, ratings_of):
    days = (-5, 0, 2.9, 3.1, 5.9, 6.1, 9, 50)
    asked = ratings_of(*((0, 2, day, 0) for day in days))
    assert (model.bin(asked) - 2 * 3).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    with torch.no_grad():
        model.in_bin.weight[2 * 3 + 1] = 0.25
    moved = model(asked) - model.mean
    assert moved.tolist() == pytest.approx([0, 0, 0, 0.25, 0.25, 0, 0, 0])


def test_a_user_drifts_from_the_mean_of_their_days(model, ratings_of):
    # user 0 rated on days 0, 0, 3 and 9: mean 3
    asked = ratings_of((0, 1, 35, 0), (0, 1, 2, 0), (0, 1, 3, 0))
    longest = 6**0.4  # of what is known, at day 9
    expected = [32**0.4 / longest, -1 / longest, 0.0]
    assert model.deviation(asked).tolist() == pytest.approx(expected, rel=1e-5)
    with torch.no_grad():
        model.drift.weight[0] = 0.1
    assert (model(asked) - model.mean).tolist() == pytest.approx(
        [0.1 * one for one in expected], rel=1e-5
    )


def test_known_ratings_of_one_moment_drift_nowhere(ratings_of):
    known = ratings_of((0, 1, 5, 4), (1, 2, 5, 3), (2, 3, 5, 2))
    model = TimeBias(3, 4, TimeBias.Config(bins=3))
    model.read(known)
    assert model.deviation(known).tolist() == [0.0, 0.0, 0.0]


def test_a_season_is_the_same_part_of_every_year(some, ratings_of):
    model = TimeBias(3, 4, TimeBias.Config(bins=1, seasons=4))
    model.read(some)
    year = 365.25
    asked = ratings_of(*((0, 2, day, 0) for day in (0, year / 4 + 1, year - 1, 3 * year + 1)))
    assert (model.season(asked) - 2 * 4).tolist() == [0, 1, 3, 0]
    with torch.no_grad():
        model.in_season.weight[2 * 4 + 1] = 0.5
    moved = model(asked) - model.mean
    assert moved.tolist() == pytest.approx([0, 0.5, 0, 0])
    assert model.penalty(asked).tolist() == pytest.approx([0, 0.25, 0, 0])


def test_without_seasons_none_is_learned(model, some):
    assert len(model.moving(some)) == 2
