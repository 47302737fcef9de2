"""The canonical event table: one row an event, the same columns whatever the source.

======== ======================= ==========================================================
column   type                    meaning
======== ======================= ==========================================================
user     int64 >= 0, or text     who
item     int64 >= 0, or text     what
time     int64 >= 0              seconds, since 1970 (UTC) or since a day 0 of the source
action   text, optional          how: view, order, ...
domain   text, optional          where: retail, marketplace, ...
basket   like user, optional     events bought together
======== ======================= ==========================================================

The events of a user are contiguous and their time never goes back; ties stay in the order in
which the source publishes them. Nothing is missing, and no event is there twice.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from pandas.api.types import infer_dtype

REQUIRED = ("user", "item", "time")
OPTIONAL = ("action", "domain", "basket")
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
FORMATS = (".parquet", ".pq", ".csv", ".csv.gz", ".tsv", ".tsv.gz")
LATEST = 4_102_444_800  # the year 2100 in seconds: anything later is in another unit


class EventError(ValueError):
    """Events that cannot be used; the message says where, why, and what to do."""


def check(
    events: pd.DataFrame,
    source: str,
    columns: Mapping[str, str] | None = None,
    unit: str = "s",
    sort: bool = False,
    drop_duplicates: bool = False,
) -> pd.DataFrame:
    """The canonical table of ``events``, or an EventError that says what is wrong with them.

    Args:
        events: any table that has the columns; it is not changed. Other columns are left out.
        source: what messages call it, such as a file name. Rows count from 0, as given.
        columns: our name of a column -> its name in ``events``. ``user``, ``item`` and ``time``
            go by their own names if not given. Optional columns are taken if named here;
            without ``columns``, those that are there.
        unit: of whole numbers in ``time``: s, ms, us or ns. Date columns know theirs (without a
            time zone they are taken as UTC). Fractions of a second are cut off.
        sort: order by user, then time, ties as they come. Without it, another order is an error.
        drop_duplicates: keep the first of events that agree in every column, time in seconds.
            Without it, such events are an error. The same item at another time is no duplicate.
    """
    if unit not in PER_SECOND:
        raise ValueError(f"unit is {unit!r}; it can be {', '.join(PER_SECOND)}")
    chosen = _choose(list(events.columns), columns, source)
    where = {
        column: f"{source}: column {name!r}" + (f" ({column})" if column != name else "")
        for column, name in chosen.items()
    }
    if not len(events):
        raise EventError(f"{source}: no events. Was the file filtered or cut?")

    ticks, per_second = _ticks(events[chosen["time"]], unit, where["time"])
    parts = {
        column: _ids(events[name], where[column], text=column in ("action", "domain"))
        for column, name in chosen.items()
        if column != "time"
    }
    table = pd.DataFrame(parts | {"time": ticks // per_second})[list(chosen)]

    whole = table["user"].dtype == np.int64
    user = table["user"].to_numpy() if whole else pd.factorize(table["user"], sort=sort)[0]
    if sort:
        rows = np.lexsort((ticks, user))  # stable, and finer than a second where the source is
        table, user = table.iloc[rows], user[rows]
    else:
        rows = np.arange(len(table))
        _refuse_disorder(table, user, ticks, where)

    copies = _copies(table, user)
    if not drop_duplicates:
        as_read = np.zeros(len(table), dtype=bool)
        as_read[rows[copies]] = True
        what = "the same event as an earlier row" + " (in whole seconds)" * (per_second > 1)
        advice = "Written twice? Pass drop_duplicates=True to keep the first of each."
        _refuse(as_read, f"{source}: columns {', '.join(chosen.values())}", what, advice)
    return table[~copies].reset_index(drop=True)


def read(
    path: Path | str,
    columns: Mapping[str, str] | None = None,
    unit: str = "s",
    sort: bool = False,
    drop_duplicates: bool = False,
) -> pd.DataFrame:
    """The canonical table of a log in Parquet (.parquet, .pq) or text (.csv, .tsv, also .gz).

    Reads only the columns it needs. ``columns``, ``unit``, ``sort`` and ``drop_duplicates`` are
    those of :func:`check`: ``read("log.csv", columns={"user": "customer"})``. In text files, an id
    column becomes int64 if every value is the plain writing of a whole number, and stays text
    otherwise ("007" is not 7); NA, NaN, null and nothing at all are missing values. Raises
    EventError if the file is missing, empty, damaged, of another format, or fails the check.
    """
    path = Path(path)
    if not path.is_file():
        raise EventError(f"{path}: no such file (from {Path.cwd()}). Is the path right?")
    if not path.stat().st_size:
        raise EventError(f"{path}: the file is empty. Fetch or write it again.")
    kind = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])
    if kind not in FORMATS:
        raise EventError(f"{path}: unknown format. Names end in {', '.join(FORMATS)}.")
    try:
        if kind in (".parquet", ".pq"):
            table = _read_parquet(path, columns)
        else:
            table = _read_text(path, columns, "\t" if ".tsv" in kind else ",")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        advice = "Truncated, damaged, or another format? Fetch or write it again."
        raise EventError(f"{path}: cannot be read as {kind} ({error}). {advice}") from error
    events = table.to_pandas(ignore_metadata=True, date_as_object=False)
    return check(events, str(path), columns, unit, sort, drop_duplicates)


def _read_parquet(path: Path, columns: Mapping[str, str] | None) -> pa.Table:
    with pa.parquet.ParquetFile(path) as file:
        chosen = _choose(file.schema_arrow.names, columns, str(path))
        return file.read(columns=list(dict.fromkeys(chosen.values())))


def _read_text(path: Path, columns: Mapping[str, str] | None, separator: str) -> pa.Table:
    # newlines: a quoted review text may hold some
    parse = pa.csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    with pa.csv.open_csv(path, parse_options=parse) as file:
        chosen = _choose(file.schema.names, columns, str(path))
    text = {name: pa.string() for column, name in chosen.items() if column != "time"}
    names = list(dict.fromkeys(chosen.values()))
    convert = pa.csv.ConvertOptions(
        include_columns=names, column_types=text, strings_can_be_null=True
    )
    table = pa.csv.read_csv(path, parse_options=parse, convert_options=convert)
    for name in {chosen[column] for column in ("user", "item", "basket") if column in chosen}:
        place = table.column_names.index(name)
        table = table.set_column(place, name, _whole_numbers(table[name]))
    return table


def _whole_numbers(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as int64 if that loses nothing; as floats if points are in it, for check to refuse."""
    if pc.all(pc.match_substring_regex(ids, r"^-?\d+(\.\d*)?$")).as_py():
        if pc.any(pc.match_substring(ids, ".")).as_py():
            return pc.cast(ids, pa.float64())
    try:
        numbers = pc.cast(ids, pa.int64())
    except pa.ArrowInvalid:
        return ids
    return numbers if pc.all(pc.equal(pc.cast(numbers, pa.string()), ids)).as_py() else ids


