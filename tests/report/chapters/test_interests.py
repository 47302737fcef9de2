"""Interests by kinds of items: by hand."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.log import EventLog
from seqrec_lib.report.chapters import interests


def logged(*histories):
    rows = [(u, item, t) for u, one in enumerate(histories) for t, item in enumerate(one)]
    return EventLog.build(pd.DataFrame(rows, columns=["user", "item", "time"]))


def test_a_kind_is_the_attribute_of_most_items_but_of_no_more_than_half():
    # 9 is on every item; 1 on two of four, 2 on one, 3 on two
    attributes = np.array([[0, 0, 0], [9, 1, 2], [1, 9, 0], [3, 9, 0], [9, 3, 0]])
    assert interests.kinds(attributes).tolist() == [0, 1, 1, 3, 3]
    alone = np.array([[0, 0], [9, 0], [9, 1], [9, 1]])
    assert interests.kinds(alone).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("history", "found"),
    [
        ((0, 0, 1, 1), 0),  # as the last
        ((0, 0, 1, 0), 1),  # as most
        ((0, 0, 1, 2), 2),
        ((0, 0, 0, 0), -1),  # the last is of the kind of most
        ((0, 1, 1, 0), -1),
        ((0, 1, 0), -1),  # no kind has most
        ((0,), -1),  # nothing came before
    ],
)
def test_an_answer_is_of_the_last_interest_or_of_the_longest(history, found):
    kind = np.arange(-1, 3)  # item 1 of kind 0, item 2 of kind 1, ...
    log = logged((0, 1, 2), history)
    last = np.array([len(log) - 1])
    assert interests.wanted(log, last, kind).tolist() == [found]


def test_jumps_lie_between_chance_and_one_interest_after_another():
    kind = np.arange(-1, 3)
    blocked, apart = logged((0, 0, 1, 1)), logged((0, 1, 0, 1))
    found = interests.jumps({"blocked": (blocked, kind), "apart": (apart, kind)})
    # of all orders of aabb a third of the neighbours are alike
    assert found["by chance"].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert found["neighbours"].tolist() == pytest.approx([2 / 3, 0])
    assert found["one after another"].tolist() == pytest.approx([2 / 3, 2 / 3])


def test_users_of_one_kind_cannot_jump():
    found = interests.jumps({"": (logged((0, 0, 0), (0, 1)), np.arange(-1, 3))})
    assert found["users"].tolist() == [1]
