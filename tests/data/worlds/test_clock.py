"""What has run out is what is about as old as it lasts."""

import numpy as np
import pytest

from seqrec_lib.data.worlds import clock


def shares(world):
    """Of each user: logarithms of age over period of the six things, and which is the answer."""
    log = world.log
    table = np.empty((log.num_users, 6))
    user = log.user_of(np.arange(len(log)))
    last = log.offsets[1:] - 1
    first_six = (log.item <= 6) & ~np.isin(np.arange(len(log)), last)
    age = (log.time[last][user] - log.time) / clock.DAY_S
    table[user[first_six], log.item[first_six] - 1] = age[first_six]
    return np.log(table / clock.PERIODS), log.item[last] - 1


def test_one_thing_has_run_out_and_the_others_are_young():
    world = clock.draw(100, num_users=1000)
    share, answer = shares(world)
    out = share[np.arange(1000), answer]
    assert abs(out.mean()) < 0.02 and out.std() == pytest.approx(clock.SPREAD, rel=0.1)
    young = share[np.arange(6) != answer[:, None]]
    assert np.exp(young).min() > 0.099 and np.exp(young).max() < 0.601
    assert (share.argmax(1) == answer).mean() > 0.999
    assert np.isclose(world.best, clock.believed(share).max(1), atol=0.01).mean() > 0.99
    assert world.best.mean() > 0.999


def test_belief_weighs_what_each_age_would_mean():
    share = np.log(np.full((1, 6), 0.3))
    share[0, 4], share[0, 5] = np.log(0.59), np.log(0.55)
    found = clock.believed(share)[0]
    # both may be young, so that how near each is to its period decides
    odds = np.exp(-0.5 * (share[0] / clock.SPREAD) ** 2)
    assert found == pytest.approx(odds / odds.sum())
    share[0, 4] = 0.0  # too old to be young
    assert clock.believed(share)[0].tolist() == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("level", [1, 100])
def test_users_differ_in_how_much_else_they_do(level):
    world = clock.draw(level, num_users=2000)
    fillers = np.diff(world.log.offsets) - 7
    spread = np.percentile(fillers, 90) / max(1, np.percentile(fillers, 10))
    assert (spread > 8) == (level == 100) and fillers.max() <= clock.MOST


def test_less_than_alike_is_refused():
    with pytest.raises(ValueError, match="level is 0.5; use 1"):
        clock.draw(0.5)
