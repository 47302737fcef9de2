"""What all small worlds share: who is asked what, and that nothing held out is learned from."""

import numpy as np
import pytest

from seqrec_lib.data.splits import assert_no_leak
from seqrec_lib.data.worlds import (
    base,
    clock,
    complements,
    drift,
    noise,
    reach,
    staleness,
    threads,
    union,
)

WORLDS = {
    module.__name__.rpartition(".")[2]: module
    for module in (union, noise, threads, drift, clock, reach, complements, staleness)
}


@pytest.fixture(params=[(name, kind) for name, one in WORLDS.items() for kind in one.KINDS])
def drawn(request):
    name, kind = request.param
    module = WORLDS[name]
    return module, kind, module.draw(module.LEVELS[1], kind, num_users=320)


def test_everyone_is_asked_last_and_some_are_learned_from(drawn):
    _, _, world = drawn
    assert_no_leak(world.log, world.split)
    last = world.log.offsets[1:] - 1
    assert np.isin(last, world.log.questions).all()
    held_out = np.concatenate([world.split.valid, world.split.test])
    assert np.array_equal(held_out, last[192:])
    assert np.array_equal(np.unique(world.log.user_of(world.split.train)), np.arange(192))
    asked = world.log.item[np.concatenate([world.split.train, held_out])]
    assert set(asked) <= set(world.outcomes)
    assert len(set(asked)) > 0.9 * len(world.outcomes)


def test_the_best_there_can_be_is_above_what_is_denied(drawn):
    _, _, world = drawn
    assert world.best.shape == (320,)
    assert (world.best > 0).all() and (world.best <= 1).all()
    for name, limit in world.limits.items():
        # nearest to the last item is that item itself, which may never be the answer
        assert limit > 0 or name == "nearest"
        assert 0 <= limit <= world.ideal(world.split.test)


def test_a_seed_is_a_world_of_its_own(drawn):
    module, kind, world = drawn
    again = module.draw(module.LEVELS[1], kind, num_users=320)
    assert np.array_equal(again.log.item, world.log.item)
    other = module.draw(module.LEVELS[1], kind, seed=1, num_users=320)
    assert not np.array_equal(other.log.item, world.log.item)


def test_every_item_has_a_role(drawn):
    _, _, world = drawn
    roles = np.sort(np.concatenate(list(world.roles.values())))
    assert np.array_equal(roles, np.arange(1, world.log.num_items + 1))
    assert np.array_equal(world.log.items, roles)


def test_no_event_is_where_there_is_no_item():
    item = np.array([[0, 2, 1], [2, 1, 2]] * 5)
    world = base.assembled(item, None, {"all": np.array([1, 2])}, np.array([1, 2]), 0.5)
    assert world.log.item[:5].tolist() == [2, 1, 2, 1, 2]
    assert world.log.offsets[:3].tolist() == [0, 2, 5] and world.length == 2
    assert world.split.train.tolist() == [1, 4, 6, 9, 11, 14]
    assert world.split.valid.tolist() == [16] and len(world.split.test) == 3
    assert world.ideal(world.split.test) == 0.5
