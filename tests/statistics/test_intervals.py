import dataclasses
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.statistics import intervals
from seqrec_lib.statistics.intervals import (
    TOO_FEW,
    Interval,
    bootstrap,
    estimate,
    holm,
    over_seeds,
    paired,
    verdicts,
)


def width(interval):
    return interval.high - interval.low


def normal_width(values):
    return 2 * 1.96 * values.std() / len(values) ** 0.5


@pytest.fixture
def rng():
    return np.random.default_rng(7)


# how an interval reads


def test_an_interval_prints_as_in_the_tables():
    assert str(Interval(0.0945, 0.0907, 0.0983)) == "0.0945 [0.0907, 0.0983]"
    assert f"{Interval(0.5, -0.25, 1.25)}" == "0.5000 [−0.2500, 1.2500]"
    assert f"{Interval(-0.00001, -0.0012, 0.0)}" == "0.0000 [−0.0012, 0.0000]"
    assert f"{Interval(0.0012, -0.0003, 0.0027):+.3f}" == "+0.001 [−0.000, +0.003]"
    assert f"{Interval(10.25, 9.5, 11.0):.1f}" == "10.2 [9.5, 11.0]"


def test_what_an_interval_does_not_cover_is_printed_with_it():
    assert str(Interval(0.5, 0.25, 0.75, note="one seed")) == "0.5000 [0.2500, 0.7500], one seed"


def test_an_interval_holds_plain_floats_and_does_not_change(rng):
    for interval in (bootstrap(np.arange(50)), over_seeds(rng.normal(size=(3, 9)))):
        assert [type(x) for x in dataclasses.astuple(interval)] == [float] * 4 + [str]
    with pytest.raises(dataclasses.FrozenInstanceError):
        interval.mean = 1.0


def test_an_interval_that_touches_zero_does_not_exclude_it():
    assert Interval(0.003, 0.001, 0.005).excludes_zero
    assert Interval(-0.003, -0.005, -0.001).excludes_zero
    for low, high in [(-0.001, 0.007), (0.0, 0.006), (-0.006, 0.0), (0.0, 0.0)]:
        assert not Interval((low + high) / 2, low, high).excludes_zero


# several verdicts


def test_holm_by_hand():
    # ascending .01 .02 .03 .04, times 4 3 2 1: .04 .06 .06 .04, and none below the one before
    found = holm(np.array([0.04, 0.01, 0.03, 0.02]))
    np.testing.assert_allclose(found, [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.5, 0.6, 0.002])), [1, 1, 0.006])


def test_what_was_not_tested_does_not_count():
    found = holm(np.array([0.02, np.nan, 0.03]))
    np.testing.assert_allclose(found, [0.04, np.nan, 0.04])
    assert len(holm(np.array([]))) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(deadline=None)
def test_holm_lies_between_no_correction_and_bonferronis_and_keeps_the_order(drawn):
    p = np.array(drawn)
    found, order = holm(p), np.argsort(p, kind="stable")
    assert (found >= p).all() and (found <= np.minimum(1, len(p) * p)).all()
    assert (np.diff(found[order]) >= 0).all()
    assert found[order[0]] == min(1, len(p) * p.min())
    # the definition: the smallest are rejected while each is below its own level
    steps = [value <= 0.05 / (len(p) - k) for k, value in enumerate(p[order])]
    rejected = len(p) if all(steps) else steps.index(False)
    clear = np.abs(found - 0.05).min() > 1e-9
    assert not clear or (found <= 0.05).sum() == rejected


def test_verdicts_of_one_table_are_corrected_together():
    sure, likely = Interval(0.3, 0.2, 0.4, p=0.001), Interval(-0.2, -0.39, -0.01, p=0.04)
    none = Interval(0.1, -0.1, 0.3, p=0.3)
    assert verdicts([likely]) == ["lower"]
    assert verdicts([sure, likely]) == ["higher", "lower"]
    assert verdicts([sure, likely, none]) == ["higher", "no difference", "no difference"]
    assert verdicts([]) == []


def test_too_few_seeds_have_no_verdict_and_nothing_compared_is_no_difference():
    table = [Interval(0.3, 0.2, 0.4, 0.001, TOO_FEW), Interval(np.nan, np.nan, np.nan)]
    assert verdicts(table) == ["too few seeds", "no difference"]
    with pytest.raises(ValueError, match="has no p-value"):
        verdicts([Interval(0.3, 0.2, 0.4)])
    with pytest.raises(ValueError, match="between 0 and 1, not -0.1 to 0.5"):
        holm(np.array([0.5, -0.1]))


