from dataclasses import replace

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from seqrec_lib.data import events
from seqrec_lib.data.worlds.stores import DAY_S, FIRST_DAY, StoreWorld, known_from
from seqrec_lib.data.worlds.stores_draw import draw

WORLD = StoreWorld(num_users=2000, num_days=60, num_needs=8, skew=1.2, drift=0.1)


@pytest.fixture(scope="module")
def drawn():
    return draw(WORLD)


def parts(drawn):
    """Online events and receipt lines, each with the user's true need of its day."""
    table = drawn.events
    day = table["time"].to_numpy() // DAY_S - FIRST_DAY
    table = table.assign(about=WORLD.need_of(table["item"].to_numpy()))
    table["need"] = drawn.need[table["user"].to_numpy() - 1, day]
    return table[table["channel"] == "online"], table[table["channel"] == "store"]


def agree(observed, expected):
    """Are events as frequent as their chances say, within four standard deviations?"""
    expected = np.broadcast_to(expected, len(observed))
    deviation = np.sqrt((expected * (1 - expected)).sum()) / len(observed)
    assert np.mean(observed) == pytest.approx(expected.mean(), abs=4 * deviation)


def test_events_are_a_canonical_table_without_ties_between_receipts_and_events(drawn):
    table = drawn.events
    assert_frame_equal(events.check(table, "stores", lines=True), table)
    online = table[table["channel"] == "online"]
    assert online.groupby("user").size().reindex(range(1, 2001), fill_value=0).min() >= 5
    assert (online["basket"] == -1).all() and (online["known"] == online["time"]).all()
    assert not online.duplicated(["user", "time"]).any()
    store = table[table["channel"] == "store"]
    assert (store["known"] == known_from(store["time"].to_numpy(), "next morning")).all()
    receipts = store.drop_duplicates(["user", "time"])
    assert receipts["basket"].tolist() == list(range(1, store["basket"].max() + 1))
    assert not receipts.merge(online, on=["user", "time"]).size


def test_the_first_users_are_the_same_in_a_world_of_more(drawn):
    few = draw(replace(WORLD, num_users=300))
    same = drawn.events[drawn.events["user"] <= 300]
    assert_frame_equal(few.events, same)
    assert (few.need == drawn.need[:300]).all() and (few.linked == drawn.linked[:300]).all()
    assert not draw(replace(WORLD, num_users=300, seed=1)).events.equals(same)


def test_worlds_of_another_strength_have_the_same_times(drawn):
    weak = draw(replace(WORLD, strength=0.3))
    columns = ["user", "time", "channel", "basket", "known"]
    assert_frame_equal(weak.events[columns], drawn.events[columns])
    agree(weak.linked[drawn.linked], 0.3)


def test_online_events_are_as_often_about_the_need_as_said(drawn):
    online, _ = parts(drawn)
    agree(online["about"] == online["need"], 0.8 + 0.2 * WORLD.need_shares[online["need"]])
    first = (online["item"] - 1) % WORLD.items_per_need == 0
    agree(first, WORLD.item_weights[0])
    other = online["about"][online["about"] != online["need"]]
    assert np.bincount(other).argmax() == 0


def test_receipts_are_as_often_about_the_need_and_staples_as_said(drawn):
    _, store = parts(drawn)
    agree(store["about"] == WORLD.num_needs, 0.4 * 0.5)
    agree(store["about"] == store["need"], 0.6 + 0.2 * WORLD.need_shares[store["need"]])
    agree(drawn.linked, WORLD.visit_rate)
    lines = store.groupby("basket").size()
    assert lines.mean() == pytest.approx(3.5, abs=4 * np.sqrt(2.5 / len(lines)))


def test_without_a_link_receipts_have_nothing_to_do_with_needs():
    drawn = draw(replace(WORLD, strength=0.0))
    assert not drawn.linked.any()
    _, store = parts(drawn)
    receipts = store[store["about"] < WORLD.num_needs].drop_duplicates("basket")
    agree(receipts["about"] == receipts["need"], WORLD.need_shares[receipts["need"]])
    now, next_ = drawn.need[:, :-1].ravel(), drawn.need[:, 1:].ravel()
    agree(now != next_, 0.1 * (1 - WORLD.need_shares[now]))
    agree(next_ == 0, WORLD.need_shares[0])


def test_a_satisfied_need_ends_and_moves_on_as_often_as_said(drawn):
    shares, hazard, moves, drift = WORLD.need_shares, 0.7, 0.6, WORLD.drift
    now, next_ = (drawn.need[:, s][drawn.linked[:, :-1]] for s in (np.s_[:-1], np.s_[1:]))
    anew = hazard * (1 - moves) + (1 - hazard) * drift
    follows = WORLD.complements[now]
    agree(next_ == follows, hazard * moves + anew * shares[follows])
    agree(next_ == now, (1 - hazard) * (1 - drift) + anew * shares[now])
    # one that did not end the first night can still end the second
    stayed = drawn.linked[:, :-2] & (drawn.need[:, 1:-1] == drawn.need[:, :-2])
    assert (drawn.need[:, 2:] != drawn.need[:, 1:-1])[stayed].mean() > 0.5
