import dataclasses
import sqlite3

import numpy as np
import pytest

from seqrec_lib.data.hybrid.contract import MOST
from seqrec_lib.data.hybrid.journal import JournalError
from seqrec_lib.data.hybrid.online import Counts, OnlineStore, StoreError
from seqrec_lib.data.hybrid.registry import DAY, HOUR, SET_1, TILE, Feature, FeatureSet
from seqrec_lib.data.hybrid.stream import catch_up


@pytest.fixture
def store(tmp_path, features):
    return OnlineStore(tmp_path / "online.sqlite", features)


def one(store, column, t, user=1):
    return store.read([user], t).values[column][0]


def test_a_window_ends_with_its_moment_and_begins_after_its_length(journal, append, store):
    append({"time": DAY})
    catch_up(journal, store)
    seen = [one(store, "views_1h", DAY + shift) for shift in (-1, 0, HOUR - 1, HOUR)]
    assert seen == [0, 1, 1, 0]


def test_a_segment_counts_once_however_often_it_comes(journal, append, store):
    segment = append({"time": DAY})
    table = journal.read(segment)
    assert [store.apply(segment, table) for _ in range(3)] == [1, 0, 0]
    assert store.counts() == Counts(segments=1, rows=1, applied=1, duplicate=0, refused=0)


def test_rows_are_applied_duplicate_or_refused(journal, append, store):
    append({"time": 5}, {"time": 5}, {"time": 6, "event_id": 2}, {"user": -1, "event_id": 3})
    append({"time": 5, "item": 99})  # another word on a known event
    catch_up(journal, store)
    assert store.counts() == Counts(segments=2, rows=5, applied=2, duplicate=2, refused=1)
    assert one(store, "last_50_item", 6) == [1, 1]
    with pytest.raises(StoreError, match="rows are lost"):
        Counts(segments=1, rows=3, applied=1, duplicate=1, refused=0)


def test_the_sources_number_their_events_apart(journal, append, store):
    append({"time": DAY})
    append({"time": DAY}, source="store")
    catch_up(journal, store)
    assert one(store, "last_50_source", DAY) == [0, 1]


def test_a_segment_before_its_predecessor_is_refused(journal, append, store):
    append({})
    late = append({"event_id": 2})
    with pytest.raises(StoreError, match="segment 1 comes after -1: apply those between"):
        store.apply(late, journal.read(late))
    with pytest.raises(StoreError, match="has 0 rows, and 1 were committed"):
        store.apply(late, journal.read(late).slice(1))
    catch_up(journal, store)
    assert store.seq == 1


def test_a_failed_transaction_leaves_nothing(journal, append, store):
    segment = append({"time": 5})
    table = journal.read(segment)
    broken = table.set_column(0, "event_id", table["event_id"].cast("string")).slice(0)
    store.connection.execute(
        "create temp trigger stop before insert on applied begin select raise(abort, 'full'); end"
    )
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        store.apply(segment, broken)
    store.connection.execute("drop trigger stop")
    assert store.apply(segment, table) == 1 and store.counts().applied == 1


def test_who_is_unknown_has_nothing(store):
    served = store.read([7], DAY)
    assert served.seq == -1 and served.digest == SET_1.digest()
    assert [served.values[name][0] for name in ("views_7d", "since_store_us")] == [0, -1]
    assert served.values["last_50_item"] == [[]]


def test_events_of_one_time_stand_by_number_then_source(journal, append, store):
    append({"event_id": 3, "item": 3}, {"event_id": 1, "item": 1})
    append({"event_id": 2, "item": 2}, {"event_id": 3, "item": 4}, source="store")
    catch_up(journal, store)
    assert one(store, "last_50_item", 1) == [1, 2, 3, 4]


def test_sums_are_exact_beyond_floats(journal, append, store):
    amounts = [2**53 + 1, 1, 1]
    lines = [{"time": k * HOUR, "event_id": k, "amount": a} for k, a in enumerate(amounts)]
    append(*lines, source="store")
    catch_up(journal, store)
    assert one(store, "store_spend_30d", DAY) == 2**53 + 3


def test_a_store_of_other_features_serves_nothing_until_it_is_rebuilt(journal, append, store):
    append({"time": DAY})
    catch_up(journal, store)
    newer = FeatureSet(
        tuple(
            dataclasses.replace(f, version=2, window=2 * HOUR) if f.name == "views_1h" else f
            for f in SET_1
        )
    )
    other = OnlineStore(store.path, newer)
    for refused in (lambda: other.read([1], DAY), lambda: catch_up(journal, other)):
        with pytest.raises(StoreError, match="was made for features .*rebuild it"):
            refused()
    assert other.rebuild(journal).applied == 1
    assert one(other, "views_1h", DAY + HOUR + 1) == 1
    with pytest.raises(StoreError, match="rebuild it"):
        store.read([1], DAY)


