"""Clicks follow counts over whole lives, and what a part of a life says of them is as computed."""

import numpy as np
import pytest
from scipy.special import expit

from seqrec_lib.data.splits import assert_no_leak
from seqrec_lib.data.worlds import memory
from seqrec_lib.metrics.auc import auc


def counted(world, last=None):
    """Events of each category before the moment of asking, user by user."""
    found = []
    for first, end in zip(world.log.offsets[:-1], world.log.offsets[1:] - 1, strict=True):
        first = first if last is None else max(first, end - last)
        category = world.category[world.log.item[first:end]]
        found.append([(category == one).sum() for one in range(1, memory.CATEGORIES + 1)])
    return np.array(found)


@pytest.fixture(scope="module")
def world():
    return memory.draw(400, num_users=4000)


def test_the_chance_of_a_click_is_that_of_the_count(world):
    count = counted(world)
    assert count.max() == 8 and count.min() == 0
    assert world.chance == pytest.approx(1 / (1 + np.exp(2 - 0.5 * count)))
    for one in range(9):
        there = world.clicked[count == one]
        assert there.mean() == pytest.approx(expit(one / 2 - 2), abs=4 * 0.5 / len(there) ** 0.5)


def test_everyone_is_shown_an_item_of_each_category(world):
    assert (world.category[world.shown] == np.arange(1, 9)).all()
    assert set(world.category) == set(range(9))
    assert set(world.shown[:, 2]) == set(range(11, 16))
    assert set(world.log.item) == set(range(1, 241))


def test_lives_differ_in_length_and_nothing_held_out_is_learned_from(world):
    length = np.diff(world.log.offsets) - 1
    assert length.min() == 64 and 380 < length.max() <= 400
    # uniform in the logarithm
    assert np.median(np.log(length)) == pytest.approx(np.log(64 * 400) / 2, abs=0.1)
    assert_no_leak(world.log, world.split)
    every = np.concatenate([world.split.train, world.split.valid, world.split.test])
    assert np.array_equal(every, world.log.offsets[1:] - 1)
    assert [len(part) for part in (world.split.train, world.split.valid)] == [2400, 400]


def test_events_lie_anywhere_in_a_life(world):
    place, length = [], np.diff(world.log.offsets) - 1
    for user, first in enumerate(world.log.offsets[:-1]):
        item = world.log.item[first : first + length[user]]
        place.append(np.flatnonzero(world.category[item]) / (length[user] - 1))
    assert np.histogram(np.concatenate(place), 5, (0, 1), density=True)[0] == pytest.approx(
        np.ones(5), abs=0.05
    )


def test_what_the_last_events_say_is_right_as_often_as_it_says(world):
    found, recent = world.limits["last 50"], counted(world, 50)
    groups = np.digitize(found, np.quantile(found, np.linspace(0, 1, 9)[1:-1]))
    for group in range(8):
        inside = groups == group
        assert world.clicked[inside].mean() == pytest.approx(found[inside].mean(), abs=0.03)
    length = np.broadcast_to(np.diff(world.log.offsets)[:, None], recent.shape)
    for one in (65, 300):  # the more of them, the likelier
        alike = np.abs(length - one) < 4
        assert np.corrcoef(recent[alike], found[alike])[0, 1] > 0.8


def test_belief_by_hand_where_everything_is_seen():
    found = memory.recalled(np.array([[0, 3, 8]]), np.array([50]))
    assert found == pytest.approx(expit([[-2, -0.5, 2]]))


def test_belief_by_hand_where_nothing_is_known():
    # none among the last 50 of a million: the prior alone, each number up to 2, 4 or 8
    prior = [sum((n <= most) / (most + 1) for most in (2, 4, 8)) / 3 for n in range(9)]
    expected = sum(p / (1 + np.exp(2 - n / 2)) for n, p in enumerate(prior))
    found = memory.recalled(np.array([[0]]), np.array([1_000_000]))
    assert found.item() == pytest.approx(expected, rel=1e-3)


def area_of_counts():
    """The AUC of counts, from the chance of each and of a click at each."""
    prior = np.array([sum((n <= most) / (most + 1) for most in (2, 4, 8)) / 3 for n in range(9)])
    click = 1 / (1 + np.exp(2 - np.arange(9) / 2))
    yes, no = prior * click, prior * (1 - click)
    above = np.tril(np.ones((9, 9)), -1) + np.eye(9) / 2
    return yes @ above @ no / (yes.sum() * no.sum())


def test_the_longer_a_life_the_less_its_end_says_of_it():
    areas = {}
    for level in (100, 1000, 10_000):
        world = memory.draw(level, num_users=1500)
        areas[level] = {k: auc(world.clicked.ravel(), v.ravel()) for k, v in world.limits.items()}
        best = auc(world.clicked.ravel(), world.chance.ravel())
        assert all(best > one for one in areas[level].values())
        assert best == pytest.approx(area_of_counts(), abs=0.02)
    assert areas[100]["nothing"] == 0.5
    assert areas[100]["last 50"] > areas[1000]["last 50"] + 0.05
    assert areas[1000]["last 50"] > areas[10_000]["last 50"] > 0.49
    assert areas[10_000]["last 50"] < 0.53
    assert areas[1000]["share"] < 0.97 * best


def test_a_seed_is_a_world_of_its_own():
    one, same, other = (memory.draw(100, seed=seed, num_users=50) for seed in (0, 0, 1))
    assert np.array_equal(one.log.item, same.log.item)
    assert np.array_equal(one.clicked, same.clicked)
    assert not np.array_equal(one.shown, other.shown)


def test_a_life_too_short_for_its_events_is_refused():
    with pytest.raises(ValueError, match="level is 63; use 64 or more events"):
        memory.draw(63)
