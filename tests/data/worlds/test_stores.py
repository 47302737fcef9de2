import re

import numpy as np
import pytest

from seqrec_lib.data.worlds.stores import DAY_S, StoreWorld, known_from


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"strength": 1.2}, "strength is 1.2; use a value between 0 and 1"),
        ({"noise": 0.0}, "noise is 0.0; use a value between 0.001 and 1"),
        ({"num_needs": 2}, "num_needs is 2; use a value between 3 and 1000"),
        ({"spread": 0.4}, "spread is 0.4; at an online_rate of 0.12 use less than 0.325"),
        ({"num_days": 10}, "fewest is 5, and a user has 2.4 online events in the mean"),
        ({"hazard": float("nan")}, "hazard is nan"),
    ],
)
def test_a_parameter_out_of_range_is_refused_in_words(wrong, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        StoreWorld(**wrong)


def test_complements_are_one_cycle_through_all_needs():
    world = StoreWorld(num_needs=12)
    need, found = 0, []
    for _ in range(12):
        found.append(need)
        need = world.complements[need]
    assert need == 0 and sorted(found) == list(range(12))


def test_items_are_numbered_need_by_need_and_staples_come_last():
    world = StoreWorld(num_needs=3, items_per_need=4, num_staples=2)
    needs = world.need_of(np.arange(1, world.num_items + 1))
    assert needs.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 2


def test_a_receipt_is_known_after_the_delay_or_next_morning():
    time = np.array([0, DAY_S - 1, DAY_S])
    assert known_from(time, "next morning").tolist() == [97_200, 97_200, 183_600]
    assert (known_from(time, "an hour") - time).tolist() == [3600] * 3
    with pytest.raises(ValueError, match="delay is 'soon'; use one of at once, an hour"):
        known_from(time, "soon")
