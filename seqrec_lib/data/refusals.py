"""Errors about rows: the first bad one, how many there are, and what to do."""

from collections.abc import Callable

import numpy as np
import pandas as pd


class EventError(ValueError):
    """Events that cannot be used; the message says where, why, and what to do."""


def refuse(
    bad: pd.Series | np.ndarray, where: str, what: str | Callable[[int], str], advice: str
) -> None:
    """Raise if any row is bad, naming the first; ``what`` is words, or words for a row."""
    if bad.any():
        raise refusal(bad, where, what, advice)


def refuse_missing(values: pd.Series, where: str) -> None:
    advice = "A failed join, or a guest? Drop such rows at the source, or fill them."
    refuse(values.isna(), where, "is missing", advice)


def refusal(
    bad: pd.Series | np.ndarray, where: str, what: str | Callable[[int], str], advice: str
) -> EventError:
    bad = np.asarray(bad, dtype=bool)
    row, count = int(bad.argmax()), int(bad.sum())
    said = what if isinstance(what, str) else what(row)
    return EventError(f"{where}, row {row} (from 0): {said}. {count} of {len(bad)} rows. {advice}")
