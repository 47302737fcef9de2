"""What the chapter on counts shows of transitions, by how often training saw them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from seqrec_lib import report
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Runs
from seqrec_lib.report.cells import with_half_width
from seqrec_lib.report.tables import asked, by_user
from seqrec_lib.statistics.intervals import Interval

SEEN = {"never seen": (0, 1), "seen once": (1, 2), "seen more often": (2, np.inf)}


def parts(times: Int[np.ndarray, "Q"]) -> pd.DataFrame:
    """1 where a test question is of the part, a column each: its transition, from the last item to
    the true one, was seen ``times`` in training.

    Parts of fewer than two questions are left out: they have no interval.
    """
    columns = {name: (low <= times) & (times < high) for name, (low, high) in SEEN.items()}
    return pd.DataFrame({name: own.astype(int) for name, own in columns.items() if own.sum() > 1})


def found_of_1000(
    runs: Sequence[Runs], parts: pd.DataFrame, protocol: str = "masked", k: int = 10
) -> dict[str, dict[str, Interval]]:
    """In how many of every 1,000 questions the true item is among the first k, by model and part.

    The parts of a model add up to 1,000 times its HR.
    """
    users = asked(runs[0])
    whole = {f"{name}: {1000 * own.mean():.0f} of 1,000": own for name, own in parts.items()}
    return {
        report.label(run.name): {
            name: report.interval(
                by_user(1000 * report.values(run, protocol, hr, k) * own.to_numpy(), users),
                run,
            )
            for name, own in whole.items()
        }
        for run in runs
    }


def gains(
    runs: Sequence[Runs], base: Runs, parts: pd.DataFrame, metric: report.Metric = ndcg
) -> dict[str, pd.DataFrame]:
    """What each run has over ``base`` in all questions and in each part: a table a protocol.

    In brackets if it is no difference; the verdicts of both protocols are corrected together.
    """
    weights = {"all": None} | {name: own.to_numpy() for name, own in parts.items()}
    found = {
        (way, part, run.name): report.gain(run, base, protocol, metric, weight=weight)
        for protocol, way in report.WORDS.items()
        for part, weight in weights.items()
        for run in runs
    }
    said = report.verdicts_of(found)
    users = {name: len(parts) if one is None else int(one.sum()) for name, one in weights.items()}
    tables = {}
    for way in report.WORDS.values():
        table = pd.DataFrame({"users": users})
        for run in runs:
            keys = [(way, part, run.name) for part in weights]
            table[report.label(run.name)] = [
                report.in_brackets(with_half_width(found[key], signed=True, notes=()), said[key],
                                   found[key].note) for key in keys
            ]  # fmt: skip
        tables[way] = table
    return tables
