"""Parts of the test positions, by hand."""

import numpy as np
import pytest

from seqrec_lib.statistics.intervals import over_seeds, paired
from seqrec_lib.statistics.parts import between, difference, matched, means

USERS = np.array([3, 3, 3, 5, 5, 8])
HITS = np.array([[1.0, 0, 1, 1, 0, 0], [1.0, 1, 1, 0, 0, 0]])
A, B = np.array([1, 1, 0, 1, 0, 0], dtype=bool), np.array([0, 0, 1, 0, 1, 1], dtype=bool)


def test_parts_hold_their_lower_edge_and_not_their_upper():
    found = between(np.array([0.0, 2.0, 1.9, 7.0]), (0, 2, 7), names=["low", "high"])
    assert {name: part.tolist() for name, part in found.items()} == {
        "low": [True, False, True, False],
        "high": [False, True, False, False],
    }


def test_an_empty_part_is_left_out():
    assert list(between(np.array([1, 9]), (0, 2, 4, 10))) == ["0–1", "4–9"]


def test_means_are_of_the_positions_of_a_part_and_of_all_seeds():
    found = means({"x": HITS, "one seed": HITS[:1]}, USERS, {"a": A, "b": B})
    assert found["x"].map(lambda one: one.mean).tolist() == pytest.approx([4 / 6, 2 / 6])
    assert found["one seed"].map(lambda one: one.mean).tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found["events"].tolist() == [3, 3] and found["users"].tolist() == [2, 3]


def test_intervals_are_as_wide_as_there_are_users_not_events():
    rng = np.random.default_rng(0)
    each = rng.integers(0, 2, 400).astype(float)  # all of a user's fifty positions alike
    everyone = {"all": np.ones(20_000, dtype=bool)}
    found = means({"x": np.repeat(each, 50)[None]}, np.repeat(np.arange(400), 50), everyone)
    width = found["x"]["all"].high - found["x"]["all"].low
    assert width == pytest.approx(2 * 1.96 * each.std() / 20, rel=0.1)


def test_one_seed_of_what_is_learned_is_marked_and_a_counter_needs_none():
    found = means({"x": HITS[:1], "popular": HITS[:1]}, USERS, {"a": A}, counters=["popular"])
    assert found["x"]["a"].note == "one seed" and found["popular"]["a"].note == ""
    assert difference(HITS[:1], USERS, A, B).note == "one seed"
    assert difference(HITS[:1], USERS, A, B, relative=True, learned=False).note == ""


def test_users_outside_a_part_do_not_count_in_its_interval():
    rng = np.random.default_rng(4)
    values, users = rng.random((3, 40)), np.repeat(np.arange(20), 2)
    few = users < 3
    alone = means({"x": values[:, few]}, users[few], {"few": few[few]})["x"]["few"]
    assert means({"x": values}, users, {"few": few})["x"]["few"] == alone
    first = np.arange(40) % 2 == 0
    alone = difference(values[:, few], users[few], first[few], ~first[few])
    assert difference(values, users, few & first, few & ~first) == alone


def test_a_part_of_one_user_has_no_interval():
    found = means({"x": HITS}, USERS, {"one": USERS == 8})["x"]["one"]
    assert found.mean == 0 and np.isnan(found.low) and found.note == "one user"


def test_a_contrast_covers_the_spread_between_seeds():
    rng = np.random.default_rng(5)
    users, first = np.repeat(np.arange(300), 2), np.tile([True, False], 300)
    values = rng.normal(size=(5, 600)) + np.array([[-1], [-0.5], [0], [0.5], [1]]) * first
    found = difference(values, users, first, ~first)
    assert found.high - found.low == pytest.approx(2 * 2.776 * 0.79 / 5**0.5, rel=0.1)


def test_a_contrast_is_the_difference_of_two_means():
    assert difference(HITS, USERS, A, B).mean == pytest.approx(4 / 6 - 2 / 6)
    share = difference(HITS, USERS, A, B, relative=True)
    assert share.mean == pytest.approx(((2 / 3) / (1 / 3) - 1 + (2 / 3) / (1 / 3) - 1) / 2)


def test_what_makes_a_user_easy_cancels_in_a_contrast():
    rng = np.random.default_rng(1)
    ease, users = rng.random(500), np.repeat(np.arange(500), 2)
    values = np.repeat(ease, 2) + np.tile([0.1, 0.0], 500) + rng.normal(0, 0.01, 1000)
    first = np.tile([True, False], 500)
    found = difference(values[None], users, first, ~first)
    by_pairs = paired(values[first], values[~first])
    assert found.mean == pytest.approx(by_pairs.mean)
    assert found.high - found.low == pytest.approx(by_pairs.high - by_pairs.low, rel=0.15)
    assert found.high - found.low < 0.01


def test_a_contrast_compares_each_seed_with_itself():
    """A good seed is good in both parts: what it adds cancels."""
    values = np.random.default_rng(0).normal(size=(3, 60)) + np.array([[0], [5], [9]])
    users, a = np.repeat(np.arange(30), 2), np.arange(60) % 2 == 0
    found, expected = difference(values, users, a, ~a), over_seeds(values[:, a] - values[:, ~a])
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.high - found.low < 2


def test_a_share_has_the_interval_of_the_ratio():
    rng = np.random.default_rng(2)
    users = np.repeat(np.arange(2000), 2)
    first = np.tile([True, False], 2000)
    values = np.where(first, 2.0, 4.0) + rng.normal(0, 1, 4000)
    found = difference(values[None], users, first, ~first, relative=True)
    draws = []
    for _ in range(1000):
        who = rng.integers(2000, size=2000)
        draws.append(values[first][who].mean() / values[~first][who].mean() - 1)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.mean == pytest.approx(-0.5, abs=0.02)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.003)


def test_nothing_is_a_share_of_zero():
    with pytest.raises(ValueError, match="the mean over b is 0"):
        difference(np.zeros((1, 6)), USERS, A, B, relative=True)


def test_matching_compares_each_user_with_himself():
    first, second = matched(A, B, USERS)
    assert first.tolist() == [1, 1, 0, 1, 0, 0]
    assert second.tolist() == [0, 0, 2, 0, 1, 0]  # user 8 has nothing to be compared with
    within = difference(HITS[:1], USERS, first, second).mean
    assert within == pytest.approx(((1 - 1) + (0 - 1) + (1 - 0)) / 3)


def test_matching_takes_away_a_difference_that_the_make_up_explains():
    group = np.array(["easy"] * 60 + ["hard"] * 60)
    a = np.r_[np.ones(50), np.zeros(10), np.ones(10), np.zeros(50)].astype(bool)
    values = (group == "easy").astype(float)[None]
    users = np.arange(120)
    assert difference(values, users, a, ~a).mean == pytest.approx(5 / 6 - 1 / 6)
    assert difference(values, users, *matched(a, ~a, group)).mean == pytest.approx(0)


def test_groups_that_lack_either_weigh_nothing():
    first, second = matched(A, B, np.arange(6))
    assert not first.any() and not second.any()
    assert np.isnan(difference(HITS, USERS, first, second).mean)


def test_a_part_without_positions_has_no_mean_and_leaves_the_others_theirs():
    found = means({"x": HITS}, USERS, {"none": A & B, "a": A})
    assert np.isnan(found["x"]["none"].mean) and found["events"]["none"] == 0
    assert found["x"]["a"] == means({"x": HITS}, USERS, {"a": A})["x"]["a"]
    assert np.isnan(difference(HITS, USERS, A, A & B).low)
