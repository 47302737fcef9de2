import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import (
    Split,
    assert_no_leak,
    global_time,
    held_out_users,
    latest,
    leave_last_out,
    named,
    of_each_user,
    of_sampled_users,
    tail,
)

few = settings(max_examples=30, deadline=None)


@st.composite
def logs(draw, min_users=1, min_events=1):
    """Logs of a few users with ties in time, inside users and between them."""
    many = st.lists(st.integers(0, 20), min_size=min_events, max_size=9)
    histories = draw(st.lists(many, min_size=min_users, max_size=7))
    times = np.concatenate([np.sort(one) for one in histories])
    user = np.repeat(np.arange(len(histories)), [len(one) for one in histories])
    return EventLog.build(pd.DataFrame({"user": user, "item": times % 3, "time": times}))


# --- what each split is ------------------------------------------------------------------------


@few
@given(logs())
def test_the_tail_is_the_last_fifth_of_each_user_in_order_and_before_it_a_tenth(log):
    counts = np.diff(log.offsets)
    assume(counts.max() >= 5)
    split = tail(log)
    assert_no_leak(log, split)
    together = np.sort(np.concatenate([split.train, split.valid, split.test]))
    np.testing.assert_array_equal(together, np.arange(len(log)))
    assert all((np.diff(part) > 0).all() for part in (split.train, split.valid, split.test))
    for user, count in enumerate(counts):
        whole = [int((log.user_of(part) == user).sum()) for part in (split.valid, split.test)]
        # of 5 and of 9 events: one validates, and one or two test
        assert whole == ([0, 0] if count < 5 else [1, 1 if count == 5 else 2])


def test_the_tail_of_eleven_events_is_three_and_two(log_of):
    split = tail(log_of(list(range(1, 12)), [1, 2, 3, 4], [5, 4, 3, 2, 1]))
    assert split.train.tolist() == [0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 17]
    assert split.valid.tolist() == [6, 7, 18] and split.test.tolist() == [8, 9, 10, 19]


def test_histories_too_short_for_a_tail_are_refused_only_if_all_are(log_of):
    with pytest.raises(ValueError, match="takes five .* of 2 histories has 4. Split by time"):
        tail(log_of([1, 2, 3, 4], [1, 2]))


@pytest.fixture
def clock():
    """Ten events a minute apart of two users, five each in turn; the last ones of a third user."""
    rows = [(step % 2, step) for step in range(10)] + [(2, 9), (2, 10)]
    table = pd.DataFrame(rows, columns=["user", "time"]).sort_values(["user", "time"])
    table = table.assign(time=table["time"] * 60, item=range(len(table)))
    return EventLog.build(table)


