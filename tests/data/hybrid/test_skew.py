import dataclasses

import pytest

from seqrec_lib.data.hybrid.faults import Faults, Stream
from seqrec_lib.data.hybrid.online import OnlineStore
from seqrec_lib.data.hybrid.registry import HOUR, SET_1, FeatureSet
from seqrec_lib.data.hybrid.skew import Log, Trial, compare, replay
from seqrec_lib.data.hybrid.stream import run
from seqrec_lib.data.hybrid.tiles import by_event_time

NEWER = FeatureSet(
    tuple(
        dataclasses.replace(f, version=2, window=2 * HOUR) if f.name == "views_1h" else f
        for f in SET_1
    )
)


def tables(store):
    return [
        store.connection.execute(f"select * from {name} order by 1, 2, 3, 4").fetchall()
        for name in ("event", "tile", "applied")
    ]


def check(trial, tmp_path, requests):
    """Nothing differs, nothing is lost, what is broken was refused, a plain run ends the same."""
    report = trial.report()
    assert report.requests >= requests and report.differing == 0, report.first_difference
    store, plain = OnlineStore(trial.store, NEWER), OnlineStore(tmp_path / "plain", NEWER)
    counts = store.counts()
    assert counts == run(trial.journal, plain) and tables(store) == tables(plain)
    batches = trial.stream.batches()
    good = [batch for batch in batches if not batch.broken]
    assert [s.origin for s in trial.journal.segments()] == [batch.name for batch in good]
    assert counts.rows == sum(len(batch.table) for batch in good)
    assert min(counts.applied, counts.duplicate, counts.refused) > 0
    broken = {batch.name for batch in batches if batch.broken}
    assert set(trial.refusals()) == broken | {"store"}
    assert {name.partition("-")[2] for name in broken} == {"added", "dropped", "retyped"}
    return report


def test_nothing_differs_with_every_fault_and_three_kills(tmp_path):
    trial = Trial(tmp_path / "trial", Stream(), SET_1, NEWER, requests_per_segment=12)
    assert trial.work_killed(3) == 3
    check(trial, tmp_path, 1000)
    by_time = trial.report(by_event_time)
    assert by_time.differing > by_time.requests / 10 and by_time.first_difference


@pytest.mark.parametrize("fault", [field.name for field in dataclasses.fields(Faults)])
def test_each_fault_can_be_switched_off_and_does_something(fault):
    def told(faults):
        batches = Stream(days=3, per_day=4, rows=40, faults=faults).batches()
        return [(batch.name, batch.table) for batch in batches]

    assert told(Faults()) == told(Faults()) != told(dataclasses.replace(Faults(), **{fault: False}))


def test_a_difference_is_reported_by_feature(tmp_path):
    trial = Trial(tmp_path, Stream(days=1, per_day=2, faults=Faults.none()), SET_1)
    trial.work()
    made = replay(trial.journal, SET_1, tmp_path / "again", 3)
    assert compare(trial.journal, made, [SET_1]).differing == 0
    made[1]["values"][2] += 1
    report = compare(trial.journal, made, [SET_1])
    assert (report.differing, report.by_feature) == (1, {"views_7d": 1})
    assert "views_7d was" in report.first_difference


def test_a_line_torn_by_a_kill_is_cut_from_the_log(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"seq": 4}\n{"se')
    assert Log(path).last == 4
    assert Log(path).read() == [{"seq": 4}]


@pytest.mark.slow
def test_nothing_differs_in_ten_thousand_requests_and_twenty_five_kills(tmp_path):
    stream = Stream(seed=1, days=12, per_day=12, rows=200, users=300)
    trial = Trial(tmp_path / "trial", stream, SET_1, NEWER, requests_per_segment=60)
    assert trial.work_killed(25) >= 20
    check(trial, tmp_path, 10_000)


@pytest.mark.slow
def test_nothing_differs_for_a_user_of_a_third_of_a_million_events(tmp_path):
    stream = Stream(seed=2, days=7, per_day=4, rows=24_500, users=100)
    trial = Trial(tmp_path, stream, SET_1, requests_per_segment=2)
    trial.work()
    (most,) = (
        OnlineStore(trial.store, SET_1)
        .connection.execute("select max(n) from (select count(*) as n from event group by user)")
        .fetchone()
    )
    assert most >= 333_543
    assert trial.report().differing == 0