def test_a_table_of_ten_real_nothings_is_wrong_in_five_percent_of_tables(rng):
    wrong = {1: 0, 10: 0}  # tables with a difference, corrected by themselves and together
    for _ in range(400):
        table = [over_seeds(values) for values in rng.normal(size=(10, 4, 25))]
        wrong[10] += any(said != "no difference" for said in verdicts(table))
        wrong[1] += any(verdicts([one]) != ["no difference"] for one in table)
    assert wrong[10] / 400 < 0.08 and wrong[1] / 400 > 0.15


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
    drawn = intervals._resampled(values, 20_000, rng)
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
    assert first == bootstrap(values, draws=1000, level=0.95, seed=3)  # unless told otherwise
    monkeypatch.setattr(intervals, "CHUNK", 7 * 500)
    in_chunks = bootstrap(values, seed=3)
    np.testing.assert_allclose(
        dataclasses.astuple(in_chunks)[:3], dataclasses.astuple(first)[:3], rtol=1e-12
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
    assert difference.low > 0 and paired(b, a).high < 0
    assert not paired(a, a).excludes_zero


def test_independent_models_of_equal_worth_rarely_differ(rng):
    differ = [
        paired(*rng.binomial(1, 0.2, (2, 300)), draws=300, seed=trial).excludes_zero
        for trial in range(300)
    ]
    assert 0.01 <= np.mean(differ) <= 0.09


# several seeds


def test_one_seed_is_students_interval_over_users_and_says_so(rng):
    values = rng.normal(0.2, 1, size=(1, 30))
    found, expected = over_seeds(values), stats.ttest_1samp(values[0], 0)
    low, high = expected.confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high, found.p), (low, high, expected.pvalue))
    assert found.note == "one seed"
    assert over_seeds(values, learned=False) == dataclasses.replace(found, note="")


def test_two_seeds_of_three_users_by_hand():
    # users 1, 3, 8 on the mean, seeds 3 and 5: A = 13 / 3, B = 2 / 2; the rest (-.5, 1, -.5) and
    # its reverse, so C = 3 / 2 / 6
    rest = np.array([-0.5, 1, -0.5])
    found = estimate(np.array([1, 3, 8]) + np.array([[-1], [1]]) + np.array([rest, -rest]))
    variance = 13 / 3 + 1 - 1 / 4
    degrees = variance**2 / ((13 / 3) ** 2 / 2 + 1 + (1 / 4) ** 2 / 2)
    assert found.mean == pytest.approx(4) and found.error == pytest.approx(variance**0.5)
    assert found.degrees == pytest.approx(degrees)
    assert found.ratio == pytest.approx((2 * (1 - 1 / 4) / (13 / 3)) ** 0.5)


def test_the_interval_and_its_p_are_of_students_t(rng):
    values = rng.normal(0.3, 1, size=(4, 40)) + 0.2 * rng.normal(size=(4, 1))
    found, of = over_seeds(values, level=0.9), estimate(values)
    t = stats.t(of.degrees, loc=of.mean, scale=of.error)
    np.testing.assert_allclose((found.low, found.high), t.interval(0.9))
    assert found.p == pytest.approx(2 * stats.t(of.degrees).sf(of.mean / of.error))
    just = over_seeds(values, level=1 - found.p)
    assert just.low == pytest.approx(0, abs=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(2, 12), st.floats(0, 5))
@settings(deadline=None, max_examples=50)
def test_degrees_lie_between_those_of_the_scarcer_and_of_both(seed, seeds, users, spread):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(seeds, users)) + spread * rng.normal(size=(seeds, 1))
    found = estimate(values)
    assert 0 < found.degrees <= users - 1 + (seeds - 1) + 1e-9
    assert found.error >= values.mean(0).std(ddof=1) / users**0.5 - 1e-12
    moved = estimate(3 - 2 * values)
    np.testing.assert_allclose(moved.error, 2 * found.error)
    np.testing.assert_allclose((moved.degrees, moved.ratio), (found.degrees, found.ratio))


def test_equal_seeds_add_nothing(rng):
    values = rng.normal(size=600)
    one, thrice = over_seeds(values[None]), over_seeds(np.stack([values] * 3))
    assert (thrice.low, thrice.high) == (pytest.approx(one.low), pytest.approx(one.high))
    assert thrice.note == ""


def test_a_spread_between_seeds_widens_the_interval(rng):
    values = rng.normal(size=(3, 600))
    interval = over_seeds(values + np.array([[-0.5], [0.0], [0.5]]))
    assert interval.mean == pytest.approx(values.mean())
    # seeds alone: Student's t of two degrees
    assert width(interval) == pytest.approx(2 * 4.303 * 0.5 / 3**0.5, rel=0.15)


def test_users_are_shared_by_the_seeds_so_training_again_does_not_average_them_out(rng):
    ease = rng.normal(size=500)
    values = ease + 0.3 * rng.normal(size=(5, 500))
    assert width(over_seeds(values)) > 0.9 * normal_width(ease)
    assert width(over_seeds(values)) > 1.5 * normal_width(values.ravel())


