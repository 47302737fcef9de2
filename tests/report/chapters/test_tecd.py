"""Every target population from one ranks table."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets, files
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import global_time, held_out_users, leave_last_out
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.store import Run, Runs
from seqrec_lib.report.chapters import tecd

DAY = 86_400


@pytest.fixture(scope="module")
def log():
    """90 users of 1 to 40 events in three days; 30 items."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(90), np.minimum(rng.geometric(0.08, 90), 40))
    table = pd.DataFrame({"user": users, "item": rng.integers(0, 30, len(users))})
    table["time"] = rng.integers(10 * DAY, 13 * DAY, len(users))
    return EventLog.build(table.sort_values(["user", "time"], kind="stable"))


@pytest.fixture(scope="module")
def split(log):
    return global_time(log, 11 * DAY + DAY // 2, 12 * DAY)


def made(name, log, split, *seeds, chance=0.2):
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


# the weights


def test_each_population_has_the_positions_that_its_name_says(log, split):
    found, user = tecd.weights("simulated", log, split), log.user_of(split.test)
    assert (found["events"] == 1).all()
    people = np.unique(user)
    for population in ("users", "last"):
        np.testing.assert_allclose(np.bincount(user, found[population])[people], 1, rtol=1e-12)
    for one in people:
        rows = np.flatnonzero(user == one)
        assert np.ptp(found["users"].to_numpy()[rows]) == 0
        assert np.flatnonzero(found["last"].to_numpy()[rows]).tolist() == [len(rows) - 1]
        day = log.time[log.offsets[one] : log.offsets[one + 1]] // DAY
        expected = [0] if day[0] < 12 else []  # known before the test day
        assert np.flatnonzero(found["first"].to_numpy()[rows]).tolist() == expected


def test_only_a_split_by_time_has_a_test_day(small_log, log):
    assert "first" not in tecd.weights("simulated", small_log, leave_last_out(small_log))
    assert "first" not in tecd.weights("simulated", log, held_out_users(log))


def test_a_day_begins_at_midnight_even_where_the_first_test_position_comes_later():
    # user 2 is new on the day: the event at 00:00:01 has no history and is no test position
    events = {"user": [1, 1, 1, 2, 2], "item": 1, "time": [0, 9, DAY + 7, DAY + 1, DAY + 5]}
    log = EventLog.build(pd.DataFrame(events))
    found = tecd.weights("simulated", log, global_time(log, 9, DAY))
    assert found["first"].tolist() == [1, 0]


def test_a_position_that_is_left_out_counts_in_no_population(log, split):
    keep = np.arange(len(split.test)) % 3 > 0
    found, user = tecd.weights("simulated", log, split, keep), log.user_of(split.test)
    assert not found[~keep].to_numpy().any()
    np.testing.assert_allclose(np.bincount(user[keep], found["users"][keep])[user[keep]], 1)
    whole = tecd.weights("simulated", log, split)
    # who ends on a repeat has no last position: another would be another question
    np.testing.assert_array_equal(found["last"], whole["last"] * keep)


@pytest.mark.slow
@pytest.mark.skipif(files.find("tecd/dataset/small") is None, reason="the T-ECD rows are not here")
def test_the_real_test_day_begins_for_17_245_users():
    log, split = datasets.load("tecd-marketplace")
    found, user = tecd.weights("tecd-marketplace", log, split), log.user_of(split.test)
    assert found["first"].sum() == np.unique(user[found["first"] > 0]).size == 17_245
    # every other population is of a fifth of the users, with all their positions of the day
    day = np.arange(len(log))[np.asarray(log.time) >= datasets.TECD_DAYS[-1] * DAY]
    day = day[log.history_length(day) > 0]
    whole = datasets.followed("tecd-marketplace", log)
    np.testing.assert_array_equal(split.test[found["events"] > 0], day[whole[log.user_of(day)]])
    assert found["last"].sum() == found["users"].sum().round(6) == np.unique(user[whole[user]]).size
    kinds = tecd.kinds("tecd-marketplace", log)
    assert len(kinds) == len(log) and not kinds.isna().any().any()
    # no surface if and only if it is a like
    assert ((kinds["surface"] == "none") == (kinds["action"] == "like")).all()


# figures by population


def test_every_figure_is_the_weighted_mean_over_seeds(log, split):
    runs = [made("gru", log, split, 1, 2), made("popular", log, split, 3)]
    weights = tecd.weights("simulated", log, split)
    found = tecd.table(runs, weights, ks=(1, 10))
    assert found.columns.tolist() == ["HR@1", "HR@10", "NDCG@1", "NDCG@10"]
    assert found.index.tolist()[:3] == [("events", "gru"), ("events", "popular"), ("users", "gru")]
    for population, weight in weights.items():
        for run in runs:
            by_seed = [np.average(ndcg(s, 10), weights=weight) for s in run.ranks("unmasked")]
            cell = found.loc[(population, run.name), "NDCG@10"]
            assert cell.mean == pytest.approx(np.mean(by_seed)) and cell.low < cell.mean < cell.high


def test_differences_are_paired_and_name_the_winner(log, split):
    good = made("sasrec", log, split, 1, 2, 3, 4, chance=0.5)
    poor = made("gru", log, split, 5, 6, 7, 8, chance=0.05)
    weights = tecd.weights("simulated", log, split)
    found = tecd.differences([(good, poor), (good, good)], weights, metric=hr)
    assert (found.xs("sasrec-gru", level="pair")["wins"] == "SASRec").all()
    same = found.xs("sasrec-sasrec", level="pair")
    assert (same["wins"] == "no difference").all() and (same["percent"] == 0).all()
    levels = tecd.table([good, poor], weights, ks=(10,))["HR@10"]
    cell = found.loc[("users", "sasrec-gru")]
    high, low = levels["users", "sasrec"].mean, levels["users", "gru"].mean
    assert cell["difference"].mean == pytest.approx(high - low)
    assert cell["percent"] == pytest.approx(100 * (high / low - 1))
    turned = tecd.differences([(poor, good)], weights)
    assert (turned["wins"] == "SASRec").all()


def test_who_wins_on_one_seed_or_two_is_said(log, split):
    good = made("sasrec", log, split, 1, 2, 3, 4, chance=0.5)
    weights = tecd.weights("simulated", log, split)
    for seeds, words in (((5,), "SASRec, one seed"), ((5, 6), "too few seeds")):
        poor = made("gru", log, split, *seeds, chance=0.05)
        assert (tecd.differences([(good, poor)], weights)["wins"] == words).all()
    three = tecd.differences([(good, made("gru", log, split, 5, 6, 7, chance=0.05))], weights)
    assert (three["wins"] == "SASRec, 3 common seeds").any()
    counter = made("popular", log, split, 5, chance=0.05)
    assert (tecd.differences([(good, counter)], weights)["wins"] == "SASRec").all()
    cells = tecd.table([counter, poor, made("gru", log, split, 5)], weights)["HR@10"]
    assert cells["events", "popular"].note == "" and cells["events", "gru"].note == "one seed"


def test_verdicts_over_all_populations_and_pairs_are_corrected_together(log, split):
    weights = tecd.weights("simulated", log, split)[["events"]]
    base = made("gru", log, split, 1, 2, 3, 4)
    step = made("sasrec", log, split, 5, 6, 7, 8, chance=0.21)
    alone = tecd.differences([(step, base)], weights, metric=ndcg)
    assert 0.05 / 20 < alone["difference"].iloc[0].p < 0.05 and alone["wins"].iloc[0] == "SASRec"
    many = pd.concat({str(n): weights["events"] for n in range(10)}, axis=1)
    together = tecd.differences([(step, base), (base, step)], many, metric=ndcg)
    assert len(together) == 20 and (together["wins"] == "no difference").all()


def test_groups_split_the_positions(log, split):
    labels = np.where(np.arange(len(split.test)) % 4 == 0, "search", "catalog")
    found = tecd.groups(labels, tecd.weights("simulated", log, split)["events"])
    assert found.columns.tolist() == ["catalog", "search"]  # the most frequent first
    assert (found.sum(axis=1) == 1).all()
    last = tecd.weights("simulated", log, split)["last"]
    assert (tecd.groups(labels, last).sum(axis=1) == last).all()
    run = made("gru", log, split, 5)
    cell = tecd.table([run], found, ks=(10,)).loc[("search", "gru"), "HR@10"]
    assert cell.mean == pytest.approx(hr(run.ranks("unmasked")[0][::4], 10).mean())


def test_runs_of_another_data_set_are_refused(log, split):
    run, weights = made("gru", log, split, 1), tecd.weights("simulated", log, split)
    with pytest.raises(ValueError, match="must be of one data set"):
        tecd.table([run], weights.iloc[1:])
    other = made("sasrec", log, split, 1)
    other.seeds[0].ranks["item"] += 1
    with pytest.raises(ValueError, match="simulated/sasrec has"):
        tecd.differences([(run, other)], weights)


def test_a_dot_and_an_interval_are_drawn_for_each_model_and_population(log, split):
    runs = [made("gru", log, split, 1), made("sasrec", log, split, 2)]
    found = tecd.table(runs, tecd.weights("simulated", log, split))
    figure, ax = plt.subplots()
    tecd.draw(ax, found, "NDCG@20")
    assert [text.get_text() for text in ax.get_yticklabels()] == list(tecd.LABELS.values())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "GRU-CE, one seed", "SASRec, one seed"
    ]  # fmt: skip
    dots = ax.containers[1].lines[0].get_xdata()
    expected = [cell.mean for cell in found["NDCG@20"].xs("sasrec", level="model")]
    np.testing.assert_allclose(dots, expected)
    assert ax.get_xlabel() == "NDCG@20, U" and ax.get_xlim()[0] == 0
    plt.close(figure)