def test_the_latest_share_tests_and_equal_times_stay_together(clock):
    # times 0 1 2 3 4 5 6 7 8 9 9 10: a quarter of twelve are three, the last two times
    split = latest(clock, (0.25, 0.25))
    parts = {name: sorted(clock.time[getattr(split, name)] // 60) for name in ("train", "valid")}
    assert parts == {"train": [0, 1, 2, 3, 4, 5], "valid": [6, 7, 8]}
    assert sorted(clock.time[split.test] // 60) == [9, 10]  # the third user's first is no question
    assert split.time_ordered


def test_shares_and_borders_of_a_split_by_time_are_read(clock, caplog):
    for same in ("time:360,540", "time:1970-01-01T00:06,1970-01-01 00:09", "time:0.25,0.25"):
        found = named(clock, same)
        assert all(
            np.array_equal(getattr(found, part), getattr(latest(clock, (0.25, 0.25)), part))
            for part in ("train", "valid", "test")
        )
    assert "1 of 3 events from 540 s on are the first of their users" in caplog.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("time:0.6,0.5", "pass two positive ones that sum to less than 1"),
        ("time:0.01,0.01", "too many have one time .600 s.: pass borders"),
        ("time:0.1", "write time:0.1,0.1 or time:2011-10-01,2011-11-01"),
        ("time:then,now", "'then' is no date; write it as 2011-10-01"),
        ("time:9999,99999", "the valid part is empty: the log runs from 0 to 600 s"),
        ("half", "split is 'half'; it can be last, tail, time"),
    ],
)
def test_a_split_that_cannot_be_meant_is_refused_in_words(clock, name, words):
    with pytest.raises(ValueError, match=words):
        named(clock, name)


@few
@given(logs(min_events=3))
def test_leave_last_out_tests_the_last_event_and_validates_on_the_one_before(log):
    split = leave_last_out(log)
    assert_no_leak(log, split)
    assert split.test.tolist() == [end - 1 for end in log.offsets[1:]]
    assert split.valid.tolist() == [end - 2 for end in log.offsets[1:]]
    together = np.sort(np.concatenate([split.train, split.valid, split.test]))
    np.testing.assert_array_equal(together, np.arange(len(log)))


@few
@given(logs(), st.integers(1, 20), st.integers(2, 20))
def test_global_time_parts_the_log_at_the_borders(log, valid_from, test_from):
    assume(valid_from < test_from)
    try:
        split = global_time(log, valid_from, test_from)
    except ValueError as error:
        assert "part is empty" in str(error)
        return
    assert_no_leak(log, split)
    assert log.time[split.train].max() < valid_from <= log.time[split.valid].min()
    assert log.time[split.valid].max() < test_from <= log.time[split.test].min()
    np.testing.assert_array_equal(split.train, np.flatnonzero(log.time < valid_from))
    assert (log.history_length(np.r_[split.valid, split.test]) > 0).all()
    left_out = np.setdiff1d(np.arange(len(log)), np.r_[split.train, split.valid, split.test])
    assert (log.history_length(left_out) == 0).all()


@few
@given(logs(min_users=3, min_events=2), st.integers(0, 3))
def test_held_out_users_share_no_user(log, seed):
    split = held_out_users(log, (0.3, 0.2), seed)
    assert_no_leak(log, split)
    train, valid, test = (set(log.user_of(p)) for p in (split.train, split.valid, split.test))
    assert train and valid and test
    assert train | valid | test == set(range(log.num_users))
    assert not train & valid and not train & test and not valid & test
    assert (log.history_length(np.r_[split.valid, split.test]) > 0).all()


def test_held_out_shares_are_kept_and_depend_on_the_seed(small_log):
    first, again, other = (held_out_users(small_log, (0.1, 0.2), seed) for seed in (0, 0, 1))
    assert len(np.unique(small_log.user_of(first.valid))) == 20
    assert len(np.unique(small_log.user_of(first.test))) == 40
    np.testing.assert_array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)


def test_a_tenth_of_the_users_validates_and_a_tenth_tests_unless_told_otherwise(small_log):
    split = held_out_users(small_log)
    assert [len(np.unique(small_log.user_of(p))) for p in (split.valid, split.test)] == [20, 20]


def test_of_each_user_so_many_are_drawn_at_most_and_fewer_are_among_more(small_log):
    every = np.flatnonzero(small_log.history_length(np.arange(len(small_log))) > 0)
    have = np.bincount(small_log.user_of(every))
    drawn = {most: of_each_user(small_log, every, most) for most in (1, 4, 30)}
    for most, found in drawn.items():
        assert np.array_equal(np.bincount(small_log.user_of(found)), np.minimum(have, most))
        assert (np.diff(found) > 0).all() and np.isin(found, every).all()
    assert np.isin(drawn[1], drawn[4]).all()
    place = small_log.history_length(drawn[1]) / small_log.history_length(small_log.offsets[1:] - 1)
    assert 0.4 < place.mean() < 0.6  # from anywhere in the history
    # whoever else is asked, each user's own stay the same
    half = every[small_log.user_of(every) % 2 == 0]
    assert np.array_equal(
        of_each_user(small_log, half, 4), drawn[4][small_log.user_of(drawn[4]) % 2 == 0]
    )
    assert of_each_user(small_log, every, 0) is every


def test_any_machine_draws_the_same_questions(log_of):
    log = log_of(range(1, 10), range(1, 10))
    assert of_each_user(log, np.arange(18), 3).tolist() == [2, 4, 6, 10, 15, 16]


# --- bad input ---------------------------------------------------------------------------------


def test_a_sample_is_of_users_and_the_same_for_whoever_asks(small_log, small_split):
    several = np.sort(np.r_[small_split.valid, small_split.test])
    chosen = of_sampled_users(small_log, several, 50)
    users = np.unique(small_log.user_of(chosen))
    assert len(users) == 50 and len(chosen) == 100
    np.testing.assert_array_equal(chosen, of_sampled_users(small_log, several, 50))
    test = of_sampled_users(small_log, small_split.test, 50)
    np.testing.assert_array_equal(small_log.user_of(test), users)
    assert users.max() > 150 and np.diff(users).max() > 1  # not the first of them
    for everyone in (0, 200, 1000):
        assert of_sampled_users(small_log, several, everyone) is several


