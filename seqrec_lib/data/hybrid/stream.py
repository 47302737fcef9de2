"""From the journal into the online store: in this process, or by Spark Structured Streaming."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqrec_lib.data.hybrid.journal import SCHEMA, Journal
from seqrec_lib.data.hybrid.online import Counts, OnlineStore

if TYPE_CHECKING:
    from seqrec_lib.data.engine import Engine

POLL = 0.2  # seconds between two looks for a new segment


def catch_up(journal: Journal, store: OnlineStore, until: int | None = None) -> int:
    """Apply the segments that the store has not seen, up to ``until``; how many there were.

    Raises StoreError if the store was made for other features.
    """
    new = [s for s in journal.segments(store.seq) if until is None or s.seq <= until]
    for segment in new:
        store.apply(segment, journal.read(segment))
    return len(new)


def run(journal: Journal, store: OnlineStore, follow: float = 0) -> Counts:
    """Catch up, and go on with what arrives in the next ``follow`` seconds; the final account."""
    end = time.monotonic() + follow
    while True:
        found = catch_up(journal, store)
        if time.monotonic() >= end:
            return store.counts()
        if not found:
            time.sleep(POLL)


def run_spark(journal: Journal, store: OnlineStore, engine: Engine, follow: float = 0) -> Counts:
    """The same by Spark Structured Streaming on the journal's folder, one file a batch.

    Spark's checkpoint lies beside the store. A batch is known by the ``seq`` in its rows, not by
    Spark's number, so that one that comes again after a kill changes nothing.
    """
    checkpoint = store.path.with_name(store.path.name + ".checkpoint")
    session = engine.connection._session
    fields = ", ".join(f"{field.name} {_SPARK[str(field.type)]}" for field in SCHEMA)
    (journal.folder / "segments").mkdir(parents=True, exist_ok=True)
    frame = (
        session.readStream.schema(fields)
        .option("maxFilesPerTrigger", 1)
        .parquet(str(journal.folder / "segments"))
    )
    query = (
        frame.writeStream.foreachBatch(lambda batch, _: apply_batch(journal, store.path, batch))
        .option("checkpointLocation", str(checkpoint))
        .start()
    )
    raise NotImplementedError


_SPARK = {"int64": "bigint", "int16": "smallint", "int8": "tinyint", "string": "string"}


def apply_batch(journal: Journal, path: Path, batch: Any) -> None:
    raise NotImplementedError