def _choose(there: list[str], columns: Mapping[str, str] | None, source: str) -> dict[str, str]:
    """Canonical name -> name in the source, for the columns to take."""
    columns, known = dict(columns or {}), REQUIRED + OPTIONAL
    example = "columns={'user': 'customer'} says that the source's 'customer' is our 'user'"
    unknown = [column for column in columns if column not in known]
    if unknown:
        raise EventError(f"{source}: columns= has {unknown}, not our names {known}; {example}.")
    wanted = [c for c in known if c in REQUIRED or c in columns or (not columns and c in there)]
    chosen = {column: columns.get(column, column) for column in wanted}
    missing = [name for name in chosen.values() if name not in there]
    if missing:
        raise EventError(f"{source}: no column {missing}; there are {list(there)}; {example}.")
    twice = [name for name in chosen.values() if there.count(name) > 1]
    if twice:
        raise EventError(f"{source}: column {twice[0]!r} is there twice. Rename or drop one.")
    return chosen


def _ids(values: pd.Series, where: str, text: bool) -> pd.Series:
    """Ids as int64 or text, or words (``text``) as text; anything else is refused."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    _refuse_missing(values, where)
    kind = infer_dtype(values, skipna=False)
    if kind == "string":
        _refuse(values == "", where, "is empty text", "Drop such rows, or fill them.")
        return values.astype("str").reset_index(drop=True)
    if kind == "integer" and not text:
        advice = "Ids start at 0; -1 often stands for a missing one: drop such rows."
        _refuse(values < 0, where, lambda row: f"is {values.iloc[row]}, negative", advice)
        large = values > np.iinfo(np.int64).max
        _refuse(large, where, "is too large for int64", "Turn the ids into text.")
        return values.astype("int64").reset_index(drop=True)

    if kind in ("floating", "mixed-integer-float"):
        advice = "Missing values turn a column into floats: drop those rows, then astype('int64')."
        _refuse(values % 1 != 0, where, lambda row: f"is {values.iloc[row]}, a float", advice)
        raise _error(values.notna(), where, f"is {values.iloc[0]}, a float", advice)
    types = pd.Series([type(value).__name__ for value in values.astype(object)])
    advice = "Use words as text." if text else "Ids are all whole numbers or all text: convert."
    mixed = f"of another type than row 0 ({types[0]})"
    _refuse(types != types[0], where, lambda row: f"is {values.iloc[row]!r}, {mixed}", advice)
    raise _error(types.notna(), where, f"is {values.iloc[0]}, of type {types[0]}", advice)


def _ticks(times: pd.Series, unit: str, where: str) -> tuple[np.ndarray, int]:
    """Time as int64 in the source's resolution, and how many of these make a second."""
    _refuse_missing(times, where)
    kind, values = infer_dtype(times, skipna=False), times
    dated = kind in ("datetime64", "datetime", "date", "timedelta64", "timedelta")
    if dated and kind.startswith("timedelta"):
        unit, values = "us", pd.to_timedelta(times).astype("timedelta64[us]").astype("int64")
    elif dated:
        utc = pd.to_datetime(times, utc=True)
        unit, values = "us", utc.astype("datetime64[us, UTC]").astype("int64")
    elif kind in ("floating", "mixed-integer-float"):
        what = f"not a whole number of {UNIT_NAMES[unit]}"
        advice = "Multiply it into a finer unit and name that as unit=, or cut the fraction off."
        _refuse(times % 1 != 0, where, lambda row: f"is {times.iloc[row]}, {what}", advice)
    elif kind != "integer":
        dates = pd.to_datetime(times.astype("str"), errors="coerce", format="ISO8601", utc=True)
        odd = pd.to_numeric(times, errors="coerce").isna() & dates.isna()
        bad, what = odd if odd.any() else times.notna(), "not of type whole number or date"
        advice = "Convert the column with pandas.to_datetime, saying which format it has."
        _refuse(bad, where, lambda row: f"is {times.iloc[row]!r}, {what}", advice)

    advice = "Times count up from 0 (1970, or a first day of the log): are such rows damaged?"
    _refuse(values < 0, where, lambda row: f"is {times.iloc[row]}, negative", advice)
    largest = values.max()
    likely = next((u for u, n in PER_SECOND.items() if largest <= LATEST * n), None)
    what, advice = "after the year 2100", "Are such rows damaged?"
    if not dated:
        what += f" if in {UNIT_NAMES[unit]}"
    if not dated and likely:
        advice = f"Is it in {UNIT_NAMES[likely]}? Then pass unit={likely!r}."
    late = values > LATEST * PER_SECOND[unit]
    _refuse(late, where, lambda row: f"is {times.iloc[row]}, {what}", advice)
    return values.astype("int64").to_numpy(), PER_SECOND[unit]


