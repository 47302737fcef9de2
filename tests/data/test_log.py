from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog, bucketed
from seqrec_lib.models.base import Recommender

few = settings(max_examples=30, deadline=None)
lengths = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def numbered(lengths):
    """A log whose item ids are the positions, counted from 1: an id names its event."""
    users = np.repeat(np.arange(len(lengths)), lengths)
    item = np.arange(len(users))
    return EventLog.build(pd.DataFrame({"user": users, "item": item, "time": 10 * item}))


@st.composite
def runs(draw):
    """A log and, of every user, one contiguous run of positions, perhaps none."""
    log = numbered(draw(lengths))
    chosen = []
    for start, end in zip(log.offsets[:-1], log.offsets[1:], strict=True):
        first = draw(st.integers(start, end))
        chosen += range(first, draw(st.integers(first, end)))
    return log, np.array(chosen, dtype=np.int64)


def test_a_log_keeps_users_together_and_numbers_items_from_1():
    events = pd.DataFrame(
        {"user": ["z", "z", "a"], "item": ["pen", "ink", "pen"], "time": [5, 6, 1]}
    )
    log = EventLog.build(events)
    assert log.item.tolist() == [2, 1, 2] and log.item.dtype == np.int32
    assert log.time.tolist() == [5, 6, 1]
    assert log.offsets.tolist() == [0, 2, 3]
    assert log.users.tolist() == ["z", "a"] and log.items.tolist() == ["ink", "pen"]
    assert (len(log), log.num_users, log.num_items) == (3, 2, 2)


@few
@given(lengths)
def test_every_position_knows_its_user_and_how_much_came_before(lengths):
    log = numbered(lengths)
    position = np.arange(len(log))
    assert log.user_of(position).tolist() == np.repeat(np.arange(len(lengths)), lengths).tolist()
    before = np.concatenate([np.arange(n) for n in lengths])
    assert log.history_length(position).tolist() == before.tolist()


@few
@given(lengths, st.integers(1, 14))
def test_a_history_is_what_came_before_the_newest_of_it_and_never_the_event_itself(
    lengths, longest
):
    log = numbered(lengths)
    position = np.arange(len(log))
    batch = log.histories(position, longest, ["time"])
    for p in position:
        start = max(log.offsets[log.user_of(position)[p]], p - longest)
        expected = [i + 1 for i in range(start, p)]
        assert batch.item[p][batch.real[p]].tolist() == expected
        assert batch.time[p][batch.real[p]].tolist() == [10 * i for i in range(start, p)]
        assert batch.real[p].tolist() == sorted(batch.real[p].tolist(), reverse=True)  # right pad
    assert batch.target is None and batch.previous is None


def inputs(log, windows):
    """The batch that a model of times reads of these windows."""
    model = Recommender(Catalogue.learned(log, np.arange(len(log))))
    model.reads = ("time",)
    return model.training_batch(log, windows)


@few
@given(runs(), st.integers(1, 5))
def test_windows_cover_each_training_position_with_a_history_exactly_once(drawn, length):
    log, positions = drawn
    assume((log.history_length(positions) > 0).any())
    windows = log.windows(positions, length)
    batch = inputs(log, windows)
    learned = batch.target[batch.target > 0].numpy() - 1
    expected = positions[log.history_length(positions) > 0]
    assert sorted(learned.tolist()) == expected.tolist()
    assert ((windows[:, 1] - windows[:, 0] + 1) <= length).all()


@few
@given(runs(), st.integers(1, 5))
def test_an_input_is_the_event_just_before_its_target_and_no_held_out_event(drawn, length):
    log, positions = drawn
    assume((log.history_length(positions) > 0).any())
    batch = inputs(log, log.windows(positions, length))
    assert (batch.target > 0).equal(batch.real)
    before, target = (part[batch.real].numpy() - 1 for part in (batch.item, batch.target))
    np.testing.assert_array_equal(before + 1, target)
    np.testing.assert_array_equal(log.user_of(before), log.user_of(target))
    np.testing.assert_array_equal(batch.time[batch.real].numpy(), 10 * before)
    known = set(positions.tolist())
    assert all(p in known or p + 1 == min(known & set(range(p, p + 12))) for p in before.tolist())


def test_windows_are_cut_from_the_latest_target_backwards():
    log = numbered([1, 8])
    windows = log.windows(np.arange(9), 3)
    assert windows.tolist() == [[6, 8], [3, 5], [2, 2]]
    batch = inputs(log, windows[1:])
    assert batch.item.tolist() == [[3, 4, 5], [2, 0, 0]]
    assert batch.target.tolist() == [[4, 5, 6], [3, 0, 0]]
    assert batch.time.tolist() == [[20, 30, 40], [10, 0, 0]]


def test_a_gap_in_the_training_positions_of_a_user_is_refused():
    log = numbered([3, 6])
    with pytest.raises(ValueError, match="have a gap; pass a contiguous run"):
        log.windows(np.array([1, 2, 4, 6]), 5)
    assert len(log.windows(np.array([1, 2, 4, 5, 6]), 5)) == 2


