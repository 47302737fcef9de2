"""Runs of random ranks on three days, for what is averaged over them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import global_time
from seqrec_lib.records.store import Run, Runs

DAY = 86_400


@pytest.fixture
def kept():
    """What the book keeps of a study, told how it is read; no test where nothing is kept yet."""

    def found(read):
        try:
            return read("book/results")
        except FileNotFoundError:
            pytest.skip("nothing is kept yet: the chapter waits for its figures")

    return found


@pytest.fixture(scope="session")
def days():
    """90 users of 1 to 40 events in three days; 30 items."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(90), np.minimum(rng.geometric(0.08, 90), 40))
    table = pd.DataFrame({"user": users, "item": rng.integers(0, 30, len(users))})
    table["time"] = rng.integers(10 * DAY, 13 * DAY, len(users))
    return EventLog.build(table.sort_values(["user", "time"], kind="stable"))


@pytest.fixture(scope="session")
def third_day(days):
    return global_time(days, 11 * DAY + DAY // 2, 12 * DAY)


def _random_runs(name, log, split, *seeds, chance=0.2):
    """Runs of random ranks, a seed each; where the rank is 1 the true item stands first."""
    runs, item = [], log.item[split.test]
    for number, seed in enumerate(seeds):
        ranks = np.random.default_rng(seed).geometric(chance, len(split.test)).astype(np.int32)
        ranks = np.minimum(ranks, log.num_items)
        table = pd.DataFrame(
            {
                "user": log.user_of(split.test), "item": item, "repeat": ranks % 2 == 0,
                "history_length": log.history_length(split.test), "rank_masked": ranks,
                "rank_unmasked": ranks, "first": np.where(ranks == 1, item, item % 30 + 1),
            }
        )  # fmt: skip
        one = Run(Path(), {"model": name, "training": {"seed": number}}, {})
        one.__dict__["ranks"] = table
        runs.append(one)
    return Runs(name, "simulated", runs)


@pytest.fixture(scope="session")
def random_runs(days, third_day):
    """``random_runs("gru", 1, 2)``: ranks of two seeds; ``chance`` is that of the first rank."""
    return lambda name, *seeds, chance=0.2: _random_runs(
        name, days, third_day, *seeds, chance=chance
    )
