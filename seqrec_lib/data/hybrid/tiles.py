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
    """The features of every request, exactly as the online store gives them.

    ``requests`` has ``request`` (a number of its own for each), ``user``, ``t`` in microseconds
    and ``seq``. The result has these columns and those of the features, a row a request, in the
    order of ``request``; by the log, or by another ``clock``. An event at t counts: for a training
    example ask one microsecond before its event.
    """
    asked, events = engine.given(requests), journal.table(engine)
    asked, events = clock(asked, events) if clock else (asked, events)
    measures = _measures(features)
    with engine.keeping() as keep:
        clocked = _clocked(asked, keep(distinct(events)), features, measures)
        clocked = keep(_running(clocked, measures, engine.name))
        totals = _totals(clocked, features, measures)
        # what has a row a request is as small as what was asked, and is kept here
        asked = engine.given(engine.arrow(_beside(asked, totals)))
        # kept, or DuckDB joins all events of a user with all requests first
        late = keep(_late(clocked, measures))
        asked = _beside(asked, _unknown(asked, late, features, measures), 0)
        asked = table = engine.given(engine.arrow(asked))
        for f in features:
            if f.kind in ("count", "sum"):
                value = table[f"{f.name}_all"] - table[f"{f.name}_unknown"]
                table = table.mutate(**{f.name: value})
            else:
                empty = -1 if f.kind == "since" else ibis.literal([], "array<int64>")
                table = _beside(table, _latest(asked, clocked, f, measures), empty)
        return engine.arrow(table.select("request", *BASE, *features.columns)).sort_by("request")


def _beside(table: ir.Table, other: ir.Table, empty: ir.Value | int | None = None) -> ir.Table:
    """The columns of ``other`` for each request, ``empty`` where it has no row ``of`` it."""
    both = table.left_join(other, table.request == other.of).drop("of")
    if empty is None:
        return both
    return both.mutate(**{n: both[n].fill_null(empty) for n in other.columns if n != "of"})


# --- counts, sums ---------------------------------------------------------------------------------
# What lies in a window is what lies before its end less what lies before its beginning: two places
# in a running total. From that goes what was not known yet, which is little: so the one join of
# requests with events is of those that some request of the same user did not know.
# Counts go two to a column, since a running total costs as much as it has columns. The number of
# events so far is also the place of an event in the history, by which the latest are found.

Measures = dict[tuple, tuple[str, int | None]]
HALF = 32  # bits: of events there are fewer than 2^31
REQUESTS = (False, ())  # the measure that no event adds to
AFTER = {"event_id": 2**63 - 1, "source": 127}  # a request is later than the events at its time


def _measure(feature: Feature) -> tuple:
    """What a feature adds up: amounts or events, and of which parts."""
    return feature.kind == "sum", tuple(feature.parts)


def _measures(features: FeatureSet) -> Measures:
    """The column of each measure, and its half of it (None: the whole)."""
    distinct_ones = dict.fromkeys([*map(_measure, features), REQUESTS])
    sums = [measure for measure in distinct_ones if measure[0]]
    counts = [measure for measure in distinct_ones if not measure[0]]
    places: Measures = {measure: (f"sum{number}", None) for number, measure in enumerate(sums)}
    return places | {m: (f"count{n // 2}", n % 2) for n, m in enumerate(counts)}


def _taken(table: ir.Table, measure: tuple, measures: Measures, total: str = "") -> ir.Value:
    """A measure, of one event or a running total."""
    column, half = measures[measure]
    value = table[total + column]
    if half is None:
        return value
    return value >> HALF if half else value & ((1 << HALF) - 1)


def _clocked(
    requests: ir.Table, known: ir.Table, features: FeatureSet, measures: Measures
) -> ir.Table:
    """Events, and ends (``reach`` 0) and beginnings of the windows of requests, on one clock."""
    columns = dict.fromkeys(column for column, _ in measures.values())
    adds: dict[str, ir.Value] = {name: ibis.literal(0, "int64") for name in columns}
    nothing = dict(adds)
    for feature in {_measure(f): f for f in features}.values():
        column, half = measures[_measure(feature)]
        value = known.amount if half is None else 1 << HALF * half
        adds[column] = adds[column] + _match(known, feature).ifelse(value, 0).cast("int64")
    minus = ibis.literal(-1, "int64")
    content = {name: known[name].cast("int64") for name in ("event_id", "source", "item", "basket")}
    stream = known.select("user", "time", "seq", request=minus, reach=minus, **content, **adds)
    column, half = measures[REQUESTS]
    for reach in dict.fromkeys([0, *(f.window for f in features if f.kind in ("count", "sum"))]):
        one = nothing[column] + ((1 << HALF * (half or 0)) if reach == 0 else 0)
        point = requests.select(
            "user",
            "seq",
            time=requests.t - reach,
            request=requests.request.cast("int64"),
            reach=ibis.literal(reach, "int64"),
            **{name: ibis.literal(AFTER.get(name, 0), "int64") for name in content},
            **nothing | {column: one},
        )
        stream = stream.union(point)
    return stream


def _running(stream: ir.Table, measures: Measures, engine: str) -> ir.Table:
    """With ``total_<column>``, a measure's column added up to each row.

    Only differences within one user count: on DuckDB totals go on from user to user. There sums
    in the order of rows take a third of the time of sums by user; Spark would bring all rows to
    one place for that. Amounts of all users beyond 64 bits are an error of the engine.
    """
    order = [stream.time, stream.event_id, stream.source]
    if engine == "spark":
        window = ibis.cumulative_window(group_by=stream.user, order_by=order)
    else:
        stream = stream.order_by([stream.user, *order])
        window = ibis.cumulative_window()
    columns = dict.fromkeys(column for column, _ in measures.values())
    totals = {f"total_{name}": stream[name].sum().over(window) for name in columns}
    return stream.mutate(**totals).drop("event_id")


