"""A weighted mean over positions, its interval over users."""

import numpy as np
import pytest

from seqrec_lib.statistics.intervals import over_seeds
from seqrec_lib.statistics.populations import per_user


def width(interval):
    return interval.high - interval.low


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def clustered(rng):
    """Hits of 300 users, of 1 to 40 positions each, whose chance of a hit is their own."""
    count = np.minimum(rng.geometric(0.15, 300), 40)
    users = np.repeat(np.arange(300), count)
    hits = rng.binomial(1, rng.beta(0.4, 1.2, 300)[users]).astype(float)
    return hits[None], 1 / count[users], users


def test_values_per_user_are_those_of_hand_arithmetic():
    # user 4: 1 and 0, weights 2 and 1; user 9: 1, weight 1. m = 3/4, sum w = 4, U = 2
    found = per_user(np.array([[1.0, 0.0, 1.0]]), np.array([2.0, 1.0, 1.0]), np.array([4, 4, 9]))
    by_hand = [0.75 + 2 * (2 - 0.75 * 3) / 4, 0.75 + 2 * (1 - 0.75 * 1) / 4]
    np.testing.assert_allclose(found, [by_hand], rtol=1e-14)


def test_their_plain_mean_is_the_weighted_mean_of_each_seed(rng):
    values, weights = rng.normal(size=(3, 500)), rng.exponential(size=500)
    users = rng.integers(0, 60, 500)
    expected = np.average(values, axis=1, weights=weights)
    np.testing.assert_allclose(per_user(values, weights, users).mean(1), expected, rtol=1e-12)


def test_where_each_user_has_one_position_they_are_the_values(rng):
    values, users = rng.normal(size=(2, 50)), rng.permutation(50)
    found = per_user(values, np.full(50, 0.3), users)
    np.testing.assert_allclose(found, values[:, np.argsort(users)], rtol=1e-12)


@pytest.mark.parametrize("unit", ["events", "users"])
def test_the_interval_is_that_of_drawing_users_with_all_their_positions(clustered, rng, unit):
    hits, share, users = clustered
    weights = share if unit == "users" else np.ones(len(users))
    gain = np.bincount(users, weights * hits[0])
    weight = np.bincount(users, weights)
    drawn = rng.integers(300, size=(10_000, 300))
    brute = gain[drawn].sum(1) / weight[drawn].sum(1)
    found = over_seeds(per_user(hits, weights, users))
    assert found.mean == pytest.approx(np.average(hits[0], weights=weights))
    scale = brute.std()
    assert found.low == pytest.approx(np.quantile(brute, 0.025), abs=0.2 * scale)
    assert found.high == pytest.approx(np.quantile(brute, 0.975), abs=0.2 * scale)
    assert width(found) == pytest.approx(2 * 1.96 * scale, rel=0.05)


def test_positions_of_one_user_that_are_alike_are_worth_one():
    hits = np.repeat(np.arange(200) % 2, 25)[None].astype(float)  # each user always or never
    users, weights = np.repeat(np.arange(200), 25), np.ones(5000)
    naive = over_seeds(per_user(hits, weights, np.arange(5000)))
    honest = over_seeds(per_user(hits, weights, users))
    assert width(honest) / width(naive) == pytest.approx(5, rel=0.1)  # the root of 25


def test_users_outside_a_population_leave_its_interval_alone(clustered):
    hits, _, users = clustered
    inside = users < 150
    apart = per_user(hits[:, inside], np.ones(inside.sum()), users[inside])
    within = per_user(hits, inside.astype(float), users)
    assert within.shape == (1, 300) and apart.shape == (1, 150)
    np.testing.assert_allclose(within[0, 150:], within.mean(), rtol=1e-12)
    one, other = (over_seeds(x) for x in (apart, within))
    assert one.mean == pytest.approx(other.mean)
    assert width(one) == pytest.approx(width(other), rel=0.05)


def test_a_difference_of_two_models_is_the_difference_of_their_values(clustered, rng):
    hits, weights, users = clustered
    other = rng.binomial(1, 0.3, hits.shape).astype(float)
    apart = per_user(hits, weights, users) - per_user(other, weights, users)
    np.testing.assert_allclose(per_user(hits - other, weights, users), apart, atol=1e-12)


def test_an_empty_population_and_rows_that_do_not_fit_are_refused():
    values, users = np.ones((1, 3)), np.array([0, 0, 1])
    with pytest.raises(ValueError, match="is the population empty"):
        per_user(values, np.zeros(3), users)
    with pytest.raises(ValueError, match="weights are 0 or more"):
        per_user(values, np.array([1.0, np.nan, 1.0]), users)
