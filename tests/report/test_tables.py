"""Tables follow from ranks, by arithmetic."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.records.store import Run, Runs


def made(name, *masked, unmasked=None, seconds=10.0):
    """Runs of given masked ranks, a seed each."""
    seeds = []
    for ranks in masked:
        table = pd.DataFrame(
            {
                "user": range(len(ranks)), "item": 1, "history_length": range(len(ranks)),
                "repeat": False, "rank_masked": ranks,
                "rank_unmasked": ranks if unmasked is None else unmasked,
            }
        )  # fmt: skip
        card = {"coverage@10": {"masked": 0.5, "unmasked": 0.25}, "training_seconds": seconds}
        one = Run(Path(), {}, card)
        one.__dict__["ranks"] = table
        one.__dict__["history"] = pd.DataFrame(
            {"epoch": [1, 2, 3], "valid_ndcg@10": [0.1, 0.3, 0.2]}
        )
        seeds.append(one)
    return Runs(name, "beauty", seeds)


@pytest.fixture
def runs():
    rng = np.random.default_rng(0)
    good, poor = rng.integers(1, 15, 200), rng.integers(1, 200, 200)
    return [made("markov", poor), made("sasrec", good, good + 1, unmasked=good + 5)]


def test_a_table_holds_the_mean_over_seeds_and_users(runs):
    found = report.table(runs, baseline="markov")
    by_hand = hr(runs[1].ranks("masked").ravel(), 10).mean()
    assert found.loc["SASRec", "HR@10 M"].startswith(f"{by_hand:.4f} ± ".removeprefix("0"))
    assert found.loc["SASRec", "seeds"] == "2" and found.loc["SASRec", "coverage M"] == "50.0%"
    assert "(higher)" in found.loc["SASRec"].iloc[-1] and found.loc["Markov chain"].iloc[-1] == ""


def test_a_baseline_that_is_not_there_is_named(runs):
    with pytest.raises(ValueError, match="'gru' is not among"):
        report.table(runs, baseline="gru")


def test_figures_are_the_means_of_the_table_by_name():
    found = report.figures(made("sasrec", [1, 2, 30], [1, 30, 30], unmasked=[3, 30, 30]))
    second = 1 / np.log2(3)
    by_hand = {"hr-m": 1 / 2, "ndcg-m": (2 + second) / 6, "hr-u": 1 / 3, "ndcg-u": 1 / 6}
    assert found == pytest.approx(by_hand) and list(found) == list(by_hand)


def test_a_gain_is_paired_by_user_and_seed():
    ranks = np.array([1, 20, 1, 20] * 25)
    a, b = made("sasrec", ranks, ranks), made("gru", ranks, ranks)
    assert report.gain(a, b, "masked") == report.gain(b, a, "masked")
    assert report.gain(a, b, "masked").low == 0 == report.gain(a, b, "masked").high
    worse = made("gru", np.where(ranks == 1, 3, ranks))
    found = report.gain(a, worse, "masked")
    assert found.mean == pytest.approx(0.25) and found.excludes_zero


def test_costs_are_medians_over_the_seeds(runs):
    for seed, seconds in zip(runs[1].seeds, (60, 180), strict=True):
        seed.card.update(training_seconds=seconds, parameters=7, peak_bytes=2**29)
    runs[0].seeds[0].card.update(parameters=0, peak_bytes=2**30)
    runs[0].seeds[0].__dict__["history"] = pd.DataFrame({"epoch": [], "valid_ndcg@10": []})
    found = report.costs(runs)
    assert found.loc["SASRec"].tolist() == [7, 2, 2.0, 0.5]  # 120 seconds, the second epoch
    assert found.loc["Markov chain"].tolist() == [0, 0, 0.2, 1.0]


def test_published_rows_stand_above_ours(runs):
    found = report.published({"theirs": (0.1, 0.05)}, runs[1], "unmasked")
    assert found.index.tolist() == ["theirs", "ours, 2 seeds"]
    assert found.columns.tolist() == ["HR@10 U", "NDCG@10 U"]
    assert found.loc["theirs", "HR@10 U"] == "0.1000"
    across = report.by_dataset([runs[1]], [runs[0]], {"beauty": (0.1, 0.05)})
    floor = report.mean(runs[0], "masked").mean
    assert across.loc["beauty", "Markov chain M"].endswith(f" / {floor:.4f}")
    assert across.loc["beauty", "published M"] == "0.1000 / 0.0500"


def test_every_published_run_has_a_colour_of_its_own():
    from seqrec_lib.records.recipes import RECIPES, TECD_RECIPES

    colours = [report.colour(name) for name in RECIPES | TECD_RECIPES]
    assert len(set(colours)) == len(colours) and "#000000" not in colours
