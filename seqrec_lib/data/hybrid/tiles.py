"""The offline side: tiles, and features as they were known, as Ibis expressions for either engine.

The second clock is a column, ``seq``. With the journal's own it says what was served; with the
time of arrival in its place (:func:`by_arrival`) what would have been served; with nothing
(:func:`by_event_time`) what a usual join gives, which knows of receipts before they arrive.
"""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from seqrec_lib.data.engine import Engine
from seqrec_lib.data.hybrid.contract import KEY
from seqrec_lib.data.hybrid.journal import Journal
from seqrec_lib.data.hybrid.registry import LISTS, TILE, Feature, FeatureSet

BASE = ("user", "t", "seq")  # the columns of a request
Keep = Callable[[ir.Table], ir.Table]
Clock = Callable[[ir.Table, ir.Table], tuple[ir.Table, ir.Table]]
CONTENT = ("action", "item", "basket", "amount")


def distinct(events: ir.Table) -> ir.Table:
    """Every event once, as it was first known: later copies change nothing."""
    first = {name: events[name].argmin(events.seq) for name in CONTENT}
    return events.group_by(list(KEY)).agg(seq=events.seq.min(), **first)


def tiles(events: ir.Table) -> ir.Table:
    """Number and amount of distinct events by user, source, action and tile."""
    once = distinct(events)
    kinds = ["user", "source", "action"]
    return once.group_by([*kinds, (once.time // TILE).cast("int64").name("tile")]).agg(
        number=once.count(), amount=once.amount.sum().cast("int64")
    )


def by_arrival(requests: ir.Table, events: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Both with arrival as the second clock: an event counts at t if it was known by t."""
    return requests.mutate(seq=requests.t), events.mutate(seq=events.known)


def by_event_time(requests: ir.Table, events: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Both without a second clock: as if everything were known when it happens."""
    nothing = ibis.literal(0, "int64")
    return requests.mutate(seq=nothing), events.mutate(seq=nothing)


def joined(
    engine: Engine,
    journal: Journal,
    requests: pa.Table,
    features: FeatureSet,
    clock: Clock | None = None,
) -> pa.Table:
    """:func:`as_known` of a journal, in the order of ``request``, by the log or another clock."""
    both = engine.given(requests), journal.table(engine)
    both = clock(*both) if clock else both
    with engine.keeping() as keep:
        return engine.arrow(as_known(*both, features, keep)).sort_by("request")


def as_known(
    requests: ir.Table, events: ir.Table, features: FeatureSet, keep: Keep = lambda table: table
) -> ir.Table:
    """The features of every request, exactly as the online store gives them.

    ``requests`` has ``request`` (a number of its own for each), ``user``, ``t`` in microseconds
    and ``seq``; ``events`` is the journal (:meth:`Journal.table`). The result has the columns of
    the requests and those of the features, a row a request, in no order. An event at t counts: for
    a training example ask one microsecond before its event. What is read several times goes through
    ``keep``, for an engine that would work it out anew each time.
    """
    known = keep(distinct(events))
    measures = _measures(features)
    clocked = keep(_clocked(requests, known, features, measures))
    totals = _totals(clocked, features, measures)
    unknown = _unknown(requests, clocked, features, measures)
    base = requests.left_join(totals, requests.request == totals.of).drop("of")
    base = base.left_join(unknown, base.request == unknown.of).drop("of")
    values = {}
    for f in features:
        missing = base[f"{f.name}_unknown"].fill_null(0)
        values[f"{f.name}_unknown"] = missing
        if f.kind in ("count", "sum"):
            values[f.name] = base[f"{f.name}_all"] - missing
    base = table = keep(base.mutate(**values))
    for f in features:
        if f.kind in ("since", "last"):
            latest = _latest(base, known, f)
            table = table.left_join(latest, table.request == latest.of).drop("of")
            empty = -1 if f.kind == "since" else ibis.literal([], "array<int64>")
            table = table.mutate(**{name: table[name].fill_null(empty) for name in f.columns})
    return table.select("request", *BASE, *features.columns)


# --- counts, sums ---------------------------------------------------------------------------------
# What lies in a window is what lies before its end less what lies before its beginning: two places
# in a running total. From that goes what was not known yet, which is little: so the one join of
# requests with events is of those that some request of the same user did not know.
# Counts go two to a column, since a running total costs as much as it has columns.

Measures = dict[tuple, tuple[str, int | None]]
HALF = 32  # bits: of one person's events there are fewer than 2^31


def _measure(feature: Feature) -> tuple:
    """What a feature adds up: amounts or events, and of which parts."""
    return feature.kind == "sum", tuple(feature.parts)


def _measures(features: FeatureSet) -> Measures:
    """The column of each measure, and its half of it (None: the whole)."""
    distinct_ones = dict.fromkeys(map(_measure, features))
    sums = [measure for measure in distinct_ones if measure[0]]
    counts = [measure for measure in distinct_ones if not measure[0]]
    places: Measures = {measure: (f"sum{number}", None) for number, measure in enumerate(sums)}
    return places | {m: (f"count{n // 2}", n % 2) for n, m in enumerate(counts)}


def _taken(table: ir.Table, feature: Feature, measures: Measures, total: str = "") -> ir.Value:
    """A feature's measure, of one event or a running total."""
    column, half = measures[_measure(feature)]
    value = table[total + column]
    if half is None:
        return value
    return value >> HALF if half else value & ((1 << HALF) - 1)


def _clocked(
    requests: ir.Table, known: ir.Table, features: FeatureSet, measures: Measures
) -> ir.Table:
    """Events, and the ends (``reach`` 0) and beginnings of the windows of requests, on one clock.

    ``total_<column>`` is the running total of a measure's column for the user; of an event,
    ``asked`` is the least ``seq`` of the user's requests at its time or later.
    """
    never = ibis.literal(2**62, "int64")
    adds: dict[str, ir.Value] = {}
    for feature in {_measure(f): f for f in features}.values():
        column, half = measures[_measure(feature)]
        value = known.amount if feature.kind == "sum" else 1 << HALF * (half or 0)
        value = _match(known, feature).ifelse(value, 0).cast("int64")
        adds[column] = adds[column] + value if column in adds else value
    none = {name: ibis.literal(0, "int64") for name in adds}
    minus = ibis.literal(-1, "int64")
    stream = known.select("user", "time", "seq", request=minus, reach=minus, asked=never, **adds)
    for reach in dict.fromkeys([0, *(f.window for f in features if f.kind in ("count", "sum"))]):
        point = requests.select(
            "user",
            time=requests.t - reach,
            seq=never,
            request=requests.request.cast("int64"),
            reach=ibis.literal(reach, "int64"),
            asked=requests.seq if reach == 0 else never,
            **none,
        )
        stream = stream.union(point)
    order = [stream.time, stream.reach >= 0]  # an event at t counts
    so_far = ibis.cumulative_window(group_by=stream.user, order_by=order)
    # backwards, not forwards to the end: that Spark works out anew for every row
    back = [key.desc() for key in order]
    later = ibis.cumulative_window(group_by=stream.user, order_by=back)
    totals = {f"total_{name}": stream[name].sum().over(so_far).cast("int64") for name in adds}
    return stream.mutate(asked=stream.asked.min().over(later), **totals)


def _totals(clocked: ir.Table, features: FeatureSet, measures: Measures) -> ir.Table:
    """Of each request every feature as if all were known; of a list, how many events there are."""
    points = clocked.filter(clocked.reach >= 0)
    values = {}
    for feature in features:
        total = _taken(points, feature, measures, "total_")
        value = total.max(where=points.reach == 0)
        if feature.kind in ("count", "sum"):
            value = value - total.max(where=points.reach == feature.window)
        values[f"{feature.name}_all"] = value
    return points.group_by(of=points.request).agg(**values)


def _unknown(
    requests: ir.Table, clocked: ir.Table, features: FeatureSet, measures: Measures
) -> ir.Table:
    """What of it was not known; no row where all was."""
    late = clocked.filter((clocked.reach < 0) & (clocked.asked < clocked.seq))
    columns = dict.fromkeys(column for column, _ in measures.values())
    late = late.select("time", *columns, owner="user", since="seq")
    pairs = requests.join(
        late,
        [requests.user == late.owner, late.time <= requests.t, late.since > requests.seq],
    )
    values = {}
    for feature in features:
        value = _taken(pairs, feature, measures)
        if feature.kind in ("count", "sum"):
            value = value.sum(where=pairs.time > pairs.t - feature.window)
        else:
            value = value.sum()
        values[f"{feature.name}_unknown"] = value.fill_null(0).cast("int64")
    return pairs.group_by(of=pairs.request).agg(**values)


def _match(table: ir.Table, feature: Feature) -> ir.BooleanValue:
    sources = sorted({source for source, _ in feature.parts})
    actions = list(dict.fromkeys(action for _, action in feature.parts))
    return table.source.isin(sources) & table.action.isin(actions)


# --- the latest events ----------------------------------------------------------------------------


def _latest(base: ir.Table, known: ir.Table, feature: Feature) -> ir.Table:
    """A feature of the latest events that were known, by ``of``, where there are any.

    Of a user's events up to t in order, the last n known ones are among the last n + unknown. So
    these places are looked up, and no history is read.
    """
    order = [known.time, known.event_id, known.source]
    place = ibis.row_number().over(group_by=known.user, order_by=order)
    ranked = known.filter(_match(known, feature)).mutate(place=place.cast("int64"))
    ranked = ranked.select("place", "item", "source", "basket", "time", owner="user", since="seq")
    end, number = base[f"{feature.name}_all"], feature.window or 1
    begin = ibis.greatest(end - number - base[f"{feature.name}_unknown"], 0)
    # int32: sums are wider than int64 on DuckDB, and Ibis leaves out a cast that it takes for none
    span = ibis.range(begin.cast("int32"), end.cast("int32"))
    places = base.select("user", "t", "seq", of="request", at=span.unnest())
    places = places.mutate(at=places["at"].cast("int64"))
    near = places.join(
        ranked,
        [
            places.user == ranked.owner,
            places["at"] == ranked.place,
            ranked.since <= places.seq,
        ],
    )
    if feature.kind == "since":
        return near.group_by("of").agg(**{feature.name: (near.t - near.time).min()})
    parts = {"item": near.item, "source": near.source.cast("int64"), "basket": near.basket}
    rows = near.select("of", "place", age=near.t - near.time, **parts)
    back = ibis.row_number().over(group_by=rows.of, order_by=rows.place.desc())
    rows = rows.mutate(back=back).filter(lambda row: row.back < number)
    # lists of numbers, zipped and sorted afterwards: half the time of a list of structs, and Spark
    # knows no lists in an order
    lists = rows.group_by("of").agg(
        place=rows.place.collect(), **{part: rows[part].collect() for part in LISTS}
    )
    events = lists.place.zip(*(lists[part] for part in LISTS)).sort()
    return lists.select(
        "of",
        **{
            name: events.map(lambda event, field=f"f{number}": event[field])
            for number, name in enumerate(feature.columns, start=2)
        },
    )
