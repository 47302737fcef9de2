"""Times of any source as whole numbers, and what only looks like seconds."""

import logging
import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from seqrec_lib.data.ids import CUT
from seqrec_lib.data.refusals import EventError, refusal, refuse, refuse_missing

logger = logging.getLogger(__name__)

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
LATEST = 4_102_444_800  # the year 2100 in seconds: anything later is in another unit
EARLY = 500_000_000  # 1985: hardly a log's seconds since 1970
GAP = 5 * 365 * 86_400  # no log pauses for so long: what lies before such a gap is of another clock

# written as one number: how it looks, in the codes of strptime, in words
DATES = (
    (r"[12]\d{7}", "%Y%m%d", "year, month, day"),
    (r"(19|20)\d{8}", "%Y%m%d%H", "year, month, day, hour"),
    (r"[2-9]\d{9}", "%y%m%d%H%M", "year of two digits, month, day, hour, minute"),
    (r"(19|20)\d{10}", "%Y%m%d%H%M", "year, month, day, hour, minute"),
    (r"\d{12}", "%y%m%d%H%M%S", "year of two digits, month, day, time"),
    (r"(19|20)\d{12}", "%Y%m%d%H%M%S", "year, month, day, time"),
    (r"(19|20)\d{15}", "%Y%m%d%H%M%S%f", "year, month, day, time, thousandths"),
)
MARKS = {"yes", "no", "y", "n", "true", "false", "t", "f", "on", "off"}
# counted from another year than 1970: in words, parts of a second, seconds up to 1970
ELSEWHERE = (
    (".NET ticks (100 ns since the year 1)", 10**7, 62_135_596_800),
    ("Windows file times (100 ns since 1601)", 10**7, 11_644_473_600),
    ("microseconds since 1601, as of a browser's history", 10**6, 11_644_473_600),
)


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
        _refuse_cut(times, unit, where)
    elif kind != "integer":
        dates = pd.to_datetime(times.astype("str"), errors="coerce", format="ISO8601", utc=True)
        odd = pd.to_numeric(times, errors="coerce").isna() & dates.isna()
        bad, what = odd if odd.any() else times.notna(), "not of type whole number or date"
        advice = _of_words(str(times.iloc[int(np.asarray(bad).argmax())]), where)
        refuse(bad, where, lambda row: f"is {times.iloc[row]!r}, {what}", advice)

    advice = "Times count up from 0 (1970, or a first day of the log): are such rows damaged?"
    refuse(values < 0, where, lambda row: f"is {times.iloc[row]}, negative", advice)
    if not dated and (error := _elsewhere(times, where)):
        if unit != "ns":  # as which they would be of 1990
            raise error
        logger.warning("%s", error)
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


def _refuse_cut(times: pd.Series, unit: str, where: str) -> None:
    """Refuse floats that were written with a few digits, such as 1.60557E+09."""
    distinct = times.drop_duplicates().to_numpy("float64")
    if distinct.max() < EARLY * PER_SECOND[unit]:
        return
    places = len(str(int(distinct.max())))
    # by chance the hours of a log end so one time in five, in four digits not at all
    for digits, fewest in ((4, 1), (7, 5)):
        step = 10.0 ** (places - digits)
        cut = len(distinct) >= fewest and len(times) > 2 and not (distinct % step).any()
        size = f"{step / PER_SECOND[unit]:,.0f} seconds"
        what = f"is {times.iloc[0]}, a float, and all are whole multiples of {size}"
        advice = "A spreadsheet cuts numbers so, as to 1.60557E+09: write all their digits."
        refuse(np.full(len(times), cut), where, what, advice)


def _elsewhere(times: pd.Series, where: str) -> EventError | None:
    """Words for numbers that count from another year than 1970."""
    values = times.astype("float64").to_numpy()
    for like, per_second, before in ELSEWHERE:
        seconds = values / per_second - before
        if EARLY <= seconds.min() and seconds.max() <= LATEST:
            finer = f", divide by {per_second // 10**6}" * (per_second > 10**6)
            advice = f"If they are, subtract {before * per_second}{finer}, and pass unit='us'."
            what = f"is {times.iloc[0]}: all look like {like}"
            return refusal(times.notna(), where, what, advice)
    return None


def _of_words(word: str, where: str) -> str:
    """What to do about a time that is neither a number nor a date of the ISO form."""
    if re.fullmatch(CUT, word):
        return "A spreadsheet wrote a long number so, and its digits are lost: export it as text."
    if word.lower() in MARKS:
        return "It is a mark and no time."
    if re.fullmatch(r"\d{1,3}([,. ]\d{3})+", word):
        return "Its thousands are separated: write plain whole numbers."
    if re.fullmatch(r"\d{9,10}|\d{13}|\d{16}|\d{19}|\d+\.\d+", word):
        return "It is a number that is kept as text: write it as a whole number (int64)."
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
    else:
        words = pd.Series(times.unique()).astype("int64").astype("str")
        found = [one for one in DATES if _all_dates(words, *one[:2])]
        # of a leap year, as the 29th of February may be among them
        if _all_dates("2024" + words.str.zfill(4), "2024[01]\\d{3}", "%Y%m%d"):
            like, then = "days of a year (month, day)", "put the year before them"
        elif found:
            _, time_format, parts = found[0]
            like, then = f"dates ({parts})", f"pass time_format={time_format!r}"
        else:
            return
    clock = "seconds all the same, pass unit='s'"
    if distinct.max() > LATEST:
        clock = "of a clock all the same, pass its unit="
    advice = f"If they are, {then}. If they are {clock}."
    raise refusal(times.notna(), where, f"is {times.iloc[0]}: all look like {like}", advice)


def _all_dates(words: pd.Series, like: str, time_format: str) -> bool:
    if not words.str.fullmatch(like).all():
        return False
    return bool(pd.to_datetime(words, format=time_format, errors="coerce").notna().all())


def dates_of(times: pd.Series, time_format: str, where: str) -> pd.Series:
    """Times of a written form as dates, UTC where no zone is named."""
    if "%" not in time_format:  # pandas has words for forms that it guesses, row by row
        raise EventError(
            f"time_format is {time_format!r}: say the form in the codes of strptime, such as "
            "'%d/%m/%Y %H:%M'; nothing is guessed"
        )
    codes = re.findall(r"%(.)", time_format)
    if "p" in codes and "I" not in codes:
        hour = "; write %I in place of %H" * ("H" in codes)
        raise EventError(f"time_format is {time_format!r}: %p counts beside %I alone{hour}")
    if "I" in codes and "p" not in codes:
        raise EventError(
            f"time_format is {time_format!r}: %I is one of twelve hours, and without %p nothing "
            "says which half of the day; write %H for hours of 24"
        )
    words = times.astype("Int64") if infer_dtype(times) == "floating" else times
    dates = pd.to_datetime(words.astype("str"), format=time_format, errors="coerce", utc=True)
    refuse_missing(times, where)
    what = lambda row: f"is {times.iloc[row]!r}, not of the form {time_format!r}"  # noqa: E731
    refuse(dates.isna(), where, what, "Is time_format= right? Its codes are those of strptime.")
    return dates
