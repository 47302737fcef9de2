"""What the chapter on the hybrid pipeline shows: served and joined, and words for failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from seqrec_lib.data.hybrid import skew, tiles
from seqrec_lib.data.hybrid.contract import ContractError
from seqrec_lib.data.hybrid.online import OnlineStore, StoreError

CLOCKS = {"by the log": None, "by arrival": tiles.by_arrival, "by event time": tiles.by_event_time}


def asked_at_arrival(trial: skew.Trial, number: int = 20) -> list[dict[str, Any]]:
    """What a new store serves to ``number`` random customers at the moment each segment arrives.

    Of a trial that has run, in the form of :meth:`seqrec_lib.data.hybrid.skew.Log.read`.
    """
    chance, now, found = np.random.default_rng(trial.stream.seed), 0, []
    store = OnlineStore(trial.folder / "asked.sqlite", trial.features)
    for segment in trial.journal.segments():
        table = trial.journal.read(segment)
        store.apply(segment, table)
        now = max([now, *table["known"].to_pylist()])
        users = chance.integers(1, trial.stream.users + 1, number).tolist()
        found += [skew.asked(store, user, now) for user in users]
    store.close()
    return found


def differences(trial: skew.Trial) -> pd.DataFrame:
    """How many requests the offline join gives another answer than was served, by clock.

    A row a clock; ``requests``, ``differing``, and how many differ in each feature.
    """
    asked, rows = asked_at_arrival(trial), {}
    for name, clock in CLOCKS.items():
        one = skew.compare(trial.journal, asked, [trial.features], clock=clock)
        rows[name] = {"requests": one.requests, "differing": one.differing, **one.by_feature}
    return pd.DataFrame(rows).T.fillna(0).astype(int)


def said(acts: Mapping[str, Callable[[], Any]], hidden: str = "") -> pd.DataFrame:
    """What is said of each act that must be refused; ``hidden`` is a path to leave out.

    Raises ``AssertionError`` if one is not refused.
    """
    rows = []
    for kind, act in acts.items():
        try:
            act()
        except (ContractError, StoreError) as error:
            words = str(error).replace(hidden, "...") if hidden else str(error)
            rows.append({"what goes wrong": kind, "what is said": words})
        else:
            raise AssertionError(f"{kind}: nothing was said")
    return pd.DataFrame(rows)


def cost_table(costs: Mapping[str, Any]) -> pd.DataFrame:
    """What each step costs, in words and with its unit."""
    rate, ms = "{:,.0f} rows a second", "{:.2f} ms"
    read = costs["read"]
    rows = {
        "taking in a backlog of 1.3 million rows": rate.format(costs["ingest"]["rows_per_s"]),
        "taking in ten million rows": rate.format(costs["ingest_ten"]["rows_per_s"]),
        "taking in each segment as it comes": rate.format(costs["ingest_single"]["rows_per_s"]),
        "from a segment until it can be read": "{:.2f} s".format(costs["fresh"]["p50_s"]),
        "the same by Spark": "{:.2f} s".format(costs["fresh_spark"]["p50_s"]),
        "reading a customer, median": ms.format(read["evenly"]["p50_ms"]),
        "reading a customer, one in a hundred": ms.format(read["evenly"]["p99_ms"]),
        "reading one who has 333,543 events": ms.format(costs["heavy"]["p50_ms"]),
        "joining 100,000 requests offline": "{:.1f} s".format(costs["offline"]["seconds"]),
        "building the store anew": "{:.1f} s".format(costs["rebuild"]["seconds"]),
    }
    return pd.DataFrame({"measured": rows})
