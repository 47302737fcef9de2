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

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    ``audit/`` with the account, which is returned (:func:`.audit.audit`). Rows stay in the order of
    the source, on either engine (of the parts that Spark writes, by name). Files that an
    earlier call finished are not cleaned again, unless their source, the rules or they themselves
    have changed. Raises TecdError for a file that is not there or not what its name says,
    EngineError for one that cannot be read or written, ValueError if ``out`` is ``root``, and
    CleaningError if an account does not balance or another call is at work; finished files stay.
    """
    if out.resolve() == root.resolve():
        raise ValueError(f"{out} is the source: give another folder for the clean files")
    wanted = _wanted(root, tables, days)
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        _clean(root, out, wanted, engine, memory, threads)
    return audit.audit(out)


def _clean(
    root: Path,
    out: Path,
    wanted: Sequence[tuple[str, int | None]],
    engine: str,
    memory: str,
    threads: int | None,
) -> None:
    for debris in (out / ".stage", out / ".spill"):  # of a run that was killed
        shutil.rmtree(debris, ignore_errors=True)
    (out / ".spill").mkdir()
    try:
        with engines.connect(engine, memory, threads, spill=out / ".spill") as running:
            for table, day in tqdm(wanted, desc="clean", unit="file", delay=20):
                if not audit.finished(out, root, table, day, _names(table, day)):
                    clean_file(running, root, out, table, day)
    finally:
        shutil.rmtree(out / ".spill", ignore_errors=True)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """One cleaning at a time in ``out``: two would share its stage."""
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise CleaningError(
            f"{out}: another cleaning is at work here. Wait for it, or give another folder"
        ) from error
    finally:
        os.close(handle)


def clean_file(engine: Engine, root: Path, out: Path, table: str, day: int | None) -> list[Entry]:
    """Clean one file and return its account; see :func:`clean`."""
    source = tecd.path_of(root, table, day)
    if source.is_dir():
        raise tecd.TecdError(f"{source}: a folder that Spark wrote; clean the published file")
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
        # a join hands on its rows as its threads finish, and Spark promises no order at all
        sort = copies is not None or engine.name == "spark"
        seen = _count(engine, flagged, names, repairs)
        entries = audit.account(source, table, day, seen)
        rejected, good = 0, flagged  # where no row is bad, the rules need not be tried again
        if entries[-1].after < entries[0].before:
            good = flagged.filter(_.rule == 0)
            ends = [place for one in seen.values() if one.kind == "reject" for place in one.places]
            bad = flagged.filter(_.rule > 0, _.row >= min(ends), _.row <= max(ends))
            rejected = engine.write(_in_order(_named(bad, names), sort), stage / "quarantine")
        mended = _in_order(_mended(good, repairs), sort).drop("rule", "row")
        rows = engine.write(mended, stage / "clean")
        _validate(engine, stage / "clean", entries, repairs, rows, rejected)
        _publish(root, out, stage, table, day, entries)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return entries


def _wanted(
    root: Path, tables: Sequence[str] | None, days: Sequence[int] | None
) -> list[tuple[str, int | None]]:
    """The files asked for; TecdError if there are none, or a table or a day has none."""
    wanted = list(_files(root, tables, days))
    found = {day for _table, day in wanted}
    lost = [name for name in tables or () if name not in {table for table, _day in wanted}]
    lost += [f"day {day}" for day in days or () if day not in found]
    if lost or not wanted:
        what = ", ".join(lost) or "a table of T-ECD"
        raise tecd.TecdError(
            f"{root}: no {what}. Is it the folder that holds users.pq or marketplace/? Days and "
            "tables are fetched with python -m seqrec_lib.data.tecd.hub"
        )
    return wanted


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


def _names(table: str, day: int | None) -> list[str]:
    """All rules of a file in the order of its account."""
    first = [rule.name for rule in rejects(table, day)]
    return [*first, DUPLICATE, *(repair.name for repair in mends(table))]


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
    return good.mutate(**values, **masks)


def _in_order(rows: ir.Table, sort: bool) -> ir.Table:
    return rows.order_by("row") if sort else rows


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
    if table.endswith("events") and "action_type" in tecd.TABLES[table].columns:
        promised["old spellings left"] = 0
        old = clean.action_type.isin(list(tecd.SPELLINGS)).sum()
        found["old spellings left"] = int(engine.frame(old) or 0)
    if rejected:
        by_rule = engine.frame(
            engine.read(path.with_name("quarantine")).rule.value_counts(name="n")
        )
        found |= {f"in quarantine: {rule}": int(n) for rule, n in by_rule.itertuples(index=False)}
    for entry in entries:
        if entry.kind == "reject" and entry.matched:
            promised[f"in quarantine: {entry.rule}"] = entry.matched
    found["rows in and out"], promised["rows in and out"] = rows + rejected, entries[0].before
    wrong = [
        f"{k}: {n} counted, {found.get(k, 0)} found"
        for k, n in promised.items()
        if n != found.get(k)
    ]
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
        if staged.exists():
            os.replace(staged, path)
        else:
            path.unlink(missing_ok=True)
    audit.record(out, root, table, day, entries)
