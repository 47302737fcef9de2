"""Pairs of items that occur together, by hand, by brute force, and on both engines."""

import shutil
from itertools import combinations, permutations

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqrec_lib.data.engine import connect
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.pairs import as_log, co_purchase, co_view, merged, train_only
from seqrec_lib.data.splits import assert_no_leak
from seqrec_lib.data.tecd import NO_TRANSACTION

SECOND = 1_000_000
GAP = 1800 * SECOND


@pytest.fixture(scope="module")
def engine():
    with connect(threads=1, memory="400MB") as running:
        yield running


def receipts(*rows):
    return ibis.memtable(
        pd.DataFrame(rows, columns=["transaction_hash", "approximate_item_id"], dtype="string")
    )


def events(*rows):
    return ibis.memtable(pd.DataFrame(rows, columns=["user_id", "timestamp", "item_id"]))


def weights(engine, pairs):
    """(item, other) -> weight; each pair may stand once only."""
    rows = engine.arrow(pairs).to_pylist()
    found = {(row["item"], row["other"]): row["weight"] for row in rows}
    assert len(found) == len(rows)
    return found


def counted(groups):
    """Brute force: pairs of groups of items."""
    found = {}
    for group in groups:
        for pair in combinations(sorted(set(group)), 2):
            found[pair] = found.get(pair, 0) + 1
    return found


def test_a_pair_weighs_the_number_of_its_baskets(engine):
    lines = receipts(
        *[("1", "a"), ("1", "b"), ("1", "c")], *[("2", "b"), ("2", "a")], *[("3", "a"), ("4", "b")]
    )
    assert weights(engine, co_purchase(lines)) == {("a", "b"): 2, ("a", "c"): 1, ("b", "c"): 1}


def test_an_item_twice_on_a_receipt_counts_once_and_pairs_not_with_itself(engine):
    lines = receipts(("1", "a"), ("1", "a"), ("1", "b"), ("2", "c"), ("2", "c"))
    assert weights(engine, co_purchase(lines)) == {("a", "b"): 1}


def test_lines_without_a_transaction_or_an_item_are_in_no_basket(engine):
    nothing = [(None, "a"), (None, "b"), (NO_TRANSACTION, "c"), (NO_TRANSACTION, "d")]
    lines = receipts(*nothing, ("1", "a"), ("1", None), ("1", "d"))
    assert weights(engine, co_purchase(lines)) == {("a", "d"): 1}


def test_a_basket_of_max_lines_is_kept_and_of_one_more_is_noise(engine):
    full = [("1", f"{n:02}") for n in range(50)]
    assert len(weights(engine, co_purchase(receipts(*full)))) == 50 * 49 // 2
    assert weights(engine, co_purchase(receipts(*full, ("1", "00")))) == {}  # a line, no new item
    three = receipts(("1", "a"), ("1", "b"), ("1", "c"))
    assert len(weights(engine, co_purchase(three, max_lines=3))) == 3
    assert weights(engine, co_purchase(three, max_lines=2)) == {}


def test_a_gap_of_1800_seconds_is_in_a_session_and_a_microsecond_more_ends_it(engine):
    assert weights(engine, co_view(events((1, 0, "a"), (1, GAP, "b")))) == {("a", "b"): 1}
    assert weights(engine, co_view(events((1, 0, "a"), (1, GAP + 1, "b")))) == {}


def test_the_gap_is_since_the_last_event_not_since_the_first(engine):
    walk = events((1, 0, "a"), (1, GAP, "b"), (1, 2 * GAP, "c"))
    assert weights(engine, co_view(walk)) == {("a", "b"): 1, ("a", "c"): 1, ("b", "c"): 1}


def test_sessions_are_counted_not_views_and_are_of_one_user(engine):
    one = [(1, 0, "b"), (1, 1, "a"), (1, 2, "b")]
    again = [(1, 3 * GAP, "a"), (1, 3 * GAP + 5, "b")]
    other_user = [(2, 3, "c"), (2, 4, "a")]
    found = weights(engine, co_view(events(*one, *again, *other_user)))
    assert found == {("a", "b"): 2, ("a", "c"): 1}


def test_a_session_of_max_items_is_kept_and_of_one_more_is_left_out(engine):
    views = [(1, n, f"{n % 30:02}") for n in range(60)]  # each item twice
    assert len(weights(engine, co_view(events(*views)))) == 30 * 29 // 2
    assert weights(engine, co_view(events(*views, (1, 60, "30")))) == {}