def _copies(table: pd.DataFrame, user: np.ndarray) -> np.ndarray:
    """Rows of an ordered table that repeat an earlier one, (E,) bool."""
    time = table["time"].to_numpy()
    same = (user[1:] == user[:-1]) & (time[1:] == time[:-1])
    tied = np.append(same, False) | np.append(False, same)  # only these can repeat one another
    copies = np.zeros(len(table), dtype=bool)
    copies[tied] = table[tied].duplicated()
    return copies


def _refuse_disorder(
    table: pd.DataFrame, user: np.ndarray, ticks: np.ndarray, where: Mapping[str, str]
) -> None:
    other = np.append(True, user[1:] != user[:-1])  # another user than in the row before
    again = np.zeros(len(user), dtype=bool)
    again[other] = pd.Series(user[other]).duplicated()
    back = ~other & np.append(False, ticks[1:] < ticks[:-1])
    bad = again | back
    first = int(bad.argmax())
    if again[first]:
        column, what = "user", f"has more of user {table['user'].iloc[first]} after other users"
    else:
        column, what = "time", "is earlier than in the row before, of the same user"
    advice = "The events are not sorted by user and time: pass sort=True."
    _refuse(bad, where[column], what, advice)


def _refuse_missing(values: pd.Series, where: str) -> None:
    advice = "A failed join, or a guest? Drop such rows at the source, or fill them."
    _refuse(values.isna(), where, "is missing", advice)


def _refuse(
    bad: pd.Series | np.ndarray, where: str, what: str | Callable[[int], str], advice: str
) -> None:
    """Raise if any row is bad, naming the first; ``what`` is words, or words for a row."""
    if bad.any():
        raise _error(bad, where, what, advice)


def _error(
    bad: pd.Series | np.ndarray, where: str, what: str | Callable[[int], str], advice: str
) -> EventError:
    bad = np.asarray(bad, dtype=bool)
    row, count = int(bad.argmax()), int(bad.sum())
    said = what if isinstance(what, str) else what(row)
    return EventError(f"{where}, row {row} (from 0): {said}. {count} of {len(bad)} rows. {advice}")
