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

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import pandas as pd
from ibis import _
from tqdm import tqdm

from seqrec_lib.data import engine as engines
from seqrec_lib.data import tecd
from seqrec_lib.data.cleaning import audit
from seqrec_lib.data.cleaning.audit import Entry, Seen
from seqrec_lib.data.cleaning.duplicates import repeated
from seqrec_lib.data.cleaning.rules import Mend, Reject, mends, rejects
from seqrec_lib.data.engine import Engine

if TYPE_CHECKING:
    import ibis.expr.types as ir

DUPLICATE = "duplicate"  # the last rule that rejects
WIDTH = 32  # more than there are rules that reject


class CleaningError(RuntimeError):
    """The account of a cleaned file does not balance; nothing of it was kept."""


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
    ``audit/`` with the account, which is returned (:func:`.audit.audit`). Files that an
    earlier call finished are not cleaned again, unless their source has changed. Raises
    TecdError for a file that is not what its name says, EngineError for one that cannot be read or
    written, and CleaningError if an account does not balance; finished files stay.
    """
    out.mkdir(parents=True, exist_ok=True)
    for debris in (out / ".stage", out / ".spill"):  # of a run that was killed
        shutil.rmtree(debris, ignore_errors=True)
    (out / ".spill").mkdir()
    wanted = list(_files(root, tables, days))
    try:
        with engines.connect(engine, memory, threads, spill=out / ".spill") as running:
            for table, day in tqdm(wanted, desc="clean", unit="file", delay=20):
                if not audit.finished(out, root, table, day):
                    clean_file(running, root, out, table, day)
    finally:
        shutil.rmtree(out / ".spill", ignore_errors=True)
    return audit.audit(out)


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
        copies = repeated(engine, raw, flagged, table, day, engines.num_rows(source), stage)
        if copies is not None:
            joined = flagged.left_join(copies, flagged.row == copies.place)
            rule = joined.place.notnull().ifelse(len(names), joined.rule)
            flagged = joined.mutate(rule=rule.cast("int8")).drop("place")
        seen = _count(engine, flagged, names, repairs)
        entries = audit.account(source, table, day, seen)
        rejected, good = 0, flagged  # where no row is bad, the rules need not be tried again
        if entries[-1].after < entries[0].before:
            good = flagged.filter(_.rule == 0)
            ends = [place for one in seen.values() if one.kind == "reject" for place in one.places]
            bad = flagged.filter(_.rule > 0, _.row >= min(ends), _.row <= max(ends))
            rejected = engine.write(_named(bad, names), stage / "quarantine")
        rows = engine.write(_mended(good, repairs), stage / "clean")
        _validate(engine, stage / "clean", entries, repairs, rows, rejected)
        _publish(root, out, stage, table, day, entries)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return entries


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
    pattern = flagged.rule.cast("int32")
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


def _mended(good: ir.Table, repairs: Sequence[Mend]) -> ir.Table:
    masks = {repair.mask: repair.broken(good) for repair in repairs if repair.mask}
    values = {repair.column: repair.value(good) for repair in repairs}
    return good.mutate(**values, **masks).drop("rule", "row")


def _named(bad: ir.Table, names: Sequence[str]) -> ir.Table:
    """Rejected rows as they were, the rule in words."""
    return bad.mutate(rule=ibis.cases(*((bad.rule == i, name) for i, name in enumerate(names, 1))))


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
    audit.audit_path(out, table, day).unlink(missing_ok=True)
    target = tecd.path_of(out, table, day)
    quarantine = tecd.path_of(out / "quarantine", table, day)
    for staged, path in ((stage / "clean", target), (stage / "quarantine", quarantine)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():  # a folder that Spark wrote
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        if staged.exists():
            os.replace(staged, path)
    audit.record(out, root, table, day, entries)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.data.cleaning", description=str(__doc__).partition("\n")[0]
    )
    parser.add_argument("root", type=Path, help="folder dataset/<size> of the original layout")
    parser.add_argument("out", type=Path, help="folder for clean files, quarantine and audit")
    parser.add_argument("--tables", nargs="+", metavar="TABLE", help="; ".join(tecd.TABLES))
    parser.add_argument("--days", nargs=2, type=int, metavar=("FIRST", "LAST"))
    parser.add_argument("--engine", choices=engines.ENGINES, default="duckdb")
    parser.add_argument("--memory", default="1200MB", help="for the engine before it spills")
    args = parser.parse_args(arguments)
    days = range(args.days[0], args.days[1] + 1) if args.days else None
    try:
        found = clean(args.root, args.out, args.tables, days, args.engine, args.memory)
    except (CleaningError, engines.EngineError, tecd.TecdError, ValueError) as error:
        sys.exit(str(error))
    total = found.groupby(["table", "kind", "rule"], sort=False)["matched"].sum()
    print(total[total > 0].to_string())
