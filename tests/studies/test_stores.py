"""What the study of stores measures, on logs of which the answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets
from seqrec_lib.data.channels import joined
from seqrec_lib.data.splits import named
from seqrec_lib.data.worlds.stores import StoreWorld
from seqrec_lib.studies import stores

DAY = stores.DAY_S


def test_a_window_holds_what_became_known_in_it_and_the_event_before_at_least(log_of):
    log = log_of([1, 2, 3, 4], [1, 2, 3], days=[[0, 1, 5, 6], [0, 1, 2]])
    asked = np.array([1, 2, 3, 6])
    assert stores.recent(log, asked, 1).tolist() == [1, 1, 1, 1]
    assert stores.recent(log, asked, 2 * DAY).tolist() == [1, 1, 1, 2]
    assert stores.recent(log, asked, 5 * DAY).tolist() == [1, 2, 2, 2]
    assert stores.recent(log, asked, 90 * DAY).tolist() == [1, 2, 3, 2]
    late = replace(log, known=log.time + np.array([0, 3 * DAY, 0, 0, 0, 0, 0]))
    assert stores.recent(late, np.array([2]), 2 * DAY).tolist() == [1]
    assert stores.recent(late, np.array([3]), 2 * DAY).tolist() == [2]


def people(shift):
    """Each of 30 people looks for a kind of their own, ``shift`` days after they bought of it."""
    rows = []
    for user in range(30):
        rows += [(user, 40 + user % 5, 20 * DAY, "store")]
        rows += [
            (user, user % 5 if day == 20 + shift else 9, day * DAY, "online") for day in range(60)
        ]
    return pd.DataFrame(rows, columns=["user", "item", "time", "channel"])


@pytest.mark.parametrize("shift", [3, -3])
def test_a_correlation_is_found_at_its_lag_and_nowhere_else(shift):
    events = people(shift)
    kind = events["item"].to_numpy() % 40
    found = stores.lifts(events, kind, kind).set_index("lag")
    there = found.loc[shift]
    assert there["lift"] > 3 > 2 > there["null_high"] > 1 > there["null_low"]
    assert found.drop(shift)["lift"].isna().all()  # nobody looks for anything then


@pytest.mark.parametrize(("strength", "least"), [(0.0, -1e-9), (1.0, 0.01)])
def test_the_oracle_gains_by_receipts_if_they_say_something(monkeypatch, strength, least):
    world = StoreWorld(strength, num_users=300)
    log = joined(stores.draw(world).events, "none")
    monkeypatch.setitem(stores.WORLDS, "omni-small", world)
    monkeypatch.setattr(datasets, "load", lambda name: (log, named(log, "tail")))
    table = stores.oracle("omni-small").set_index(["stores", "metric"])
    for metric in ("HR@10", "NDCG@10"):
        assert table.loc[("none", metric), "gain"] == 0
        assert table.loc[("known", metric), "low"] >= least
        assert table.loc[("time", metric), "value"] >= table.loc[("week", metric), "value"]
    if not strength:
        assert table["gain"].abs().max() < 1e-9
