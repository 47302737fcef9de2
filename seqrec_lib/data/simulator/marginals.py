"""What a stream of events looks like from outside: six marginals, and how far two are apart.

They are the yardstick of the simulator: :data:`REAL` holds those of the three consecutive days of
T-ECD's marketplace that the project has (1294 to 1296; 1,314,692 events). They are shares, no rows.
A marginal says nothing about the others: two streams can agree on all six and differ in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import ibis.expr.types as ir

HOUR_US = 3_600_000_000  # microseconds
SESSION = 1800.0  # seconds of silence that end a session
COUNTS = (*range(1, 13), 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
RANKS = tuple(2**k for k in range(21))
GAPS = (
    *(1, 2, 4, 8, 15, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 960, 1200, 1500, 1800),
    *(2400, 3600, 5400, 7200, 10_800, 14_400, 21_600, 28_800, 43_200, 64_800, 86_400, 129_600),
)


@dataclass(frozen=True)
class Marginals:
    """Shares that describe a stream of events; see :func:`fit`."""

    events: int  # what follows depends on it: more events, more repeats and rarer items
    per_user: tuple[float, ...]  # user-days with at most COUNTS events
    popularity: tuple[float, ...]  # events on the RANKS most frequent items
    gaps: tuple[float, ...]  # gaps between a user's successive events of at most GAPS seconds
    hours: tuple[float, ...]  # events in each hour of the day
    same_item: float  # events on the item of the user's event before, of those that have one
    seen_item: float  # events on an item that the user has met before
    actions: Mapping[str, float]  # events by "action subdomain os"; - where there is none


def fit(table: pd.DataFrame | ir.Table) -> Marginals:
    """The marginals of a table of events in T-ECD's columns, from one domain.

    Columns are ``timestamp`` (a duration, or microseconds since day 0), ``user_id``, ``item_id``,
    ``action_type`` and, where the domain has them, ``subdomain`` and ``os``. An Ibis table is
    counted where it lies, and only counts are loaded. Events of one user and microsecond are
    taken in the order of their items. Raises ValueError if there are no events.
    """
    if isinstance(table, pd.DataFrame):
        time = table["timestamp"]
        if time.dtype.kind == "m":
            time = time.astype("timedelta64[us]").astype("int64")
        table = ibis.memtable(table.assign(timestamp=time))
    order = ibis.window(group_by="user_id", order_by=["timestamp", "item_id"])
    table = table.mutate(
        time=table.timestamp.cast("int64"),
        earlier=table.timestamp.cast("int64").lag().over(order),
        item_before=table.item_id.lag().over(order),
    )
    hours = _sizes(table, hour=(table.time // HOUR_US) % 24)
    total = int(hours["n"].sum())
    if not total:
        raise ValueError("there are no events to describe")
    user_days = _sizes(table, day=table.time // (24 * HOUR_US), user_id=table.user_id, again=True)
    items = _sizes(table, item_id=table.item_id, again=True).sort_values("size", ascending=False)
    gap = (table.time - table.earlier) / 1e6
    bins = ibis.cases(*((gap <= edge, k) for k, edge in enumerate(GAPS)), else_=len(GAPS))
    gaps = _sizes(table.filter(table.earlier.notnull()), bin=bins)
    repeats = table.aggregate(
        same=(table.item_id == table.item_before).sum(),
        later=table.earlier.count(),
        pairs=table.select("user_id", "item_id").distinct().count().as_scalar(),
    ).execute()
    names = [name for name in ("action_type", "subdomain", "os") if name in table.columns]
    actions = _sizes(table, **{name: table[name] for name in names})
    labels = actions[names].astype(object).where(actions[names].notna(), "-").agg(" ".join, axis=1)
    shares = dict(zip(labels, actions["n"] / total, strict=True))
    curve = np.cumsum(np.repeat(items["size"].to_numpy(), items["n"].to_numpy()))
    by_hour = np.bincount(hours["hour"], hours["n"], minlength=24)
    by_gap = np.bincount(gaps["bin"], gaps["n"], minlength=len(GAPS) + 1)
    by_size = [user_days["n"][user_days["size"] <= most].sum() for most in COUNTS]
    return Marginals(
        events=total,
        per_user=_rounded(np.array(by_size) / user_days["n"].sum()),
        popularity=_rounded(curve[np.minimum(RANKS, len(curve)) - 1] / total),
        gaps=_rounded(by_gap.cumsum()[:-1] / max(by_gap.sum(), 1)),
        hours=_rounded(by_hour / total),
        same_item=round(float(repeats["same"][0] or 0) / max(int(repeats["later"][0]), 1), 5),
        seen_item=round(1 - int(repeats["pairs"][0]) / total, 5),
        actions={label: round(float(shares[label]), 5) for label in sorted(shares)},
    )


def _sizes(table: ir.Table, again: bool = False, **keys: ir.Value) -> pd.DataFrame:
    """Rows of each group as ``n``; with ``again``, groups of each size, as ``n``."""
    groups = table.group_by(**keys).aggregate(n=lambda t: t.count())
    if again:
        groups = groups.group_by(size=groups.n).aggregate(n=lambda t: t.count())
    return groups.execute()


def _rounded(shares: np.ndarray) -> tuple[float, ...]:
    return tuple(np.round(shares, 5).tolist())


def distances(simulated: Marginals, real: Marginals) -> pd.DataFrame:
    """How far apart two streams are in each marginal: columns ``marginal, measure, distance``.

    ``KS``: the largest difference of two cumulative shares (Kolmogorov-Smirnov), at the edges of
    the bins. ``TV``: half the sum of absolute differences of shares (total variation).
    ``difference``: absolute difference of two shares. All between 0, no difference, and 1. Gaps
    are compared within sessions and between them apart, and by the share that is within.
    """
    cut = GAPS.index(int(SESSION)) + 1
    within, between = [], []
    for each in (simulated, real):
        gaps = np.array(each.gaps)
        inside = gaps[cut - 1]
        within.append(gaps[:cut] / (inside or 1))
        between.append((gaps[cut:] - inside) / ((1 - inside) or 1))
    keys = sorted({*simulated.actions, *real.actions})
    actions = [[each.actions.get(key, 0.0) for key in keys] for each in (simulated, real)]
    rows = [
        ("events per user and day", "KS", _ks(simulated.per_user, real.per_user)),
        ("popularity of items", "KS", _ks(simulated.popularity, real.popularity)),
        ("gaps within sessions", "KS", _ks(*within)),
        ("gaps between sessions", "KS", _ks(*between)),
        ("gaps within: their share", "difference", abs(_inside(simulated) - _inside(real))),
        ("hour of the day", "TV", _tv(simulated.hours, real.hours)),
        ("same item as before", "difference", abs(simulated.same_item - real.same_item)),
        ("item seen before", "difference", abs(simulated.seen_item - real.seen_item)),
        ("action, subdomain, os", "TV", _tv(*actions)),
    ]
    return pd.DataFrame(rows, columns=["marginal", "measure", "distance"])


def _inside(marginals: Marginals) -> float:
    return marginals.gaps[GAPS.index(int(SESSION))]


def _ks(one: tuple[float, ...] | np.ndarray, other: tuple[float, ...] | np.ndarray) -> float:
    return float(np.abs(np.subtract(one, other)).max())


def _tv(one: tuple[float, ...] | list[float], other: tuple[float, ...] | list[float]) -> float:
    return float(np.abs(np.subtract(one, other)).sum() / 2)


REAL = Marginals(  # days 1294, 1295, 1296 of small/marketplace, as published in 2025-26
    events=1_314_692,
    per_user=(
        *(0.21618, 0.47046, 0.57897, 0.67916, 0.71202, 0.75646, 0.7773, 0.82141, 0.83407),
        *(0.84792, 0.85657, 0.86956, 0.89693, 0.92881, 0.94414, 0.96099, 0.97032, 0.98069),
        *(0.98652, 0.99281, 0.99576, 0.99811, 0.999, 0.99975, 0.99992, 1.0, 1.0),
    ),
    popularity=(
        *(0.02845, 0.05002, 0.07837, 0.11709, 0.18026, 0.25244, 0.32948, 0.40512, 0.47176),
        *(0.53515, 0.59703, 0.65826, 0.71748, 0.77168, 0.82249, 0.87119, 0.92439, 0.97424, 1.0),
        *(1.0, 1.0),
    ),
    gaps=(
        *(0.00356, 0.00705, 0.01393, 0.02714, 0.04927, 0.0917, 0.12872, 0.16168, 0.21727),
        *(0.26275, 0.33279, 0.38558, 0.4611, 0.51335, 0.58261, 0.62756, 0.66044, 0.6914),
        *(0.7157, 0.75202, 0.79902, 0.84137, 0.86871, 0.9034, 0.9246, 0.95017, 0.96501, 0.981),
        *(0.9915, 0.99535, 0.99795),
    ),
    hours=(
        *(0.02845, 0.02916, 0.03058, 0.03305, 0.03579, 0.03976, 0.04345, 0.04747, 0.05109),
        *(0.05317, 0.05524, 0.05614, 0.05552, 0.05447, 0.05283, 0.05059, 0.04705, 0.04371),
        *(0.03946, 0.03589, 0.03221, 0.02966, 0.02805, 0.02721),
    ),
    same_item=0.03532,
    seen_item=0.30209,
    actions={
        "click catalog android": 0.00380,
        "click catalog ios": 0.00061,
        "click catalog other": 0.00087,
        "click i2i android": 0.00235,
        "click i2i ios": 0.00031,
        "click i2i other": 0.00037,
        "click other android": 0.00052,
        "click other ios": 0.00006,
        "click other other": 0.00010,
        "click search android": 0.00307,
        "click search ios": 0.00128,
        "click search other": 0.00150,
        "click u2i android": 0.00845,
        "click u2i ios": 0.00094,
        "click u2i other": 0.00061,
        "clickout catalog android": 0.00055,
        "clickout catalog ios": 0.00009,
        "clickout catalog other": 0.00020,
        "clickout i2i android": 0.00025,
        "clickout i2i ios": 0.00004,
        "clickout i2i other": 0.00006,
        "clickout other android": 0.00044,
        "clickout other ios": 0.00006,
        "clickout other other": 0.00015,
        "clickout search android": 0.00098,
        "clickout search ios": 0.00031,
        "clickout search other": 0.00065,
        "clickout u2i android": 0.00053,
        "clickout u2i ios": 0.00009,
        "clickout u2i other": 0.00005,
        "like - android": 0.00042,
        "like - ios": 0.00003,
        "like - other": 0.00002,
        "view catalog android": 0.06742,
        "view catalog ios": 0.02264,
        "view catalog other": 0.05683,
        "view i2i android": 0.17264,
        "view i2i ios": 0.00602,
        "view i2i other": 0.01158,
        "view other android": 0.10078,
        "view other ios": 0.00716,
        "view other other": 0.00438,
        "view search android": 0.05000,
        "view search ios": 0.03681,
        "view search other": 0.05166,
        "view u2i android": 0.30322,
        "view u2i ios": 0.04843,
        "view u2i other": 0.03067,
    },
)
