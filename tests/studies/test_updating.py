"""A day asked four ways: by hand on four users, and against an evaluation of the same positions."""

import functools

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import global_time
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.models.counts.markov import Markov
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.studies import updating
from seqrec_lib.training.evaluation import ranks

# user, item, time: the day begins at 10
ROWS = [
    (1, 1, 0), (1, 2, 1), (1, 3, 10), (1, 1, 12), (1, 4, 14),
    (2, 2, 2), (2, 3, 5), (2, 4, 13),
    (3, 4, 11), (3, 4, 15), (3, 1, 16),
    (4, 1, 3), (4, 2, 6), (4, 3, 9),
]  # fmt: skip


@pytest.fixture
def log():
    return EventLog.build(pd.DataFrame(ROWS, columns=["user", "item", "time"]))


@pytest.fixture
def split(log):
    return global_time(log, 5, 10)


def test_asked_are_those_who_were_there_before(log, split):
    found = updating.returning(log, split)
    assert log.user_of(found).tolist() == [0, 0, 0, 1]
    assert updating.known_before(log, split.test).tolist() == [2, 2, 0, 3]


def test_last_night_nothing_of_the_day_is_history(log, split):
    positions = updating.returning(log, split)
    found, where = updating.of_last_night(log, split.test, positions)
    histories = [found.item[a:p].tolist() for a, p in zip(found.offsets, where, strict=False)]
    assert histories == [[1, 2], [1, 2], [1, 2], [2, 3]]
    assert found.item[where].tolist() == log.item[positions].tolist() == [3, 1, 4, 4]


def test_what_is_counted_lies_before_what_is_asked(log, split):
    positions = updating.returning(log, split)
    ((learned, rows),) = updating.counted(log, split, positions, 1)
    assert log.time[learned].max() < 10 and len(learned) == 7 and rows.tolist() == [0, 1, 2, 3]
    for times in (1, 2, 7):
        seen = []
        for learned, rows in updating.counted(log, split, positions, times):
            assert log.time[learned].max() < log.time[positions[rows]].min()
            seen += rows.tolist()
        assert sorted(seen) == [0, 1, 2, 3]
    first, second = updating.counted(log, split, positions, 2)
    # seven events in the day: the second half begins with the fourth, at 13
    assert (log.time[first[0]] < 10).all() and len(first[0]) == 7
    assert (log.time[second[0]] < 13).all() and len(second[0]) == 10


def test_a_fresh_state_and_counts_of_the_night_are_the_evaluation(log, split):
    model = Markov(Catalogue.learned(log, split.train), Markov.Config(order=1))
    positions = updating.returning(log, split)
    found = updating.asked(model, log, split, positions, "fresh", 1, 50)
    model.count(log, np.flatnonzero(log.time < 10))
    expected = ranks(model, log, positions, 50)
    assert found.drop(columns="row").equals(expected)
    night = updating.asked(model, log, split, positions, "night", 1, 50)
    # each is asked after its user's last event of the night: 2, 2, 2 and 3
    scores = model.score_all(log.histories(np.array([2, 7]), 1)).numpy()
    own = [(scores[0], item) for item in (3, 1, 4)] + [(scores[1], 4)]
    assert night["rank_unmasked"].tolist() == [
        1 + (one[1:] > one[item]).sum() + (one[1:] == one[item]).sum() // 2 for one, item in own
    ]


def test_counting_at_every_event_follows_a_fashion_that_begins_in_the_day():
    rng = np.random.default_rng(0)
    night = [(u, int(rng.integers(1, 30)), t) for u in range(40) for t in range(5)]
    day = [(u, 30, 100 + 10 * u + n) for u in range(40) for n in range(3)]
    table = pd.DataFrame(sorted(night + day), columns=["user", "item", "time"])
    log = EventLog.build(table)
    split = global_time(log, 4, 100)
    model = Popular(Catalogue.learned(log, split.train), Popular.Config())
    positions = updating.returning(log, split)
    hits = {
        times: hr(
            updating.asked(model, log, split, positions, "fresh", times, 50)[
                "rank_unmasked"
            ].to_numpy(),
            1,
        ).mean()
        for times in (1, 4, 120)
    }
    assert hits[1] == 0 and 0.4 < hits[4] < 0.8 < hits[120]


@pytest.mark.usefixtures("nothing_kept")
def test_a_study_is_kept_and_not_made_again(tmp_path, monkeypatch):
    quick = functools.partial(updating.asked_anew, times=(1, 2), epochs=1)
    monkeypatch.setattr(updating, "asked_anew", quick)
    how = {"models": ("popular", "markov-1", "gru"), "users": 20}
    found = updating.study("simulated-time", tmp_path / "results", **how)
    rows = found.groupby("model").size().to_dict()
    assert rows == {"popular": 16, "markov-1": 16, "gru": 8}
    nothing = found[(found["state"] == "night") & (found["counts"] == 1)]
    assert (nothing["gain mean"] == 0).all() and (found["users"] == 20).all()
    assert (found["low"] <= found["mean"]).all() and (found["mean"] <= found["high"]).all()
    fresh = found[(found["model"] == "markov-1") & (found["state"] == "fresh")]
    assert (fresh["gain low"] <= fresh["gain mean"]).all()
    monkeypatch.setattr(updating, "asked", None)
    assert updating.study("simulated-time", tmp_path / "results", **how).equals(found)
    assert updating.kept(tmp_path / "results").equals(found)


def test_without_a_day_there_is_nothing_to_replay(tmp_path):
    with pytest.raises(ValueError, match="not split by time"):
        updating.study("simulated", tmp_path / "results")
