"""Three stages side by side, from ranks made by hand."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.files import root
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.records.store import Run, Runs
from seqrec_lib.report.chapters import retrieval


def runs(name, ranks, seconds=60.0, seeds_of=3):
    """Three equal seeds whose test users have these ranks; masked they are one better."""
    ranks = np.asarray(ranks, dtype=np.int32)
    card = {
        "device": "a processor",
        "parameters": 7,
        "own_seconds": seconds,
        "total_seconds": seconds,
        "scoring_seconds": 2.0,
        "peak_bytes": 2**30,
    }
    seeds = []
    for number in range(seeds_of):
        one = Run(Path(), {"model": "sasrec", "training": {"seed": number}}, card)
        one.__dict__["ranks"] = pd.DataFrame(
            {
                "user": range(len(ranks)),
                "rank_unmasked": ranks,
                "rank_masked": np.maximum(1, ranks - 1),
            }
        )
        seeds.append(one)
    return Runs(name, "beauty", seeds)


USERS = 400
FOUND = {
    ("beauty", "sasrec"): {
        "encoder": runs("sasrec", [11] * USERS),
        "regenerated": runs("sasrec", [11] * (USERS - 1) + [10]),
        "retrieval": runs("sasrec-retrieval", [1] * 200 + [11] * 200, 90.0),
        "both": runs("sasrec-retrieval", [3] * USERS, 100.0),
    }
}
SEED = pd.read_csv(root() / "book" / "seed_002_table_1.csv")


def test_table_1_has_the_seeds_figures_and_ours_of_the_same_cells():
    table = retrieval.table1(FOUND, SEED)
    kinds = ("seed", "ours, U", "ours, M")
    assert table.index.tolist() == [("beauty", "SASRec", kind) for kind in kinds]
    assert table.loc[("beauty", "SASRec", "seed"), "R@5"] == "0.0555 → 0.0578 +4.1%"
    assert table.loc[("beauty", "SASRec", "seed"), "N@10"] == "0.0405 → 0.0434 +7.2%"
    # U: nobody's item is within ten, then everybody's at rank 3
    assert table.loc[("beauty", "SASRec", "ours, U"), "N@10"] == "0.0000 → 0.5000 from nothing"
    # M: rank 10 has a gain of 1 / log2(11), rank 2 one of 1 / log2(3)
    assert table.loc[("beauty", "SASRec", "ours, M"), "N@10"] == "0.2891 → 0.6309 +118.3%"
    assert table.loc[("beauty", "SASRec", "ours, M"), "R@10"] == "1.0000 → 1.0000 (+0.0%)"


def test_the_seeds_improvements_follow_from_its_figures():
    """The row "Improvement" of the seed's Table 1, cell by cell, is the figures' own ratio."""
    printed = {
        ("beauty", "SASRec"): "4.14 3.05 2.24 9.40 7.16 6.11",
        ("beauty", "DuoRec"): "1.40 0.47 1.40 5.29 3.98 3.88",
        ("toys", "SASRec"): "3.55 3.93 2.04 6.02 5.73 4.42",
        ("toys", "DuoRec"): "3.15 1.28 1.81 6.05 4.41 4.10",
        ("sports", "SASRec"): "-1.29 2.12 4.05 2.35 4.05 4.69",
        ("sports", "DuoRec"): "2.99 2.43 2.85 5.73 4.98 4.76",
    }
    figures = SEED.set_index(["dataset", "method"])
    for (dataset, backbone), row in printed.items():
        before, after = (figures.loc[(dataset, backbone + end)] for end in ("", " (Ours)"))
        np.testing.assert_allclose(
            (after / before - 1) * 100, np.array(row.split(), float), atol=0.006
        )


def test_what_a_stage_earns_is_paired_and_has_a_verdict():
    row = retrieval.ablation(FOUND, "unmasked").loc[("beauty", "SASRec")]
    assert row["backbone alone"] == "0.0000"
    assert row["regenerated"].endswith("(no difference)")
    assert row["retrieval"].startswith("+0.5000") and row["retrieval"].endswith("(higher)")
    assert row["both"].startswith("+0.5000 [+0.5000, +0.5000]")
    assert row["retrieval after regeneration"].startswith("+0.499")  # one had a little already
    assert retrieval.ablation(FOUND, "masked").columns.name == "verdicts corrected (Holm)"


def test_what_stands_on_one_seed_or_two_says_so():
    by_stage = FOUND["beauty", "sasrec"]
    for count, words in ((1, "one seed"), (2, "too few seeds")):
        short = {s: runs(s, r.ranks("unmasked")[0], seeds_of=count) for s, r in by_stage.items()}
        found = {("beauty", "sasrec"): short}
        assert words in retrieval.ablation(found, "unmasked").iloc[0]["retrieval"]
        cells = retrieval.table1(found, SEED).loc[("beauty", "SASRec", "ours, U")]
        assert cells.str.endswith(f", {words}").all()
        counted = retrieval.verdicts(found, "unmasked")
        assert counted["too few seeds"] == (6 if count == 2 else 0) and counted.sum() == 6


def test_a_verdict_of_the_table_counts_all_its_cells():
    rng = np.random.default_rng(0)
    base = rng.permutation(np.tile(np.arange(2, 42), 10))
    better = np.where(rng.random(USERS) < 0.05, 2, base)
    case = {"encoder": runs("sasrec", base), "both": runs("sasrec", better)}
    alone = retrieval.verdicts({("a", "sasrec"): case}, "unmasked", "both", ["N@10"])
    none = {"encoder": runs("sasrec", base), "both": runs("sasrec", rng.permutation(base))}
    many = {("a", "sasrec"): case} | {(f"{n}", "sasrec"): none for n in range(40)}
    together = retrieval.verdicts(many, "unmasked", "both", ["N@10"])
    assert alone["higher"] == 1 and together["higher"] == 0


def test_the_forest_has_a_line_for_each_stage():
    figure, ax = plt.subplots()
    retrieval.forest(ax, FOUND, "masked")
    assert [text.get_text() for text in ax.get_yticklabels()] == ["SASRec, beauty"]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots[2] == pytest.approx(1 / np.log2(3) - 1 / np.log2(11))
    plt.close(figure)


def test_costs_are_of_each_stage():
    card = {"pairs_and_training_seconds": 100.0, "rewriting_seconds": 20.0, "peak_bytes": 2**31}
    table = retrieval.stage_costs(FOUND[("beauty", "sasrec")], card)
    assert table["seconds"].tolist() == [120, 60, 60, 90, 100]
    assert table["peak GiB"].tolist() == [2, 1, 1, 1, 1]


def test_a_step_was_taken_before_if_some_training_history_took_it(log_of):
    log = log_of([1, 2, 3, 4, 5], [2, 3, 1, 2], [4, 5, 9, 4, 5])
    split = leave_last_out(log)
    # 4-5 is in the training part of the third user, 1-2 in that of the first; 4-5 again
    assert retrieval.taken_before(log, split).tolist() == [True, True, True]
    other = log_of([1, 2, 3, 4, 5], [2, 3, 2, 1], [4, 5, 9, 5, 4])
    assert retrieval.taken_before(other, split).tolist() == [True, False, False]


def test_cells_are_counted_by_their_verdict():
    # U: ten places better at once, so that all six cells are; M: not those of rank 10 in R@10, R@20
    assert retrieval.verdicts(FOUND, "unmasked").to_dict() == {
        "higher": 5, "no difference": 1, "lower": 0, "too few seeds": 0,
    }  # fmt: skip
    assert retrieval.verdicts(FOUND, "masked").to_dict() == {
        "higher": 4, "no difference": 2, "lower": 0, "too few seeds": 0,
    }  # fmt: skip


def test_cells_of_one_stage_and_metric_are_counted_alone():
    how = ("unmasked", "retrieval after regeneration", ["N@10"])
    assert (
        retrieval.verdicts(FOUND, *how)["higher"] == 1
        and retrieval.verdicts(FOUND, *how).sum() == 1
    )


def test_gains_are_of_the_first_over_the_second():
    one = FOUND["beauty", "sasrec"]
    row = retrieval.gains({"memory": (one["both"], one["encoder"])}).loc["memory"]
    assert row["NDCG@10 U"] == "0.5000" and row["gain U"] == "+0.5000 [+0.5000, +0.5000]"
    assert row["NDCG@10 M"] == "0.6309" and row["gain M"].startswith("+0.3419")


def test_gains_apart_are_paired():
    one, other = FOUND["beauty", "sasrec"], {"with": runs("gru", [11] * 200 + [1] * 200)}
    pairs = (one["retrieval"], one["encoder"]), (other["with"], one["encoder"])
    apart = retrieval.gains_apart(*pairs, "unmasked")
    assert apart.mean == 0 and apart.low < 0 < apart.high  # as many gain, but not the same
    both = retrieval.gains_apart(pairs[0], pairs[0], "unmasked")
    assert (both.low, both.high) == (0, 0)


def test_a_difference_of_the_seed_is_held_against_our_interval():
    # everyone moves alike here: intervals have no width, and all six differences exceed it
    assert retrieval.beyond_noise(FOUND, SEED) == 6
    rng = np.random.default_rng(0)
    noisy = {"encoder": runs("sasrec", rng.permutation(np.tile([1, 50], 200)))}
    noisy["both"] = runs("sasrec-retrieval", rng.permutation(np.tile([1, 50], 200)))
    assert retrieval.beyond_noise({("beauty", "sasrec"): noisy}, SEED) == 0


def test_the_heat_map_has_a_figure_in_every_cell():
    figure, ax = plt.subplots()
    change = pd.DataFrame([[0.001, -0.002], [0, 0.003]], index=[0.1, 0.5], columns=[5, 10])
    retrieval.heat_map(ax, change)
    found = {text.get_position(): text.get_text() for text in ax.texts}
    assert found == {(0, 0): "+0.0010", (1, 0): "-0.0020", (0, 1): "+0.0000", (1, 1): "+0.0030"}
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0.1", "0.5"]
    plt.close(figure)


def test_of_a_benchmark_the_setting_that_finds_most_stands_for_an_index():
    def row(setting, seconds, recall, **more):
        told = {"setting": setting, "build_seconds": 1.5, "seconds": seconds}
        return told | {"recall": recall} | more

    figures = {"ndcg@10": {"masked": 0.25, "unmasked": 0.125}}
    search = {
        "exact": [row("", 2.0, 1.0, **figures)],
        "ivf": [row("nprobe=1", 0.5, 0.5, **figures)],
    }
    size = {"index": "ivf", "peak_bytes": 2**31}
    grown = [
        row("nprobe=1", 3.0, 0.5, entries=100, **size),
        row("nprobe=2", 2.0, 0.75, entries=100, **size),
        row("nprobe=1", 1.0, 0.25, entries=100, **size),
        row("nprobe=2", 4.0, 0.8, entries=1000, **size),
    ]
    table, best = retrieval.searched({"beauty": {"search": search}, "grown": grown})
    assert table.loc[("IVF", "nprobe=1")].tolist() == [1.5, 0.5, 0.5, 0.25, 0.125]
    assert table.columns.tolist() == ["to make", "seconds", "found", "NDCG@10 M", "NDCG@10 U"]
    assert best.to_numpy().tolist() == [
        ["IVF", 100, 1.5, 2.0, 0.75, 2.0],
        ["IVF", 1000, 1.5, 4.0, 0.8, 2.0],
    ]
    figure, axes = plt.subplots(1, 2)
    retrieval.growth(*axes, best)
    assert [ax.get_lines()[0].get_ydata().tolist() for ax in axes] == [[2.0, 2.0], [2.0, 4.0]]
    plt.close(figure)
