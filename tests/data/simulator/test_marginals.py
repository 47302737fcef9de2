"""Marginals are the shares one counts by hand, and distances lie between 0 and 1."""

from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import files
from seqrec_lib.data.simulator.marginals import COUNTS, GAPS, RANKS, REAL, distances, fit

HOUR, DAY = 3600, 86_400
SHOES, SOAP, TEA = "nfmcg_1", "nfmcg_2", "nfmcg_3"


def stream(*rows):
    """Events (seconds, user, item, action, subdomain, os) in T-ECD's columns."""
    names = ["timestamp", "user_id", "item_id", "action_type", "subdomain", "os"]
    table = pd.DataFrame(rows, columns=names)
    table["timestamp"] = (table["timestamp"] * 1e6).astype("int64")
    return table


EVENTS = stream(
    (0, 1, SHOES, "view", "u2i", "ios"),
    (10, 1, SHOES, "view", "u2i", "ios"),
    (HOUR + 10, 1, SOAP, "like", None, "ios"),
    (HOUR + 40, 1, SHOES, "view", "u2i", "ios"),
    (DAY + 5 * HOUR, 1, SHOES, "view", "u2i", "ios"),
    (5 * HOUR, 2, TEA, "view", "search", "android"),
    (5 * HOUR + 1, 2, SHOES, "click", "u2i", "android"),
    (5 * HOUR + 2, 3, SHOES, "view", "u2i", "android"),
)


def at(edges, values, edge):
    return values[edges.index(edge)]


def test_events_per_user_and_day_are_counted_in_user_days():
    per_user = fit(EVENTS).per_user  # user-days of 4, 1, 2, 1 events
    assert [at(COUNTS, per_user, n) for n in (1, 2, 3, 4)] == [0.5, 0.75, 0.75, 1.0]


def test_popularity_is_the_share_of_events_on_the_most_frequent_items():
    popularity = fit(EVENTS).popularity  # shoes 6, soap 1, tea 1
    assert [at(RANKS, popularity, n) for n in (1, 2, 4)] == [0.75, 0.875, 1.0]


def test_gaps_are_between_successive_events_of_a_user_also_over_night():
    gaps = fit(EVENTS).gaps  # 10, 3600, 30, 100,760 and 1 seconds
    assert [at(GAPS, gaps, s) for s in (1, 8, 15, 30, 1800, 3600)] == [0.2, 0.2, 0.4, 0.6, 0.6, 0.8]
    assert at(GAPS, gaps, 86_400) == 0.8 and at(GAPS, gaps, 129_600) == 1


def test_hours_count_from_midnight_of_each_day():
    hours = fit(EVENTS).hours
    assert (hours[0], hours[1], hours[5]) == (0.25, 0.25, 0.5) and sum(hours) == 1


def test_repeats_are_of_the_event_before_and_of_any_event_before():
    found = fit(EVENTS)
    assert found.same_item == 0.4  # 2 of the 5 events with one before
    assert found.seen_item == 0.375  # 3 of 8


def test_actions_are_counted_with_subdomain_and_os_and_a_dash_for_none():
    assert fit(EVENTS).actions == {
        "click u2i android": 0.125,
        "like - ios": 0.125,
        "view search android": 0.125,
        "view u2i android": 0.125,
        "view u2i ios": 0.5,
    }


def test_a_domain_without_surfaces_has_actions_alone():
    offers = EVENTS.drop(columns=["subdomain", "os"])
    assert fit(offers).actions == {"click": 0.125, "like": 0.125, "view": 0.75}


def test_neither_the_order_of_rows_nor_the_kind_of_table_matters():
    found = fit(EVENTS)
    assert fit(EVENTS.sample(frac=1, random_state=0)) == found
    assert fit(ibis.memtable(EVENTS)) == found
    durations = EVENTS.assign(timestamp=pd.to_timedelta(EVENTS["timestamp"], unit="us"))
    assert fit(durations) == found


def test_a_single_event_has_marginals_and_no_event_has_none():
    assert fit(EVENTS.head(1)).same_item == 0
    with pytest.raises(ValueError, match="no events"):
        fit(EVENTS.head(0))


def test_a_stream_is_at_no_distance_from_itself():
    assert (distances(REAL, REAL)["distance"] == 0).all()


def distance(marginal, **changes):
    table = distances(replace(REAL, **changes), REAL).set_index("marginal")
    others = table.drop(index=marginal)["distance"]
    assert (others == 0).all()
    return table["distance"][marginal]


def test_cumulative_shares_are_compared_by_their_largest_difference():
    moved = np.array(REAL.per_user)
    moved[3] += 0.02
    moved[5] -= 0.03
    assert distance("events per user and day", per_user=tuple(moved)) == pytest.approx(0.03)
    moved = np.array(REAL.popularity)
    moved[0] += 0.25
    assert distance("popularity of items", popularity=tuple(moved)) == pytest.approx(0.25)


def test_shares_of_kinds_are_compared_by_half_the_sum_of_differences():
    moved = np.array(REAL.hours)
    moved[:3] += [0.02, 0.01, -0.03]
    assert distance("hour of the day", hours=tuple(moved)) == pytest.approx(0.03)
    actions = {**REAL.actions, "view u2i ios": REAL.actions["view u2i ios"] - 0.01, "new": 0.01}
    assert distance("action, subdomain, os", actions=actions) == pytest.approx(0.01)


def test_repeats_are_compared_by_their_difference():
    assert distance("same item as before", same_item=REAL.same_item + 0.1) == pytest.approx(0.1)
    assert distance("item seen before", seen_item=REAL.seen_item - 0.1) == pytest.approx(0.1)


def test_gaps_within_sessions_do_not_see_those_between():
    cut = GAPS.index(1800) + 1
    gaps = np.array(REAL.gaps)
    gaps[cut:] = gaps[cut - 1]  # nothing between half an hour and a day and a half
    real = np.array(REAL.gaps)
    most = (real[-1] - real[cut - 1]) / (1 - real[cut - 1])
    assert distance("gaps between sessions", gaps=tuple(gaps)) == pytest.approx(most)


def test_the_stored_marginals_are_those_of_the_real_days():
    names = [f"tecd/dataset/small/marketplace/events/{day:05d}.pq" for day in (1294, 1295, 1296)]
    paths = [files.find(name) for name in names]
    if None in paths:
        pytest.skip("needs the real marketplace days in a data folder")
    assert fit(ibis.duckdb.connect(threads=1).read_parquet(paths)) == REAL