def test_users_too_short_for_leave_last_out_are_counted_and_the_first_is_named(log_of):
    with pytest.raises(ValueError, match=r"2 of 4 users have fewer \(the first: .*3.*, 2 events\)"):
        leave_last_out(log_of([1, 2, 3], [1, 2, 3, 4], [1, 2], [4]))


def test_borders_in_the_wrong_order_are_refused(log_of):
    with pytest.raises(ValueError, match=r"valid_from \(9\) must be before test_from \(9\)"):
        global_time(log_of([1, 2, 3]), 9, 9)


@pytest.mark.parametrize(
    ("days", "empty"), [((-2, -1), "train"), ((3, 4), "valid"), ((2, 9), "test")]
)
def test_an_empty_part_is_named_with_the_span_of_the_log(log_of, days, empty):
    with pytest.raises(ValueError, match=f"{empty} part is empty: the log runs from 0 to 172800 s"):
        global_time(log_of([1, 2, 3]), *(86_400 * day for day in days))


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.0, 0.1), (-0.1, 0.3)])
def test_shares_that_leave_a_part_empty_are_refused(small_log, shares):
    with pytest.raises(ValueError, match="leave a part empty"):
        held_out_users(small_log, shares)


def test_too_few_users_to_hold_any_out_are_refused(log_of):
    with pytest.raises(ValueError, match="of 2 users leave a part empty"):
        held_out_users(log_of([1, 2], [2, 1]))


# --- planted leaks -----------------------------------------------------------------------------


@pytest.fixture
def honest(log_of):
    """Users 1 and 2 own the positions 0..3 and 4..7, on days 0..3."""
    log = log_of([1, 2, 3, 4], [4, 3, 2, 1])
    return log, Split(np.array([0, 1, 4, 5]), np.array([2, 6]), np.array([3, 7]), True)


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        ({"train": [0, 1, 3, 4, 5]}, "serves in two parts"),
        ({"valid": [2, 5]}, "serves in two parts"),
        ({"valid": [2, 7], "test": [3]}, None),
        ({"train": [0, 1, 2, 4, 5], "valid": [6], "test": [3, 7]}, None),
        ({"train": [0, 2, 4, 5], "valid": [1, 6]}, "user .*1.*: a valid event precedes"),
        ({"train": [0, 1, 4, 7], "test": [3]}, "user .*2.*: a valid event precedes"),
        ({"train": [0, 3, 4, 5], "valid": [6], "test": [2, 7]}, "user .*1.*: a test event"),
        ({"valid": [3, 6], "test": [2, 7]}, "user .*1.*: a test event precedes"),
        ({"test": [3, 8]}, "outside the log of 8 events"),
        ({"test": [3, 99]}, "outside the log of 8 events"),
        ({"train": [-1, 0, 1, 4]}, "outside the log"),
    ],
)
def test_a_planted_leak_is_caught(honest, planted, words):
    log, split = honest
    assert_no_leak(log, split)
    changed = {name: np.array(part) for name, part in planted.items()}
    wrong = dataclasses.replace(split, **changed, time_ordered=False)
    if words is None:  # another split, and no leak
        assert_no_leak(log, wrong)
        return
    with pytest.raises(AssertionError, match=words):
        assert_no_leak(log, wrong)


@few
@given(logs(min_events=3), st.data())
def test_a_held_out_event_moved_to_training_is_caught_if_anything_older_is_held_out(log, data):
    split = leave_last_out(log)
    moved = data.draw(st.sampled_from(split.test.tolist()))
    leaking = Split(
        np.sort(np.r_[split.train, moved]), split.valid, np.setdiff1d(split.test, moved)
    )
    with pytest.raises(AssertionError, match="valid event precedes an event of an earlier part"):
        assert_no_leak(log, leaking)


def test_a_training_event_as_late_as_a_test_event_breaks_the_order_in_time(log_of):
    log = log_of([1, 2], [2, 1, 1, 2], days=[[3, 4], [0, 1, 2, 4]])
    user_by_user = Split(np.array([0, 2, 3]), np.array([4]), np.array([1, 5]))
    assert_no_leak(log, user_by_user)
    assert_no_leak(log, dataclasses.replace(user_by_user, train=np.array([2, 3])))
    with pytest.raises(AssertionError, match="not older than every test event"):
        late = dataclasses.replace(user_by_user, train=np.array([1, 2, 3]), test=np.array([5]))
        assert_no_leak(log, dataclasses.replace(late, time_ordered=True))
