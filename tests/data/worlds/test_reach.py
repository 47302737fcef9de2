"""An answer stands so many events back, and nothing nearer tells it."""

import numpy as np
import pytest

from seqrec_lib.data.worlds import reach


def test_an_answer_is_the_item_so_many_events_back():
    world = reach.draw(9, num_users=200)
    asked = world.log.questions
    assert len(asked) == 200 * reach.ASKED
    assert np.array_equal(world.log.item[asked], world.log.item[asked - 9])
    # an item nearer than that is the answer as often as any other
    for back in range(1, 9):
        same = (world.log.item[asked] == world.log.item[asked - back]).mean()
        assert same == pytest.approx(0.1, abs=0.03)
    assert set(world.limits) == {"nothing"} | {f"last {n}" for n in range(1, 9)}


def test_no_events_back_is_refused():
    with pytest.raises(ValueError, match="level is 0; use 1 or more"):
        reach.draw(0)
