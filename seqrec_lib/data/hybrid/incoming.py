"""A reader's own file, CSV or Parquet, as segments of the journal."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seqrec_lib.data.hybrid.contract import CONTRACTS, MOST, SOURCES, now_us
from seqrec_lib.data.hybrid.journal import Journal, Segment
from seqrec_lib.data.hybrid.names import code, codes
from seqrec_lib.data.hybrid.registry import DAY, HOUR, MINUTE
from seqrec_lib.data.ids import ids
from seqrec_lib.data.refusals import EventError
from seqrec_lib.data.tables import File, Format
from seqrec_lib.data.times import PER_SECOND, dates_of, refuse_other_clocks, ticks_of

logger = logging.getLogger(__name__)

REQUIRED = ("user", "item", "time")
OPTIONAL = ("event_id", "action", "basket", "amount", "known")
PLAIN = Format()
MICRO = 10**6
PARTS = {"s": MICRO, "m": MINUTE, "h": HOUR, "d": DAY}


def append(
    journal: Journal,
    path: Path | str,
    source: str,
    known: str,
    columns: Mapping[str, str] | None = None,
    actions: Mapping[str, str] | None = None,
    unit: str | None = None,
    time_format: str | None = None,
    how: Format = PLAIN,
    segment_rows: int = 50_000,
) -> list[Segment]:
    """Append a file's rows to the journal in the order in which they became known.

    Args:
        source: ``online``, or ``store`` for lines of receipts.
        known: when a row could be known: ``now``, as it is appended; a delay after its time (
            ``0s``, ``30m``, ``6h``, ``1d``); a time of day (``03:00``, UTC): the next one; or
            ``column``, for the file's own column ``known``.
        columns: our name -> the file's name. ``user``, ``item`` and ``time`` must be there;
            ``event_id``, ``action``, ``basket``, ``amount`` (money, not micro-units) and ``known``
            may be. Without ``event_id`` equal rows of a file are different events, and the same
            file again is the same events. Store lines without ``basket``: those of a user at one
            time are one.
        actions: the file's word -> the contract's word.
        unit, time_format, how: as :func:`seqrec_lib.data.events.read` takes them.

    Raises EventError for rows that cannot be read, ContractError for what the contract refuses
    whole; nothing is appended then.
    """
    table, texts = read(path, source, known, columns, actions, unit, time_format, how)
    journal.names.add(texts)
    table = table.sort_by([("known", "ascending")])
    parts = [table.slice(at, segment_rows) for at in range(0, len(table), segment_rows)]
    return [journal.append(source, part, origin=Path(path).name) for part in parts]


def read(
    path: Path | str,
    source: str,
    known: str,
    columns: Mapping[str, str] | None = None,
    actions: Mapping[str, str] | None = None,
    unit: str | None = None,
    time_format: str | None = None,
    how: Format = PLAIN,
) -> tuple[pa.Table, dict[int, str]]:
    """The rows as a producer of the contract sends them, and the texts behind numbers."""
    wanted = (*REQUIRED, *OPTIONAL)
    chosen, table = read_columns(path, wanted, REQUIRED, columns, time_format, how)
    parts: dict[str, np.ndarray | pa.ChunkedArray] = {}
    texts: dict[int, str] = {}
    for name in ("user", "item", "event_id", "basket"):
        if name in chosen and not (name == "basket" and source == "online"):
            parts[name], named = numbers_of(table[name], chosen[name])
            texts |= named
    parts["time"] = microseconds(table["time"], chosen["time"], unit, time_format)
    if known == "column":
        if "known" not in chosen:
            raise EventError(f"{path}: no column 'known'; name it: columns known=arrived_at")
        parts["known"] = microseconds(table["known"], chosen["known"], unit, time_format)
    else:
        parts["known"] = known_at(np.asarray(parts["time"]), known)
    if "action" in chosen:
        parts["action"] = _actions(table["action"], chosen["action"], source, actions or {})
    if "amount" in chosen:
        parts["amount"] = _micro_units(table["amount"], chosen["amount"])
    if source == "store" and "basket" not in chosen:
        parts["basket"] = mixed(parts["user"], parts["time"])
    if "event_id" not in chosen:
        parts["event_id"] = event_ids(parts, source)
    return pa.table(parts), texts


def read_columns(
    path: Path | str,
    wanted: Sequence[str],
    required: Sequence[str],
    columns: Mapping[str, str] | None,
    time_format: str | None,
    how: Format,
) -> tuple[dict[str, str], pa.Table]:
    """Our name of each column -> what messages call it, and the table under our names."""
    file, columns = File(Path(path), how), columns or {}
    if unknown := [name for name in columns if name not in wanted]:
        raise EventError(f"{path}: columns has {unknown}; our names are {', '.join(wanted)}")
    names = {name: columns.get(name, name) for name in wanted}
    needed = [names[n] for n in wanted if n in required or n in columns]
    if missing := [name for name in needed if name not in file.names]:
        raise EventError(
            f"{path}: no column {missing[0]!r}; there are {file.names}.{file.hint(True)} Say which "
            "it is: columns user=customer, for example."
        )
    names = {ours: its for ours, its in names.items() if its in file.names}
    if left := [name for name in file.names if name not in names.values()]:
        logger.info("%s: columns %s are left out", path, left)
    clocks = () if time_format else ("time", "known")
    as_text = [its for ours, its in names.items() if ours not in clocks]
    table = file.read(list(dict.fromkeys(names.values())), as_text)
    if not len(table):
        raise EventError(f"{path}: no rows. Was the file filtered or cut?")
    table = pa.table({ours: table[its] for ours, its in names.items()})
    return {ours: f"{path}: column {its!r}" for ours, its in names.items()}, table


def numbers_of(column: pa.ChunkedArray, where: str) -> tuple[np.ndarray, dict[int, str]]:
    """Ids as int64, and the texts behind those that are no plain numbers."""
    kept = ids(column.to_pandas(), where, text=False)
    if kept.dtype == np.int64:
        return kept.to_numpy(), {}
    return codes(pa.chunked_array([pa.array(kept, pa.string())]))


def microseconds(
    column: pa.ChunkedArray, where: str, unit: str | None, time_format: str | None
) -> np.ndarray:
    """Times in microseconds since 1970, or since the day 0 of the source."""
    if unit is not None and unit not in PER_SECOND:
        raise ValueError(f"unit is {unit!r}; it can be {', '.join(PER_SECOND)}")
    times = column.to_pandas(date_as_object=False)
    if time_format is not None:
        times = dates_of(times, time_format, where)
    elif unit is None:
        refuse_other_clocks(times, where)
    ticks, per_second = ticks_of(times, unit or "s", where)
    return ticks * (MICRO // per_second) if per_second <= MICRO else ticks * MICRO // per_second


def known_at(time: np.ndarray, known: str) -> np.ndarray:
    """When rows of these times are known, by a word, a delay or a time of day.

    >>> known_at(np.array([0, DAY]), "03:00") // HOUR
    array([ 3, 27])
    """
    if known == "now":
        return np.full(len(time), now_us())
    if found := re.fullmatch(r"(\d+)([smhd])", known):
        return time + int(found[1]) * PARTS[found[2]]
    if found := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", known):
        moment = int(found[1]) * HOUR + int(found[2]) * MINUTE
        return time + (moment - time) % DAY
    raise ValueError(
        f"known is {known!r}; use now, column, a delay such as 0s, 6h, 1d, or a time of day: 03:00"
    )


def event_ids(parts: Mapping[str, np.ndarray | pa.ChunkedArray], source: str) -> np.ndarray:
    """Numbers of events from what they say, and how many like them came before in the file."""
    content = [parts["user"], parts["item"], parts["time"]]
    content += [parts[name] for name in ("basket", "amount") if name in parts]
    if "action" in parts:
        words, of = np.unique(np.asarray(parts["action"]), return_inverse=True)
        content.append(np.array([code(word) for word in words])[of])
    same = mixed(*content)
    return mixed(same, pd.Series(same).groupby(same).cumcount().to_numpy())


def mixed(*columns: np.ndarray | pa.ChunkedArray) -> np.ndarray:
    """62 bits of each row, the same on every machine (rounds of SplitMix64)."""
    state = np.zeros(len(columns[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            state = (state ^ np.asarray(column).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
    return (state >> np.uint64(2)).astype(np.int64)


def _actions(
    column: pa.ChunkedArray, where: str, source: str, actions: Mapping[str, str]
) -> pa.Array:
    words = ids(column.to_pandas(), where, text=True)
    allowed = CONTRACTS[source, 1].actions if source in SOURCES else ()
    given = words.map(lambda word: actions.get(word, word))
    if strange := sorted(set(given) - set(allowed)):
        raise EventError(
            f"{where}: {strange[0]!r} is no action of {source} ({', '.join(allowed)}). Say what it "
            f"stands for: actions {strange[0]}={allowed[0] if allowed else ''}, for example."
        )
    return pa.array(given, pa.string())


def _micro_units(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Money as whole micro-units, exactly: text by its digits, floats to the nearest."""
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise EventError(f"{where}, row {row} (from 0): is missing. Write 0 where there is none.")
    try:
        if pa.types.is_floating(column.type):
            values = np.round(column.to_numpy() * MICRO)
            if not (np.abs(values) <= MOST).all():
                raise EventError(
                    f"{where}: an amount is no number up to {MOST // MICRO}. Mend such rows."
                )
            return pa.chunked_array([values.astype(np.int64)])
        # 19 digits in all: what int64 can hold
        exact = pc.multiply(column.cast(pa.decimal128(19, 6)), pa.scalar(MICRO, pa.decimal128(7)))
        return exact.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise EventError(
            f"{where}: an amount cannot be read ({error}). Write plain numbers such as 12.50, with "
            "at most 6 digits after the point."
        ) from error
