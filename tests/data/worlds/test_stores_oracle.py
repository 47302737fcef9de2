"""The oracle believes what a sum over all hidden paths says, and it comes true as often."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from seqrec_lib.data.worlds.stores import DAY_S, DELAYS, FIRST_DAY, StoreWorld, known_from
from seqrec_lib.data.worlds.stores_draw import draw
from seqrec_lib.data.worlds.stores_oracle import NEVER, ask, beliefs

CLOCKS = (NEVER, *DELAYS)
TINY = StoreWorld(
    **dict(num_users=300, num_days=8, num_needs=3, items_per_need=2, num_staples=2, skew=1.0),
    **dict(drift=0.15, noise=0.4, online_rate=0.5, visit_rate=0.4, strength=0.7, spread=0.2),
    **dict(hazard=0.5, focus=0.5),
)
WORLD = StoreWorld(num_users=600, num_needs=20, items_per_need=5, num_staples=10)


@pytest.fixture(scope="module")
def drawn():
    return draw(WORLD)


def online_rows(events, first_day=0):
    late = events["time"] >= (FIRST_DAY + first_day) * DAY_S
    return np.flatnonzero((events["channel"] == "online") & late)


def night(world):
    """Chances [satisfied in the evening, need, next need, satisfied next morning]."""
    chance = np.zeros((2, 3, 3, 2))
    for z in range(3):
        for to, share in enumerate(world.need_shares):
            same, follows = to == z, to == world.complements[z]
            kept = (1 - world.drift) * same
            ended = world.moves_on * follows + (1 - world.moves_on) * share
            chance[0, z, to, 0] = kept + world.drift * share
            chance[1, z, to, 1] = (1 - world.hazard) * kept
            chance[1, z, to, 0] = world.hazard * ended + (1 - world.hazard) * world.drift * share
    return chance


def of_items(world):
    """Chances of items in online events by need, and in receipt lines by the receipt's need."""
    anything = np.append(world.popularity, np.zeros(world.num_staples))
    staples = np.append(np.zeros(world.num_online), world.staple_weights)
    other = (1 - world.staple_share) * anything + world.staple_share * staples
    own = np.kron(np.eye(3), world.item_weights)
    own = np.hstack([own, np.zeros((3, world.num_staples))])
    return (
        (1 - world.noise) * own + world.noise * anything,
        world.focus * own + (1 - world.focus) * other,
    )


