"""Three stages side by side, from ranks made by hand."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.files import root
from seqrec_lib.report.chapters import retrieval

USERS = 400


@pytest.fixture(scope="session")
def runs(made):
    """Equal seeds whose test users have these ranks; masked they are one better."""

    def equal(name, ranks, seconds=60.0, seeds_of=3):
        ranks = np.asarray(ranks, dtype=np.int32)
        masked = [np.maximum(1, ranks - 1)] * seeds_of
        return made(name, *masked, unmasked=ranks, seconds=seconds, model="sasrec")

    return equal


@pytest.fixture(scope="session")
def found(runs):
    stages = {
        "encoder": runs("sasrec", [11] * USERS),
        "regenerated": runs("sasrec", [11] * (USERS - 1) + [10]),
        "retrieval": runs("sasrec-retrieval", [1] * 200 + [11] * 200, 90.0),
        "both": runs("sasrec-retrieval", [3] * USERS, 100.0),
    }
    return {("beauty", "sasrec"): stages}


HEADS = ("alone", "all stages", "change")
POSTER = pd.read_csv(root() / "book" / "poster_table_1.csv")


def test_table_1_has_the_posters_figures_and_ours_of_the_same_cells(found):
    table = retrieval.table1(found, POSTER)["Beauty"]
    kinds = ("poster", "ours, U", "ours, M")
    assert table.index.tolist() == [("SASRec", kind) for kind in kinds]
    heads = [f"{metric} {head}" for metric in ("R@10", "N@10") for head in HEADS]
    assert table.columns.tolist() == heads
    assert table.loc[("SASRec", "poster")].tolist()[3:] == ["0.0405", "0.0434", "+7.2 %"]
    # U: nobody's item is within ten, then everybody's at rank 3
    assert table.loc[("SASRec", "ours, U")].tolist()[3:] == ["0.0000", "0.5000", "from nothing"]
    # M: rank 10 has a gain of 1 / log2(11), rank 2 one of 1 / log2(3)
    assert table.loc[("SASRec", "ours, M")].tolist()[3:] == ["0.2891", "0.6309", "+118.3 %"]
    assert table.loc[("SASRec", "ours, M"), "R@10 change"] == "(+0.0 %)"


def test_changes_are_of_all_six_metrics(found):
    table = retrieval.changes(found, POSTER)["Beauty"]
    assert table.columns.tolist() == list(retrieval.METRICS)
    assert table.loc[("SASRec", "poster"), "R@5"] == "+4.1 %"
    assert table.loc[("SASRec", "ours, M"), "R@20"] == "(+0.0 %)"


def test_the_posters_improvements_follow_from_its_figures():
    """The row "Improvement" of the poster's Table 1, cell by cell, is the figures' own ratio."""
    printed = {
        ("beauty", "SASRec"): "4.14 3.05 2.24 9.40 7.16 6.11",
        ("beauty", "DuoRec"): "1.40 0.47 1.40 5.29 3.98 3.88",
        ("toys", "SASRec"): "3.55 3.93 2.04 6.02 5.73 4.42",
        ("toys", "DuoRec"): "3.15 1.28 1.81 6.05 4.41 4.10",
        ("sports", "SASRec"): "-1.29 2.12 4.05 2.35 4.05 4.69",
        ("sports", "DuoRec"): "2.99 2.43 2.85 5.73 4.98 4.76",
    }
    figures = POSTER.set_index(["dataset", "method"])
    for (dataset, backbone), row in printed.items():
        before, after = (figures.loc[(dataset, backbone + end)] for end in ("", " (Ours)"))
        np.testing.assert_allclose(
            (after / before - 1) * 100, np.array(row.split(), float), atol=0.006
        )


def test_what_a_stage_earns_is_paired_and_in_brackets_if_it_is_no_difference(found):
    row = retrieval.ablation(found).loc[("Beauty", "SASRec")]
    assert row["backbone alone U"] == "0.0000"
    assert row["regenerated U"].startswith("(+0.000") and row["regenerated U"].endswith(")")
    assert row["retrieval U"] == "+0.5000" and row["all three stages U"] == "+0.5000"
    assert row["retrieval after regeneration U"].startswith("+0.499")  # one had a little already
    assert len(row) == 10


def test_what_stands_on_one_seed_or_two_says_so(found, runs):
    by_stage = found["beauty", "sasrec"]
    for count, words in ((1, "one seed"), (2, "too few seeds")):
        short = {s: runs(s, r.ranks("unmasked")[0], seeds_of=count) for s, r in by_stage.items()}
        few = {("beauty", "sasrec"): short}
        assert words in retrieval.ablation(few).iloc[0]["retrieval U"]
        cells = retrieval.changes(few, POSTER)["Beauty"].loc[("SASRec", "ours, U")]
        assert cells.str.endswith(f", {words}").all()
        counted = retrieval.verdicts(few, "unmasked")
        assert counted["too few seeds"] == (6 if count == 2 else 0) and counted.sum() == 6


def test_a_verdict_of_the_table_counts_all_its_cells(runs):
    rng = np.random.default_rng(0)
    base = rng.permutation(np.tile(np.arange(2, 42), 10))
    better = np.where(rng.random(USERS) < 0.05, 2, base)
    case = {"encoder": runs("sasrec", base), "both": runs("sasrec", better)}
    alone = retrieval.verdicts({("a", "sasrec"): case}, "unmasked", "all three stages", ["N@10"])
    none = {"encoder": runs("sasrec", base), "both": runs("sasrec", rng.permutation(base))}
    many = {("a", "sasrec"): case} | {(f"{n}", "sasrec"): none for n in range(40)}
    together = retrieval.verdicts(many, "unmasked", "all three stages", ["N@10"])
    assert alone["higher"] == 1 and together["higher"] == 0


def test_cells_are_counted_by_their_verdict(found):
    # U: ten places better at once, so that all six cells are; M: not those of rank 10 in R@10, R@20
    assert retrieval.verdicts(found, "unmasked").to_dict() == {
        "higher": 5, "no difference": 1, "lower": 0, "too few seeds": 0,
    }  # fmt: skip
    assert retrieval.verdicts(found, "masked").to_dict() == {
        "higher": 4, "no difference": 2, "lower": 0, "too few seeds": 0,
    }  # fmt: skip


def test_cells_of_one_stage_and_metric_are_counted_alone(found):
    how = ("unmasked", "retrieval after regeneration", ["N@10"])
    assert (
        retrieval.verdicts(found, *how)["higher"] == 1
        and retrieval.verdicts(found, *how).sum() == 1
    )


def test_gains_apart_are_paired(found, runs):
    one, other = found["beauty", "sasrec"], {"with": runs("gru", [11] * 200 + [1] * 200)}
    pairs = (one["retrieval"], one["encoder"]), (other["with"], one["encoder"])
    apart = retrieval.gains_apart(*pairs, "unmasked")
    assert apart.mean == 0 and apart.low < 0 < apart.high  # as many gain, but not the same
    both = retrieval.gains_apart(pairs[0], pairs[0], "unmasked")
    assert (both.low, both.high) == (0, 0)


def test_a_difference_of_the_poster_is_held_against_our_interval(found, runs):
    # everyone moves alike here: intervals have no width, and all six differences exceed it
    assert retrieval.beyond_noise(found, POSTER) == 6
    rng = np.random.default_rng(0)
    noisy = {"encoder": runs("sasrec", rng.permutation(np.tile([1, 50], 200)))}
    noisy["both"] = runs("sasrec-retrieval", rng.permutation(np.tile([1, 50], 200)))
    assert retrieval.beyond_noise({("beauty", "sasrec"): noisy}, POSTER) == 0


def test_the_forest_has_a_dot_for_each_stage_and_one_scale(found):
    figure, axes = plt.subplots(2, 1)
    retrieval.forest(axes, found, ("retrieval", "all three stages"))
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["SASRec, Beauty"]
    assert [text.get_text() for text in axes[0].texts][2:] == ["retrieval", "all three stages"]
    dots = [line.get_xdata()[0] for line in axes[0].lines if line.get_marker() == "o"]
    assert dots == [pytest.approx(1 / np.log2(3) - 1 / np.log2(11))]
    assert axes[0].get_xlim() == axes[1].get_xlim() and axes[0].get_xlim()[1] > 0.5
    assert [ax.get_title(loc="left")[0] for ax in axes] == ["M", "U"]
    other = plt.subplots(2, 1)[1]
    retrieval.forest(other, found, ("regenerated", "retrieval after regeneration"))
    assert [text.get_text() for text in other[0].texts][2:] == ["regenerated", "then retrieval"]
    assert other[0].get_xlim() == axes[0].get_xlim()  # whichever stages are drawn
    plt.close(other[0].figure)
    plt.close(figure)


def test_costs_are_of_each_stage(found):
    card = {"pairs_and_training_seconds": 100.0, "rewriting_seconds": 20.0, "peak_bytes": 2**31}
    table = retrieval.stage_costs(found[("beauty", "sasrec")], card)
    assert table["minutes"].tolist() == [2, 1, 1, 1.5, 1.7]
    assert table["peak GiB"].tolist() == [2, 0.5, 0.5, 0.5, 0.5]


def test_verdicts_are_counted_under_the_names_of_the_text(found):
    counts = retrieval.counted(found)
    assert counts["cells-higher-u"] == 5 and counts["cells-lower-u"] == 0
    assert counts["cells-higher-m"] == 4
    assert counts["retrieval-higher-u"] == 1 and counts["retrieval-recall-u"] == 2
    assert counts["regeneration-higher-u"] == 1
