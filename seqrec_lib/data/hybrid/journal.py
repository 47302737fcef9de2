"""The journal: segments of events in the order in which they became known. Nothing is changed.

A segment is a Parquet file, written aside, forced to disk and renamed, and then one line of
``manifest.jsonl``: the line is the commit. A process killed before it leaves a file that nobody
reads; killed while it writes the line, a torn last line that the next append cuts off.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seqrec_lib.data.files import alone, written_aside
from seqrec_lib.data.hybrid.contract import CANONICAL, conform, now_us
from seqrec_lib.data.hybrid.names import Names
from seqrec_lib.data.refusals import Said

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from seqrec_lib.data.engine import Engine

SCHEMA = CANONICAL.append(pa.field("seq", pa.int64())).append(pa.field("version", pa.int16()))


class JournalError(Said, RuntimeError):
    """A journal that is damaged, or asked for what it has not; the message says what to do."""


@dataclass(frozen=True)
class Segment:
    """One line of the manifest. ``rows`` are in the file, ``refused`` were put aside."""

    seq: int
    source: str
    version: int
    file: str
    rows: int
    refused: int
    sha256: str
    committed_at: int  # microseconds since 1970
    origin: str = ""  # what the rows came from, such as a file


class Journal:
    """The journal in ``folder``, made if it is not there. Any number of processes may read it;
    those that append wait for one another."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.manifest = self.folder / "manifest.jsonl"
        self._known: list[Segment] = []
        self._read = 0  # bytes of the manifest that are in _known

    @cached_property
    def names(self) -> Names:
        """Texts of the numbers that stand for them."""
        return Names(self.folder / "names.sqlite")

    def append(self, source: str, table: pa.Table, version: int = 1, origin: str = "") -> Segment:
        """Commit the rows of a producer's table as the next segment.

        Raises ContractError, and commits nothing, if the table breaks its contract; single rows
        that do are kept in ``refused/`` and counted.
        """
        found = conform(table, source, version, origin or "the table")
        with alone(self.folder / "lock"):
            self._cut_torn_line()
            seq, rows = self.last + 1, len(found.table)
            whole = found.table.append_column("seq", pa.array(np.full(rows, seq)))
            whole = whole.append_column("version", pa.array(np.full(rows, version, np.int16)))
            content = _parquet(whole.cast(SCHEMA))
            digest = hashlib.sha256(content).hexdigest()
            # the digest in the name: a file left by a kill is never taken for its successor
            name = f"segments/{seq:08d}-{digest[:8]}.parquet"
            if len(found.refused):
                with written_aside(self.folder / f"refused/{seq:08d}.parquet") as aside:
                    aside.write_bytes(_parquet(found.refused))
            with written_aside(self.folder / name) as aside:
                aside.write_bytes(content)
            refused = len(found.refused)
            line = Segment(seq, source, version, name, rows, refused, digest, now_us(), origin)
            self._commit(line)
        return line

    @property
    def last(self) -> int:
        """The seq of the latest segment; -1 if there is none."""
        self._refresh()
        return len(self._known) - 1

    def segments(self, after: int = -1) -> list[Segment]:
        """The committed segments with a seq above ``after``, in order."""
        self._refresh()
        return self._known[after + 1 :]

    def seq_at(self, wall_time: int) -> int:
        """The latest segment committed at or before a time in microseconds; -1 if none was."""
        return bisect.bisect_right(self.segments(), wall_time, key=lambda s: s.committed_at) - 1

    def read(self, segment: Segment) -> pa.Table:
        """The rows of a segment; JournalError if its file is not the one committed."""
        path = self.folder / segment.file
        content = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(content).hexdigest() != segment.sha256:
            state = "is not what was committed" if content else "is missing"
            raise JournalError(
                f"{path} {state}: restore it from a copy (its sha256 is {segment.sha256})"
            )
        return pq.read_table(pa.BufferReader(content), schema=SCHEMA)

    def table(self, engine: Engine) -> ir.Table:
        """All committed rows, for the heavy steps. Raises JournalError if there is no segment."""
        if not (segments := self.segments()):
            raise JournalError(f"{self.folder}: the journal is empty: append a file first")
        return engine.read([self.folder / segment.file for segment in segments])

    # --- the manifest -------------------------------------------------------------------------

    def _commit(self, segment: Segment) -> None:
        line = (json.dumps(asdict(segment)) + "\n").encode()
        handle = os.open(self.manifest, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)

    def _refresh(self) -> None:
        """Take in the lines that are new. What follows the last line end is not committed."""
        if not self.manifest.exists():
            return
        with self.manifest.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        for segment in self._parsed(whole):
            if segment.seq != len(self._known):
                raise JournalError(
                    f"{self.manifest}: segment {segment.seq} where {len(self._known)} should be: "
                    "were two journals mixed? Restore the manifest from a copy"
                )
            self._known.append(segment)
        self._read += len(whole)

    def _parsed(self, lines: bytes) -> Iterator[Segment]:
        for line in lines.splitlines():
            try:
                yield Segment(**json.loads(line))
            except (TypeError, ValueError) as error:
                raise JournalError(
                    f"{self.manifest}: a line in its middle cannot be read ({error}): restore the "
                    "manifest from a copy; the segments beside it are whole"
                ) from error

    def _cut_torn_line(self) -> None:
        self._refresh()
        if self.manifest.exists() and self.manifest.stat().st_size > self._read:
            os.truncate(self.manifest, self._read)


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=1)
    return sink.getvalue().to_pybytes()
