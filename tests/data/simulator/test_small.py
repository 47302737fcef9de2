import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from seqrec_lib.data import events
from seqrec_lib.data.simulator import small_world


def successions(world):
    """Pairs of items, one after the other in one history."""
    item, user = world["item"].to_numpy(), world["user"].to_numpy()
    within = user[1:] == user[:-1]
    return item[:-1][within], item[1:][within]


def test_a_world_is_a_canonical_event_table():
    world = small_world(num_users=50)
    assert_frame_equal(events.check(world, "simulator"), world)
    per_user = world.groupby("user").size()
    assert len(per_user) == 50 and per_user.min() >= 5 and per_user.max() <= 30
    assert set(world["item"]) == set(range(1, 41))


def test_an_obedient_world_is_one_cycle_through_all_items():
    world = small_world(num_users=300, num_items=12, obedience=1.0)
    before, after = successions(world)
    follows = dict(zip(before.tolist(), after.tolist(), strict=True))
    assert len(set(zip(before.tolist(), after.tolist(), strict=True))) == 12
    item, visited = 1, []
    for _ in range(12):
        visited.append(item)
        item = follows[item]
    assert item == 1 and sorted(visited) == list(range(1, 13))


@pytest.mark.parametrize("obedience", [0.9, 0.5])
def test_the_rule_holds_as_often_as_said(obedience):
    before, after = successions(small_world(2000, num_items=10, obedience=obedience, seed=3))
    counts = np.zeros((11, 11))
    np.add.at(counts, (before, after), 1)
    share = counts[1:, 1:].max(1).sum() / len(before)
    best = obedience + (1 - obedience) / 10
    assert share == pytest.approx(best, abs=4 * np.sqrt(best * (1 - best) / len(before)))
    # whatever is not the rule is spread evenly
    rest = np.sort(counts[1:, 1:], axis=1)[:, :-1].sum(0) / len(before)
    assert rest.sum() == pytest.approx(0.9 * (1 - obedience), abs=0.01)


def test_a_world_depends_on_its_seed():
    assert_frame_equal(small_world(seed=5), small_world(seed=5))
    assert not small_world(seed=5).equals(small_world(seed=6))
