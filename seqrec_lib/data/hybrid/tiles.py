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
    """:func:`as_known` of a journal, in the order of ``request``, by the log or another clock."""
    both = ibis.memtable(requests), journal.table(engine)
    table = as_known(*(clock(*both) if clock else both), features)
    return engine.arrow(table).sort_by("request")


def as_known(requests: ir.Table, events: ir.Table, features: FeatureSet) -> ir.Table:
    """The features of every request, exactly as the online store gives them.

    ``requests`` has ``request`` (a number of its own for each), ``user``, ``t`` in microseconds
    and ``seq``; ``events`` is the journal (:meth:`Journal.table`). The result has the columns of
    the requests and those of the features, a row a request, in no order.
    """
    known = distinct(events)
    seen = known.mutate(when=known.time, since=known.seq).drop("time", "seq")
    pairs = requests.left_join(seen, [requests.user == seen.user, seen.when <= requests.t])
    heard = pairs.since <= pairs.seq
    values: dict[str, ir.Value] = {}
    for feature in features:
        these = heard & _match(pairs, feature)
        inside = these & (pairs.when > pairs.t - feature.window)
        if feature.kind == "count":
            values[feature.name] = _count(pairs, inside)
        elif feature.kind == "sum":
            values[feature.name] = pairs.amount.sum(where=inside).fill_null(0).cast("int64")
        elif feature.kind == "since":
            latest = (pairs.t - pairs.when).min(where=these)
            values[feature.name] = latest.fill_null(-1)
        else:  # how far back its events can lie: as many places as are taken by unknown ones
            values[f"{feature.name}_end"] = _count(pairs, _match(pairs, feature))
            values[f"{feature.name}_unknown"] = _count(pairs, _match(pairs, feature) & ~heard)
    table = pairs.group_by(["request", *BASE]).agg(**values)
    for feature in features:
        if feature.kind == "last":
            table = _with_last(table, known, feature)
    return table.select("request", *BASE, *features.columns)


def _count(pairs: ir.Table, where: ir.BooleanValue) -> ir.Value:
    return pairs.count(where=where).fill_null(0)  # Spark's is null where all of ``where`` is


def _match(table: ir.Table, feature: Feature) -> ir.BooleanValue:
    """Is there an event, and one that the feature takes?"""
    sources = sorted({source for source, _ in feature.parts})
    actions = list(dict.fromkeys(action for _, action in feature.parts))
    return table.source.isin(sources) & table.action.isin(actions)


def _with_last(table: ir.Table, known: ir.Table, feature: Feature) -> ir.Table:
    """``table`` with the lists of a "last" feature.

    Of a user's events up to t in order, the last ``window`` known ones are among the last
    ``window + unknown``: the join is of these, not of the whole history.
    """
    order = [known.time, known.event_id, known.source]
    place = ibis.row_number().over(group_by=known.user, order_by=order)
    ranked = known.filter(_match(known, feature)).mutate(place=place)
    ranked = ranked.select("place", "item", "source", "basket", "time", owner="user", since="seq")
    end = table[f"{feature.name}_end"]
    begin = end - feature.window - table[f"{feature.name}_unknown"]
    near = table.join(
        ranked,
        [
            table.user == ranked.owner,
            ranked.place >= begin,
            ranked.place < end,
            ranked.since <= table.seq,
        ],
    )
    one = ibis.struct(
        {
            "place": near.place,
            "item": near.item,
            "source": near.source.cast("int64"),
            "basket": near.basket,
            "age": near.t - near.time,
        }
    )
    lists = near.group_by(of=near.request).agg(events=one.collect())
    latest = lists.events.sort()
    lists = lists.mutate(events=latest[-feature.window :])
    parts = {
        f"{feature.name}_{part}": lists.events.map(lambda event, part=part: event[part])
        for part in LISTS
    }
    lists = lists.select("of", **parts)
    table = table.left_join(lists, table.request == lists.of).drop("of")
    empty = ibis.literal([], "array<int64>")
    return table.mutate(**{name: table[name].fill_null(empty) for name in feature.columns})
