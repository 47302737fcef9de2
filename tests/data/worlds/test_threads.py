"""Every event goes on with one of the threads, and which one nobody knows."""

import numpy as np
import pytest

from seqrec_lib.data.worlds import threads


def followed(world):
    """Is each last event the next step of a thread that was met, or of one that was not?"""
    item = world.log.item.reshape(-1, threads.EVENTS) - 1
    cycle, place = np.divmod(item, threads.STEPS)
    same = cycle[:, :-1] == cycle[:, -1:]
    met = same.any(1)
    latest = threads.EVENTS - 2 - same[:, ::-1].argmax(1)
    before = place[np.arange(len(place)), latest]
    return met, (place[:, -1] - before) % threads.STEPS == 1, cycle


@pytest.mark.parametrize("level", [1, 3])
def test_a_thread_that_was_met_goes_on_where_it_was(level):
    met, next_step, cycle = followed(threads.draw(level, num_users=300))
    assert next_step[met].all()
    assert {len(set(row)) for row in cycle} == {level}


def test_who_follows_all_threads_has_the_answer_among_as_many():
    world = threads.draw(5, num_users=300)
    assert world.k == 5 and world.best.mean() > 0.99


def test_the_limit_of_the_last_event_is_its_own_thread_and_guesses():
    assert threads.draw(1, num_users=20).limits["last 1"] == 1
    world = threads.draw(4, num_users=20_000)
    item = world.log.item.reshape(-1, threads.EVENTS)[:, -2:] - 1
    own = item[:, 0] // 4 * 4 + (item[:, 0] + 1) % 4
    guesses = (item[:, :1] // 4 * 4 + np.array([5, 10, 15])) % 24  # of three other cycles
    hit = (item[:, 1] == own) | (item[:, 1:] == guesses).any(1)
    assert hit.mean() == pytest.approx(world.limits["last 1"], abs=0.01)


def test_no_threads_are_refused():
    with pytest.raises(ValueError, match="level is 0; use 1 to 6 threads"):
        threads.draw(0)
