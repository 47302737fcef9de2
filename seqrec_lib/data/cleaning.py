"""Cleaning of T-ECD in five steps, with an account of every row that was dropped or changed.

1. *Safe loading*: footers are checked first; embedding columns with empty lists are read.
2. *Imputation*: a missing word becomes ``Unknown``, a missing id -1 (ids start at 0). A price has
   no sentinel, since every number in [-10, 10] is a legal standardised price: it stays missing, and
   a mask column ``price_missing`` says so.
3. *Deduplication*: of rows that agree in their key (or altogether, where there is none) the first
   in the file stays; of brands, the first that has an embedding.
4. *Validation*: what was written is read again and held against what was counted before.
5. *Atomic serialisation*: a file appears whole or not at all, and a run goes on where it ended.

The steps are those of the report (seed 001, section 3.1). Rows that break a rule go to a
quarantine file with the rule's name, not away.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _
from tqdm import tqdm

from seqrec_lib.data import engine as engines
from seqrec_lib.data import tecd
from seqrec_lib.data.cleaning_rules import Mend, Reject, mends, rejects
from seqrec_lib.data.duplicates import duplicates
from seqrec_lib.data.engine import Engine
from seqrec_lib.data.files import written_aside

if TYPE_CHECKING:
    import ibis.expr.types as ir

DUPLICATE = "duplicate"  # the last rule that rejects
WIDTH = 32  # more than there are rules that reject


class CleaningError(RuntimeError):
    """The account of a cleaned file does not balance; nothing of it was kept."""


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


def clean(
    root: Path,
    out: Path,
    tables: Sequence[str] | None = None,
    days: Sequence[int] | None = None,
    engine: str = "duckdb",
    memory: str = "1200MB",
    threads: int | None = None,
) -> pd.DataFrame:
    """Clean the files of ``tables`` and ``days`` (all, if not given) below ``root`` into ``out``.

    ``out`` gets the layout of the source, ``quarantine/`` with the rejected rows as they were, and
    ``audit/`` with the account, which is returned (see :func:`audit`). Files that an earlier call
    finished are not cleaned again, unless their source has changed. Raises TecdError for a file
    that is not what its name says, EngineError for one that cannot be read or written, and
    CleaningError if an account does not balance; finished files stay.
    """
    out.mkdir(parents=True, exist_ok=True)
    for debris in (out / ".stage", out / ".spill"):  # of a run that was killed
        shutil.rmtree(debris, ignore_errors=True)
    (out / ".spill").mkdir()
    wanted = list(_files(root, tables, days))
    try:
        with engines.connect(engine, memory, threads, spill=out / ".spill") as running:
            for table, day in tqdm(wanted, desc="clean", unit="file", delay=1):
                if not _finished(root, out, table, day):
                    clean_file(running, root, out, table, day)
    finally:
        shutil.rmtree(out / ".spill", ignore_errors=True)
    return audit(out)


def clean_file(engine: Engine, root: Path, out: Path, table: str, day: int | None) -> list[Entry]:
    """Clean one file and return its account; see :func:`clean`."""
    source = tecd.path_of(root, table, day)
    raw = tecd.read(engine, table, None if day is None else [day], root, raw=True)
    rules, repairs = rejects(table, day), mends(table)
    names = [*(rule.name for rule in rules), DUPLICATE]
    stage = out / ".stage"
    stage.mkdir(exist_ok=True)
    try:
        flagged = raw.mutate(rule=_first_broken(raw, rules))
        copies = duplicates(engine, flagged, table, day, engines.num_rows(source), stage)
        if copies is not None:
            joined = flagged.left_join(copies, flagged.row == copies.place)
            rule = joined.place.notnull().ifelse(len(names), joined.rule)
            flagged = joined.mutate(rule=rule.cast("int8")).drop("place")
        seen = _count(engine, flagged, names, repairs)
        entries = _account(source, table, day, seen)
        rows = engine.write(_mended(flagged, repairs), stage / "clean")
        rejected = 0
        if entries[-1].after < entries[0].before:
            rejected = engine.write(_quarantined(flagged, names), stage / "quarantine")
        _validate(engine, stage / "clean", entries, repairs, rows, rejected)
        _publish(root, out, stage, table, day, entries)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return entries


def audit(out: Path) -> pd.DataFrame:
    """The account of every cleaned file below ``out``, a row a rule and file.

    Columns: those of :class:`Entry`, and ``share``, the matched part of the rows before. Within a
    file, ``before`` less ``matched`` is ``after`` for rules that reject, and the next rule's
    ``before``; rules that mend leave the number of rows as it is.
    """
    paths = [_audit_path(out, *file) for file in _files(out, None, None)]
    lines = [line for path in paths for line in json.loads(path.read_text())["entries"]]
    table = pd.DataFrame(lines, columns=list(Entry.__dataclass_fields__))
    table["day"] = table["day"].astype("Int64")
    table["share"] = table["matched"] / table["before"].clip(lower=1)
    return table


def _files(
    root: Path, tables: Sequence[str] | None, days: Sequence[int] | None
) -> Iterator[tuple[str, int | None]]:
    """The files asked for; without ``tables``, those that are there."""
    for table in tables or tecd.TABLES:
        if table not in tecd.TABLES:
            raise ValueError(f"no table {table!r}; there are {', '.join(tecd.TABLES)}")
        if not tecd.TABLES[table].daily:
            if tables or tecd.path_of(root, table).exists():
                yield table, None
        elif tables and days is not None:
            yield from ((table, day) for day in days)
        elif tables or tecd.path_of(root, table, 0).parent.exists():
            there = tecd.days(root, table)
            yield from ((table, day) for day in there if days is None or day in days)


def _first_broken(raw: ir.Table, rules: Sequence[Reject]) -> ir.IntegerValue:
    """The number of the first rule that a row breaks, from 1; 0 for a good row."""
    broken = [(rule.broken(raw).fill_null(False), i) for i, rule in enumerate(rules, 1)]
    return ibis.cases(*broken, else_=0).cast("int8")


def _count(
    engine: Engine, flagged: ir.Table, names: Sequence[str], repairs: Sequence[Mend]
) -> dict[str, Seen]:
    """One pass over the source: what each rule matches among the rows that reach it."""
    pattern = flagged.rule.cast("int64")
    for i, repair in enumerate(repairs):  # a bit a repair: few patterns, whatever the rows
        pattern = pattern + repair.broken(flagged).ifelse(WIDTH << i, 0)
    few = flagged.select("row", pattern=pattern).group_by("pattern")
    found = engine.frame(few.agg(n=lambda t: t.count(), first=_.row.min(), last=_.row.max()))
    rule, bits = found["pattern"] % WIDTH, found["pattern"] // WIDTH
    groups = {(name, "reject"): found[rule == i] for i, name in enumerate(names, 1)}
    for i, repair in enumerate(repairs):
        groups[repair.name, "mend"] = found[(rule == 0) & (bits // 2**i % 2 == 1)]
    rows, seen = int(found["n"].sum()), {}
    for (name, kind), group in groups.items():
        places = {int(group["first"].min()), int(group["last"].max())} if len(group) else set()
        seen[name] = Seen(kind, rows, int(group["n"].sum()), tuple(sorted(places)))
        rows -= seen[name].matched if kind == "reject" else 0
    return seen


def _mended(flagged: ir.Table, repairs: Sequence[Mend]) -> ir.Table:
    masks = {repair.mask: repair.broken(flagged) for repair in repairs if repair.mask}
    values = {repair.column: repair.value(flagged) for repair in repairs}
    return flagged.mutate(**values, **masks).filter(_.rule == 0).drop("rule", "row")


def _quarantined(flagged: ir.Table, names: Sequence[str]) -> ir.Table:
    bad = flagged.filter(flagged.rule > 0)
    return bad.mutate(rule=ibis.cases(*((bad.rule == i, name) for i, name in enumerate(names, 1))))


def _account(source: Path, table: str, day: int | None, seen: dict[str, Seen]) -> list[Entry]:
    entries = []
    for name, (kind, before, matched, places) in seen.items():
        after = before - matched if kind == "reject" else before
        examples = tuple(_example(source, place) for place in places)
        entries.append(Entry(table, day, name, kind, before, matched, after, examples))
    return entries


def _validate(
    engine: Engine,
    path: Path,
    entries: Sequence[Entry],
    repairs: Sequence[Mend],
    rows: int,
    rejected: int,
) -> None:
    """Hold what was written against what was counted in the source."""
    table, clean = entries[0].table, engine.read(path)
    matched = {entry.rule: entry.matched for entry in entries}
    promised = {repair.name: matched[repair.name] for repair in repairs if repair.mark}
    sums = {repair.name: repair.mark(clean).sum() for repair in repairs if repair.mark}
    for name in (repair.column for repair in repairs if repair.filled):
        promised[f"{name} null"], sums[f"{name} null"] = 0, clean[name].isnull().sum()
    if key := tecd.TABLES[table].key:
        promised["keys"], sums["keys"] = rows, clean[key[0]].nunique()
    sums["rows in the clean file"] = clean.count()
    promised["rows in the clean file"] = entries[-1].after
    found = {
        k: 0 if pd.isna(v) else int(v) for k, v in engine.frame(clean.agg(**sums)).iloc[0].items()
    }
    found["rows in and out"], promised["rows in and out"] = rows + rejected, entries[0].before
    wrong = [f"{k}: {n} counted, {found[k]} found" for k, n in promised.items() if n != found[k]]
    if wrong:
        raise CleaningError(
            f"{table}: the account does not balance ({'; '.join(wrong)}); nothing was kept. Did "
            "the source change while it was read? Run it again, and report it if it persists"
        )


def _publish(
    root: Path, out: Path, stage: Path, table: str, day: int | None, entries: list[Entry]
) -> None:
    """Move the staged files to their places; the audit comes last and makes the file finished."""
    record = _audit_path(out, table, day)
    record.unlink(missing_ok=True)
    target = tecd.path_of(out, table, day)
    quarantine = tecd.path_of(out / "quarantine", table, day)
    for staged, path in ((stage / "clean", target), (stage / "quarantine", quarantine)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():  # a folder that Spark wrote
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        if staged.exists():
            os.replace(staged, path)
    text = {"source": _state(root, table, day), "entries": [asdict(entry) for entry in entries]}
    with written_aside(record) as aside:
        aside.write_text(json.dumps(text, indent=1) + "\n")


def _finished(root: Path, out: Path, table: str, day: int | None) -> bool:
    """Was this file cleaned, from the source that is there now?"""
    record = _audit_path(out, table, day)
    if not (record.exists() and tecd.path_of(out, table, day).exists()):
        return False
    source = tecd.path_of(root, table, day)
    return source.exists() and json.loads(record.read_text())["source"] == _state(root, table, day)


def _state(root: Path, table: str, day: int | None) -> dict[str, int]:
    found = tecd.path_of(root, table, day).stat()
    return {"bytes": found.st_size, "modified_ns": found.st_mtime_ns}


def _audit_path(out: Path, table: str, day: int | None) -> Path:
    return tecd.path_of(out / "audit", table, day).with_suffix(".json")


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
