"""Store lines as history alone: by event time, as known, late, or somebody else's."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets, files
from seqrec_lib.data.channels import VARIANTS, joined, treated
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.events import EventError
from seqrec_lib.data.splits import assert_no_leak, leave_last_out

HOUR, DAY, NIGHT = 3_600, 86_400, 27 * 3_600  # lines are known at three of the next morning


def table(*rows):
    """Rows of user, item, time, channel; lines of a user at a time are a receipt."""
    events = pd.DataFrame(rows, columns=["user", "item", "time", "channel"])
    store = events["channel"] == "store"
    events["known"] = np.where(store, events["time"] // DAY * DAY + NIGHT, events["time"])
    events["basket"] = np.where(store, events["user"] * 1_000_000 + events["time"], -1)
    return events


def two_people():
    """A receipt of items 8 and 9 at noon of day 0, before two questions of that day."""
    rows = []
    for user, shift in ((1, 0), (2, 10)):
        rows += [
            (user, 1 + shift, 9 * HOUR, "online"),
            (user, 8 + shift, 12 * HOUR, "store"),
            (user, 9 + shift, 12 * HOUR, "store"),
            (user, 2 + shift, 12 * HOUR + 60, "online"),
            (user, 3 + shift, 13 * HOUR, "online"),
            (user, 4 + shift, DAY + 3 * HOUR, "online"),
            (user, 5 + shift, 9 * DAY, "online"),
        ]
    return table(*rows)


def histories(log, user=0):
    """Raw item asked about -> raw items before it, of one user."""
    own = log.questions[log.user_of(log.questions) == user]
    raw = log.items[log.item - 1]
    return {int(raw[p]): raw[log.offsets[user] : p].tolist() for p in own}


@pytest.mark.parametrize(
    ("stores", "order"),
    [
        ("none", [1, 2, 3, 4, 5]),
        ("time", [1, 8, 9, 2, 3, 4, 5]),
        ("hour", [1, 2, 8, 9, 3, 4, 5]),  # known in the second of a question: there
        ("known", [1, 2, 3, 8, 9, 4, 5]),
        ("week", [1, 2, 3, 4, 8, 9, 5]),
        ("others", [1, 2, 3, 18, 19, 4, 5]),
    ],
)
def test_a_history_is_what_a_variant_says_was_known(stores, order):
    log = joined(two_people(), stores)
    raw = log.items[log.item - 1].tolist()[: len(order)]
    assert raw == order
    assert not log.context[:1] and histories(log)[5] == order[:-1]


def test_of_a_random_half_of_the_users_lines_are_kept():
    shifted = [two_people().assign(user=lambda t, k=k: t["user"] + 2 * k) for k in range(3)]
    log = joined(pd.concat(shifted), "half")
    kept = [log.context[log.user_of(np.arange(len(log))) == user].any() for user in range(6)]
    assert kept == treated(log.users).tolist() and sum(kept) == 3


def test_all_variants_have_the_same_items_users_and_questions():
    logs = [joined(two_people(), stores) for stores in VARIANTS]
    for log in logs:
        np.testing.assert_array_equal(log.items, logs[0].items)
        np.testing.assert_array_equal(log.users, logs[0].users)
        for part in ("train", "valid", "test"):
            asked = getattr(leave_last_out(log), part)
            np.testing.assert_array_equal(
                log.item[asked], logs[0].item[getattr(leave_last_out(logs[0]), part)]
            )
        assert_no_leak(log, leave_last_out(log), as_known=True)


def test_lines_of_a_receipt_are_a_step_and_online_events_are_alone():
    events = two_people()
    events["basket"] = events["basket"].where(events["channel"] == "store", 7)
    log = joined(events, "time")
    assert np.diff(log.basket[:7]).astype(bool).tolist() == [True, False, True, True, True, True]


def test_a_history_that_was_not_known_is_a_leak():
    log = joined(two_people(), "time")
    log = replace(log, known=log.known + DAY * (np.arange(len(log)) == 2))
    with pytest.raises(AssertionError, match="1 histories were not known when they were asked for"):
        assert_no_leak(log, leave_last_out(log), as_known=True)


def test_what_a_store_sold_after_the_last_question_is_nobodys_history():
    events = two_people()
    late = table((1, 8, 20 * DAY, "store"), (2, 8, 20 * DAY, "store"))
    more = joined(pd.concat([events, late]), "known")
    assert histories(more) == histories(joined(events, "known"))
    assert more.item[leave_last_out(more).test].tolist() == [
        *more.item[np.isin(more.items[more.item - 1], (5, 15))]
    ]


def test_users_of_few_online_events_are_left_out_and_told(caplog):
    few = table(*((3, item, item * DAY, "online") for item in (1, 2)), (3, 8, DAY, "store"))
    log = joined(pd.concat([two_people(), few]), "known")
    assert log.users.tolist() == [1, 2]
    assert "left out: 1 users of fewer than 3 online events" in caplog.text


def test_a_table_without_two_channels_is_refused():
    events = two_people()
    with pytest.raises(EventError, match="stores=known needs .*: no \\['known'\\]"):
        joined(events.drop(columns="known"), "known")
    with pytest.raises(EventError, match="'store' and another channel; there are \\['online'\\]"):
        joined(events[events["channel"] == "online"], "known")


def test_shuffled_equal_times_of_online_events_alone_change_places(tmp_path):
    path = tmp_path / "day.csv"
    days = two_people().assign(time=lambda t: t["time"] // DAY * DAY)
    days["known"] = np.where(days["channel"] == "store", days["time"] + DAY, days["time"])
    days.to_csv(path, index=False)
    seen = {}
    for stores in VARIANTS:
        dataset = Dataset(str(path), stores=stores)
        plain, mixed = (datasets.load(one)[0] for one in (dataset, dataset.but(shuffled=True)))
        np.testing.assert_array_equal(np.sort(plain.item), np.sort(mixed.item))
        np.testing.assert_array_equal(plain.known, mixed.known)
        np.testing.assert_array_equal(plain.context, mixed.context)
        seen[stores] = mixed.item[~mixed.context].tolist()
        assert seen[stores] != plain.item[~plain.context].tolist()
    # the same in every variant, so that ranks can be compared in pairs
    assert len(set(map(str, seen.values()))) == 1


@pytest.mark.skipif(files.find("hm/transactions.parquet") is None, reason="the sample is not here")
def test_of_hm_what_a_store_sold_today_is_known_tomorrow():
    by_time, split = datasets.load("hm-stores-time")
    known, other = datasets.load("hm-stores-known")
    np.testing.assert_array_equal(by_time.item[split.test], known.item[other.test])
    day = 86_400
    assert (known.known[known.context] == known.time[known.context] + day).all()
    before = known.context[other.test - 1]
    assert before.any() and (known.time[other.test] > known.time[other.test - 1])[before].all()
    # by time, receipts of the day of a question are history
    assert (by_time.time[split.test] == by_time.time[split.test - 1])[
        by_time.context[split.test - 1]
    ].any()
