"""Choices between two models, each measured on the same questions: what to take, over what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Real

from seqrec_lib import report
from seqrec_lib.records.store import Runs
from seqrec_lib.report.chapters.results import Row
from seqrec_lib.statistics.intervals import ONE_SEED, Interval, verdicts


@dataclass(frozen=True)
class Choice:
    """One run taken over another, on one file under one protocol, ``letter`` M or U.

    ``gain`` is the paired difference in NDCG@10, ``level`` that of the other run, ``verdict`` that
    of :func:`~seqrec_lib.statistics.intervals.verdicts` among all that were weighed together.
    """

    letter: str
    take: Row
    over: Row
    gain: Interval
    level: float
    verdict: str = ""

    @property
    def percent(self) -> Interval:
        """The gain in percent of the other run's level; nan where that is 0."""
        one, unit = self.gain, report.ratio(100.0, self.level)
        return replace(one, mean=unit * one.mean, low=unit * one.low, high=unit * one.high)

    def __str__(self) -> str:
        """The gain as a sentence has it: ``+33 % [+29, +38]``, with what is to be said of it."""
        one = self.percent
        digits = 0 if abs(one.mean) >= 10 else 1
        mean, low, high = (f"{value:+z.{digits}f}" for value in (one.mean, one.low, one.high))
        said = [f"{mean} %" if one.low != one.low else f"{mean} % [{low}, {high}]"]
        said += [self.verdict] * (self.verdict not in ("higher", "lower"))
        said += [ONE_SEED] * (one.note == ONE_SEED)
        return ", ".join(said).replace("-", "−")


def weigh(
    pairs: Mapping[str, tuple[str, str, str]],
    rows: Iterable[Row],
    weights: Mapping[str, Real[np.ndarray, "Q"] | None],
) -> dict[str, Choice]:
    """Choices under both protocols, by key and letter (``net-m``, ``net-u``).

    ``pairs`` have by key the file, what is taken and over what, by the names that ``rows`` have;
    one without a row on either side is left out. ``weights`` has by file how much each question
    counts, if not alike. Verdicts of all are corrected together.
    """
    known = {(row.file, row.model): row for row in rows}
    found = {}
    for key, (file, take, over) in pairs.items():
        if (file, take) in known and (file, over) in known:
            a, b = known[file, take], known[file, over]
            for protocol, letter in report.PROTOCOLS.items():
                gain, level = against(a.runs, b.runs, protocol, weights.get(file))
                found[f"{key}-{letter.lower()}"] = Choice(letter, a, b, gain, level)
    said = verdicts([one.gain for one in found.values()])
    return {
        key: replace(one, verdict=verdict)
        for (key, one), verdict in zip(found.items(), said, strict=True)
    }


def against(
    a: Runs, b: Runs, protocol: str, weight: Real[np.ndarray, "Q"] | None = None
) -> tuple[Interval, float]:
    """NDCG@10 of a minus that of b, on the same questions and seeds, and the level of b there."""
    _, seeds = report.paired_seeds(a, b)
    level = report.values(b, protocol)[seeds].mean(0)
    gain = report.gain(a, b, protocol, weight=weight)
    return gain, float(np.average(level, weights=weight))


def table(choices: Mapping[str, Choice]) -> dict[str, pd.DataFrame]:
    """The choices in full, a table a protocol: level, change, verdict, minutes of training."""
    lines: dict[str, list[dict[str, object]]] = {letter: [] for letter in "MU"}
    for one in choices.values():
        lines[one.letter].append(
            {
                "file": one.take.file,
                "take": one.take.model,
                "over": one.over.model,
                "NDCG@10 of the latter": one.level,
                "change": report.with_half_width(one.gain, signed=True, notes=()),
                "verdict": one.verdict,
                "minutes of the first": _minutes(one.take),
                "of the second": _minutes(one.over),
            }
        )
    return {
        report.WORDS[of]: pd.DataFrame(lines[letter]) for of, letter in report.PROTOCOLS.items()
    }


def _minutes(row: Row) -> str:
    """Of a GPU they are no match for a processor's, and are named."""
    return f"{row.minutes:.1f}" + " (GPU)" * row.device.startswith("GPU")


def changes(choices: Mapping[str, Choice], words: Mapping[str, str]) -> pd.DataFrame:
    """Changes in percent, for a forest plot: rows (file, words) in order, a column a protocol.

    ``words`` are the names of rows by key without letter; what was not weighed has no row.
    """
    rows: dict[tuple[str, str], dict[str, Interval]] = {}
    for key, name in words.items():
        for letter in "MU":
            if one := choices.get(f"{key}-{letter.lower()}"):
                rows.setdefault((one.take.file, name), {})[letter] = one.percent
    index = pd.MultiIndex.from_tuples(rows, names=["file", "choice"]) if rows else pd.Index([])
    return pd.DataFrame(list(rows.values()), index, columns=["M", "U"])


def asking(rows: Sequence[Row]) -> pd.DataFrame:
    """What answers cost: seconds to score a thousand test questions in batches, and parameters."""
    table = {
        row.model: {
            "seconds for 1,000 questions": 1000 * row.seconds / len(row.runs.seeds[0].ranks),
            "parameters": row.parameters,
            "trained and scored on": row.device,
        }
        for row in rows
    }
    return pd.DataFrame.from_dict(table, "index")


def repeats(row: Row, weight: Real[np.ndarray, "Q"] | None = None) -> float:
    """The share of a file's questions, in percent, whose answer the user has had before."""
    again = row.runs.examples["repeat"].to_numpy()
    return float(100 * np.average(again, weights=weight))
