import dataclasses
import inspect

import numpy as np
import pytest

from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.statistics import intervals
from seqrec_lib.statistics.intervals import Interval, bootstrap, over_seeds, paired, verdict


def width(interval):
    return interval.high - interval.low


def normal_width(values):
    return 2 * 1.96 * values.std() / len(values) ** 0.5


@pytest.fixture
def rng():
    return np.random.default_rng(7)


# how an interval reads


def test_an_interval_prints_as_in_the_tables():
    assert str(Interval(0.0945, 0.0907, 0.0983)) == ".0945 [.0907, .0983]"
    assert f"{Interval(0.5, -0.25, 1.25)}" == ".5000 [-.2500, 1.2500]"
    assert f"{Interval(-0.00001, -0.0012, 0.0)}" == ".0000 [-.0012, .0000]"
    assert f"{Interval(0.0012, -0.0003, 0.0027):+.3f}" == "+.001 [-.000, +.003]"
    assert f"{Interval(10.25, 9.5, 11.0):.1f}" == "10.2 [9.5, 11.0]"


def test_an_interval_holds_plain_floats_and_does_not_change():
    interval = bootstrap(np.arange(50))
    assert [type(x) for x in dataclasses.astuple(interval)] == [float] * 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        interval.mean = 1.0


def test_a_difference_within_its_interval_is_no_difference():
    assert verdict(Interval(0.003, 0.001, 0.005)) == "higher"
    assert verdict(Interval(-0.003, -0.005, -0.001)) == "lower"
    for low, high in [(-0.001, 0.007), (0.0, 0.006), (-0.006, 0.0), (0.0, 0.0)]:
        assert verdict(Interval((low + high) / 2, low, high)) == "no difference"
        assert not Interval((low + high) / 2, low, high).excludes_zero


# one model


@pytest.mark.parametrize("kind", ["hits", "gains", "continuous"])
def test_many_users_give_the_normal_interval(rng, kind):
    values = {
        "hits": rng.binomial(1, 0.1, 4000),
        "gains": ndcg(rng.geometric(0.02, 4000), 10),
        "continuous": rng.normal(size=4000),
    }[kind]
    interval = bootstrap(values, draws=2000)
    assert interval.mean == pytest.approx(values.mean())
    assert width(interval) == pytest.approx(normal_width(values), rel=0.06)
    middle = (interval.low + interval.high) / 2
    assert middle == pytest.approx(values.mean(), abs=0.06 * width(interval))


def test_drawing_counts_of_distinct_values_is_resampling_users(rng):
    values = ndcg(rng.integers(1, 15, 25), 10)
    plain = [values[rng.integers(25, size=25)].mean() for _ in range(20_000)]
    drawn = intervals._resampled(values[None], 20_000, rng)[:, 0]
    grid = [0.01, 0.025, 0.25, 0.5, 0.75, 0.975, 0.99]
    np.testing.assert_allclose(np.quantile(drawn, grid), np.quantile(plain, grid), atol=0.008)
    assert drawn.std() == pytest.approx(values.std() / 5, rel=0.03)


def test_a_nominal_interval_covers_the_truth_that_often(rng):
    ranks = np.arange(1, 11)
    chance = 0.05 * 0.95 ** (ranks - 1)
    truth = (chance * ndcg(ranks, 10)).sum()
    found = {0.95: 0, 0.8: 0}
    for trial in range(400):
        values = ndcg(rng.geometric(0.05, 300), 10)
        for level in found:
            interval = bootstrap(values, draws=400, level=level, seed=trial)
            found[level] += interval.low <= truth <= interval.high
    assert 0.92 <= found[0.95] / 400 <= 0.975
    assert 0.74 <= found[0.8] / 400 <= 0.86


def test_the_seed_decides_the_interval_and_the_chunk_does_not(rng, monkeypatch):
    values = rng.normal(size=500)
    first = bootstrap(values, seed=3)
    assert first == bootstrap(values, seed=3) != bootstrap(values, seed=4)
    assert first != bootstrap(values, draws=999, seed=3)
    monkeypatch.setattr(intervals, "CHUNK", 7 * 500)
    in_chunks = bootstrap(values, seed=3)
    np.testing.assert_allclose(
        dataclasses.astuple(in_chunks), dataclasses.astuple(first), rtol=1e-12
    )


