"""T-ECD: events of one synthetic population in a marketplace, a supermarket, offers and payments.

A cross-domain data set published by T-Tech (Hugging Face ``t-tech/T-ECD``, CC BY-NC-SA 4.0, gated).
Its authors declare it synthetic: time stamps are jittered, numbers perturbed. One Parquet file a
table and day; days count from an unpublished day 0, and a time stamp is the duration since then.

At least two revisions were published, with different words (:data:`SPELLINGS`) and row counts; A is
of 2025, B of 2026. The reader gives B's words for both. Nothing is loaded whole: footers are
checked, and rows come as Ibis tables (:mod:`seqrec_lib.data.engine`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import pandas as pd
import pyarrow as pa

from seqrec_lib.data import events as canonical
from seqrec_lib.data.engine import Engine, connect, parquet_files
from seqrec_lib.data.tecd.footer import Footer, check_day, inspect
from seqrec_lib.data.tecd.layout import (
    ACTIONS,
    DAY_US,
    FULL_ONLY,
    NO_TRANSACTION,
    ONLY_IN,
    PREFIXES,
    SPELLINGS,
    TABLES,
    Table,
    TecdError,
    days,
    folder,
    path_of,
    spans,
    table_of,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = [
    "ACTIONS",
    "DAY_US",
    "FULL_ONLY",
    "Footer",
    "NO_TRANSACTION",
    "ONLY_IN",
    "PREFIXES",
    "SPELLINGS",
    "TABLES",
    "Table",
    "TecdError",
    "days",
    "events",
    "folder",
    "inspect",
    "missing",
    "overview",
    "path_of",
    "read",
    "revision_of",
    "unified",
]


def read(
    engine: Engine,
    table: str,
    days: Sequence[int] | None = None,
    root: Path | None = None,
    revision: str | None = None,
    raw: bool = False,
) -> ir.Table:
    """The rows of ``table`` on ``days`` (all there are, if not given), nothing loaded yet.

    Columns are those of :data:`TABLES` and, for daily tables, ``day``. ``timestamp`` is int64,
    microseconds since day 0. Actions are in revision B's words, the hash of no transaction and
    empty embeddings are null. Every footer is checked (:func:`inspect`); of events, the distinct
    actions are looked up too, a pass over one or two columns (:func:`revision_of`).

    Args:
        root: the folder ``dataset/<size>``; :func:`folder` if not given.
        revision: A or B if it must be this one; else either.
        raw: columns as they are in the files, and ``row``, the place in the file. Actions are
            not looked at, and a file may have some rows of other days.

    Raises TecdError for a missing day, a file that is not what its name says, an action in
    neither vocabulary, or revisions mixed.
    """
    if revision not in (None, "A", "B"):
        raise ValueError(f"no revision {revision!r}; there are A and B")
    root = root or folder("full" if table in FULL_ONLY else "small")
    if raw:
        chosen = _chosen(root, table, days)
        for day in chosen:
            inspect(path_of(root, table, day), table, day, strict=False)
        return _rows(engine, table, [path_of(root, table, day) for day in chosen], row=True)
    paths, found = _checked(engine, root, table, days)
    if revision and found not in (None, revision):
        raise TecdError(f"{paths[0].parent}: revision {found}, not {revision}. Fetch that one")
    return unified(_rows(engine, table, paths), table)


def overview(root: Path) -> pd.DataFrame:
    """The tables below ``root``: their files, days, rows and bytes, from the footers alone.

    Raises TecdError for a file that is not what its name says.
    """
    found = []
    for table, kind in TABLES.items():
        there = days(root, table) if kind.daily else [None]
        paths = {day: path_of(root, table, day) for day in there}
        paths = {day: path for day, path in paths.items() if path.exists()}
        if not paths:
            continue
        rows = sum(inspect(path, table, day, strict=False).rows for day, path in paths.items())
        parts = [part for path in paths.values() for part in parquet_files(path)]
        size = sum(part.stat().st_size for part in parts)
        named = spans([day for day in paths if day is not None])
        found.append((table, len(paths), named, rows, size, len(kind.columns)))
    return pd.DataFrame(found, columns=["table", "files", "days", "rows", "bytes", "columns"])


def missing(engine: Engine, root: Path) -> pd.DataFrame:
    """Null values by table and column: ``table, column, rows, missing, share``.

    Raw: what stands in the files, empty embeddings and the hash of no transaction counted as
    missing. One pass over each table.
    """
    found = []
    for table in overview(root)["table"]:
        rows = unified(read(engine, table, None, root, raw=True), table)
        names = [name for name in TABLES[table].columns if name != "action_type"]
        counts = engine.frame(
            rows.agg(n=rows.count(), **{c: rows[c].isnull().sum() for c in names})
        )
        total = int(counts["n"].iloc[0])
        found += [(table, name, total, int(counts[name].iloc[0] or 0)) for name in names]
    result = pd.DataFrame(found, columns=["table", "column", "rows", "missing"])
    return result.assign(share=result["missing"] / result["rows"].clip(lower=1))


def unified(raw: ir.Table, table: str) -> ir.Table:
    """Rows read raw, as :func:`read` gives them; further columns stay."""
    columns = TABLES[table].columns
    changed: dict[str, ir.Value] = {}
    for name, kind in columns.items():
        if pa.types.is_floating(kind):
            changed[name] = raw[name].cast("float64")
        elif pa.types.is_fixed_size_list(kind):
            changed[name] = (raw[name].length() > 0).ifelse(raw[name], None)
    if "action_type" in columns:
        changed["action_type"] = raw.action_type.substitute(SPELLINGS)
    if "transaction_hash" in columns:
        changed["transaction_hash"] = raw.transaction_hash.nullif(NO_TRANSACTION)
    if "timestamp" in columns:
        changed["day"] = (raw.timestamp // DAY_US).cast("int64")
    return raw.mutate(**changed)


def revision_of(
    engine: Engine, root: Path, table: str, days: Sequence[int] | None = None
) -> str | None:
    """The revision, A or B, that the words of an event table are from; None if both have them.

    Raises TecdError if days are of different revisions, or have an action of neither.
    """
    domain = table.split("/")[0]
    if "action_type" not in table_of(table).columns:
        raise ValueError(f"{table} has no actions; the revisions do not differ in it")
    raw = engine.read([path_of(root, table, day) for day in _chosen(root, table, days)])
    names = ["action_type", *(["subdomain"] if domain == "retail" else [])]
    words = raw.mutate(day=raw.timestamp // DAY_US).select("day", *names).distinct()
    only_in = ONLY_IN.get(domain, {"A": set(), "B": set()})
    known = ACTIONS[domain] | (only_in["A"] & set(SPELLINGS))
    seen: dict[int, set[str | None]] = {}
    for row in engine.frame(words).astype(object).sort_values("day").itertuples(index=False):
        if row.action_type not in known:
            what = "no action" if pd.isna(row.action_type) else f"the action {row.action_type!r}"
            raise TecdError(
                f"{root}: {table} has rows of day {row.day} with {what}; known are "
                f"{', '.join(sorted(known))}. Damaged, or a revision newer than this code? "
                "Cleaning (seqrec_lib.data.cleaning) puts such rows aside"
            )
        if pd.notna(row.day):
            seen.setdefault(int(row.day), set()).update(row[1:])
    of = {
        revision: sorted(day for day, words in seen.items() if words & only)
        for revision, only in only_in.items()
    }
    # a day is of one revision: with words of both, A's actions were put into B's words by cleaning
    of["B"] = [day for day in of["B"] if day not in of["A"]]
    if of["A"] and of["B"]:
        raise TecdError(
            f"{root}: {table} mixes two revisions: A on day {spans(of['A'])}, B on day "
            f"{spans(of['B'])}. Row counts differ between them: fetch all days from one"
        )
    return next((revision for revision, there in of.items() if there), None)


def events(
    tables: Sequence[str] = ("marketplace/events",),
    days: Sequence[int] | None = None,
    root: Path | None = None,
    engine: str = "duckdb",
    surface: bool = False,
) -> pd.DataFrame:
    """The canonical event table (:mod:`seqrec_lib.data.events`) of one domain or several.

    Sorted by user, then time to the microsecond, then place in the files. ``time`` is in seconds
    since day 0; ``action`` and ``domain`` are words. Of events that agree in all of these the
    first stays: the source has no two equal rows, but a view reported twice within a second (or on
    two surfaces at once) is one event. With ``surface`` a column of that name says where it was
    seen (``subdomain`` in the files); ``none`` where they do not say. Raises what :func:`read`
    raises, and TecdError for tables of different revisions.
    """
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp", "action": "action_type"}
    root, found, parts = root or folder(), {}, []
    with connect(engine) as running:
        for place, table in enumerate(tables):
            paths, found[table] = _checked(running, root, table, days)
            part = unified(_rows(running, table, paths, row=True), table).rename(columns)
            seen = part.subdomain if "subdomain" in part.columns else ibis.null("string")
            part = part.mutate(domain=ibis.literal(table.split("/")[0]), place=place, surface=seen)
            more = ["surface"] if surface else []
            parts.append(part.select(*columns, "domain", "place", "row", *more))
        if {"A", "B"} <= set(found.values()):
            raise TecdError(f"{root}: tables of two revisions, {found}. Fetch all from one")
        rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
        frame = running.frame(rows.order_by("user", "time", "place", "row"))
    source = f"{root}: {', '.join(tables)}"
    checked = canonical.check(frame, source, unit="us", drop_duplicates=True)
    if surface:  # not part of what makes two events equal, so it is joined after the check
        key = frame.assign(time=frame["time"] // 1_000_000)[["user", "item", "time", "action"]]
        stays = ~key.assign(domain=frame["domain"]).duplicated()
        checked["surface"] = frame.loc[stays, "surface"].fillna("none").to_numpy()
    return checked


def _checked(
    engine: Engine, root: Path, table: str, days: Sequence[int] | None
) -> tuple[list[Path], str | None]:
    """The files of ``table`` on ``days``, each found to be what its name says; the revision."""
    chosen = _chosen(root, table, days)
    paths = [path_of(root, table, day) for day in chosen]
    for path, day in zip(paths, chosen, strict=True):
        footer = inspect(path, table, day)
        if day is not None and footer.rows and footer.first is None:  # a writer's choice: look
            time = engine.read(path).timestamp
            ends = engine.frame(time.as_table().agg(first=time.min(), last=time.max())).iloc[0]
            first, last = (int(end) for end in ends.fillna(-1))
            check_day(path, first, last, day)
    acts = "action_type" in TABLES[table].columns
    return paths, revision_of(engine, root, table, days) if acts else None


def _rows(engine: Engine, table: str, paths: list[Path], row: bool = False) -> ir.Table:
    """The rows as the engine sees them, which may differ from what the footers tell Arrow."""
    found = engine.read(paths, row=row)
    for name, kind in TABLES[table].columns.items():
        if pa.types.is_string(kind) and not found[name].type().is_string():
            raise TecdError(
                f"{paths[0].parent}: the engine reads {name} of {table} as {found[name].type()}, "
                "not as text. Is a footer damaged? Fetch the files again"
            )
    return found


def _chosen(root: Path, table: str, wanted: Sequence[int] | None) -> list[int] | list[None]:
    """The days to read, ascending; [None] for a table without days."""
    if not table_of(table).daily:
        if wanted is not None:
            raise ValueError(f"{table} is not daily: give no days")
        return [None]
    there = days(root, table)
    if not there:
        hint = "; dataset/small has no payments" * (table in FULL_ONLY)
        place = path_of(root, table, 0).parent
        raise TecdError(
            f"{place}: no day files of {table}{hint}. Fetch some with python -m "
            f"seqrec_lib.data.tecd.hub --tables {table} --days FIRST LAST"
        )
    missing = sorted(set(there if wanted is None else wanted) - set(there))
    if missing or (wanted is not None and not len(wanted)):
        what = f"day {spans(missing)} is not there" if missing else "no day was asked for"
        raise TecdError(
            f"{root}: {table}: {what}; there are {spans(there)}. Fetch it, or ask for less"
        )
    return sorted(set(there if wanted is None else wanted))
