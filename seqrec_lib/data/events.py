"""The canonical event table: one row an event, the same columns whatever the source.

======== ======================= ==========================================================
column   type                    meaning
======== ======================= ==========================================================
user     int64 >= 0, or text     who
item     int64 >= 0, or text     what
time     int64 >= 0              seconds, since 1970 (UTC) or since a day 0 of the source
action   text, optional          how: view, order, ...
domain   text, optional          where: retail, marketplace, ...
channel  text, optional          through what: store, online, ...
basket   like user, optional     events bought together; ``-1`` or ``""``: alone
rating   float64, optional       how well liked
known    int64, optional         seconds like time, from which on the event could be known
======== ======================= ==========================================================

The events of a user are contiguous and their time never goes back; ties stay in the order in
which the source publishes them. Nothing is missing, and no event is there twice, but for the lines
of a receipt.
"""

import logging
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqrec_lib.data.ids import alone, ids, ratings, whole_numbers
from seqrec_lib.data.refusals import EventError, refuse
from seqrec_lib.data.tables import File, Format
from seqrec_lib.data.times import (
    EARLY,
    PER_SECOND,
    UNIT_NAMES,
    dates_of,
    refuse_other_clocks,
    ticks_of,
)

logger = logging.getLogger(__name__)

REQUIRED = ("user", "item", "time")
WORDS = ("action", "domain", "channel")
OPTIONAL = (*WORDS, "basket", "rating", "known")
SAME = {"time", "known", "basket"}
INTER = {"user": "user_id", "item": "item_id", "time": "timestamp"}  # in RecBole's .inter files


