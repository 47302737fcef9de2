"""Is a T-ECD file what its name says? Told from its footer, without reading a row."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from seqrec_lib.data.engine import parquet_files
from seqrec_lib.data.tecd.layout import DAY_US, PREFIXES, TABLES, TecdError

CODES = ("socdem_cluster", "region")  # whole numbers; as floats where a writer met nulls


class Footer(NamedTuple):
    """What a file's footer says: its rows, and its range of time if every part has statistics."""

    rows: int
    first: int | None  # microseconds
    last: int | None


def inspect(path: Path, table: str, day: int | None = None, strict: bool = True) -> Footer:
    """Check the footer of a file of ``table``; a folder that Spark wrote counts as a file.

    It is Parquet, with its footer. The columns are those of :data:`TABLES` in these types or
    near ones (any whole numbers for ids, any lists of floats, int64 for durations), besides the
    masks ``<column>_missing`` that cleaning adds. Ranges of time and item, where the footer has
    them, are of this day and domain. Without ``strict`` some rows may be of other days, as long as
    the range touches the day. Raises TecdError.
    """
    rows, untold = 0, False
    known: list[int] = []
    for part in parquet_files(path):
        with _explained(part):
            footer = pq.read_metadata(part)
            schema = footer.schema.to_arrow_schema()
        _check_columns(schema, table, part)
        with _explained(part):
            ends = _ends(part)
            times = [int(end) for end in ends.get("timestamp", [])]
        _check_domain(part, table, ends.get("item_id", []))
        rows += footer.num_rows
        untold = untold or (footer.num_rows > 0 and not times)
        known += times
    if untold or not known:
        return Footer(rows, None, None)
    if day is not None:
        check_day(path, min(known), max(known), day, strict)
    return Footer(rows, min(known), max(known))


def check_day(path: Path, first: int, last: int, day: int, strict: bool = True) -> None:
    """Raise TecdError if times from ``first`` to ``last`` (microseconds) are not of ``day``."""
    early, late = first // DAY_US, last // DAY_US
    if late < day or early > day:
        raise TecdError(
            f"{path}: belongs to day {early}, by its time stamps, not to day {day}. A copy under a "
            "wrong name? Remove it, or give it its own name"
        )
    if strict and (early, late) != (day, day):
        raise TecdError(
            f"{path}: has rows of days {early} to {late}, not of day {day} alone. Clean it first "
            "(seqrec_lib.data.cleaning), which puts such rows aside"
        )


def _check_domain(path: Path, table: str, items: list[str]) -> None:
    domain = table.split("/")[0]
    for other, prefix in PREFIXES.items():
        foreign = bool(items) and all(item.startswith(prefix) for item in items)
        if domain in PREFIXES and other != domain and foreign:
            raise TecdError(
                f"{path}: wrong layout: the items ({items[0]}) are of {other}, not of {domain}. "
                "Move the file to its place"
            )


def _check_columns(schema: pa.Schema, table: str, path: Path) -> None:
    wanted = TABLES[table].columns
    masks = [f"{name}_missing" for name in wanted]
    there = [name for name in schema.names if name not in masks]
    other = [name for name, one in TABLES.items() if set(one.columns) == set(there)]
    if other and set(there) != set(wanted):
        raise TecdError(
            f"{path}: wrong layout: the columns are those of {other[0]}, not of {table}. Move the "
            "file to its place"
        )
    missing = [name for name in wanted if name not in there]
    extra = [name for name in there if name not in wanted]
    if missing or extra or len(there) != len(wanted):
        what = [f"lacks column {', '.join(missing)}"] if missing else []
        what += [f"has an unknown column {', '.join(extra)}"] if extra else []
        what = what or ["has a column twice"]
        raise TecdError(
            f"{path}: {' and '.join(what)}; {table} has {', '.join(wanted)}. Another table, or "
            "rewritten? Fetch the original"
        )
    for name, kind in wanted.items():
        found = schema.field(name).type
        if not _fits(found, kind) and not (name in CODES and pa.types.is_integer(found)):
            raise TecdError(
                f"{path}: column {name} is of type {found}, expected {kind}. Rewritten by another "
                "program? Fetch the original"
            )


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Is a column of type ``found`` read as one of type ``wanted`` without loss?"""
    if pa.types.is_string(wanted):
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    if pa.types.is_duration(wanted):
        return found in (wanted, pa.int64())  # another unit has other numbers
    if pa.types.is_integer(wanted):
        return pa.types.is_integer(found)
    if pa.types.is_floating(wanted):
        return pa.types.is_floating(found)
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(found) for test in lists) and pa.types.is_floating(found.value_type)


def _ends(path: Path) -> dict[str, list[str]]:
    """Least and largest time and item of each row group, as text, if all have statistics."""
    # not from pyarrow: a damaged row group ends the process there
    query = """
        SELECT path_in_schema, stats_min_value, stats_max_value FROM parquet_metadata(?)
        WHERE path_in_schema IN ('timestamp', 'item_id') AND row_group_num_rows > 0
    """
    ends: dict[str, list[str]] = {}
    for name, *two in duckdb.default_connection().cursor().execute(query, [str(path)]).fetchall():
        ends.setdefault(name, []).extend(two)
    return {name: found for name, found in ends.items() if None not in found}


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """A footer that cannot be read as TecdError."""
    try:
        yield
    except (pa.ArrowException, OSError, duckdb.Error, ValueError) as error:
        what = "no such file" if not path.exists() else "the file is empty"
        if path.exists() and path.stat().st_size:
            what = f"not a whole Parquet file ({str(error).splitlines()[0]})"
        raise TecdError(f"{path}: {what}. Fetch or write it again") from error
