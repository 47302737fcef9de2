"""A union says what its items do not say alone."""

import numpy as np
import pytest

from seqrec_lib.data.worlds import union


def rows(world):
    """The last events of every user, the pair among them, newest last."""
    last = world.log.offsets[1:] - 1
    return np.stack([world.log.item[last - back] for back in range(9, -1, -1)], 1)


@pytest.mark.parametrize("level", [0, 3])
def test_xor_is_decided_by_the_pair(level):
    history = rows(union.draw(level, "xor", num_users=320))
    first, second, answer = history[:, -3 - level], history[:, -2], history[:, -1]
    a, b = np.minimum(first, second), np.maximum(first, second)
    assert set(a) == {41, 42} and set(b) == {43, 44}
    assert np.array_equal(answer == 45, (a == 41) == (b == 43))
    between = history[:, history.shape[1] - 2 - level : -2]
    assert between.shape[1] == level and (between <= 40).all()


@pytest.mark.parametrize("kind", union.KINDS)
def test_no_item_says_anything_alone_of_what_the_last_ones_are(kind):
    history = rows(union.draw(2, kind, num_users=320))
    for column in range(5, 9) if kind == "xor" else range(6, 9):
        for item in range(41, 45):
            there = history[history[:, column] == item, -1]
            assert (there == 45).sum() == (there == 46).sum()


def test_and_asks_for_both():
    history = rows(union.draw(1, "and", num_users=320))
    assert np.array_equal(history[:, -1] == 45, history[:, -4] > 40)
    assert np.isin(history[:, -2], [41, 42, 43, 44]).all()


def test_limits_are_of_who_does_not_see_the_first_of_the_pair():
    xor, both = (union.draw(2, kind, num_users=32).limits for kind in union.KINDS)
    assert set(xor) == {"nothing", "last 1", "last 2", "last 3", "sum"}
    assert set(both) == set(xor) - {"sum"} and set(xor.values()) == {0.5}


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind is 'or'; use xor or and"):
        union.draw(0, "or")
