"""The account of cleaning: what each rule did to each file, kept beside the clean files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from seqrec_lib.data import tecd
from seqrec_lib.data.engine import parquet_files
from seqrec_lib.data.files import written_aside


@dataclass(frozen=True)
class Entry:
    """A line of the audit: what one rule did to one file."""

    table: str
    day: int | None
    rule: str
    kind: str  # reject: to quarantine; mend: changed and kept
    before: int  # rows that reached this rule
    matched: int
    after: int
    examples: tuple[str, ...] = ()  # the first and the last row that matched, as in the source


class Seen(NamedTuple):
    """What a rule matched: among how many rows, how many, and the places of the ends."""

    kind: str
    before: int
    matched: int
    places: tuple[int, ...]


def audit(out: Path) -> pd.DataFrame:
    """The account of every cleaned file below ``out``, a row a rule and file.

    Columns: those of :class:`Entry`, and ``share``, the matched part of the rows before. Within a
    file, ``before`` less ``matched`` is ``after`` for rules that reject, and the next rule's
    ``before``; rules that mend leave the number of rows as it is.
    """
    folder, paths = out / "audit", []
    for table in tecd.TABLES.values():
        name = Path(table.path.replace("{day:05d}", "*")).with_suffix(".json")
        paths += sorted(folder.glob(str(name)))
    lines = [line for path in paths for line in json.loads(path.read_text())["entries"]]
    table = pd.DataFrame(lines, columns=list(Entry.__dataclass_fields__))
    table["day"] = table["day"].astype("Int64")
    table["share"] = table["matched"] / table["before"].clip(lower=1)
    return table


def account(source: Path, table: str, day: int | None, seen: dict[str, Seen]) -> list[Entry]:
    """The lines of one file's account, in the order of the rules."""
    entries = []
    for name, (kind, before, matched, places) in seen.items():
        after = before - matched if kind == "reject" else before
        examples = tuple(_example(source, place) for place in places)
        entries.append(Entry(table, day, name, kind, before, matched, after, examples))
    return entries


def record(out: Path, root: Path, table: str, day: int | None, entries: list[Entry]) -> None:
    """Keep the account of a file: from now on it counts as finished."""
    text = {
        "source": _state(root, table, day),
        "written": _written(out, table, day),
        "entries": [asdict(entry) for entry in entries],
    }
    with written_aside(audit_path(out, table, day)) as aside:
        aside.write_text(json.dumps(text, indent=1) + "\n")


def finished(out: Path, root: Path, table: str, day: int | None, rules: Sequence[str]) -> bool:
    """Was this file cleaned by these rules, from the source that is there now, and is it whole?"""
    kept = audit_path(out, table, day)
    if not kept.exists() or not tecd.path_of(root, table, day).exists():
        return False
    text = json.loads(kept.read_text())
    return (
        text["source"] == _state(root, table, day)
        and text["written"] == _written(out, table, day)
        and [entry["rule"] for entry in text["entries"]] == list(rules)
    )


def audit_path(out: Path, table: str, day: int | None) -> Path:
    """Where the account of a file is kept."""
    return tecd.path_of(out / "audit", table, day).with_suffix(".json")


def _written(out: Path, table: str, day: int | None) -> list[int]:
    """Bytes of the clean file and of its quarantine; 0 where there is none."""
    places = (tecd.path_of(folder, table, day) for folder in (out, out / "quarantine"))
    return [sum(p.stat().st_size for p in parquet_files(one) if p.exists()) for one in places]


def _state(root: Path, table: str, day: int | None) -> dict[str, int]:
    found = tecd.path_of(root, table, day).stat()
    return {"bytes": found.st_size, "modified_ns": found.st_mtime_ns}


def _example(source: Path, place: int) -> str:
    """One row of the source as short JSON, without its embedding."""
    with pq.ParquetFile(source) as file:
        group, before = 0, 0
        while before + file.metadata.row_group(group).num_rows <= place:
            before += file.metadata.row_group(group).num_rows
            group += 1
        names = [name for name in file.schema_arrow.names if name != "embedding"]
        row = file.read_row_group(group, columns=names).slice(place - before, 1)
    durations = [i for i, kind in enumerate(row.schema.types) if pa.types.is_duration(kind)]
    for i in durations:
        row = row.set_column(i, row.schema.names[i], row.column(i).cast(pa.int64()))
    return json.dumps(row.to_pylist()[0])
