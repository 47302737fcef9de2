"""What the chapter on the hybrid pipeline shows: served and joined, and words for failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data.hybrid import registry, skew, tiles
from seqrec_lib.data.hybrid.contract import ContractError
from seqrec_lib.data.hybrid.online import OnlineStore, StoreError

CLOCKS = {"by the log": None, "by arrival": tiles.by_arrival, "by event time": tiles.by_event_time}
JOINS = {
    "by the log": "by the log of arrivals",
    "by arrival": "by the time of arrival",
    "by event time": "by the time of the event",
}
FEATURES = {
    "views_1h": "views in an hour",
    "views_24h": "views in a day",
    "views_7d": "views in a week",
    "carts_24h": "carts in a day",
    "orders_7d": "orders in a week",
    "store_lines_7d": "store lines in a week",
    "store_lines_30d": "store lines in a month",
    "store_spend_30d": "spent in stores in a month",
    "since_online_us": "time since an online event",
    "since_store_us": "time since a store line",
    "last_50_item": "last fifty events: items",
    "last_50_source": "last fifty events: where",
    "last_50_basket": "last fifty events: receipts",
    "last_50_age": "last fifty events: how long ago",
}


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


def joined(trials: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Differing requests in percent: a row a join, a column a stream, each of :func:`differences`.

    The number of requests stands in the head of the column.
    """
    columns = {
        f"{name}: of {found['requests'].iloc[0]:,} requests, %": percent(found)
        for name, found in trials.items()
    }
    return pd.DataFrame(columns).rename(index=JOINS)


def percent(found: pd.DataFrame) -> pd.Series:
    """Differing requests of :func:`differences` in percent, by clock."""
    return 100 * found["differing"] / found["requests"]


def draw_joined(ax: Axes, trials: Mapping[str, pd.DataFrame]) -> None:
    """A group of bars a stream: the percent of its requests that each join gets wrong."""
    inks = [report.colour(name) for name in ("sasrec", "gru", "popular")]
    names = list(CLOCKS)[::-1]
    for place, (name, ink) in enumerate(zip(names, inks, strict=True)):
        height = np.arange(len(trials)) + 0.27 * (place - 1)
        shares = [float(percent(found)[name]) for found in trials.values()]
        ax.barh(height, shares, 0.25, color=ink)
        for y, share in zip(height, shares, strict=True):
            ax.text(
                share + 0.8, y, f"{JOINS[name]}: {share:.0f} %", va="center", fontsize=report.SMALL
            )
    ax.set_yticks(range(len(trials)), list(trials))
    ax.set(xlabel="% of the training rows", xlim=(0, 100))
    ax.tick_params(axis="y", length=0)  # else a dash before the words on a short bar
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()


def draw_features(ax: Axes, found: pd.DataFrame) -> None:
    """Percent of the requests in which a join by event time gets each feature wrong."""
    wrong = 100 * found.loc["by event time"] / found["requests"].iloc[0]
    wrong = wrong[[name for name in FEATURES if name in wrong]].sort_values()
    ax.barh([FEATURES[name] for name in wrong.index], wrong, color=report.colour("sasrec"))
    ax.set(xlabel="% of the requests")
    ax.grid(axis="y", visible=False)


def draw_clocks(ax: Axes, events: pd.DataFrame) -> None:
    """Events of one customer: when each happened, and how many hours later it was known.

    Columns ``day`` (of the stream), ``late`` (hours) and ``source`` (0 online, 1 store).
    """
    looks = (("online", "o", report.colour("gru4rec")), ("receipt line", "s", "#D55E00"))
    for source, (name, mark, ink) in enumerate(looks):
        rows = events[events["source"] == source]
        ax.plot(rows["day"], rows["late"], mark, color=ink, label=name, ms=4, alpha=0.7)
    ax.axhline(0, color="black", lw=0.8)
    ax.set(xlabel="day on which it happened", ylabel="hours until it was known")
    ax.set_yscale("symlog", linthresh=1)
    ax.set_yticks([-1, 0, 1, 6, 24, 96])
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_ylim(-10, 200)
    report.legend_above(ax)


def wider(features: registry.FeatureSet) -> registry.FeatureSet:
    """The same features in a second version whose counts look back twice as far."""
    return registry.FeatureSet(
        tuple(
            replace(one, version=2, window=2 * one.window) if one.kind == "count" else one
            for one in features
        )
    )


def of_lengths() -> registry.FeatureSet:
    """Counts over ever longer windows, and two lists, to see how many rows each reads."""
    spans = {"events of 1 hour": registry.HOUR, "of 1 day": registry.DAY}
    spans |= {f"of {days} days": days * registry.DAY for days in (3, 7, 30, 90)}
    counts = [registry.Feature(name, 1, "count", span, "online") for name, span in spans.items()]
    lists = [registry.Feature(f"the last {n:,}", 1, "last", n) for n in (50, 5000)]
    return registry.FeatureSet(tuple(counts + lists))


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
    read, heavy, offline, behind = (costs[k] for k in ("read", "heavy", "offline", "ingest"))
    backlog, ten = (f"{costs[k]['rows'] / 1e6:.1f}" for k in ("ingest", "ingest_ten"))
    rows = {
        f"taking in a backlog of {backlog} million rows": rate.format(
            costs["ingest"]["rows_per_s"]
        ),
        f"taking in {ten} million rows": rate.format(costs["ingest_ten"]["rows_per_s"]),
        "taking in each segment as it comes": rate.format(costs["ingest_single"]["rows_per_s"]),
        "from a segment until it can be read": "{:.2f} s".format(costs["fresh"]["p50_s"]),
        "the same by Spark": "{:.2f} s".format(costs["fresh_spark"]["p50_s"]),
        "reading a customer, median": ms.format(read["evenly"]["p50_ms"]),
        "reading a customer, slowest of a hundred": ms.format(read["evenly"]["p99_ms"]),
        f"reading one who has {heavy['events']:,} events": ms.format(heavy["p50_ms"]),
        f"joining {offline['requests']:,} requests offline": f"{offline['seconds']:.1f} s",
        "building the store anew": "{:.1f} s".format(costs["rebuild"]["seconds"]),
    }
    return pd.DataFrame({"measured": rows})
