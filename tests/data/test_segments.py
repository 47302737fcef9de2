"""What sets test positions apart, by hand on small logs."""

import numpy as np
import pytest

from seqrec_lib.data import segments
from seqrec_lib.data.log import EventLog

HOUR = 3600


def log_at(*times, items=None):
    """A log with the times (seconds) of each user's events."""
    lengths = [len(one) for one in times]
    count = sum(lengths)
    item = np.arange(1, count + 1) if items is None else np.array(items)
    return EventLog(
        item=item.astype(np.int32),
        time=np.concatenate(times).astype(np.int64),
        offsets=np.r_[0, np.cumsum(lengths)],
        users=np.arange(len(times)),
        items=np.arange(item.max()),
    )


DAYS = log_at([0, 5 * HOUR + 59 * 60, 25 * HOUR], [23 * HOUR, 24 * HOUR - 1])


def test_the_hour_is_that_of_the_day():
    assert segments.hour_of_day(DAYS, np.arange(5)).tolist() == [0, 5, 1, 23, 23]


def test_seconds_count_from_the_same_users_previous_event():
    assert segments.seconds_since(DAYS, np.array([4, 1])).tolist() == [HOUR - 1, 6 * HOUR - 60]


def test_a_switch_is_seen_against_the_event_before():
    domain = np.array(["a", "b", "b", "a", "b"])
    assert segments.switches(DAYS, np.array([1, 2, 4]), domain).tolist() == [True, False, True]


@pytest.mark.parametrize("value", [segments.seconds_since, segments.switches])
def test_a_first_event_has_nothing_before_it(value):
    more = () if value is segments.seconds_since else (np.zeros(5),)
    with pytest.raises(ValueError, match="1 of 2 positions are first events"):
        value(DAYS, np.array([1, 3]), *more)


def test_a_pair_is_counted_where_training_saw_it_side_by_side():
    log = log_at([0, 1, 2, 3], [0, 1, 2], [0, 1, 2], items=[1, 2, 1, 2, 1, 2, 3, 3, 1, 2])
    train = np.array([0, 1, 2, 4, 5, 7, 8])  # 1 2, 2 1; 1 2; 3 1
    asked = np.array([3, 6, 9])  # 1 2 twice, 2 3 never, 1 2 twice
    assert segments.times_followed(log, train, asked).tolist() == [2, 0, 2]
    with pytest.raises(ValueError, match="1 of 1 positions are first events"):
        segments.times_followed(log, train, np.array([4]))


def test_events_of_a_day_are_counted_by_user_whatever_the_part():
    assert segments.events_that_day(DAYS, np.arange(5)).tolist() == [2, 2, 1, 2, 2]
    assert segments.events_that_day(DAYS, np.array([2, 0])).tolist() == [1, 2]


def test_a_heavy_day_is_one_that_at_most_the_share_reach():
    sizes = [1] * 90 + [2] * 6 + [7, 8, 9, 9]  # a hundred users of one day
    log = log_at(*([0] * size for size in sizes))
    everything = np.arange(len(log))
    reached = {share: segments.heavy_day(log, everything, share) for share in (0.01, 0.03, 0.1)}
    assert reached == {0.01: 10, 0.03: 8, 0.1: 2}  # two days of nine: neither is the busiest alone
    for share, threshold in reached.items():
        assert (np.array(sizes) >= threshold).mean() <= share
        assert (np.array(sizes) >= threshold - 1).mean() > share


def test_a_heavy_day_is_learned_from_training_positions_alone():
    log = log_at([0] * 3, *([0] for _ in range(9)), [0] * 50)
    assert segments.heavy_day(log, np.arange(12), 0.1) == 2
    assert segments.heavy_day(log, np.arange(len(log)), 0.1) == 4


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_is_no_whole(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        segments.heavy_day(DAYS, np.arange(5), share)


def test_the_busiest_hour_slides_and_stays_with_its_user():
    # 3 events within 3599 s across a full hour; exactly 3600 s apart is another hour
    log = log_at([1800, 3000, 5399, 9000, 12600], [12600], [12601, 12602])
    assert segments.busiest_hour(log, np.arange(8)).tolist() == [3] * 5 + [1] + [2, 2]
    assert segments.busiest_hour(log, np.array([7, 0])).tolist() == [2, 3]


def test_domains_of_the_small_world_are_halves_of_its_items():
    log = log_at([0, 1, 2, 3], items=[1, 4, 2, 3])
    halves = segments.domains("simulated", log)
    assert halves.tolist() == ["first half", "second half", "first half", "second half"]


@pytest.mark.parametrize("dataset", ["tecd-sim", "tecd-sim-users"])
def test_domains_of_t_ecd_stand_in_the_order_of_the_log(dataset, monkeypatch):
    import pandas as pd

    table = pd.DataFrame({"item": ["fmcg_2", "nfmcg_1"], "domain": ["retail", "marketplace"]})
    monkeypatch.setattr(segments.datasets, "tecd_table", {"tecd-sim": table}.__getitem__)
    assert segments.domains(dataset, log_at([0, 1])).tolist() == ["retail", "marketplace"]
