"""What fits is what fits the version met last, and a set does not say which that is."""

import numpy as np
import pytest

from seqrec_lib.data.worlds import drift


def asked(world):
    """Of each user: versions of the device asked for, in the order met, and the version wanted."""
    log = world.log
    for user in range(log.num_users):
        item = log.item[log.offsets[user] : log.offsets[user + 1]] - 1
        device = item[-2] - drift.THINGS
        there = item[(item < drift.THINGS) & (item // drift.VERSIONS == device)]
        wanted = item[-1] - drift.THINGS - drift.DEVICES
        assert wanted // drift.VERSIONS == device
        yield there % drift.VERSIONS, wanted % drift.VERSIONS


def test_the_answer_fits_the_version_met_last():
    for versions, wanted in asked(drift.draw(4, num_users=300)):
        assert versions[-1] == wanted
        assert len(set(versions)) == 4
        assert np.count_nonzero(np.diff(versions)) == 3  # none comes back


def test_shuffled_the_order_says_nothing():
    world = drift.draw(4, "shuffled", num_users=3000)
    last = np.mean([versions[-1] == wanted for versions, wanted in asked(world)])
    assert last == pytest.approx(0.25, abs=0.03) and world.ideal(world.split.test) == 0.25


def test_how_often_a_version_was_met_says_nothing():
    world = drift.draw(2, num_users=4000)
    often = np.array([[(v == wanted).sum(), (v != wanted).sum()] for v, wanted in asked(world)])
    more, less = (often[:, 0] > often[:, 1]).mean(), (often[:, 0] < often[:, 1]).mean()
    assert more == pytest.approx(less, abs=0.04) and more > 0.2
    assert world.limits["set"] == 0.5


@pytest.mark.parametrize(("level", "kind"), [(9, "ordered"), (0, "ordered"), (2, "mixed")])
def test_what_is_no_world_is_refused(level, kind):
    with pytest.raises(ValueError, match=r"use 1 to 6, ordered or shuffled"):
        drift.draw(level, kind)