def test_a_rebuild_that_was_killed_serves_nothing_until_it_is_finished(
    journal, append, store, monkeypatch
):
    append({"time": 5})
    append({"time": 6, "event_id": 2})
    catch_up(journal, store)
    before = store.read([1], DAY)
    whole = OnlineStore.apply

    def killed(self, segment, table):
        if segment.seq:
            raise KeyboardInterrupt
        return whole(self, segment, table)

    monkeypatch.setattr(OnlineStore, "apply", killed)
    with pytest.raises(KeyboardInterrupt):
        store.rebuild(journal)
    monkeypatch.undo()
    with pytest.raises(StoreError, match="is being rebuilt, segment -1 of 1: wait, or finish"):
        store.read([1], DAY)
    catch_up(journal, store)
    assert store.read([1], DAY) == before


def test_another_connection_reads_while_a_segment_is_applied(journal, append, store, features):
    append({"time": 5})
    catch_up(journal, store)
    reader = OnlineStore(store.path, features)
    store.connection.execute("begin immediate")
    store.connection.execute("delete from event")
    assert one(reader, "last_50_item", 5) == [1]
    store.connection.execute("rollback")


def test_any_window_is_its_sum_by_brute_force(journal, append, tmp_path, by_brute_force):
    """Windows of any length about borders of tiles, for a user of many events and one of few."""
    rng = np.random.default_rng(0)
    windows = [TILE, TILE + 1, 2 * TILE - 1, 3 * TILE, 7 * TILE + 12345]
    odd = FeatureSet(
        (
            *(Feature(f"n{w}", 1, "count", w) for w in windows),
            *(Feature(f"s{w}", 1, "sum", w, "online", "cart") for w in windows),
            Feature("cart", 1, "since", action="cart"),
            Feature("any", 1, "since"),
            Feature("last_3", 1, "last", 3, "online", "view"),
        )
    )
    near = [k * TILE + shift for k in range(12) for shift in (-1, 0, 1, 777)][1:]
    events = [
        {
            "user": int(rng.random() < 0.1),
            "time": int(rng.choice(near)),
            "event_id": number,
            "item": number,
            "action": str(rng.choice(["view", "cart"])),
            "amount": int(rng.integers(100)),
        }
        for number in range(150)
    ]
    append(*events)
    store = OnlineStore(tmp_path / "odd", odd)
    catch_up(journal, store)
    for t in near:
        served = store.read([0, 1], t)
        for place, user in enumerate((0, 1)):
            found = [served.values[name][place] for name in odd.columns]
            assert found == by_brute_force(journal, odd, user, t, 0)


def test_the_rows_that_a_feature_reads_are_told(journal, append, store):
    append(*({"time": DAY + k * TILE, "event_id": k} for k in range(12)))
    append(*({"time": DAY + 1, "event_id": 100 + k} for k in range(50)))
    catch_up(journal, store)
    at = DAY + HOUR - 1  # twelve whole tiles, the first of 51 events
    found = store.rows_read(1, at)
    assert (found["views_1h"], found["views_24h"], found["last_50"]) == (12, 12, 50)
    # the window begins inside that tile: its events are read one by one
    assert store.rows_read(1, at + 1)["views_1h"] == 11 + 50
    assert store.rows_read(1, at + 1)["views_24h"] == 12
    assert store.rows_read(2, at)["views_1h"] == 0


def test_amounts_that_do_not_fit_are_an_error_and_no_float(journal, append, store):
    most, fits, step = {"user": 1, "amount": MOST}, 2**63 // MOST, TILE // 4
    spread = ({**most, "event_id": n, "time": n * step} for n in range(fits + 1))
    append(*spread, source="store")
    catch_up(journal, store)
    assert one(store, "store_spend_30d", (fits - 1) * step) == fits * MOST
    with pytest.raises(StoreError, match="user 1: amounts of one user add up to more than 64 bits"):
        store.read([1], fits * step)
    append(*({**most, "event_id": fits + 1 + n, "time": 0} for n in range(fits)), source="store")
    with pytest.raises(StoreError, match="segment 1: amounts of one user add up"):
        catch_up(journal, store)
    assert store.counts().applied == fits + 1  # nothing of it was taken in


def test_a_store_of_an_older_layout_serves_nothing_and_gets_todays_tables(journal, append, store):
    append({"time": DAY})
    catch_up(journal, store)
    run, tile = store.connection.execute, "select sql from sqlite_master where name = 'tile'"
    today = run(tile).fetchone()
    run("drop table tile")
    run("create table tile (user integer, number integer)")
    run("update meta set value = '1, tiles of another length' where key = 'layout'")
    with pytest.raises(StoreError, match=r"layout 1, tiles .*: rebuild it from the journal"):
        store.read([1], DAY)
    assert store.rebuild(journal).applied == 1 and one(store, "views_1h", DAY) == 1
    assert run(tile).fetchone() == today


def test_of_segments_that_wait_those_before_one_that_fails_are_taken_in(journal, append, store):
    for n in range(4):
        append({"time": DAY, "event_id": n})
    (journal.folder / journal.segments()[2].file).unlink()
    with pytest.raises(JournalError, match="is missing"):
        catch_up(journal, store)
    assert store.seq == 1 and store.counts().applied == 2