def test_a_higher_level_is_wider_and_more_users_are_narrower(rng):
    values = rng.normal(size=400)
    assert width(bootstrap(values, level=0.99)) > width(bootstrap(values, level=0.9))
    four_times = width(bootstrap(np.tile(values, 4), draws=4000))
    assert width(bootstrap(values, draws=4000)) / four_times == pytest.approx(2, rel=0.1)


# two models


def test_pairs_of_correlated_values_give_the_narrower_interval(rng):
    ease = rng.normal(size=1000)
    a, b = ease + 0.1 + 0.2 * rng.normal(size=1000), ease + 0.2 * rng.normal(size=1000)
    difference = paired(a, b)
    apart = np.hypot(width(bootstrap(a)), width(bootstrap(b)))
    assert width(difference) < apart / 3
    assert difference.mean == pytest.approx(a.mean() - b.mean())
    assert verdict(difference) == "higher" and verdict(paired(b, a)) == "lower"
    assert verdict(paired(a, a)) == "no difference"


def test_independent_models_of_equal_worth_rarely_differ(rng):
    verdicts = [
        verdict(paired(*rng.binomial(1, 0.2, (2, 300)), draws=300, seed=trial))
        for trial in range(300)
    ]
    assert 0.01 <= np.mean([v != "no difference" for v in verdicts]) <= 0.09


# several seeds


def test_one_seed_is_the_bootstrap_and_equal_seeds_add_nothing(rng):
    values = rng.normal(size=600)
    assert over_seeds(values[None]) == bootstrap(values)
    thrice = over_seeds(np.stack([values] * 3))
    assert width(thrice) == pytest.approx(normal_width(values), rel=0.1)


def test_a_spread_between_seeds_widens_the_interval(rng):
    values = rng.normal(size=(3, 600))
    shifted = values + np.array([[-0.5], [0.0], [0.5]])
    interval = over_seeds(shifted)
    assert interval.mean == pytest.approx(values.mean())
    assert width(interval) > 3 * width(over_seeds(values))
    # one seed of three is drawn three times in 1 draw of 27, so the ends are single seeds
    seeds = over_seeds(np.repeat([[-0.5], [0.0], [0.5]], 2, axis=1), draws=4000)
    assert (seeds.low, seeds.high) == (pytest.approx(-0.5), pytest.approx(0.5))


def test_users_are_shared_by_the_seeds_so_training_again_does_not_average_them_out(rng):
    ease = rng.normal(size=500)
    values = ease + 0.3 * rng.normal(size=(5, 500))
    assert width(over_seeds(values)) > 0.9 * width(bootstrap(ease))
    assert width(over_seeds(values)) > 1.5 * width(bootstrap(values.ravel()))


@pytest.mark.parametrize(("spread", "least"), [(0.0, 0.92), (1.0, 0.9)])
def test_three_seeds_cover_the_truth_while_they_spread_no_wider_than_users_do(rng, spread, least):
    """`spread` is in standard errors over users; the truth is 0."""
    users, found = 100, 0
    for trial in range(300):
        ease, luck = rng.normal(size=users), rng.normal(size=(3, 1)) / users**0.5
        values = ease + spread * luck + 0.5 * rng.normal(size=(3, users))
        interval = over_seeds(values, draws=300, seed=trial)
        found += interval.low <= 0 <= interval.high
    assert least <= found / 300 <= 0.985


# bad input


def test_bad_input_is_refused_in_words():
    with pytest.raises(ValueError, match="two users or more"):
        bootstrap(np.array([1.0]))
    with pytest.raises(ValueError, match="two users or more"):
        over_seeds(np.empty((0, 5)))
    with pytest.raises(ValueError, match="1 values are missing"):
        bootstrap(np.array([1.0, np.nan, 0.0]))
    with pytest.raises(ValueError, match="draws is 0"):
        bootstrap(np.arange(5), draws=0)
    with pytest.raises(ValueError, match="level 95"):
        bootstrap(np.arange(5), level=95.0)


def test_pairs_need_the_same_users():
    outside_tests = inspect.unwrap(paired)  # where nothing checks shapes on the call
    with pytest.raises(ValueError, match="of 5 and of 6 users"):
        outside_tests(np.arange(5), np.arange(6))
