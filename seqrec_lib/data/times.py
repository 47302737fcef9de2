"""Times of any source as whole numbers, and what only looks like seconds."""

import logging
import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from seqrec_lib.data.refusals import EventError, refusal, refuse, refuse_missing

logger = logging.getLogger(__name__)

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
LATEST = 4_102_444_800  # the year 2100 in seconds: anything later is in another unit
EARLY = 500_000_000  # 1985: hardly a log's seconds since 1970
GAP = 5 * 365 * 86_400  # no log pauses for so long: what lies before such a gap is of another clock


def ticks_of(times: pd.Series, unit: str, where: str) -> tuple[np.ndarray, int]:
    """Time as int64 in the source's resolution, and how many of these make a second."""
    refuse_missing(times, where)
    kind, values = infer_dtype(times, skipna=False), times
    dated = kind in ("datetime64", "datetime", "date", "timedelta64", "timedelta")
    if dated and kind.startswith("timedelta"):
        unit, values = "us", pd.to_timedelta(times).astype("timedelta64[us]").astype("int64")
    elif dated:
        utc = pd.to_datetime(times, utc=True)
        unit, values = "us", utc.astype("datetime64[us, UTC]").astype("int64")
    elif kind in ("floating", "mixed-integer-float"):
        refuse(~np.isfinite(times.astype("float64")), where, "is no finite number", "Damaged?")
        _refuse_coarse(times, unit, where)
    elif kind != "integer":
        dates = pd.to_datetime(times.astype("str"), errors="coerce", format="ISO8601", utc=True)
        odd = pd.to_numeric(times, errors="coerce").isna() & dates.isna()
        bad, what = odd if odd.any() else times.notna(), "not of type whole number or date"
        advice = _of_words(str(times.iloc[int(np.asarray(bad).argmax())]), where)
        refuse(bad, where, lambda row: f"is {times.iloc[row]!r}, {what}", advice)

    advice = "Times count up from 0 (1970, or a first day of the log): are such rows damaged?"
    refuse(values < 0, where, lambda row: f"is {times.iloc[row]}, negative", advice)
    _refuse_late(times, values, unit, dated, where)
    early = _apart(values, unit)
    if early.any() and (dated or unit == "s"):  # who says so may mean it
        logger.warning("%s", _two_clocks(times, early, values, unit, where, dated))
    elif early.any():
        but = "If they are right, write dates."
        raise _two_clocks(times, early, values, unit, where, but=but)
    if kind in ("floating", "mixed-integer-float") and PER_SECOND[unit] < PER_SECOND["us"]:
        # fractions order events that fall into one second
        finer = PER_SECOND["us"] // PER_SECOND[unit]
        ticks = values.astype("float64").to_numpy()
        whole = np.floor(ticks)
        parts = np.minimum(np.round((ticks - whole) * finer), finer - 1)
        return whole.astype("int64") * finer + parts.astype("int64"), PER_SECOND["us"]
    return values.astype("int64").to_numpy(), PER_SECOND[unit]


def _refuse_late(times: pd.Series, values: pd.Series, unit: str, dated: bool, where: str) -> None:
    """Refuse times after 2100, with the unit that they are in, or as rows of two units."""
    late = (values > LATEST * PER_SECOND[unit]).to_numpy(bool)
    if not late.any():
        return
    largest = values.max()
    likely = next((u for u, n in PER_SECOND.items() if largest <= LATEST * n), None)
    what, advice = "after the year 2100", "Are such rows damaged?"
    if not dated:
        what += f" if in {UNIT_NAMES[unit]}"
    if not dated and likely:
        advice = f"Is it in {UNIT_NAMES[likely]}? Then pass unit={likely!r}."
        early = _apart(values, likely)
        if not late.all() and values[~late].min() >= EARLY * PER_SECOND[unit]:
            what += f"{_like(late)}; the other rows are not"
            advice = "Rows of two units, or damaged ones? Write all in one unit at the source."
        elif early.any():
            raise _two_clocks(times, early, values, likely, where)
    refuse(late, where, lambda row: f"is {times.iloc[row]}, {what}", advice)


def _apart(values: pd.Series, unit: str) -> np.ndarray:
    """Rows soon after 1970 where all others are years later; none where time runs on from them."""
    seconds = values.astype("float64").to_numpy() / PER_SECOND[unit]
    early = seconds < EARLY
    if early.any() and not early.all() and seconds[~early].min() - seconds[early].max() > GAP:
        return early
    return np.zeros(len(early), dtype=bool)


