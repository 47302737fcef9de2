"""Small tables that a study keeps beside the records, and goes on from row by row."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seqrec_lib.data.files import written_aside
from seqrec_lib.records import store


def beside(results: str | Path, *names: str, anew: bool = False) -> Path:
    """Where a study keeps its small record: beside the results folder, below ``names``.

    The first of :func:`~seqrec_lib.records.store.places` that has it, unless it is to be made
    ``anew``.
    """
    own = (store.root() / results).parent.joinpath(*names)
    return own if anew else next(iter(_there(results, names)), own)


def _there(results: str | Path, names: Sequence[str]) -> list[Path]:
    found = [(store.root() / place).parent.joinpath(*names) for place in store.places(results)]
    return [path for path in found if path.exists()]


def keep(table: pd.DataFrame, path: Path, float_format: str = "%.6g") -> None:
    """Write a study's table whole, in place of any that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        table.to_csv(aside, index=False, float_format=float_format)


def table(
    results: str | Path, *names: str, keys: Sequence[str] = (), **reading: Any
) -> pd.DataFrame:
    """What studies have kept below ``names``, in all :func:`~seqrec_lib.records.store.places`.

    Of the same ``keys`` the rows of the first place that has any count; without keys, those of the
    first place alone. Empty if nothing is kept. ``reading``: arguments of ``pandas.read_csv``.
    """
    found = pd.DataFrame(columns=list(keys))
    for path in _there(results, names):
        more = pd.read_csv(path, **reading)
        if found.empty:
            found = more
        elif keys:
            have, has = (pd.MultiIndex.from_frame(one[list(keys)]) for one in (found, more))
            found = pd.concat([found, more[~has.isin(have)]], ignore_index=True)
    return found


def made(
    module: str, results: str | Path, *names: str, keys: Sequence[str] = (), **reading: Any
) -> pd.DataFrame:
    """The :func:`table` of a study.

    Raises ``FileNotFoundError``, with the ``module`` (and its arguments) that makes it.
    """
    found = table(results, *names, keys=keys, **reading)
    if found.empty:
        path = beside(results, *names)
        raise FileNotFoundError(f"{path}: nothing is kept; python -m seqrec_lib.{module} makes it")
    return found


class Growing:
    """A study's :func:`table` that grows: it begins with what is kept, or, ``anew``, with nothing,
    and each row is kept as it comes, beside ``results``. So what is committed is added to without
    being written. ``by`` has the rows by their keys; of several with the same, the last.
    """

    def __init__(
        self,
        results: str | Path,
        *names: str,
        keys: Sequence[str],
        anew: bool = False,
        float_format: str = "%.6g",
        **reading: Any,
    ):
        self.path, self.keys = beside(results, *names, anew=True), keys
        self.written, self.reading = float_format, reading
        self.rows: list[dict[Any, Any]] = []
        self.by: dict[tuple[Any, ...], dict[Any, Any]] = {}
        if not anew:
            self._take(table(results, *names, keys=keys, **reading).to_dict("records"))

    def _take(self, rows: Sequence[dict[Any, Any]]) -> None:
        self.rows += rows
        self.by |= {tuple(row[key] for key in self.keys): row for row in rows}

    def add(self, *rows: dict[Any, Any]) -> None:
        """Keep more rows."""
        self._take(rows)
        keep(pd.DataFrame(self.rows), self.path, self.written)

    def table(self) -> pd.DataFrame:
        """All rows, as they are read."""
        text = pd.DataFrame(self.rows).to_csv(index=False, float_format=self.written)
        return pd.read_csv(io.StringIO(text), **self.reading)
