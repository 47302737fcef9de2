"""An answer is told by the past of the category that it complements, and by no other."""

import numpy as np
import pytest

from seqrec_lib.data.worlds import complements
from seqrec_lib.data.worlds.complements import CATEGORIES, VERSIONS


def read(world):
    """Categories and versions met, from 0, a row a user; the last one is the answer."""
    item = world.log.item.reshape(world.log.num_users, -1)
    return np.divmod(item - 1, VERSIONS)


def owned(world):
    """The version that each user owns of each category; that all events agree on it."""
    category, version = (part[:, :-1] for part in read(world))
    table = np.empty((len(category), CATEGORIES), dtype=int)
    np.put_along_axis(table, category, version, 1)
    assert np.array_equal(np.take_along_axis(table, category, 1), version)
    return table


@pytest.mark.parametrize(("kind", "back"), [("complement", 1), ("own", 0)])
def test_the_answer_is_the_version_of_what_it_complements(kind, back):
    world = complements.draw(4, kind, num_users=300)
    category, version = (part[:, -1] for part in read(world))
    row = np.arange(300)
    assert np.array_equal(version, owned(world)[row, (category - back) % 8])
    assert set(category) == set(range(8))
    met = np.sort(read(world)[0][:, :-1], 1)
    assert np.array_equal(met, np.tile(np.repeat(np.arange(8), 4), (300, 1)))


def first(world, category_of):
    """HR@k of who lists, of each category, the version that the user owns of another one."""
    table, every = owned(world), np.arange(CATEGORIES)
    listed = 1 + VERSIONS * every + table[:, category_of(every)]
    assert listed.shape[1] == world.k
    last = world.log.item[world.log.offsets[1:] - 1]
    return (listed == last[:, None]).any(1).mean()


def test_who_looks_in_the_right_place_always_has_it_and_by_own_category_as_often_as_by_chance():
    world = complements.draw(1, num_users=4000)
    assert first(world, complements.complemented) == 1 == world.ideal(world.split.test)
    own = first(world, lambda category: category)
    assert own == pytest.approx(world.limits["own category"], abs=0.02)
    # nor in the other direction, which an inner product of items cannot tell from the right one
    assert first(world, lambda category: (category + 1) % 8) == pytest.approx(1 / 6, abs=0.02)
    assert world.limits["nothing"] == world.limits["own category"] == 1 / 6


def test_where_a_category_complements_itself_its_own_past_has_the_answer():
    world = complements.draw(1, "own", num_users=300)
    assert first(world, lambda category: category) == 1
    assert set(world.limits) == {"nothing", "last 1"}


def test_the_last_event_tells_one_item_of_eight_and_seven_are_guessed():
    world = complements.draw(4, num_users=4000)
    category, version = (part[:, -2:] for part in read(world))
    goes_with = VERSIONS * ((category[:, 0] + 1) % 8) + version[:, 0]
    answer = VERSIONS * category[:, 1] + version[:, 1]
    elsewhere = category[:, 1] != (category[:, 0] + 1) % 8
    known, rest = (goes_with == answer).mean(), 7 / 42 * elsewhere.mean()
    assert known + rest == pytest.approx(world.limits["last 1"], abs=0.02)
    assert world.limits["last 1"] == pytest.approx(1 / 8 + 7 / 48)


def test_the_order_says_nothing():
    world = complements.draw(4, num_users=4000)
    category, version = read(world)
    for back in (2, 9, 33):  # the category asked for is met anywhere alike
        assert (category[:, -back] == category[:, -1]).mean() == pytest.approx(1 / 8, abs=0.02)
        assert (version[:, -back] == version[:, -1]).mean() == pytest.approx(
            1 / 8 + 7 / 8 / 6, abs=0.02
        )


def test_what_there_is_no_world_of_is_refused():
    with pytest.raises(ValueError, match="level 0, kind 'complement'; use 1 or more"):
        complements.draw(0)
    with pytest.raises(ValueError, match="kind 'both'; use 1 or more, complement or own"):
        complements.draw(1, "both")