def _two_clocks(
    times: pd.Series,
    early: np.ndarray,
    values: pd.Series,
    unit: str,
    where: str,
    dated: bool = False,
    but: str = "",
) -> EventError:
    """Words for rows that :func:`_apart` finds."""

    def year(ticks: Any) -> int:
        return pd.Timestamp(int(ticks) // PER_SECOND[unit], unit="s").year

    def what(row: int) -> str:
        said = "" if dated else f", in {year(values.iloc[row])} if in {UNIT_NAMES[unit]}"
        return (
            f"is {times.iloc[row]}{said}{_like(early)}; the other rows begin in "
            f"{year(values[~early].min())}"
        )

    advice = (
        "Do they stand for no time? Drop them."
        if dated
        else "Rows of another unit, cut numbers, or a 0 for no time? Mend or drop them."
    )
    return refusal(early, where, what, f"{advice} {but}".strip())


def _like(bad: np.ndarray) -> str:
    """The next rows after the first bad one."""
    rows = np.flatnonzero(bad)[1:]
    few = ", ".join(map(str, rows[:3])) + ", ..." * (len(rows) > 3)
    return f", like row{'s' * (len(rows) > 1)} {few}" if len(rows) else ""


def _refuse_coarse(times: pd.Series, unit: str, where: str) -> None:
    """Refuse floats so short that events some seconds apart have the same time."""
    size = getattr(times.dtype, "itemsize", 8)
    if size < 8:
        latest = np.array(times.max(), dtype=f"float{8 * size}")
        step = float(np.spacing(latest)) / PER_SECOND[unit]
        advice = "Write the times as whole numbers (int64) or 64-bit floats at the source."
        what = f"in {8 * size}-bit floats: the next time that they can tell is {step:.3g} s later"
        refuse(np.full(len(times), step > 1), where, what, advice)


def _of_words(word: str, where: str) -> str:
    """What to do about a time that is neither a number nor a date of the ISO form."""
    if re.fullmatch(r"\d{1,3}([,. ]\d{3})+", word):
        return "Its thousands are separated: write plain whole numbers."
    if f"column {word!r}" in where:
        return "A header inside the file, as of files joined? Drop such lines."
    return "Say which form they have: time_format='%d/%m/%Y %H:%M', in the codes of strptime."


def refuse_other_clocks(times: pd.Series, where: str) -> None:
    """Refuse numbers that are dates, years, or a spreadsheet's days, and no seconds."""
    kind = infer_dtype(times, skipna=True)
    if kind not in ("integer", "floating", "mixed-integer-float") or times.isna().any():
        return
    distinct = pd.Series(times.unique()).astype("float64")
    if not np.isfinite(distinct).all():  # refused in words of its own
        return
    if distinct.max() <= LATEST and (early := _apart(times, "s")).any():
        but = "If they are seconds all the same, pass unit='s'."
        raise _two_clocks(times, early, times, "s", where, but=but)
    if distinct.between(30_000, 60_000).all():
        like, then = "a spreadsheet's days (1982 to 2064)", "write them as dates"
    elif (distinct % 1).any():
        return
    elif _all_dates(distinct.astype("int64").astype("str"), "[12]\\d{7}"):
        like, then = "dates (year, month, day)", "pass time_format='%Y%m%d'"
    # of a leap year, as the 29th of February may be among them
    elif _all_dates("2024" + distinct.astype("int64").astype("str").str.zfill(4), "2024[01]\\d{3}"):
        like, then = "days of a year (month, day)", "put the year before them"
    else:
        return
    advice = f"If they are, {then}. If they are seconds all the same, pass unit='s'."
    raise refusal(times.notna(), where, f"is {times.iloc[0]}: all look like {like}", advice)


def _all_dates(words: pd.Series, form: str) -> bool:
    fit = words.str.fullmatch(form).all()
    return bool(fit and pd.to_datetime(words, format="%Y%m%d", errors="coerce").notna().all())


def dates_of(times: pd.Series, time_format: str, where: str) -> pd.Series:
    """Times of a written form as dates, UTC where no zone is named."""
    if "%" not in time_format:  # pandas has words for forms that it guesses, row by row
        raise EventError(
            f"time_format is {time_format!r}: say the form in the codes of strptime, such as "
            "'%d/%m/%Y %H:%M'; nothing is guessed"
        )
    words = times.astype("Int64") if infer_dtype(times) == "floating" else times
    dates = pd.to_datetime(words.astype("str"), format=time_format, errors="coerce", utc=True)
    refuse_missing(times, where)
    what = lambda row: f"is {times.iloc[row]!r}, not of the form {time_format!r}"  # noqa: E731
    refuse(dates.isna(), where, what, "Is time_format= right? Its codes are those of strptime.")
    return dates
