"""Two runs on the same positions, in every average."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.report.chapters import paired, tecd


def test_differences_are_paired_and_name_the_winner(days, third_day, random_runs):
    good = random_runs("sasrec", 1, 2, 3, 4, chance=0.5)
    poor = random_runs("gru", 5, 6, 7, 8, chance=0.05)
    weights = tecd.weights("simulated", days, third_day)
    found = paired.differences([(good, poor), (good, good)], weights, metric=hr)
    assert (found.xs("sasrec-gru", level="pair")["wins"] == "SASRec").all()
    same = found.xs("sasrec-sasrec", level="pair")
    assert (same["wins"] == "no difference").all() and (same["percent"] == 0).all()
    levels = tecd.table([good, poor], weights, ks=(10,))["HR@10"]
    cell = found.loc[("users", "sasrec-gru")]
    high, low = levels["users", "sasrec"].mean, levels["users", "gru"].mean
    assert cell["difference"].mean == pytest.approx(high - low)
    assert cell["percent"] == pytest.approx(100 * (high / low - 1))
    turned = paired.differences([(poor, good)], weights)
    assert (turned["wins"] == "SASRec").all()


def test_who_wins_on_one_seed_or_two_is_said(days, third_day, random_runs):
    good = random_runs("sasrec", 1, 2, 3, 4, chance=0.5)
    weights = tecd.weights("simulated", days, third_day)
    for seeds, words in (((5,), "SASRec, one seed"), ((5, 6), "too few seeds")):
        poor = random_runs("gru", *seeds, chance=0.05)
        assert (paired.differences([(good, poor)], weights)["wins"] == words).all()
    three = paired.differences([(good, random_runs("gru", 5, 6, 7, chance=0.05))], weights)
    assert (three["wins"] == "SASRec, 3 common seeds").any()
    counter = random_runs("popular", 5, chance=0.05)
    assert (paired.differences([(good, counter)], weights)["wins"] == "SASRec").all()
    cells = tecd.table([counter, poor, random_runs("gru", 5)], weights)["HR@10"]
    assert cells["events", "popular"].note == "" and cells["events", "gru"].note == "one seed"


def test_verdicts_over_all_populations_and_pairs_are_corrected_together(
    days, third_day, random_runs
):
    weights = tecd.weights("simulated", days, third_day)[["events"]]
    base = random_runs("gru", 1, 2, 3, 4)
    step = random_runs("sasrec", 5, 6, 7, 8, chance=0.21)
    alone = paired.differences([(step, base)], weights, metric=ndcg)
    assert 0.05 / 20 < alone["difference"].iloc[0].p < 0.05 and alone["wins"].iloc[0] == "SASRec"
    many = pd.concat({str(n): weights["events"] for n in range(10)}, axis=1)
    together = paired.differences([(step, base), (base, step)], many, metric=ndcg)
    assert len(together) == 20 and (together["wins"] == "no difference").all()


def drawn(axes, found, **how):
    """The dots of a forest: where, and how they are filled."""
    paired.forest(axes, found, **how)
    return [(line.get_xdata()[0], line.get_markerfacecolor()) for line in axes[0].lines
            if line.get_marker() in ("o", "s")]  # fmt: skip


def test_a_forest_has_a_dot_for_each_difference_and_its_verdict_in_words(
    days, third_day, random_runs, ax
):
    good = random_runs("sasrec", 1, 2, 3, 4, chance=0.5)
    poor = random_runs("gru", 5, 6, 7, 8, chance=0.05)
    weights = tecd.weights("simulated", days, third_day)
    found = paired.differences([(good, poor)], weights)
    dots = drawn([ax], {"": found})
    np.testing.assert_allclose([x for x, _ in dots], [one.mean for one in found["difference"]])
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [f"{name}:\nSASRec ahead" for name in tecd.LABELS.values()]
    assert [text.get_text() for text in ax.texts] == ["← GRU-CE ahead", "SASRec ahead →"]
    assert ax.get_xlabel() == "difference in HR@10, U"
    ax.clear()
    both = paired.differences([(good, poor), (poor, good)], weights)
    assert len(drawn([ax], {"": both}, metric="HR@5")) == 8
    words = [text.get_text() for text in ax.texts]
    assert words == ["← lower", "higher →", "SASRec − GRU-CE", "GRU-CE − SASRec"]
    assert [text.get_text() for text in ax.get_yticklabels()] == list(tecd.LABELS.values())


def test_views_of_one_pair_keep_their_rows_whatever_the_order(days, third_day, random_runs, ax):
    weights = tecd.weights("simulated", days, third_day)
    pair = random_runs("sasrec", 1, 2, 3, chance=0.5), random_runs("gru", 3, 4, 5)
    views = {protocol: paired.differences([pair], weights, protocol).assign(what=protocol)
             for protocol in ("masked", "unmasked")}  # fmt: skip
    found = pd.concat(views, names=["view"]).droplevel("pair").swaplevel()
    dots = drawn([ax], {"": found}, sides=("less", "more"))
    expected = [found.loc[(name, view), "difference"].mean for name in weights for view in views]
    np.testing.assert_allclose([x for x, _ in dots], expected)


def test_an_open_dot_says_that_seeds_are_too_few(days, third_day, random_runs, ax):
    weights = tecd.weights("simulated", days, third_day)[["events"]]
    pair = random_runs("sasrec", 1, 2, chance=0.5), random_runs("gru", 3, 4)
    dots = drawn([ax], {"": paired.differences([pair], weights)})
    assert [fill for _, fill in dots] == ["white"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["per event:\ntoo few seeds"]
