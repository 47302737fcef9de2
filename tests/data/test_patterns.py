import itertools
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from seqrec_lib.data.patterns import as_log, mine, mined


def counted(log, positions, span, support):
    """Every subsequence within ``span`` events, and by how many users it is had."""
    had = defaultdict(set)
    user = log.user_of(positions)
    for one in np.unique(user):
        history = log.item[positions[user == one]].tolist()
        for start in range(len(history)):
            window = range(start + 1, min(start + span, len(history)))
            for size in range(1, span):
                for rest in itertools.combinations(window, size):
                    had[tuple(history[i] for i in (start, *rest))].add(one)
    return {pattern: len(users) for pattern, users in had.items() if len(users) >= support}


@pytest.mark.parametrize(("span", "support"), [(2, 2), (3, 2), (5, 2), (5, 10)])
def test_patterns_are_those_of_counting_all_subsequences(small_log, small_split, span, support):
    found = mine(small_log, small_split.train, span, support)
    expected = counted(small_log, small_split.train, span, support)
    assert {tuple(row[:-1]): row[-1] for row in found} == expected
    assert len(found) == len(expected) > 10


def test_a_pattern_by_hand(log_of):
    log = log_of([1, 2, 3], [1, 9, 3], [3, 1])
    assert mine(log, np.arange(8)) == [[1, 3, 2]]


def test_only_the_positions_given_are_read(small_log, small_split, with_other_items):
    other = with_other_items(small_log, np.r_[small_split.valid, small_split.test])
    assert mine(small_log, small_split.train) == mine(other, small_split.train)


def test_no_pattern_says_so(log_of):
    with pytest.raises(ValueError, match="no pattern within 5 events is shared by 2 users"):
        mine(log_of([1, 2], [3, 4]), np.arange(4))


def test_mined_patterns_are_histories_of_nobody(log_of):
    log = log_of([1, 2, 3], [1, 2, 3], [3, 1])
    patterns, owners = mined(log, np.arange(8))
    histories = np.split(patterns.item, patterns.offsets[1:-1])
    assert sorted(one.tolist() for one in histories) == [[1, 2], [1, 2, 3], [1, 3], [2, 3]]
    assert (patterns.users < 0).all() and patterns.items is log.items
    np.testing.assert_array_equal(
        np.diff(patterns.time)[np.diff(patterns.user_of(np.arange(9))) == 0], 1
    )
    hinge = {tuple(h.tolist()): o.tolist() for h, o in zip(histories, owners, strict=True)}
    assert hinge == {(1, 2): [0, 1], (1, 2, 3): [0, 1], (1, 3): [0, 1], (2, 3): [0, 1]}


def test_a_pattern_hangs_on_those_without_any_of_whom_it_would_not_be_one(small_log, small_split):
    train = small_split.train
    patterns, owners = mined(small_log, train)
    histories = np.split(patterns.item, patterns.offsets[1:-1])
    left = {}
    hanging = 0
    for history, users in zip(histories, owners.tolist(), strict=True):
        for user in users[:1]:
            if user == -1:
                continue
            if user not in left:
                without = train[small_log.user_of(train) != user]
                left[user] = {tuple(row[:-1]) for row in mine(small_log, without)}
            assert tuple(history.tolist()) not in left[user]
            hanging += 1
        if len(left) > 3:
            break
    kept = {tuple(h.tolist()) for h, o in zip(histories, owners, strict=True) if o[0] == -1}
    assert hanging > 3 and all(kept <= found for found in left.values())
    assert ((owners >= 0).all(1) | (owners == -1).all(1)).all()


def test_what_was_written_from_a_history_is_its_users_too(log_of):
    """Users 0 and 1; what follows was written: of user 0 twice, of user 1 twice, of nobody else."""
    log = log_of([1, 2, 5], [3, 4, 6], [1, 2], [1, 2], [3, 4], [5, 6], [6, 5], [5, 6], [6, 5])
    log = replace(log, sources=np.array([0, 1, 0, 0, 1, 0, 0, 1, 1]))
    patterns, owners = mined(log, np.arange(len(log)))
    histories = np.split(patterns.item, patterns.offsets[1:-1])
    found = {tuple(h.tolist()): sorted(o.tolist()) for h, o in zip(histories, owners, strict=True)}
    assert found == {
        (1, 2): [-1, 0],  # three times, of one user
        (3, 4): [-1, 1],  # twice, of one user
        (5, 6): [0, 1],  # twice, once of each
        (6, 5): [0, 1],
    }


def test_histories_become_a_log_in_their_order(log_of):
    log = as_log([np.array([4, 5]), np.array([6])], log_of([1], [2]))
    assert log.item.tolist() == [4, 5, 6] and log.offsets.tolist() == [0, 2, 3]
    assert log.time.tolist() == [0, 1, 0] and log.num_users == 2
