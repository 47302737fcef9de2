"""Staleness: what fades with the days, what does not, and what the best there can be comes from."""

import numpy as np
import pytest

from seqrec_lib.data.splits import assert_no_leak
from seqrec_lib.data.worlds import staleness
from seqrec_lib.data.worlds.staleness import DAY_S, EVENTS, SIZE, believed, draw, near


def rows(world):
    """Items and days, a row a user."""
    item, time = (part.reshape(-1, EVENTS + 1) for part in (world.log.item, world.log.time))
    return item, time // DAY_S


def test_the_last_days_are_unknown_of_those_who_are_asked_alone():
    world = draw(7, num_users=400)
    assert_no_leak(world.log, world.split)
    _, day = rows(world)
    ahead = day[:, -1] - day[:, -2]
    assert (ahead[:240] == 1).all() and (np.diff(day[:, :-1]) == 1).all()
    assert ahead[240:].min() == 8 and ahead[240:].max() == 7 + 28
    assert len(world.split.train) == 240 * EVENTS


def test_levels_differ_in_the_answers_alone():
    one, other = (rows(draw(level, num_users=200))[0] for level in (0, 16))
    assert (one[:120] == other[:120]).all() and (one[:, :-1] == other[:, :-1]).all()
    assert (one[120:, -1] != other[120:, -1]).any()


def test_an_interest_stays_as_often_as_said():
    group = (rows(draw(0, num_users=1000))[0][:600] - 1) // SIZE
    # or it is drawn anew and is the same
    assert (group[:, 1:] == group[:, :-1]).mean() == pytest.approx(0.6 + 0.4 * 0.595, abs=0.006)
    often = np.sort([np.bincount(one, minlength=8) for one in group], 1)[:, ::-1].mean(0)
    assert (often[3:] == 0).all() and often[0] > 3 * often[1] > 3 * often[2] > 0


def test_the_share_that_goes_on_by_hand():
    assert near(0) == pytest.approx(sum(0.6**d for d in range(1, 29)) / 28)
    assert near(3) == pytest.approx(0.6**3 * near(0))


def test_one_event_is_believed_to_be_of_a_strong_interest():
    """Which of the three it is of has the chances .75, .15, .1; the rest share alike."""
    found = believed(np.array([[2]]), 0)[0]
    same = near(0) + (1 - near(0)) * (0.75**2 + 0.15**2 + 0.1**2)
    assert found[2] == pytest.approx(same) and found.sum() == pytest.approx(1)
    np.testing.assert_allclose(np.delete(found, 2), (1 - same) / 7)


def test_a_long_history_tells_the_interests_and_their_strength():
    visits = np.repeat([0, 1, 0, 2, 0, 1, 0, 1, 0, 0, 2, 0] * 40, 5)
    found = believed(visits[None], 10**6)[0]
    np.testing.assert_allclose(found, [0.75, 0.15, 0.1, 0, 0, 0, 0, 0], atol=1e-3)


@pytest.mark.parametrize("level", [0, 4])
def test_the_ideal_ranking_is_as_good_as_it_says_and_the_last_interest_as_said(level):
    world = draw(level, num_users=8000)
    group = (rows(world)[0] - 1) // SIZE
    asked = np.arange(8000) >= 4800
    chance = believed(group[:, :-1], level)
    error = 0.5 / np.sqrt(asked.sum())
    right = (chance.argmax(1) == group[:, -1])[asked].mean()
    last = (group[:, -2] == group[:, -1])[asked].mean()
    assert right == pytest.approx(world.best[asked].mean(), abs=3 * error)
    assert last == pytest.approx(world.limits["last 1"], abs=3 * error)
    assert right > last + 3 * error


def test_what_who_names_the_next_event_loses_grows_with_the_days():
    now, later = draw(0, num_users=1000), draw(16, num_users=1000)
    loss = [world.best.mean() - world.limits["last 1"] for world in (now, later)]
    assert 0.02 < loss[0] < loss[1] - 0.02
    assert now.best.mean() - later.best.mean() < 0.05


def test_days_before_now_are_refused():
    with pytest.raises(ValueError, match="level is -1; use 0"):
        staleness.draw(-1)