def summed(world, events, row, delay):
    """The chance of each need at an online event: a sum over all paths of needs, one by one."""
    user, now = events["user"].iloc[row], int(events["time"].iloc[row])
    mine = events[(events["user"] == user) & (events["time"] < now)]
    today = now // DAY_S - FIRST_DAY
    online, store = of_items(world)
    sizes = [3, 2] * today + [3]  # need, satisfied next morning
    paths = np.array(np.unravel_index(np.arange(np.prod(sizes)), sizes))
    need, morning = paths[::2], np.vstack([np.zeros_like(paths[:1]), paths[1::2]])
    chance = world.need_shares[need[0]]
    for day in range(today + 1):
        of_day = mine[mine["time"] // DAY_S - FIRST_DAY == day]
        z = need[day]
        for item in of_day.loc[of_day["channel"] == "online", "item"]:
            chance = chance * online[z, item - 1]
        lines = of_day[of_day["channel"] == "store"]
        possible = (FIRST_DAY + day) * DAY_S + np.arange(1, DAY_S, 2)
        unknown = 1.0
        if delay != NEVER:
            lines = lines[known_from(lines["time"].to_numpy(), delay) <= now]
            unknown = np.mean(known_from(possible, delay) > now)
        if delay != NEVER and len(lines):
            by_centre = store[:, lines["item"] - 1].prod(1)
            linked = world.strength * by_centre[z]
            rest = (1 - world.strength) * (by_centre @ world.need_shares)
        else:
            unseen = world.visit_rate * unknown
            linked, rest = unseen * world.strength, unseen * (1 - world.strength)
            rest += 1 - world.visit_rate
        if day == today:
            chance = chance * (linked + rest)
        else:
            after = need[day + 1], morning[day + 1]
            evening = night(world)
            unchanged = evening[morning[day], z, *after]
            chance = chance * (linked * evening[1, z, *after] + rest * unchanged)
    chance = np.bincount(need[today], chance, 3)
    return chance / chance.sum()


@pytest.mark.parametrize("delay", CLOCKS)
def test_the_belief_is_the_sum_over_all_hidden_paths(delay):
    events = draw(TINY).events
    rows, second = online_rows(events), events["time"].to_numpy() % DAY_S
    day = events["time"].to_numpy() // DAY_S - FIRST_DAY
    usual, last = rows[day[rows] == 4], rows[day[rows] == 7]
    early = usual[second[usual] < 3 * 3600]  # where receipts of the day before are not all known
    rows = np.concatenate([early[:40], usual[-10:], last[: 4 if delay == "a week" else 0]])
    found = beliefs(TINY, events, rows, delay)
    expected = [summed(TINY, events, row, delay) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_without_a_link_receipts_change_nothing():
    world = replace(WORLD, strength=0.0)
    events = draw(world).events
    rows = online_rows(events, 40)
    never = ask(world, events, rows, NEVER)
    for delay in DELAYS:
        found = ask(world, events, rows, delay)
        assert (found.rank == never.rank).all()
        np.testing.assert_allclose(found.log_chance, never.log_chance, rtol=0, atol=1e-12)


@pytest.mark.parametrize("delay", CLOCKS)
def test_what_is_not_known_by_then_changes_nothing(drawn, delay):
    events = drawn.events
    rows = online_rows(events, 40)
    rows = rows[np.append(np.diff(events["user"].to_numpy()[rows]) > 0, True)]  # one a user
    asked = np.full(WORLD.num_users, -1)
    asked[events["user"].to_numpy()[rows] - 1] = events["time"].to_numpy()[rows]
    now, time = asked[events["user"] - 1], events["time"].to_numpy()
    store = (events["channel"] == "store").to_numpy()
    unknown = time > now if delay != NEVER else store | (time > now)
    if delay != NEVER:
        unknown |= store & (known_from(time, delay) > now)
    assert 1000 < unknown.sum() < len(events) - 1000
    before = ask(WORLD, events, rows, delay)
    places = np.cumsum(~unknown)[rows] - 1
    after = ask(WORLD, events[~unknown].reset_index(drop=True), places, delay)
    np.testing.assert_allclose(after.log_chance, before.log_chance, rtol=1e-12)
    # while what is known does
    if delay != NEVER:
        online = ask(WORLD, events, rows, NEVER)
        assert (online.log_chance != before.log_chance).mean() > 0.5


def test_later_knowledge_is_worth_less(drawn):
    rows = online_rows(drawn.events)
    means = [
        ask(WORLD, drawn.events, rows, delay).log_chance.mean()
        for delay in ("at once", "next morning", "a week", NEVER)
    ]
    assert (np.diff(means) < 0).all()


def test_needs_are_as_likely_as_said(drawn):
    rows = online_rows(drawn.events, 20)
    events = drawn.events.iloc[rows]
    day = events["time"].to_numpy() // DAY_S - FIRST_DAY
    need = drawn.need[events["user"] - 1, day]
    said = beliefs(WORLD, drawn.events, rows, "next morning")
    true = need[:, None] == np.arange(WORLD.num_needs)
    group = np.digitize(said, np.linspace(0.05, 0.95, 10))
    count = np.bincount(group.ravel(), minlength=11)
    assert count.min() > 100
    for k in range(11):
        p = said[group == k]
        # events of a session share a need: far fewer are independent than there are
        deviation = np.sqrt((p * (1 - p)).sum() * 3) / len(p)
        assert true[group == k].mean() == pytest.approx(p.mean(), abs=4 * deviation)


def test_ranks_are_those_of_the_chances(drawn):
    rows = online_rows(drawn.events, 90)[:200]
    item = drawn.events["item"].to_numpy()[rows]
    barred = csr_array(
        (np.ones(400, dtype=bool), (np.repeat(np.arange(200), 2), np.tile([1, 105], 200))),
        shape=(200, WORLD.num_items + 1),
    )
    free, masked = (ask(WORLD, drawn.events, rows, "at once", m, top=100) for m in (None, barred))
    place = (free.top == item[:, None]).argmax(1)
    assert (free.rank == place + 1).all() and (np.diff(free.top_chance) <= 0).all()
    np.testing.assert_allclose(free.top_chance.sum(1), 1)
    np.testing.assert_allclose(np.log(free.top_chance[np.arange(200), place]), free.log_chance)
    ahead = (free.top == 1).argmax(1) < place
    assert (masked.rank == np.where(item == 1, WORLD.num_items, free.rank - ahead)).all()
    assert (masked.top[:, :99] != 1).all() and (masked.log_chance == free.log_chance).all()


def test_questions_without_an_answer_are_refused_in_words(drawn):
    events, first = drawn.events, np.array([0])  # a receipt line
    with pytest.raises(ValueError, match="use one of never, at once, an hour"):
        ask(WORLD, events, first, "soon")
    with pytest.raises(ValueError, match="1 rows are receipt lines; ask for online events alone"):
        ask(WORLD, events, first, NEVER)
    with pytest.raises(ValueError, match="not all in 60 days"):
        ask(replace(WORLD, num_days=60), events, online_rows(events), NEVER)
