"""Errors that say all there is to say: of rows the first bad one, how many, and what to do."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd


class Said(Exception):
    """An error whose message is enough: a notebook shows it without the way to where it arose."""

    def _render_traceback_(self) -> list[str]:  # IPython's name for it
        return [f"{type(self).__name__}: {self}"]


class EventError(Said, ValueError):
    """Events that cannot be used; the message says where, why, and what to do."""


@contextmanager
def one_line() -> Iterator[None]:
    """Of a command line: a name that is none, or a log that cannot be read, ends it in a line."""
    try:
        yield
    except (ValueError, OSError) as error:
        sys.exit(str(error))


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