@pytest.mark.parametrize("positions", [[], [0, 3]])  # none at all, and first events only
def test_positions_without_any_history_are_refused(positions):
    with pytest.raises(ValueError, match="no position has an earlier event"):
        numbered([3, 1]).windows(np.array(positions, dtype=np.int64), 5)


@pytest.mark.parametrize("ids", [[3, 1, 2], ["é", "b", "a"]])
def test_a_saved_log_opens_as_the_same_log_mapped_from_disk(tmp_path, ids):
    events = pd.DataFrame({"user": ids[:1] * 2 + ids[1:2], "item": ids, "time": [4, 5, 2**40]})
    log = EventLog.build(events)
    log.save(tmp_path / "log")
    opened = EventLog.open(tmp_path / "log")
    for name in ("item", "time", "offsets", "users", "items"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(log, name))
    assert all(isinstance(part, np.memmap) for part in (opened.item, opened.time, opened.offsets))
    assert opened.item.dtype == np.int32
    batch = opened.histories(np.array([1]), 5)
    assert batch.item.equal(log.histories(np.array([1]), 5).item) and batch.item.sum() > 0
    assert opened.sources is None
    written = replace(log, sources=np.array([1, 1]))
    written.save(tmp_path / "written")
    assert EventLog.open(tmp_path / "written").source_of(np.array([0, 2])).tolist() == [1, 1]


def test_an_interrupted_save_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("seqrec_lib.data.log.json.dumps", fail)  # the arrays are written by then
    with pytest.raises(KeyboardInterrupt):
        numbered([3]).save(tmp_path / "log")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_log_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no event log here"):
        EventLog.open(tmp_path / "nowhere")


@few
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=200).map(np.array),
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(0, 5),
)
def test_buckets_hold_every_row_once(row_lengths, batch_size, pool, seed):
    batches = list(bucketed(row_lengths, batch_size, np.random.default_rng(seed), pool))
    assert all(len(batch) for batch in batches)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(row_lengths)))


def test_a_bucket_holds_rows_of_similar_length_and_as_many_steps_as_any_other():
    row_lengths = np.random.default_rng(0).integers(1, 50, 2000)
    batches = list(bucketed(row_lengths, 32, np.random.default_rng(0)))
    spread = np.mean([np.ptp(row_lengths[rows]) for rows in batches])
    assert spread < 6  # 45 in an order that ignores length
    steps = np.array([row_lengths[rows].sum() for rows in batches])
    assert (abs(steps / (32 * row_lengths.mean()) - 1) < 0.15).all()
    assert max(map(len, batches)) > 2 * min(map(len, batches))


def test_the_order_of_buckets_is_random_and_depends_on_the_seed_alone():
    row_lengths = np.random.default_rng(0).integers(1, 50, 2000)
    first, again, other = (
        list(bucketed(row_lengths, 32, np.random.default_rng(seed))) for seed in (0, 0, 1)
    )
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert np.concatenate(first).tolist() != np.concatenate(other).tolist()
    middles = [np.median(row_lengths[rows]) for rows in first]
    assert abs(np.corrcoef(middles[1:], middles[:-1])[0, 1]) < 0.4  # short ones do not come first


def test_a_batch_of_first_events_is_all_padding():
    batch = numbered([2, 2]).histories(np.array([0, 2]), 5)
    assert batch.item.tolist() == [[0], [0]] and batch.length.equal(torch.zeros(2).long())


SIDE = {
    "action": ["view", "order", "view", "like"],
    "channel": ["store", "online", "online", "store"],
    "basket": [7, 7, -1, -1],
    "rating": [5.0, 3.5, 1.0, 2.0],
    "known": [10, 40, 25, 9],
}


@pytest.fixture
def side():
    table = {"user": [1, 1, 1, 2], "item": [4, 5, 6, 4], "time": [10, 20, 25, 7]}
    return EventLog.build(pd.DataFrame(table | SIDE))


def test_columns_of_a_table_become_columns_of_the_log(side):
    assert side.names["action"].tolist() == ["like", "order", "view"]
    assert side.action.tolist() == [3, 2, 3, 1] and side.channel.tolist() == [2, 1, 1, 2]
    # an event without a basket is alone
    assert side.basket[0] == side.basket[1] and len(set(side.basket.tolist())) == 3
    assert side.rating.tolist() == SIDE["rating"] and side.known.tolist() == SIDE["known"]


def test_a_batch_has_the_columns_that_are_asked_for_and_no_others(side):
    batch = side.histories(np.array([2, 1]), 5, ("user", "action", "rating", "known"))
    assert batch.user.tolist() == [1, 1]
    assert batch.action.tolist() == [[3, 2], [3, 0]]
    assert batch.rating.tolist() == [[5.0, 3.5], [5.0, 0.0]]
    assert batch.known.tolist() == [[10, 40], [10, 0]]
    assert batch.time is None and batch.basket is None and batch.asked_at is None


