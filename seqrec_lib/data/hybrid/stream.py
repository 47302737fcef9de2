"""From the journal into the online store: in this process, or by Spark Structured Streaming."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from seqrec_lib.data.hybrid.journal import SCHEMA, Journal
from seqrec_lib.data.hybrid.online import Counts, OnlineStore

if TYPE_CHECKING:
    from seqrec_lib.data.engine import Engine

POLL = 0.2  # seconds between two looks for a new segment
COMMIT = 2.0  # seconds from a segment's file to its line in the manifest, at most
SPARK = {"int64": "bigint", "int16": "smallint", "int8": "tinyint", "string": "string"}


def catch_up(journal: Journal, store: OnlineStore, until: int | None = None) -> int:
    """Apply the segments that the store has not seen, up to ``until``; how many there were.

    Raises StoreError if the store was made for other features.
    """
    new = [s for s in journal.segments(store.seq) if until is None or s.seq <= until]
    store.apply_all(journal, new)
    return len(new)


def run(journal: Journal, store: OnlineStore, follow: float = 0.0) -> Counts:
    """Catch up, and go on with what arrives in the next ``follow`` seconds; the whole account."""
    end = time.monotonic() + follow
    while True:
        found = catch_up(journal, store)
        if time.monotonic() >= end:
            return store.counts()
        if not found:
            time.sleep(POLL)


def run_spark(journal: Journal, store: OnlineStore, engine: Engine, follow: float = 0.0) -> Counts:
    """The same by Spark Structured Streaming on the journal's folder.

    Spark's checkpoint lies beside the store and goes with it. A batch is known by its rows, not by
    Spark's number: one that comes again after a kill changes nothing.
    """
    folder = (journal.folder / "segments").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    fields = ", ".join(f"{field.name} {SPARK[str(field.type)]}" for field in SCHEMA)
    stream = engine.connection._session.readStream.schema(fields)
    files = stream.option("maxFilesPerTrigger", 16).parquet(str(folder))
    named = files.selectExpr("*", "_metadata.file_name AS file")

    def each(batch: Any, _: int) -> None:
        # a connection of SQLite belongs to one thread, and Spark calls from another
        own = OnlineStore(store.path, store.features)
        with own.together():
            apply_batch(Journal(journal.folder), own, batch.toArrow())
        own.close()

    writer = named.writeStream.foreachBatch(each)
    query = writer.option("checkpointLocation", str(checkpoint(store.path))).start()
    try:
        if follow:
            query.awaitTermination(follow)
        query.processAllAvailable()
    finally:
        query.stop()
    catch_up(journal, store)  # segments without rows at the end, of which Spark has nothing to say
    return store.counts()


def checkpoint(store: Path) -> Path:
    """Spark's notes on what it has read for a store."""
    return store.resolve().with_name(store.name + ".spark")


def apply_batch(journal: Journal, store: OnlineStore, rows: pa.Table) -> None:
    """Apply the segments of a batch that Spark read from the journal's files.

    Spark orders files by their time and sees also one that was never committed. So segments go in
    by their seq, those that are missing before one are read from the journal, and a file that the
    manifest does not name is passed over.
    """
    for seq in pc.unique(rows["seq"]).sort().to_pylist():
        end = time.monotonic() + COMMIT
        while journal.last < seq and time.monotonic() < end:
            time.sleep(COMMIT / 100)
        for segment in journal.segments(seq - 1)[:1]:
            its = rows.filter(pc.equal(rows["file"], Path(segment.file).name))
            if len(its):
                catch_up(journal, store, until=seq - 1)
                store.apply(segment, its)
