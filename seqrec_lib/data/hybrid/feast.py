"""A journal as Feast wants it: finished rows with two timestamps, and the files that declare them.

Feast joins by wall clocks: of a user's rows it takes the one with the latest event timestamp up to
the request, and with the filter ``filter_by_created_timestamp`` among those alone that were
written by then. So a user has one row for each segment that changes their features. What was
known decides a row, and when it was known decides which row is found; between two rows windows and
ages stand still. Feast itself is not imported: it has an environment of its own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seqrec_lib.data.engine import Engine, connect
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.hybrid.journal import Journal
from seqrec_lib.data.hybrid.registry import Feature, FeatureSet
from seqrec_lib.data.hybrid.tiles import distinct, joined

STAMP = pa.timestamp("us", tz="UTC")
STORE = """\
project: hybrid
provider: local
registry: registry.db
online_store:
  type: sqlite
  path: online.db
offline_store:
  type: duckdb
entity_key_serialization_version: 3
"""
DEFINITIONS = '''\
"""Rows of the hybrid pipeline, made by seqrec_lib.data.hybrid.feast: change the features there."""

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Int64

rows = FileSource(
    name="hybrid_rows",
    path=str(Path(__file__).resolve().with_name("rows.parquet")),
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)
pushed = PushSource(name="hybrid_push", batch_source=rows)
user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
hybrid = FeatureView(
    name="hybrid",
    entities=[user],
    ttl=timedelta(0),  # a row holds until the next one
    schema=[
{fields}
    ],
    source=pushed,
    online=True,
    tags={{"digest": "{digest}"}},
)
'''


def export(journal: Journal, features: FeatureSet, folder: Path | str) -> int:
    """Write ``feature_store.yaml``, ``definitions.py`` and ``rows.parquet`` into ``folder``; the
    number of rows.

    A row has ``user``; ``event_timestamp``, the latest of the events that it counts; ``created``,
    the arrival of the segment that made it known (:func:`arrivals`), never before the event;
    ``as_of`` and ``seq``, the event timestamp in microseconds and the segment, so that a reader
    sees which row Feast has found and how old it is; and the features of (user, as_of, seq), from
    :func:`seqrec_lib.data.hybrid.tiles.as_known` as everything offline. Rows are in the order of
    seq, then user.

    What Feast keeps in the folder beside them stays. Raises JournalError if the journal is empty.
    """
    folder = Path(folder)
    with connect() as engine:
        created = arrivals(journal, engine)
        requests = _moments(journal, engine, created)
        found = joined(engine, journal, requests, features)
    as_of, seq = found["t"].to_numpy(), found["seq"].to_numpy()
    stamps = {
        "event_timestamp": pa.array(as_of, STAMP),
        "created": pa.array(created[seq], STAMP),
        "as_of": found["t"],
        "seq": found["seq"],
    }
    values = {name: found[name] for name in features.columns}
    with written_aside(folder / "rows.parquet") as aside:
        pq.write_table(pa.table({"user": found["user"], **stamps, **values}), aside)
    fields = [_field("as_of", "Int64", "event timestamp in microseconds since 1970")]
    fields.append(_field("seq", "Int64", "segment of the journal"))
    for feature in features:
        kind = "Array(Int64)" if feature.kind == "last" else "Int64"
        fields += [_field(name, kind, _words(feature)) for name in feature.columns]
    definitions = DEFINITIONS.format(fields="\n".join(fields), digest=features.digest())
    for name, text in (("feature_store.yaml", STORE), ("definitions.py", definitions)):
        with written_aside(folder / name) as aside:
            aside.write_text(text)
    return len(found)


def arrivals(journal: Journal, engine: Engine) -> np.ndarray:
    """When each segment had arrived, (segments,) int64 microseconds: when the last of its rows was
    known, and at least a microsecond after the segment before it.

    The clock then orders segments as the log does. Two that arrive at once would else be one to
    Feast, which has no log.
    """
    rows = journal.table(engine)
    known = engine.arrow(rows.group_by("seq").agg(known=rows.known.max()))
    latest = np.zeros(journal.last + 1, dtype=np.int64)
    latest[known["seq"].to_numpy()] = known["known"].to_numpy()
    steps = np.arange(len(latest))
    return np.maximum.accumulate(latest - steps) + steps


def _moments(journal: Journal, engine: Engine, created: np.ndarray) -> pa.Table:
    """The (user, t, seq) at which features change, as requests.

    An event shows in the segment that brings it; one of a clock that is ahead, in the first
    segment that is not before its time. t is the latest time of what shows.
    """
    once = distinct(journal.table(engine))
    events = engine.arrow(once.select("user", "time", "seq")).to_pandas()
    shown = np.searchsorted(created, events["time"].to_numpy())
    events["seq"] = np.maximum(events["seq"], shown)
    events = events[events["seq"] < len(created)].sort_values(["user", "seq", "time"])
    events["time"] = events.groupby("user")["time"].cummax()
    last = events.drop_duplicates(["user", "seq"], keep="last").sort_values(["seq", "user"])
    requests = last.rename(columns={"time": "t"}).assign(request=np.arange(len(last)))
    return pa.Table.from_pandas(requests, preserve_index=False)


def _field(name: str, kind: str, words: str) -> str:
    return f'        Field(name="{name}", dtype={kind}, description="{words}"),'


def _words(feature: Feature) -> str:
    of = " ".join(word for word in (feature.source, feature.action) if word) or "all events"
    size = {"last": f", {feature.window}", "since": ""}.get(
        feature.kind, f", {feature.window // 10**6} s"
    )
    return f"version {feature.version}: {feature.kind} of {of}{size}"