def test_a_question_is_asked_at_the_time_of_the_event_that_follows(side):
    batch = side.histories(np.array([2, 3]), 5, ("time", "asked_at"))
    assert batch.time.tolist() == [[10, 20], [0, 0]]
    assert batch.asked_at.tolist() == [[20, 25], [0, 0]]
    windows = side.windows(np.arange(3), 5)
    model = Recommender(Catalogue.learned(side, np.arange(3)))
    model.reads = ("asked_at",)
    batch = model.training_batch(side, windows)
    assert batch.target.tolist() == [[2, 3]] and batch.asked_at.tolist() == [[20, 25]]


def test_a_question_belongs_to_the_basket_of_the_event_that_follows(side):
    batch = side.histories(np.array([1, 2]), 5, ("basket", "asked_basket"))
    assert batch.basket[:, 0].tolist() == side.basket[[0, 0]].tolist()
    assert batch.asked_basket.tolist() == [[side.basket[1], 0], side.basket[1:3].tolist()]


def test_a_column_that_the_log_lacks_is_named(side):
    with pytest.raises(ValueError, match="reads the rating of events, and this log has none"):
        numbered([3]).histories(np.array([2]), 5, ("rating",))
    with pytest.raises(ValueError, match="a log has no column colour"):
        side.histories(np.array([2]), 5, ("colour",))


def test_another_order_moves_every_column(side):
    turned = side.reordered(np.array([1, 0, 2, 3]))
    for name in ("item", "time", *SIDE):
        before, after = getattr(side, name), getattr(turned, name)
        assert after.tolist() == before[[1, 0, 2, 3]].tolist()


def test_columns_are_saved_with_the_log(side, tmp_path):
    side.save(tmp_path / "log")
    opened = EventLog.open(tmp_path / "log")
    for name in SIDE:
        np.testing.assert_array_equal(getattr(opened, name), getattr(side, name))
    assert opened.names["channel"].tolist() == ["online", "store"]


def test_another_table_is_numbered_as_the_first(side):
    table = pd.DataFrame({"user": [9, 9], "item": [6, 4], "time": [1, 2]})
    table["action"] = ["view", "wave"]
    other = EventLog.build(table, side.items, side.names)
    assert other.item.tolist() == [3, 1] and other.action.tolist() == [3, 0]
    assert other.num_items == side.num_items


# --- events that are context --------------------------------------------------------------------


def with_context(log, *places):
    return replace(log, context=np.isin(np.arange(len(log)), places))


def test_context_is_history_and_no_target(log_of):
    log = with_context(log_of([1, 2, 3, 4, 5, 6, 7]), 1, 4, 6)
    assert log.questions.tolist() == [0, 2, 3, 5]
    windows = log.windows(log.questions, 10)
    assert windows.tolist() == [[1, 5]]
    assert log.targets(windows).tolist() == [[0, 3, 4, 0, 6]]
    assert log.histories(np.array([5]), 10).item.tolist() == [[1, 2, 3, 4, 5]]


def test_windows_with_context_hold_every_target_once_and_no_more_events_than_asked_for(log_of):
    rng = np.random.default_rng(0)
    log = log_of(*(rng.integers(1, 9, n).tolist() for n in rng.integers(2, 30, 40)))
    log = replace(log, context=rng.random(len(log)) < 0.6)
    asked = log.questions[log.history_length(log.questions) > 0]
    for length in (1, 3, 10, 100):
        windows = log.windows(log.questions, length)
        assert (windows[:, 1] - windows[:, 0] < length).all()
        assert not log.context[windows[:, 1]].any()
        inside = np.concatenate([np.arange(a, b + 1) for a, b in windows])
        assert sorted(inside[~log.context[inside]].tolist()) == asked.tolist()
        assert (log.targets(windows) > 0).sum() == len(asked)


def test_all_context_before_the_first_target_is_read_as_far_as_a_window_goes(log_of):
    log = with_context(log_of([1, 2, 3, 4, 5], [6, 7]), 0, 1, 2)
    assert log.windows(log.questions, 10).tolist() == [[1, 4], [6, 6]]
    assert log.windows(log.questions, 2).tolist() == [[3, 4], [6, 6]]
    assert sorted(log.windows(log.questions, 1).tolist()) == [[3, 3], [4, 4], [6, 6]]


def test_a_question_left_out_between_others_is_still_a_gap(log_of):
    log = with_context(log_of([1, 2, 3, 4, 5]), 2)
    with pytest.raises(ValueError, match="have a gap"):
        log.windows(np.array([1, 4]), 10)


def test_a_saved_log_keeps_its_context(log_of, tmp_path):
    log = with_context(log_of([1, 2, 3]), 1)
    log.save(tmp_path / "log")
    assert EventLog.open(tmp_path / "log").context.tolist() == [False, True, False]
    assert log.reordered(np.array([1, 0, 2])).context.tolist() == [True, False, False]
