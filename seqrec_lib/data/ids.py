"""Columns of ids, words and ratings as they are kept, or an error that names the first bad row."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import infer_dtype

from seqrec_lib.data.refusals import refusal, refuse, refuse_missing

# how spreadsheets and programs write long numbers short: 4.00638E+12, 4,00638e12, 4E+12
CUT = r"-?\d+([.,]\d+[eE]\+?|[eE]\+)\d+"


def alone(basket: pd.Series) -> pd.Series:
    """Baskets in which an event without one has a number, or words, that stand for none."""
    if not basket.isna().any() or basket.isna().all():
        return basket
    kind = infer_dtype(basket, skipna=True)
    if kind == "string":
        return basket.astype(object).where(basket.notna(), "")
    if kind in ("integer", "floating", "mixed-integer-float") and not (basket.dropna() % 1).any():
        return basket.fillna(-1).astype("int64")
    return basket


def ids(values: pd.Series, where: str, text: bool, least: int = 0) -> pd.Series:
    """Ids as int64 or text, or words (``text``) as text; anything else is refused."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    refuse_missing(values, where)
    kind = infer_dtype(values, skipna=False)
    if kind == "string":
        if least == 0:
            refuse(values == "", where, "is empty text", "Drop such rows, or fill them.")
        words = values.astype("str").reset_index(drop=True)
        if not text:
            _refuse_changed(words, where)
        return words
    if kind == "integer" and text:  # codes, such as 1 for a view; text files have them as words
        return values.astype("int64").astype("str").reset_index(drop=True)
    if kind == "integer":
        advice = "Ids start at 0; -1 often stands for a missing one: drop such rows."
        refuse(values < least, where, lambda row: f"is {values.iloc[row]}, negative", advice)
        large = values > np.iinfo(np.int64).max
        refuse(large, where, "is too large for int64", "Turn the ids into text.")
        return values.astype("int64").reset_index(drop=True)

    if kind in ("floating", "mixed-integer-float"):
        advice = "Missing values turn a column into floats: drop those rows, then astype('int64')."
        refuse(values % 1 != 0, where, lambda row: f"is {values.iloc[row]}, a float", advice)
        raise refusal(values.notna(), where, f"is {values.iloc[0]}, a float", advice)
    types = pd.Series([type(value).__name__ for value in values.astype(object)])
    advice = "Use words as text." if text else "Ids are all whole numbers or all text: convert."
    mixed = f"of another type than row 0 ({types[0]})"
    refuse(types != types[0], where, lambda row: f"is {values.iloc[row]!r}, {mixed}", advice)
    raise refusal(types.notna(), where, f"is {values.iloc[0]}, of type {types[0]}", advice)


def _refuse_changed(ids: pd.Series, where: str) -> None:
    """Refuse ids that something on their way has changed: padded to a width, or cut to a number."""
    kinds = pd.Series(ids.unique())
    bare = kinds.str.strip()
    padded = set(kinds[(kinds != bare) & bare.isin(set(bare[bare.duplicated()]))])
    advice = "With and without blanks they would be two: strip them where the file is written."
    what = lambda row: f"is {ids.iloc[row]!r}, with blanks around it"  # noqa: E731
    refuse(ids.isin(padded), where, what, advice)
    short = kinds[bare.str.fullmatch(CUT)]
    advice = "A spreadsheet wrote long ids so, and their digits are lost: export them as text."
    refuse(ids.isin(set(short)), where, lambda row: f"is {ids.iloc[row]}", advice)


def ratings(values: pd.Series, where: str) -> np.ndarray:
    refuse_missing(values, where)
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    what = lambda row: f"is {values.iloc[row]!r}, no number"  # noqa: E731
    refuse(~np.isfinite(numbers), where, what, "Leave the column out, or write numbers.")
    return numbers.to_numpy()


def whole_numbers(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as int64 if that loses nothing; as floats if points are in it, for check to refuse."""
    if pc.all(pc.match_substring_regex(ids, r"^-?\d+(\.\d*)?$")).as_py():
        if pc.any(pc.match_substring(ids, ".")).as_py():
            return pc.cast(ids, pa.float64())
    try:
        numbers = pc.cast(ids, pa.int64())
    except pa.ArrowInvalid:
        return ids
    return numbers if pc.all(pc.equal(pc.cast(numbers, pa.string()), ids)).as_py() else ids