def test_a_forest_has_a_dot_for_each_difference_and_its_verdict_in_words(log, split):
    good = made("sasrec", log, split, 1, 2, 3, 4, chance=0.5)
    poor = made("gru", log, split, 5, 6, 7, 8, chance=0.05)
    weights = tecd.weights("simulated", log, split)
    found = tecd.differences([(good, poor)], weights)
    figure, ax = plt.subplots()
    tecd.forest(ax, found)
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [f"{name}:\nSASRec ahead" for name in tecd.LABELS.values()]
    assert ax.get_xlabel() == "difference in HR@10, U: SASRec − GRU-CE"
    dots = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
    expected = [one.mean for one in found["difference"]]
    np.testing.assert_allclose(dots[0].get_xdata(), expected)
    ax.clear()
    both = tecd.differences([(good, poor), (poor, good)], weights)
    tecd.forest(ax, both)
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["SASRec − GRU-CE", "GRU-CE − SASRec"]
    assert [text.get_text() for text in ax.get_yticklabels()] == list(tecd.LABELS.values())
    plt.close(figure)


def test_an_open_dot_says_that_seeds_are_too_few(log, split):
    weights = tecd.weights("simulated", log, split)[["events"]]
    pair = [made("sasrec", log, split, 1, 2, chance=0.5), made("gru", log, split, 3, 4)]
    found = tecd.differences([tuple(pair)], weights)
    figure, ax = plt.subplots()
    tecd.forest(ax, found)
    drawn = [one for one in ax.lines if one.get_marker() == "o" and len(one.get_xdata())]
    assert [one.get_markerfacecolor() for one in drawn] == ["white"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["per event:\ntoo few seeds"]
    plt.close(figure)


def test_tables_name_models_pairs_and_averages(log, split):
    good = made("sasrec", log, split, 1, 2, 3, 4, chance=0.5)
    poor = made("gru", log, split, 5, 6, 7, 8, chance=0.05)
    weights = tecd.weights("simulated", log, split)
    found = tecd.table([good, poor], weights)
    wide = tecd.by_population(found)
    assert wide.index.tolist() == ["SASRec", "GRU-CE"]
    assert wide.columns.tolist() == list(tecd.LABELS.values())
    cell = found.loc[("last", "gru"), "HR@10"]
    width = (cell.high - cell.low) / 2
    assert wide.loc["GRU-CE", "last event"] == f"{cell.mean:.4f} ± {width:.4f}"
    apart = tecd.by_population(tecd.differences([(good, poor)], weights), "difference")
    assert apart.index.tolist() == ["SASRec − GRU-CE"] and apart.iloc[0, 0].startswith("+0.")
    tables = tecd.beside(found, "gru", "sasrec")
    assert list(tables) == list(tecd.LABELS.values())
    above = good.ranks("unmasked"), poor.ranks("unmasked")
    percent = 100 * (np.mean(above[0] <= 5) / np.mean(above[1] <= 5) - 1)
    assert tables["per event"].loc["HR@5", "SASRec above, %"] == f"{percent:+.1f}"
    said = tecd.verdict_tables({"random": (good, poor)}, weights)["random"]
    assert (said["verdict on HR@10"] == "SASRec ahead").all()
    assert said["NDCG@10"].str.startswith("+0.").all() and said["in %"].str.startswith("+").all()


def test_counting_up_to_midnight_takes_validation_in(log, split):
    found = tecd.to_midnight(log, split)
    day = log.time[split.test].min()
    assert found.train.tolist() == np.flatnonzero(log.time < day).tolist()
    assert np.isin(split.valid, found.train).all() and len(found.train) > len(split.train)
    np.testing.assert_array_equal(found.test, split.test)


# the item as a class


def test_accuracy_is_the_share_ranked_first(log, split):
    run = made("gru", log, split, 1, 2)
    weights = tecd.weights("simulated", log, split)
    found = tecd.classification([run], weights)
    for population, weight in weights.items():
        seeds = [np.average(seed == 1, weights=weight) for seed in run.ranks("unmasked")]
        assert found.loc[(population, "gru"), "accuracy"] == pytest.approx(np.mean(seeds))
    assert (found.to_numpy() > 0).all() and (found.to_numpy() < 1).all()


def test_an_item_is_of_the_class_of_its_earliest_training_event():
    # user 1 sees item 20 later than user 2 does; item 30 is held out
    events = {"user": [1, 1, 2, 2], "item": [10, 20, 20, 30], "time": [5, 9, 3, 99]}
    log = EventLog.build(pd.DataFrame(events))
    labels = np.array(["search", "u2i", "catalog", "u2i"])
    found = tecd.first_seen(log, np.array([0, 1, 2]), labels)
    assert found[1:].tolist() == ["search", "catalog", "not in training"]


def test_precision_by_class_is_that_of_the_class_ranked_first(log, split):
    run = made("gru", log, split, 1)
    classes = np.array(["", *np.resize(["even", "odd"], 30)], dtype=object)
    found = tecd.precision_by_class([run], classes)
    true, said = (classes[run.seeds[0].ranks[name]] for name in ("item", "first"))
    for name in ("even", "odd"):
        assert found.loc[name, "support"] == (true == name).sum()
        assert found.loc[name, "gru predicted"] == pytest.approx((said == name).mean())
        assert found.loc[name, "gru"].mean == pytest.approx((true == name)[said == name].mean())
    places = tecd.precision_by_class([run], np.where(classes == "odd", "search", "new"))
    shown = tecd.right_about_place(places, ["gru"])
    assert shown.index.tolist() == ["search"]  # what is no place is left out
    assert shown["true items, %"].tolist() == [100 * places.loc["search", "share"]]
    assert shown["GRU-CE first, %"].tolist() == [100 * places.loc["search", "gru predicted"]]
    assert (
        shown["GRU-CE right, %"]
        .iloc[0]
        .startswith(f"{100 * places.loc['search', 'gru'].mean:.1f} ±")
    )
    never = tecd.precision_by_class([run], np.where(classes == "odd", "odd", "rest"))
    assert never["share"].sum() == pytest.approx(1)


def test_a_class_that_is_never_first_has_no_precision(log, split):
    run = made("gru", log, split, 1)
    run.seeds[0].ranks["first"] = 1
    classes = np.array(["", "a", *["b"] * 29], dtype=object)
    found = tecd.precision_by_class([run], classes)
    assert found.loc["b", "gru"] is None and found.loc["a", "gru"].mean < 0.2
    assert found["gru predicted"].tolist() == [0, 1]


def test_a_set_without_surfaces_has_one_kind_of_event(small_log):
    found = tecd.kinds("simulated", small_log)
    assert len(found) == len(small_log) and set(found["surface"]) == {"surface"}
