"""What the data give away: hidden histories and candidates that are easily told, by hand."""

import numpy as np
import pytest

from seqrec_lib.data.splits import Split
from seqrec_lib.report.chapters import given


def test_histories_are_hidden_as_often_as_the_drawn_time_holds_them_whole(log_of):
    log, day = log_of([1, 2, 3], [4, 5], [6], days=[[0, 1, 5], [0, 0], [0]]), 86_400.0
    found = given.hidden(log, np.arange(6), 50, 4 * day)
    assert found == pytest.approx((3 / 4 + 0 + 1) / 3)  # a first event has no history
    assert given.hidden(log, np.array([2]), 1, 8 * day) == pytest.approx(1 / 2)


def test_candidates_that_nobody_learned_and_those_that_were_had_are_counted(log_of, monkeypatch):
    log = log_of([1, 2, 3, 4], [2, 1, 5, 1])
    split = Split(np.array([0, 1, 4, 5]), np.array([2, 6]), np.array([3, 7]))
    drawn = {"uniform": [[4, 3, 5], [1, 5, 2]], "popularity": [[4, 1, 2], [1, 2, 3]]}
    tables = {law: np.array(rows) for law, rows in drawn.items()}
    monkeypatch.setattr(given.candidates, "shared", lambda log, train, test, law: tables[law])
    # 1 and 2 are trained; the first user had 1, 2, 3 before, the second 2, 1, 5
    assert given.strangers(log, split) == {"untrained": 0.75, "had": 0.75}
