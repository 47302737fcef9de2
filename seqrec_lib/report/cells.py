"""What stands in the cell of a table: a mean with its interval, a difference with its verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from seqrec_lib.statistics.intervals import TOO_FEW, Interval, Verdict, verdicts

Name = TypeVar("Name")


def with_half_width(
    one: Interval,
    digits: int = 4,
    signed: bool = False,
    scale: float | int = 1,
    notes: Collection[str] = (TOO_FEW,),
) -> str:
    """Mean ± half the width of the 95 % interval; ``scale`` 100 makes percents of shares.

    ``notes`` are those of an interval that the cell has to say: that it stands on one seed is
    mostly said elsewhere in the table. A mean that has no interval stands alone.

    >>> with_half_width(Interval(0.25, 0.2, 0.3, note="one seed"), digits=2)
    '0.25 ± 0.05'
    """
    words = f"{scale * one.mean:{'+' if signed else ''}.{digits}f}".replace("-", "−")
    if not np.isnan(one.low):
        words += f" ± {scale * one.half_width:.{digits}f}"
    return f"{words}, {one.note}" if one.note in notes else words


def half_widths(
    table: pd.DataFrame, digits: int = 4, signed: bool = False, scale: float | int = 1
) -> pd.DataFrame:
    """A table whose intervals are printed as mean ± half-width; other cells stay.

    A mean that is not known is an empty cell.

    >>> cells = [Interval(0.25, 0.2, 0.3), Interval(-0.1, -0.3, 0.1, note="too few seeds"), "yes"]
    >>> half_widths(pd.DataFrame([cells]), digits=2).iloc[0].tolist()
    ['0.25 ± 0.05', '−0.10 ± 0.20, too few seeds', 'yes']
    """

    def cell(one: Any) -> Any:
        if not isinstance(one, Interval):
            return one
        return None if np.isnan(one.mean) else with_half_width(one, digits, signed, scale)

    return table.map(cell)


def verdicts_of(differences: Mapping[Name, Interval]) -> dict[Name, Verdict]:
    """The verdict on each difference of one table by its name; they are corrected together."""
    return dict(zip(differences, verdicts(list(differences.values())), strict=True))


def judged(differences: Sequence[Interval]) -> list[str]:
    """The differences of one table in print, each with its verdict; those are corrected together.

    The interval is that of the difference alone. What it does not cover stands beside it; if
    that is most of the spread between seeds, in place of a verdict.
    """
    return [
        f"{one:+.4f}" if one.note == TOO_FEW else f"{one:+.4f} ({said})"
        for one, said in zip(differences, verdicts(differences), strict=True)
    ]


def in_brackets(words: str, verdict: Verdict, note: str = "") -> str:
    """A difference in print, in brackets if it is none, and what its interval does not cover.

    >>> in_brackets("+0.01", "higher"), in_brackets("+0.01", "no difference", "one seed")
    ('+0.01', '(+0.01), one seed')
    """
    words = words if verdict in ("higher", "lower") else f"({words})"
    return f"{words}, {note}" if note else words
