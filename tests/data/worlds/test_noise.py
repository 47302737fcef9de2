"""Accidental items hide a walk as far as arithmetic says, and no further."""

import numpy as np
import pytest

from seqrec_lib.data.worlds import noise


def histories(world):
    return world.log.item.reshape(-1, noise.EVENTS)


def test_without_noise_the_next_step_follows_the_last():
    item = histories(noise.draw(0, num_users=100)) - 1
    cycle, place = np.divmod(item, noise.STEPS)
    assert (cycle == cycle[:, :1]).all()
    assert ((place[:, 1:] - place[:, :-1]) % noise.STEPS == 1).all()


@pytest.mark.parametrize("level", [1, 4])
def test_the_last_event_is_a_step_as_often_as_its_limit_says(level):
    world = noise.draw(level, num_users=4000)
    cycle, place = np.divmod(histories(world)[:, -2:] - 1, noise.STEPS)
    walked = (cycle[:, 0] == cycle[:, 1]) & ((place[:, 1] - place[:, 0]) % noise.STEPS == 1)
    assert walked.mean() == pytest.approx(world.limits["last 1"], abs=0.03)
    assert world.limits["last 1"] == 1 / (1 + level)


@pytest.mark.parametrize("level", noise.LEVELS)
def test_the_next_step_is_never_the_item_before_it(level):
    item = histories(noise.draw(level, num_users=4000))
    assert noise.draw(level, num_users=10).limits["nearest"] == 0
    assert not (item[:, -1] == item[:, -2]).any()


def test_belief_follows_from_counting_every_way_a_history_can_have_come_about():
    """Each cycle and first step by itself: the chance of the history, and the step that is next."""
    level, rng = 1.5, np.random.default_rng(0)
    item = rng.integers(1, 41, (20, 7))
    item[0] = [1, 2, 20, 3, 31, 4, 1]
    step = 1 / (1 + level)
    for history, found in zip(item, noise.believed(item, level), strict=True):
        expected = np.zeros(40)
        for cycle in range(10):
            for due in range(4):
                chance = 1.0
                for one in history - 1:
                    if one // 4 != cycle:
                        chance *= (1 - step) / 36
                    else:
                        chance *= step * (one % 4 == due)
                        due = (due + 1) % 4
                expected[4 * cycle + due] += chance
        if expected.sum():  # some cycle may have been walked
            assert found == pytest.approx(expected / expected.sum())


def test_the_belief_is_right_as_often_as_it_says():
    world = noise.draw(4, num_users=3000)
    item = histories(world)
    belief = noise.believed(item[:, :-1], 4)
    right = belief.argmax(1) + 1 == item[:, -1]
    assert np.array_equal(world.best, belief.max(1))
    assert right.mean() == pytest.approx(world.best.mean(), abs=0.02)
    assert world.best.mean() > 0.9 > 4 * world.limits["last 1"]


def test_less_than_no_noise_is_refused():
    with pytest.raises(ValueError, match="level is -1; use 0 or more"):
        noise.draw(-1)
