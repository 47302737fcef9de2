"""Events of one day: counted, and shuffled without leaving their day."""

import dataclasses

import numpy as np
import pytest

from seqrec_lib.data import ties
from seqrec_lib.data.splits import leave_last_out


@pytest.fixture
def days(log_of):
    """Two users; the first has three events on the last day, the second one."""
    return log_of([1, 2, 3, 4], [5, 1, 2], days=[[0, 4, 4, 4], [0, 0, 9]])


def test_events_on_the_last_day_are_counted_by_user(days):
    assert ties.last_day_sizes(days).tolist() == [3, 1]


def test_a_log_without_real_times_has_no_ties(log_of):
    plain = log_of([1, 2, 3], [2, 3, 1])
    placed = plain.__class__(
        plain.item, np.array([0, 1, 2] * 2), plain.offsets, plain.users, plain.items
    )
    assert not ties.has_days(placed)
    assert ties.last_day_sizes(placed).tolist() == [1, 1]
    assert ties.shuffled(placed, 3).item.tolist() == placed.item.tolist()


def test_events_tied_with_the_one_before_and_repeats_are_told(days, log_of):
    assert ties.tied(days, np.arange(7)).tolist() == [False, False, True, True, False, True, False]
    again = log_of([1, 2, 1, 1], [2, 3, 2])
    assert ties.repeating(again).tolist() == [False, False, True, True, False, False, True]


def test_shuffling_moves_events_of_equal_time_only(days):
    orders = set()
    for seed in range(40):
        one = ties.shuffled(days, seed)
        assert one.time.tolist() == days.time.tolist()
        assert one.item[[0, 6]].tolist() == [1, 2]  # alone on their days
        assert sorted(one.item[1:4]) == [2, 3, 4] and sorted(one.item[4:6]) == [1, 5]
        orders.add(tuple(one.item[1:4]))
    assert len(orders) == 6
    apart = dataclasses.replace(days, time=days.time + np.arange(7))  # seconds of one day
    assert ties.shuffled(apart, 0).item.tolist() == days.item.tolist()


def test_ascending_names_are_counted_apart_by_day(days):
    names = np.array(list("abcde"))
    found = ties.ascending(days, names)
    assert found == {"same day": pytest.approx(2 / 3), "different days": 1.0}
    assert np.isnan(ties.ascending(days, None)["same day"])


def test_facts_are_those_of_the_log(days):
    facts = ties.facts(days, leave_last_out(days))
    assert facts["users"] == 2 and facts["items"] == 5 and facts["events"] == 7
    assert facts["median events a user"] == 3.5 and facts["most events of a user"] == 4
    # user 1 trains on items 1 and 2, user 2 on item 5; the test items are 4 and 2
    assert facts["% of test items never trained"] == 50
    assert facts["% of users whose last two share a day"] == 50
    assert facts["% of events that repeat an item"] == 0


def test_without_order_all_but_the_last_event_move_and_times_stay(days):
    orders = set()
    for seed in range(40):
        one = ties.unordered(days, seed)
        assert one.time.tolist() == days.time.tolist()
        assert one.item[[3, 6]].tolist() == [4, 2]  # they test
        assert sorted(one.item[:3]) == [1, 2, 3] and sorted(one.item[4:6]) == [1, 5]
        orders.add(tuple(one.item[:3]))
    assert len(orders) == 6
