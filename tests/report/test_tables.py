"""Tables follow from ranks, by arithmetic."""

import re

import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.metrics.ranking import hr


def test_a_table_holds_the_mean_over_seeds_and_users(runs):
    found = report.table(runs, baseline="markov")
    by_hand = hr(runs[1].ranks("masked").ravel(), 10).mean()
    assert found.loc["SASRec", "HR@10 M"].startswith(f"{by_hand:.4f} ± ")
    assert found.loc["SASRec", "seeds"] == "4" and found.loc["SASRec", "coverage M"] == "50.0 %"
    assert "(higher)" in found.loc["SASRec"].iloc[-1] and found.loc["Markov chain"].iloc[-1] == ""


def test_each_protocol_has_the_same_columns_and_its_own_comparison(made):
    good, poor = np.full(200, 2), np.full(200, 11)
    one = made("sasrec", *[good] * 4, unmasked=poor)
    floor = made("markov", poor, unmasked=good)
    found = report.table([floor, one], baseline="markov")
    assert found.loc["SASRec"].iloc[-2].endswith("(higher)")
    assert found.loc["SASRec"].iloc[-1].endswith("(lower)")
    m, u = (list(part.columns) for part in report.by_protocol(found).values())
    assert [re.sub(r"\bM\b", "U", name) for name in m] == u
    assert list(report.table([floor, one], "markov", protocols=("masked",))) == m


def test_a_baseline_that_is_not_there_is_named(runs):
    with pytest.raises(ValueError, match="'gru' is not among"):
        report.table(runs, baseline="gru")


def test_a_row_of_one_seed_is_marked_and_a_counter_has_none(runs, made):
    single = made("gru", np.arange(1, 201))
    found = report.table([*runs, single], baseline="gru")
    assert found["seeds"].tolist() == ["none", "4", "1, users only"]
    assert found.iloc[:2, -1].str.contains(", one seed (", regex=False).all()
    assert report.mean(single, "masked").note == "one seed"
    assert report.mean(runs[0], "masked").note == report.mean(runs[1], "masked").note == ""


def test_three_seeds_that_spread_wide_say_so_in_place_of_a_verdict(runs, made):
    poor = runs[0].ranks("masked")[0]
    wide = made("gru", poor, np.where(poor < 60, 1, poor), np.where(poor < 150, 1, poor))
    found = report.table([runs[0], wide], baseline="markov").loc["GRU-CE"]
    assert found["NDCG@10 M"].endswith(", too few seeds")
    assert found.iloc[-1].endswith("], too few seeds")


def test_verdicts_of_a_table_are_corrected_together(made):
    missed = np.full(200, 12)
    found = np.where(
        np.arange(200) < 6, 1, missed
    )  # six users of 200: clear alone, not among twenty
    floor, one = made("markov", missed), made("sasrec", *[found] * 4)
    assert 0.05 / 20 < report.gain(one, floor, "masked").p < 0.05
    noise = [made("gru", *[missed] * 4) for _ in range(19)]
    alone, together = (report.table([floor, one, *more], "markov") for more in ([], noise))
    name = "NDCG@10 M against Markov chain"
    assert alone.columns[-2] == name and alone.columns[-1] == name.replace(" M ", " U ")
    assert alone.loc["SASRec", name].endswith("(higher)")
    assert together.loc["SASRec", name].endswith("(no difference)")
    ends = [cell.loc["SASRec", name].split(" (")[0] for cell in (alone, together)]
    assert ends[0] == ends[1]  # the interval is that of the difference alone


def test_figures_are_the_means_of_the_table_by_name(made):
    found = report.figures(made("sasrec", [1, 2, 30], [1, 30, 30], unmasked=[3, 30, 30]))
    second = 1 / np.log2(3)
    by_hand = {"hr-m": 1 / 2, "ndcg-m": (2 + second) / 6, "hr-u": 1 / 3, "ndcg-u": 1 / 6}
    assert found == pytest.approx(by_hand) and list(found) == list(by_hand)


def test_a_gain_is_paired_by_user_and_seed(made):
    ranks = np.array([1, 20, 1, 20] * 25)
    a, b = made("sasrec", ranks, ranks), made("gru", ranks, ranks)
    assert report.gain(a, b, "masked") == report.gain(b, a, "masked")
    assert report.gain(a, b, "masked").low == 0 == report.gain(a, b, "masked").high
    worse = made("gru", np.where(ranks == 1, 3, ranks))
    found = report.gain(a, worse, "masked")
    assert found.mean == pytest.approx(0.25) and found.excludes_zero


def test_seeds_are_paired_by_their_numbers(made):
    rng = np.random.default_rng(1)
    ranks = {number: rng.integers(1, 30, 60) for number in range(4)}
    a = made("sasrec", *(ranks[n] for n in (2, 0, 1)), numbers=[2, 0, 1])
    b = made("gru", *(ranks[n] for n in (0, 1, 2, 3)), numbers=[0, 1, 2, 3])
    assert report.paired_seeds(a, b) == [[1, 2, 0], [0, 1, 2]]
    found = report.gain(a, b, "masked")
    assert (found.low, found.high) == (0, 0) and found.note == "3 common seeds"
    assert report.gain(a, a, "masked").note == ""


def test_a_single_run_is_paired_with_its_own_seed_alone(made):
    rng = np.random.default_rng(1)
    first, second = rng.integers(1, 30, (2, 80))
    three, one = made("sasrec", second, first, second), made("gru", first, numbers=[1])
    found = report.gain(three, one, "masked")
    assert (found.mean, found.low, found.note) == (0, 0, "one seed")
    assert "one seed" in report.table([three, one], "gru").loc["SASRec"].iloc[-1]