def test_a_value_without_spread_has_no_width():
    same, nothing = over_seeds(np.full((3, 9), 0.25)), over_seeds(np.zeros((3, 9)))
    assert (same.low, same.high, same.p) == (0.25, 0.25, 0)
    assert (nothing.low, nothing.high, nothing.p) == (0, 0, 1)
    assert estimate(np.zeros((3, 9))).degrees == 8


def test_many_tables_are_estimated_at_once_as_each_alone(rng):
    tables = rng.normal(size=(4, 3, 9)) + rng.normal(size=(4, 3, 1))
    together, alone = estimate(tables), [estimate(one) for one in tables]
    for name in ("mean", "error", "degrees", "ratio"):
        expected = [getattr(one, name) for one in alone]
        np.testing.assert_allclose(getattr(together, name), expected, rtol=1e-12)


def trials(rng, seeds, ratio, share, count, users=60):
    """Tables whose truth is 0: the standard error over users is 1, of which ``share`` is the rest
    (its variance), and the sd of seeds is ``ratio``."""
    drawn = (1 - share) ** 0.5 * rng.normal(size=(count, 1, users))
    drawn = drawn + (seeds * share) ** 0.5 * rng.normal(size=(count, seeds, users))
    return users**0.5 * drawn + ratio * rng.normal(size=(count, seeds, 1))


GRID = [(5, ratio) for ratio in (0, 0.5, 1, 1.5, 2, 3, 4)] + [
    (3, ratio) for ratio in (0, 0.5, 1, 1.5, 2)
]


@pytest.mark.parametrize(("seeds", "ratio"), GRID)
@pytest.mark.parametrize("share", [0, 0.5])
def test_95_percent_intervals_cover_the_truth_in_93_to_97_percent(rng, seeds, ratio, share):
    found = estimate(trials(rng, seeds, ratio, share, 8000))
    covered = np.abs(found.mean) <= stats.t.ppf(0.975, found.degrees) * found.error
    assert 0.93 <= covered.mean() <= 0.97


@pytest.mark.parametrize("share", [0, 0.5])
def test_three_seeds_say_that_they_are_too_few_where_they_spread_wide(rng, share):
    flagged = {}
    for ratio in (0, 1, 2, 4, 10):
        found = estimate(trials(rng, 3, ratio, share, 4000))
        few = found.ratio > intervals.REACH
        missed = np.abs(found.mean) > stats.t.ppf(0.975, found.degrees) * found.error
        assert (missed & ~few).mean() < 0.08  # rows with a false verdict
        flagged[ratio] = few.mean()
    assert list(flagged.values()) == sorted(flagged.values())
    assert flagged[0] < 0.05 and flagged[1] < 0.13 and flagged[4] > 0.7 and flagged[10] > 0.94


def test_the_words_follow_the_number_of_seeds_and_their_spread(rng):
    spread = 10 * np.array([[-1], [0], [1], [0.5]])
    narrow, wide = rng.normal(size=(4, 400)), spread + rng.normal(size=(4, 400))
    notes = [[over_seeds(values[:n]).note for n in (1, 2, 3, 4)] for values in (narrow, wide)]
    assert notes[0] == ["one seed", TOO_FEW, "", ""]
    assert notes[1] == ["one seed", TOO_FEW, TOO_FEW, ""]
    assert over_seeds(narrow[:3], note="3 common seeds").note == "3 common seeds"
    assert over_seeds(wide[:3], note="3 common seeds").note == TOO_FEW


def test_one_user_has_a_mean_and_no_interval():
    found = over_seeds(np.array([[0.5], [1.0]]))
    assert found.mean == 0.75 and np.isnan([found.low, found.high]).all()
    assert found.note == "one user" and verdicts([found]) == ["no difference"]
    assert "nan" not in str(found) and str(found).endswith(", one user")


# bad input


def test_bad_input_is_refused_in_words():
    with pytest.raises(ValueError, match="two users or more"):
        bootstrap(np.array([1.0]))
    with pytest.raises(ValueError, match="two users or more"):
        over_seeds(np.empty((0, 5)))
    with pytest.raises(ValueError, match="two users or more"):
        over_seeds(np.empty((3, 0)))
    with pytest.raises(ValueError, match="1 values are missing"):
        bootstrap(np.array([1.0, np.nan, 0.0]))
    with pytest.raises(ValueError, match="draws is 0"):
        bootstrap(np.arange(5), draws=0)
    for level in (95.0, 1.0, 0.0, -0.5):
        with pytest.raises(ValueError, match=f"level is {level}"):
            bootstrap(np.arange(5), level=level)


def test_pairs_need_the_same_users():
    outside_tests = inspect.unwrap(paired)  # where nothing checks shapes on the call
    with pytest.raises(ValueError, match="of 5 and of 6 users"):
        outside_tests(np.arange(5), np.arange(6))
