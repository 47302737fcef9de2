"""Runs of given ranks, without a record on disk."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib.records.store import Run, Runs


def made_runs(name, *masked, unmasked=None, seconds=10.0, numbers=None, model=None):
    """Runs of given masked ranks, a seed each; seeds are 0, 1, ... unless ``numbers`` says."""
    seeds = []
    for number, ranks in zip(numbers or range(len(masked)), masked, strict=True):
        table = pd.DataFrame(
            {
                "user": range(len(ranks)), "item": 1, "history_length": range(len(ranks)),
                "repeat": False, "rank_masked": ranks,
                "rank_unmasked": ranks if unmasked is None else unmasked,
            }
        )  # fmt: skip
        card = {
            "coverage@10": {"masked": 0.5, "unmasked": 0.25},
            "device": "a processor",
            "parameters": 7,
            "own_seconds": seconds,
            "total_seconds": seconds,
            "scoring_seconds": 1.0,
            "peak_bytes": 2**29,
        }
        spec = {"model": model or name, "training": {"seed": number}}
        one = Run(Path(), spec, card)
        one.__dict__["ranks"] = table
        one.__dict__["history"] = pd.DataFrame(
            {"epoch": [1, 2, 3], "valid_ndcg@10": [0.1, 0.3, 0.2]}
        )
        seeds.append(one)
    return Runs(name, "beauty", seeds)


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture(scope="session")
def made():
    return made_runs


@pytest.fixture
def runs(made):
    rng = np.random.default_rng(0)
    good, poor = rng.integers(1, 15, 200), rng.integers(1, 200, 200)
    return [made("markov", poor), made("sasrec", *[good, good + 1] * 2, unmasked=good + 5)]
