"""Every target population from one ranks table."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets, files
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import global_time, held_out_users, leave_last_out
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.report.chapters import paired, tecd

DAY = 86_400


def test_each_population_has_the_positions_that_its_name_says(days, third_day):
    found, user = tecd.weights("simulated", days, third_day), days.user_of(third_day.test)
    assert (found["events"] == 1).all()
    people = np.unique(user)
    for population in ("users", "last"):
        np.testing.assert_allclose(np.bincount(user, found[population])[people], 1, rtol=1e-12)
    for one in people:
        rows = np.flatnonzero(user == one)
        assert np.ptp(found["users"].to_numpy()[rows]) == 0
        assert np.flatnonzero(found["last"].to_numpy()[rows]).tolist() == [len(rows) - 1]
        day = days.time[days.offsets[one] : days.offsets[one + 1]] // DAY
        expected = [0] if day[0] < 12 else []  # known before the test day
        assert np.flatnonzero(found["first"].to_numpy()[rows]).tolist() == expected


def test_only_a_split_by_time_has_a_test_day(small_log, days):
    assert "first" not in tecd.weights("simulated", small_log, leave_last_out(small_log))
    assert "first" not in tecd.weights("simulated", days, held_out_users(days))


def test_a_day_begins_at_midnight_even_where_the_first_test_position_comes_later():
    # user 2 is new on the day: the event at 00:00:01 has no history and is no test position
    events = {"user": [1, 1, 1, 2, 2], "item": 1, "time": [0, 9, DAY + 7, DAY + 1, DAY + 5]}
    log = EventLog.build(pd.DataFrame(events))
    found = tecd.weights("simulated", log, global_time(log, 9, DAY))
    assert found["first"].tolist() == [1, 0]


def test_a_position_that_is_left_out_counts_in_no_population(days, third_day):
    keep = np.arange(len(third_day.test)) % 3 > 0
    found, user = tecd.weights("simulated", days, third_day, keep), days.user_of(third_day.test)
    assert not found[~keep].to_numpy().any()
    np.testing.assert_allclose(np.bincount(user[keep], found["users"][keep])[user[keep]], 1)
    whole = tecd.weights("simulated", days, third_day)
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


def test_every_figure_is_the_weighted_mean_over_seeds(days, third_day, random_runs):
    runs = [random_runs("gru", 1, 2), random_runs("popular", 3)]
    weights = tecd.weights("simulated", days, third_day)
    found = tecd.table(runs, weights, ks=(1, 10))
    assert found.columns.tolist() == ["HR@1", "HR@10", "NDCG@1", "NDCG@10"]
    assert found.index.tolist()[:3] == [("events", "gru"), ("events", "popular"), ("users", "gru")]
    for population, weight in weights.items():
        for run in runs:
            by_seed = [np.average(ndcg(s, 10), weights=weight) for s in run.ranks("unmasked")]
            cell = found.loc[(population, run.name), "NDCG@10"]
            assert cell.mean == pytest.approx(np.mean(by_seed)) and cell.low < cell.mean < cell.high


def test_groups_split_the_positions(days, third_day, random_runs):
    labels = np.where(np.arange(len(third_day.test)) % 4 == 0, "search", "catalog")
    found = tecd.groups(labels, tecd.weights("simulated", days, third_day)["events"])
    assert found.columns.tolist() == ["catalog", "search"]  # the most frequent first
    assert (found.sum(axis=1) == 1).all()
    last = tecd.weights("simulated", days, third_day)["last"]
    assert (tecd.groups(labels, last).sum(axis=1) == last).all()
    run = random_runs("gru", 5)
    cell = tecd.table([run], found, ks=(10,)).loc[("search", "gru"), "HR@10"]
    assert cell.mean == pytest.approx(hr(run.ranks("unmasked")[0][::4], 10).mean())


def test_runs_of_another_data_set_are_refused(days, third_day, random_runs):
    run, weights = random_runs("gru", 1), tecd.weights("simulated", days, third_day)
    with pytest.raises(ValueError, match="must be of one data set"):
        tecd.table([run], weights.iloc[1:])
    other = random_runs("sasrec", 1)
    other.seeds[0].ranks["item"] += 1
    with pytest.raises(ValueError, match="simulated/sasrec has"):
        paired.differences([(run, other)], weights)


def test_a_dot_and_an_interval_are_drawn_for_each_model_and_population(
    days, third_day, random_runs, ax
):
    runs = [random_runs("gru", 1), random_runs("sasrec", 2)]
    found = tecd.table(runs, tecd.weights("simulated", days, third_day))
    tecd.draw(ax, found, "NDCG@20")
    assert [text.get_text() for text in ax.get_yticklabels()] == list(tecd.LABELS.values())
    assert [text.get_text() for text in ax.texts] == ["GRU-CE, one seed", "SASRec, one seed"]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    expected = [cell.mean for cell in found["NDCG@20"].xs("sasrec", level="model")]
    np.testing.assert_allclose(dots, expected)
    assert ax.get_xlabel() == "NDCG@20, U" and ax.get_xlim()[0] == 0


def test_tables_name_models_pairs_and_averages(days, third_day, random_runs):
    good = random_runs("sasrec", 1, 2, 3, 4, chance=0.5)
    poor = random_runs("gru", 5, 6, 7, 8, chance=0.05)
    weights = tecd.weights("simulated", days, third_day)
    found = tecd.table([good, poor], weights)
    wide = tecd.by_population(found)
    assert wide.index.tolist() == ["SASRec", "GRU-CE"]
    assert wide.columns.tolist() == list(tecd.LABELS.values())
    cell = found.loc[("last", "gru"), "HR@10"]
    width = (cell.high - cell.low) / 2
    assert wide.loc["GRU-CE", "last event"] == f"{cell.mean:.4f} ± {width:.4f}"
    apart = tecd.by_population(paired.differences([(good, poor)], weights), "difference")
    assert apart.index.tolist() == ["SASRec − GRU-CE"] and apart.iloc[0, 0].startswith("+0.")
    tables = tecd.beside(found, "gru", "sasrec")
    assert list(tables) == list(tecd.LABELS.values())
    above = good.ranks("unmasked"), poor.ranks("unmasked")
    percent = 100 * (np.mean(above[0] <= 5) / np.mean(above[1] <= 5) - 1)
    assert tables["per event"].loc["HR@5", "SASRec above, %"] == f"{percent:+.1f}"
    said = paired.verdict_tables({"random": (good, poor)}, weights)["random"]
    assert (said["verdict on HR@10"] == "SASRec ahead").all()
    assert said["NDCG@10"].str.startswith("+0.").all() and said["in %"].str.startswith("+").all()


def test_counting_up_to_midnight_takes_validation_in(days, third_day):
    found = tecd.to_midnight(days, third_day)
    day = days.time[third_day.test].min()
    assert found.train.tolist() == np.flatnonzero(days.time < day).tolist()
    assert np.isin(third_day.valid, found.train).all() and len(found.train) > len(third_day.train)
    np.testing.assert_array_equal(found.test, third_day.test)


def test_a_set_without_surfaces_has_one_kind_of_event(small_log):
    found = tecd.kinds("simulated", small_log)
    assert len(found) == len(small_log) and set(found["surface"]) == {"surface"}