def check(
    events: pd.DataFrame,
    source: str,
    columns: Mapping[str, str] | None = None,
    unit: str = "s",
    sort: bool = False,
    drop_duplicates: bool = False,
    time_format: str | None = None,
    lines: bool = False,
) -> pd.DataFrame:
    """The canonical table of ``events``, or an EventError that says what is wrong with them.

    * ``events``: any table that has the columns; it is not changed. Other columns are left out.
    * ``source``: what messages call it, such as a file name. Rows count from 0, as given.
    * ``columns``: our name of a column -> its name in ``events``. ``user``, ``item`` and ``time``
      go by their own names if not given. Optional columns are taken if named here; without
      ``columns``, those that are there.
    * ``unit``: of numbers in ``time``: s, ms, us or ns. Date columns know theirs (without a time
      zone they are taken as UTC). Fractions of a second are cut off, once they have said which
      event was first.
    * ``sort``: order by user, then time, ties as they come. Without it, another order is an error.
    * ``drop_duplicates``: keep the first of events that agree in every column, time in seconds.
      Without it, such events are an error. The same item at another time is no duplicate.
    * ``time_format``: of times that are words or numbers to be read as such, in the codes of
      strptime: "%Y%m%d", "%d/%m/%Y %H:%M". Without a zone they are taken as UTC.
    * ``lines``: the rows are lines of receipts: one like an earlier one is an event too, and stays.
    """
    if unit not in PER_SECOND:
        raise ValueError(f"unit is {unit!r}; it can be {', '.join(PER_SECOND)}")
    chosen = _choose(list(events.columns), columns, source)
    where = {column: _where(source, column, name) for column, name in chosen.items()}
    if not len(events):
        raise EventError(f"{source}: no events. Was the file filtered or cut?")

    def clock(column: str) -> tuple[np.ndarray, int]:
        times = events[chosen[column]]
        if time_format is not None:
            times = dates_of(times, time_format, where[column])
        return ticks_of(times, unit, where[column])

    def part(column: str) -> Any:
        values = events[chosen[column]]
        if column == "known":
            return _not_before(parts["time"], *clock(column), where[column])
        if column == "rating":
            return ratings(values, where[column])
        of_baskets = column == "basket"
        values = alone(values) if of_baskets else values
        return ids(values, where[column], column in WORDS, -1 if of_baskets else 0)

    ticks, per_second = clock("time")
    parts: dict[str, Any] = {"time": ticks // per_second}
    for column in chosen:
        if column != "time":
            with _may_stay_out(column, chosen):
                parts[column] = part(column)
    table = pd.DataFrame(parts)[list(chosen)]

    whole = table["user"].dtype == np.int64
    user = table["user"].to_numpy() if whole else pd.factorize(table["user"], sort=sort)[0]
    if sort:
        rows = np.lexsort((ticks, user))  # stable, and finer than a second where the source is
        table, user = table.iloc[rows], user[rows]
    else:
        rows = np.arange(len(table))
        _refuse_disorder(table, user, ticks, where)

    copies = _copies(table, user) & (not lines)
    if not drop_duplicates:
        as_read = np.zeros(len(table), dtype=bool)
        as_read[rows[copies]] = True
        what = "the same event as an earlier row" + " (in whole seconds)" * (per_second > 1)
        advice = "Written twice? Pass drop_duplicates=True to keep the first of each."
        refuse(as_read, f"{source}: columns {', '.join(chosen.values())}", what, advice)
    return table[~copies].reset_index(drop=True)


def read(
    path: Path | str,
    columns: Mapping[str, str] | None = None,
    unit: str | None = None,
    sort: bool = False,
    drop_duplicates: bool = False,
    time_format: str | None = None,
    separator: str | None = None,
    header: bool = True,
    encoding: str = "utf-8",
    quotes: bool = True,
    fewest: int = 1,
    most: int | None = None,
) -> pd.DataFrame:
    """The canonical table of a log in Parquet (.parquet, .pq), text (.csv, .tsv) or RecBole's
    .inter, text also with .gz behind; of a folder, all its files.

    Reads only the columns it needs. ``columns``, ``unit``, ``sort``, ``drop_duplicates`` and
    ``time_format`` are those of :func:`check`: ``read("log.csv", columns={"user": "customer"})``;
    ``separator``, ``header``, ``encoding`` and ``quotes`` those of
    :class:`seqrec_lib.data.tables.Format`, ``fewest`` and ``most`` those of :func:`bounded`.
    Numbers that look like dates or days are taken for seconds only if ``unit`` says so. In text
    files, an id column becomes int64 if every value is the plain writing of a whole number, and
    stays text otherwise ("007" is not 7); NA, NaN, null and nothing at all are missing values.
    Raises EventError if the file is missing, empty, damaged, of another format, or fails the check.
    """
    file = File(Path(path), Format(separator, header, encoding, quotes))
    if columns is None and file.recbole:
        columns = INTER
    chosen = _choose(file.names, columns, str(path), file)
    clocks = [column for column in ("time", "known") if column in chosen]
    text = [name for column, name in chosen.items() if column not in clocks or time_format]
    table = file.read(list(dict.fromkeys(chosen.values())), text)
    if file.text:
        for name in {chosen[column] for column in ("user", "item", "basket") if column in chosen}:
            place = table.column_names.index(name)
            table = table.set_column(place, name, whole_numbers(table[name]))
    events = table.to_pandas(ignore_metadata=True, date_as_object=False)
    if unit is None and time_format is None:
        for column in clocks:
            where = _where(str(path), column, chosen[column])
            with _may_stay_out(column, chosen):
                refuse_other_clocks(events[chosen[column]], where)
    whole = check(events, str(path), columns, unit or "s", sort, drop_duplicates, time_format)
    if unit != "s" and time_format is None and whole["time"].max() < EARLY:
        first, last = (
            pd.Timestamp(t, unit="s") for t in (whole["time"].min(), whole["time"].max())
        )
        logger.warning(
            "%s: taken as %s, its times run from %s to %s; if they do not, pass another unit= or "
            "time_format=", path, UNIT_NAMES[unit or "s"], first, last,
        )  # fmt: skip
    return bounded(whole, fewest, most)


def bounded(events: pd.DataFrame, fewest: int = 1, most: int | None = None) -> pd.DataFrame:
    """Without the users of fewer than ``fewest`` events, and of each the ``most`` latest alone.

    What is left out is told. Raises ``ValueError`` for bounds that leave nothing to want,
    EventError if they leave no event.
    """
    if fewest < 1 or most is not None and most < fewest:
        raise ValueError(f"fewest is {fewest} and most {most}; use 1 <= fewest <= most")
    count = events.groupby("user", sort=False)["user"].transform("size")
    late = events.groupby("user", sort=False).cumcount(ascending=False)
    few, old = count < fewest, late >= (count if most is None else most)
    if few.any():
        users = events["user"][few].nunique()
        logger.warning("left out: %d users of fewer than %d events", users, fewest)
    if (old & ~few).any():
        logger.warning("left out: %d events before a user's last %d", (old & ~few).sum(), most)
    kept = events[~few & ~old]
    if not len(kept):
        raise EventError(f"no user has {fewest} events; the longest history has {count.max()}")
    return kept.reset_index(drop=True)


def _choose(
    there: list[str],
    columns: Mapping[str, str] | None,
    source: str,
    file: File | None = None,
) -> dict[str, str]:
    """Canonical name -> name in the source, for the columns to take."""
    columns, known = dict(columns or {}), REQUIRED + OPTIONAL
    example = "columns={'user': 'customer'} says that the source's 'customer' is our 'user'"
    unknown = [column for column in columns if column not in known]
    if unknown:
        raise EventError(f"{source}: columns= has {unknown}, not our names {known}; {example}.")
    wanted = [c for c in known if c in REQUIRED or c in columns or (not columns and c in there)]
    chosen = {column: columns.get(column, column) for column in wanted}
    missing = [name for name in chosen.values() if name not in there]
    hint = file.hint(bool(missing)) if file else ""
    if missing:
        advice = f".{hint}" if hint else f"; {example}."
        raise EventError(f"{source}: no column {missing}; there are {list(there)}{advice}")
    if hint:
        raise EventError(f"{source}: columns {list(there)}.{hint}")
    for column, name in chosen.items():
        others = [one for one in chosen if chosen[one] == name and one != column]
        # what is known at once, or together if at one time, may be the time itself
        if others and not (name == chosen["time"] and {column, *others} <= SAME):
            raise EventError(
                f"{source}: column {name!r} is to be both {column!r} and {others[0]!r}; each of "
                f"ours has a column of its own, of {list(there)}: say which with columns=."
            )
    twice = [name for name in chosen.values() if there.count(name) > 1]
    if twice:
        raise EventError(f"{source}: column {twice[0]!r} is there twice. Rename or drop one.")
    return chosen


@contextmanager
def _may_stay_out(column: str, chosen: Mapping[str, str]) -> Iterator[None]:
    """Adds to what is wrong with an optional column how the log is read without it."""
    try:
        yield
    except EventError as error:
        if column in REQUIRED:
            raise
        rest = {ours: its for ours, its in chosen.items() if ours != column}
        words = " ".join(shlex.quote(f"{ours}={its}") for ours, its in rest.items())
        out = f"Or leave the column out: columns={rest} (--columns {words})."
        raise EventError(f"{error} {out}") from None


def _where(source: str, column: str, name: str) -> str:
    """How messages call a column: by its name in the source, ours beside it."""
    return f"{source}: column {name!r}" + (f" ({column})" if column != name else "")


def _not_before(time: np.ndarray, ticks: np.ndarray, per_second: int, where: str) -> np.ndarray:
    known = ticks // per_second
    advice = "Nothing is known before it happens: are the two columns swapped?"
    refuse(known < time, where, "is earlier than the event's time", advice)
    return known


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
    refuse(bad, where[column], what, advice)