def test_a_counter_is_compared_with_every_seed_and_marks_nothing(made):
    rng = np.random.default_rng(1)
    three, counter = (
        made("sasrec", *rng.integers(1, 30, (3, 80))),
        made("popular", np.arange(80) + 1),
    )
    assert report.paired_seeds(three, counter) == [[0, 1, 2], [0, 0, 0]]
    by_hand = report.values(three, "masked").mean() - report.values(counter, "masked").mean()
    assert report.gain(three, counter, "masked").mean == pytest.approx(by_hand)
    other = made("svd", np.arange(80) + 2)
    assert report.gain(counter, other, "masked").note == ""
    assert report.gain(counter, made("gru", np.arange(80) + 2), "masked").note == "one seed"


def test_runs_without_a_common_seed_are_refused_in_words(made):
    a, b = made("sasrec", [1, 2], numbers=[0]), made("gru", [1, 2], [2, 1], numbers=[1, 2])
    with pytest.raises(ValueError, match=r"beauty/sasrec \[0\], beauty/gru \[1, 2\]"):
        report.gain(a, b, "masked")
    with pytest.raises(ValueError, match="has a seed twice"):
        report.gain(a, made("gru", [1, 2], [2, 1], numbers=[0, 0]), "masked")


def test_costs_are_medians_over_the_seeds(runs):
    for seed, seconds in zip(runs[1].seeds, (60, 120, 120, 180), strict=True):
        seed.card.update(own_seconds=seconds, total_seconds=2 * seconds)
    runs[0].seeds[0].card.update(parameters=0, peak_bytes=2**30)
    runs[0].seeds[0].__dict__["history"] = pd.DataFrame({"epoch": [], "valid_ndcg@10": []})
    found = report.costs(runs)
    assert found.loc["SASRec"].tolist() == [7, 2, 2.0, 4.0, 0.5]  # 120 seconds, the second epoch
    assert found.loc["Markov chain"].tolist() == [0, 0, 0.2, 0.2, 1.0]


def test_costs_are_those_of_the_device_that_most_seeds_had(made):
    run = made("sasrec", *[[1, 2]] * 5)
    for seed, device, seconds in zip(run.seeds, "ppgpg", (600, 720, 6, 660, 9), strict=True):
        seed.card.update(device=device, own_seconds=seconds, total_seconds=seconds)
    assert report.costs([run]).loc["SASRec", "own minutes"] == 11.0
    assert run.costs["total_seconds"] == 660


def test_published_rows_stand_above_ours(runs, made):
    found = report.published({"theirs": (0.1, 0.05)}, runs[1], "unmasked")
    assert found.index.tolist() == ["theirs", "ours, 4 seeds"]
    one = report.published({}, made("sasrec", [1, 2]), "masked")
    assert one.index.tolist() == ["ours, one seed"]
    assert found.columns.tolist() == ["HR@10 U", "NDCG@10 U"]
    assert found.loc["theirs", "HR@10 U"] == "0.1000"
    across = report.by_dataset([runs[1]], [runs[0]], {"beauty": (0.1, 0.05)})
    floor = report.mean(runs[0], "masked").mean
    assert across.loc["Beauty", "Markov chain M"].endswith(f" / {floor:.4f}")
    assert across.loc["Beauty", "published M"] == "0.1000 / 0.0500"


def test_every_published_run_has_a_colour_of_its_own():
    from seqrec_lib.records.recipes import RECIPES, TAIL_RECIPES, TECD_RECIPES

    names = RECIPES | TECD_RECIPES | TAIL_RECIPES
    colours, labels = ([of(name) for name in names] for of in (report.colour, report.label))
    assert len(set(colours)) == len(set(labels)) == len(names) and "#000000" not in colours


def test_a_share_of_nothing_is_no_number_and_no_error():
    assert report.ratio(0.3, 0.2) == pytest.approx(1.5)
    assert np.isnan(report.ratio(0.1, 0.0)) and np.isnan(report.ratio(0.0, np.float64(0)))


def test_questions_of_one_user_are_no_more_evidence_than_one(made):
    rng = np.random.default_rng(0)
    good, poor = rng.integers(1, 15, (2, 200))
    once = made("sasrec", good, good + 1, good), made("gru", poor, poor, poor + 1)
    often = made("sasrec", *(np.repeat(r, 3) for r in (good, good + 1, good)))
    often = often, made("gru", *(np.repeat(r, 3) for r in (poor, poor, poor + 1)))
    for run in often:
        for seed in run.seeds:
            seed.ranks["user"] //= 3
    for compute in (
        lambda a, b: report.mean(a, "masked"),
        lambda a, b: report.gain(a, b, "masked"),
    ):
        alone, thrice = compute(*once), compute(*often)
        np.testing.assert_allclose(
            (thrice.mean, thrice.low, thrice.high), (alone.mean, alone.low, alone.high), rtol=1e-9
        )


def test_masking_is_explained_by_own_items_above_the_true_one(made):
    lower = np.array([1, 4, 30])  # two hits: 2 and 1 own items above, the third does not count
    one = made("sasrec", np.array([1, 3, 20]), unmasked=np.array([3, 4, 30]))
    assert report.own_above(one) == pytest.approx((2 + 1) / 2)
    assert np.isnan(report.own_above(made("sasrec", lower + 20, unmasked=lower + 20)))
    found = report.masking([one])
    by_hand = (1 + 1 / np.log2(4)) / (1 / np.log2(4) + 1 / np.log2(5)) - 1
    assert found.loc["SASRec", "added by masking, %"] == pytest.approx(100 * by_hand)