def _totals(clocked: ir.Table, features: FeatureSet, measures: Measures) -> ir.Table:
    """Of each request every feature as if all were known; of a list, how many events there are."""
    points = clocked.filter(clocked.reach >= 0)
    values = {}
    for feature in features:
        total = _taken(points, _measure(feature), measures, "total_")
        value = total.max(where=points.reach == 0)
        if feature.kind in ("count", "sum"):
            value = value - total.max(where=points.reach == feature.window)
        values[f"{feature.name}_all"] = value.cast("int64")
    return points.group_by(of=points.request).agg(**values)


def _late(clocked: ir.Table, measures: Measures) -> ir.Table:
    """The events that some later request of their user did not know.

    The least ``seq`` of all later requests stands by the number of those that came before.
    """
    asks = clocked.filter(clocked.reach == 0)
    asks = asks.select("seq", owner="user", at=_taken(asks, REQUESTS, measures, "total_") - 1)
    # backwards, not forwards to the end: that Spark works out anew for every row
    later = ibis.cumulative_window(group_by=asks.owner, order_by=asks["at"].desc())
    asks = asks.mutate(least=asks.seq.min().over(later))
    events = clocked.filter(clocked.reach < 0)
    before = _taken(events, REQUESTS, measures, "total_")
    late = events.join(
        asks, [events.user == asks.owner, before == asks["at"], events.seq > asks.least]
    )
    columns = [name for name in clocked.columns if name.startswith(("count", "sum", "total_"))]
    return late.select("time", "owner", *columns, since="seq")


def _unknown(
    requests: ir.Table, late: ir.Table, features: FeatureSet, measures: Measures
) -> ir.Table:
    """What of it was not known; of a list, how many events among its last. No row where all was."""
    pairs = requests.join(
        late,
        [requests.user == late.owner, late.time <= requests.t, late.since > requests.seq],
    )
    values = {}
    for feature in features:
        value = _taken(pairs, _measure(feature), measures)
        if feature.kind in ("count", "sum"):
            value = value.sum(where=pairs.time > pairs.t - feature.window).fill_null(0)
            values[f"{feature.name}_unknown"] = value.cast("int64")
        else:
            place = _taken(pairs, _measure(feature), measures, "total_") - 1
            values[f"{feature.name}_unknown"] = place.collect(where=value == 1)
            values[f"{feature.name}_all"] = pairs[f"{feature.name}_all"].max()
    table = pairs.group_by(of=pairs.request).agg(**values)
    latest = [f for f in features if f.kind in ("since", "last")]
    among = {f"{f.name}_unknown": _among(table, f) for f in latest}
    return table.mutate(**among).drop(*(f"{f.name}_all" for f in latest))


def _among(table: ir.Table, feature: Feature) -> ir.IntegerValue:
    """How many of the unknown events stand among the last n known ones or after them.

    Of ``end`` events the unknown ones are at the places p_0 < p_1 < ... < p_{u-1}. After the
    event at p_i come end - 1 - p_i events, u - 1 - i of them unknown; it is among the last if the
    known ones of these are fewer than n.
    """
    places, end = table[f"{feature.name}_unknown"], table[f"{feature.name}_all"]
    least = end - places.length() - (feature.window or 1)
    known = places.sort().map(lambda place, rank: place - rank)
    return known.filter(lambda before: before > least).length().fill_null(0)


def _match(table: ir.Table, feature: Feature) -> ir.BooleanValue:
    sources = sorted({source for source, _ in feature.parts})
    actions = list(dict.fromkeys(action for _, action in feature.parts))
    return table.source.isin(sources) & table.action.isin(actions)


# --- the latest events ----------------------------------------------------------------------------


def _latest(
    requests: ir.Table, clocked: ir.Table, feature: Feature, measures: Measures
) -> ir.Table:
    """A feature of the latest events that were known, by ``of``, where there are any.

    The last n known events are what is known of the last n + unknown. So these places are looked
    up, and no history is read.
    """
    measure, number = _measure(feature), feature.window or 1
    events = clocked.filter((clocked.reach < 0) & (_taken(clocked, measure, measures) == 1))
    place = _taken(events, measure, measures, "total_") - 1
    parts = ("item", "source", "basket", "time")
    events = events.select(*parts, place=place, owner="user", since="seq")
    end = requests[f"{feature.name}_all"]
    begin = end - number - requests[f"{feature.name}_unknown"]
    places = requests.select("user", "t", "seq", of="request", begin=begin, end=end)
    if feature.kind == "since":
        near = places.join(events, [places.user == events.owner, places.begin == events.place])
        return near.select("of", **{feature.name: near.t - near.time})
    span = ibis.range(ibis.greatest(places.begin, 0), places.end)
    places = places.select("user", "t", "seq", "of", at=span.unnest())
    near = places.join(
        events,
        [
            places.user == events.owner,
            places["at"] == events.place,
            events.since <= places.seq,
        ],
    )
    near = near.mutate(age=near.t - near.time)
    # lists of numbers, zipped and sorted afterwards: half the time of a list of structs, and Spark
    # knows no lists in an order
    lists = near.group_by("of").agg(**{name: near[name].collect() for name in ("place", *LISTS)})
    events = lists.place.zip(*(lists[part] for part in LISTS)).sort()
    return lists.select(
        "of",
        **{
            name: events.map(lambda event, field=f"f{number}": event[field])
            for number, name in enumerate(feature.columns, start=2)
        },
    )
