"""Features in SQL: the range scans over raw events and tiles that make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from seqrec_lib.data.hybrid.registry import TILE, Feature

EVENTS = "from event where user = :user and time"
TILES = "from tile where user = :user and"


class Scans:
    """Counts, sums and times since as a few range scans; of each feature, which values make it.

    A scan is a range of a key and serves all features that need it: the events since the last
    whole tile; for each window those before its first; for each kind of event its tiles, those of a
    wider window where those of the next narrower one end. (Two ranges joined by ``or`` would go by
    no key and read a whole history.)
    """

    def __init__(self, features: Sequence[Feature]):
        self.features, self.parts = features, list[list[str]]()
        self.terms: dict[Feature, list[tuple[int, int]]] = {feature: [] for feature in features}
        self.rests: list[str] = []
        sums = [feature for feature in features if feature.kind != "since"]
        self._add(f"{EVENTS} between :edge and :t", features, _of_events)
        for w in {feature.window: None for feature in sums}:
            mine = [feature for feature in sums if feature.window == w]
            self._add(f"{EVENTS} between :from_{w} and :to_{w}", mine, _of_events)
        for parts in {tuple(feature.parts): None for feature in sums}:
            alike = [feature for feature in sums if tuple(feature.parts) == parts]
            until = ":last"
            for w in sorted({feature.window for feature in alike}):
                mine = [feature for feature in alike if feature.window >= w]
                where = f"{_where(alike[0])} and tile between :first_{w} and {until}"
                self._add(f"{TILES} {where}", mine, _of_tiles)
                until = f":first_{w} - 1"
        for feature in features:
            if feature.kind == "since":
                tile = _latest_tile(feature)  # not by rows: who never buys has none to be found
                inside = f"between {tile} * {TILE} and {tile} * {TILE} + {TILE - 1}"
                self._add(f"{EVENTS} {inside}", [feature], _of_events)
        width, rows = max(map(len, self.parts)), []
        for number, (columns, rest) in enumerate(zip(self.parts, self.rests, strict=True)):
            empty = ["null"] * (width - len(columns))
            rows.append(f"select {', '.join([str(number), *columns, *empty])} {rest}")
        self.query = " union all ".join(rows)

    def _add(
        self, rest: str, features: Sequence[Feature], column: Callable[[Feature], str]
    ) -> None:
        for place, feature in enumerate(features):
            self.terms[feature].append((len(self.parts), place + 1))
        self.parts.append([column(feature) for feature in features] or ["null"])
        self.rests.append(rest)

    def values(self, rows: Sequence[Sequence[Any]], t: int) -> list[int]:
        """The features from what the scans found; OverflowError if one has more than 64 bits."""
        found = {row[0]: row for row in rows}
        values = []
        for feature, terms in self.terms.items():
            parts = [found[scan][place] for scan, place in terms]
            if feature.kind == "since":
                times = [part for part in parts if part is not None]
                values.append(t - max(times) if times else -1)
            else:
                values.append(sum(parts))
        if max(values, default=0) >= 2**63 or min(values, default=0) < -(2**63):
            raise OverflowError("integer overflow")
        return values


def _where(feature: Feature) -> str:
    sources = dict.fromkeys(source for source, _ in feature.parts)
    actions = dict.fromkeys(action for _, action in feature.parts)
    return f"source {_among(sources)} and action {_among(actions)}"


def _among(values: Iterable[Any]) -> str:
    words = [repr(value) for value in values]
    return f"= {words[0]}" if len(words) == 1 else f"in ({', '.join(words)})"


def _of_events(feature: Feature) -> str:
    where = f"filter (where {_where(feature)})"
    if feature.kind == "since":
        return f"max(time) {where}"
    return f"count(*) {where}" if feature.kind == "count" else f"coalesce(sum(amount) {where}, 0)"


def _of_tiles(feature: Feature) -> str:
    column = "number" if feature.kind == "count" else "amount"
    return f"coalesce(sum({column}), 0)"


def _latest_tile(feature: Feature) -> str:
    latest = [
        f"coalesce((select max(tile) {TILES} source = {source} and action = '{action}' "
        "and tile <= :last), -1)"
        for source, action in feature.parts
    ]
    return latest[0] if len(latest) == 1 else f"max({', '.join(latest)})"


def rows_read(feature: Feature) -> str:
    """How many events and tiles a read of the feature goes through, of one user."""
    if feature.kind == "last":
        return (
            f"select min({feature.window}, (select count(*) {EVENTS} <= :t and {_where(feature)}))"
        )
    parts = [f"(select count(*) {EVENTS} between :edge and :t)"]
    if feature.kind == "since":
        tile = _latest_tile(feature)
        inside = f"between {tile} * {TILE} and {tile} * {TILE} + {TILE - 1}"
        parts.append(f"(select count(*) {EVENTS} {inside})")
    else:
        w = feature.window
        parts.append(f"(select count(*) {EVENTS} between :from_{w} and :to_{w})")
        tiles = f"{_where(feature)} and tile between :first_{w} and :last"
        parts.append(f"(select count(*) {TILES} {tiles})")
    return f"select {' + '.join(parts)}"


def last(feature: Feature) -> tuple[tuple[str, ...], str]:
    """The names of its lists, and the rows of them, the latest first."""
    return feature.columns, (
        f"select item, source, basket, :t - time {EVENTS} <= :t and {_where(feature)} "
        f"order by time desc, event_id desc, source desc limit {feature.window}"
    )