def test_events_of_one_time_after_a_pause_are_in_one_session(engine):
    late = [(1, 3 * GAP, item) for item in "bcd"]
    found = [weights(engine, co_view(events((1, 0, "a"), *order))) for order in (late, late[::-1])]
    assert found[0] == found[1] == {("b", "c"): 1, ("b", "d"): 1, ("c", "d"): 1}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=40), st.integers(2, 8))
def test_baskets_agree_with_brute_force(engine, rows, most):
    rows = [(str(basket), f"i{item}") for basket, item in rows]
    groups = pd.DataFrame(rows, columns=["b", "i"]).groupby("b")["i"].agg(list)
    expected = counted(group for group in groups if len(group) <= most)
    assert weights(engine, co_purchase(receipts(*rows), max_lines=most)) == expected


def drawn_events(seed, n=400):
    """Events of few users and times, many of them at the same time."""
    rng = np.random.default_rng(seed)
    time = rng.integers(0, 60, n) * (GAP // 2) + rng.integers(0, 2, n)
    item = [f"i{k}" for k in rng.integers(0, 9, n)]
    return pd.DataFrame({"user_id": rng.integers(0, 12, n), "timestamp": time, "item_id": item})


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sessions_agree_with_brute_force_in_any_order_of_rows(engine, seed):
    frame = drawn_events(seed)
    groups = []
    for _, of in frame.sort_values("timestamp").groupby("user_id"):
        last = None
        for time, item in zip(of["timestamp"], of["item_id"], strict=True):
            if last is None or time - last > GAP:
                groups.append(set())
            groups[-1].add(item)
            last = time
    kept = [group for group in groups if len(group) <= 5]
    assert 0 < len(kept) < len(groups)
    for table in (frame, frame.sample(frac=1, random_state=seed)):
        assert weights(engine, co_view(ibis.memtable(table), max_items=5)) == counted(kept)


def test_merged_pairs_stand_once_with_summed_weights(engine):
    bought = co_purchase(receipts(("1", "a"), ("1", "b"), ("2", "a"), ("2", "b")))
    viewed = co_view(events((1, 0, "b"), (1, 1, "a"), (1, 2, "c")))
    expected = {("a", "b"): 3, ("a", "c"): 1, ("b", "c"): 1}
    assert weights(engine, merged(bought, viewed)) == expected
    assert weights(engine, merged(bought)) == {("a", "b"): 2}
    with pytest.raises(ValueError, match="no pairs to merge"):
        merged()


@pytest.mark.parametrize("as_table", [False, True])
def test_what_held_out_rows_hold_changes_no_pair(engine, as_table):
    frame = drawn_events(3)
    users, before = np.array([1, 2, 3, 5, 8], dtype=np.uint64), 40 * (GAP // 2)
    held_out = ~frame["user_id"].isin(users.astype(int)) | (frame["timestamp"] >= before)
    assert 0 < held_out.sum() < len(frame)
    other = frame.copy()
    other.loc[held_out, "item_id"] = "secret"

    def learned(table):
        ids = ibis.memtable({"user_id": users.astype(np.int64)}) if as_table else users
        return weights(engine, co_view(train_only(ibis.memtable(table), ids, before)))

    found = learned(frame)
    assert found and found == learned(other) == learned(frame[~held_out])
    assert found != weights(engine, co_view(ibis.memtable(frame)))
    other.loc[~held_out, "item_id"] = "seen"  # the comparison can fail
    assert learned(other) != found


def test_the_time_of_the_test_begins_at_the_border(engine):
    table = events((1, 5, "a"), (1, 6, "b"), (2, 4, "c"), (2, 7, "d"))
    kept = engine.frame(train_only(table, before=6))["item_id"]
    assert sorted(kept) == ["a", "c"]
    assert sorted(engine.frame(train_only(table, users=[2, 2]))["item_id"]) == ["c", "d"]


def test_settings_that_would_hold_nothing_out_or_keep_nothing_are_refused():
    with pytest.raises(ValueError, match="nothing is held out"):
        train_only(events((1, 0, "a")))
    with pytest.raises(ValueError, match="max_lines is 1"):
        co_purchase(receipts(("1", "a")), max_lines=1)
    with pytest.raises(ValueError, match="max_items is 0"):
        co_view(events((1, 0, "a")), max_items=0)
    with pytest.raises(ValueError, match="gap_seconds is -1"):
        co_view(events((1, 0, "a")), gap_seconds=-1)


# --- pairs as histories ------------------------------------------------------------------------


def seen(*sessions):
    """A log of users of one session each, an event a minute; items are their numbers times ten."""
    user = np.repeat(np.arange(len(sessions)), [len(one) for one in sessions])
    time = 60 * np.concatenate([np.arange(len(one)) for one in sessions])
    item = 10 * np.concatenate(sessions)
    return EventLog.build(pd.DataFrame({"user": user, "item": item, "time": time}))


def paired(log, positions, **how):
    """(history, target) of every pair that trains, validates, tests; and the log of pairs."""
    log, split = as_log(log, np.asarray(positions), **how)
    assert_no_leak(log, split)
    pairs = np.stack([log.item[:-1], log.item[1:]], 1)
    parts = (split.train, split.valid, split.test)
    return [[tuple(pair) for pair in pairs[part - 1].tolist()] for part in parts], log


def test_every_pair_of_a_session_stands_twice_and_a_tenth_of_them_tests():
    log = seen([1, 2, 3, 4, 5, 6, 7], [8, 8])
    parts, found = paired(log, range(7))
    assert [len(part) for part in parts] == [36, 2, 4]  # 21 pairs: 2 test, 1 validates
    for part in parts:
        assert sorted(part) == sorted((other, item) for item, other in part)
    assert sorted(sum(parts, [])) == sorted(permutations(range(1, 8), 2))
    assert found.items.tolist() == [10, 20, 30, 40, 50, 60, 70, 80]  # 80 has a number, and no pair


def test_events_at_other_positions_make_no_pair():
    log = seen([1, 2, 3, 4, 5, 6, 7, 8], [1, 9])
    everything, _ = paired(log, range(10))
    assert {(8, 1), (9, 1)} <= set(sum(everything, []))
    some, _ = paired(log, [0, 1, 2, 3, 4, 5, 6, 8])
    assert sorted(sum(some, [])) == sorted(permutations(range(1, 8), 2))


def test_which_pairs_are_held_out_goes_by_the_seed_and_no_more_than_asked():
    log = seen(range(1, 31))
    first, again, other = (paired(log, range(30), held_out=10, seed=n)[0] for n in (0, 0, 1))
    assert first == again and first[2] != other[2]
    assert [len(part) for part in first] == [2 * (435 - 15), 2 * 5, 2 * 10]
    assert sorted(sum(first, [])) == sorted(sum(other, []))


def test_a_pause_longer_than_the_gap_parts_a_pair():
    log = seen(range(1, 9))
    with pytest.raises(ValueError, match="0 pairs in 8 events: too few to hold some out"):
        as_log(log, np.arange(8), gap_seconds=59)
    assert paired(log, range(8), gap_seconds=60)[1].num_users == 8 * 7


def test_fewer_than_twenty_pairs_are_refused():
    with pytest.raises(ValueError, match="15 pairs in 6 events: too few to hold some out"):
        as_log(seen([1, 2, 3, 4, 5, 6]), np.arange(6))


# --- on Spark ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_both_engines_find_the_same_pairs(tmp_path):
    drawn_events(4).to_parquet(tmp_path / "events.pq")
    rng = np.random.default_rng(5)
    basket = pd.Series(rng.integers(0, 60, 400).astype(str)).mask(rng.random(400) < 0.3)
    item = [f"fmcg_{k}" for k in rng.integers(0, 30, 400)]
    pd.DataFrame({"transaction_hash": basket, "approximate_item_id": item}).to_parquet(
        tmp_path / "lines.pq"
    )
    found = []
    for name in ("duckdb", "spark"):
        with connect(name, memory="600MB", threads=1) as engine:
            seen = train_only(engine.read(tmp_path / "events.pq"), np.arange(9), 50 * (GAP // 2))
            bought = co_purchase(engine.read(tmp_path / "lines.pq"), max_lines=6)
            pairs = merged(bought, co_view(seen, max_items=6))
            engine.write(pairs, tmp_path / f"{name}.parquet")
            found.append(weights(engine, engine.read(tmp_path / f"{name}.parquet")))
    assert found[0] == found[1]
    assert len(found[0]) > 100
