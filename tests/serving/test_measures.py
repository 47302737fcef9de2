"""What is said of a stream, by hand and against plain simulation."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.serving import measures
from seqrec_lib.serving.measures import Decided, Latency, Rate, over_users
from seqrec_lib.serving.served import TopK


def test_percentiles_are_of_the_latest_and_silent_without_enough():
    latency = Latency(size=1000)
    assert latency.summary() == {"n": 0, "p50": None, "p95": None, "p99": None}
    for ms in range(1, 1000):
        latency.add(ms / 1000)
    found = latency.summary()
    assert found == {"n": 999, "p50": pytest.approx(500), "p95": pytest.approx(950), "p99": None}
    for ms in range(1000, 3001):
        latency.add(ms / 1000)
    assert latency.summary() == {
        "n": 1000, "p50": pytest.approx(2500), "p95": pytest.approx(2950),
        "p99": pytest.approx(2990),
    }  # fmt: skip


def test_a_rate_is_of_the_latest_seconds():
    now = [0.0]
    rate = Rate(10.0, lambda: now[0])
    for now[0] in np.arange(0.5, 20.5, 0.5):
        rate.add()
    assert rate.value() == pytest.approx(2.0, abs=0.11)
    now[0] = 25.0
    assert rate.value() == pytest.approx(1.1, abs=0.11)
    now[0] = 100.0
    assert rate.value() == 0


def test_the_window_is_of_the_latest_events():
    decided = Decided(k=10, window=3)
    for position, rank in ((9, 1), (8, 11), (7, 11), (6, 2)):
        decided.add(position, position, 3, rank, 0.5, rank == 1)
    assert len(decided) == 3
    assert decided.latest(2)["position"].tolist() == [6, 7]
    found = measures.accuracy(decided.latest(2))
    assert found["HR@10"].mean == 0.5 and found["NDCG@10"].mean == pytest.approx(0.5 / np.log2(3))


def test_with_one_event_a_user_the_interval_is_wilson_s():
    values = np.array([1.0] * 8 + [0.0] * 92)
    found = over_users(values, np.arange(100))
    # by statsmodels' proportion_confint(8, 100, method="wilson"), widened by one user of a hundred
    assert found.low == pytest.approx(0.0411, abs=5e-4)
    assert found.high == pytest.approx(0.1500, abs=5e-4)
    assert over_users(np.zeros(30), np.arange(30)).high == pytest.approx(0.1135, abs=1e-3)


def test_an_interval_covers_users_where_their_events_go_together():
    rng = np.random.default_rng(0)
    covered = narrow = 0
    for _ in range(300):
        chance = rng.beta(0.5, 1.5, 60)  # users differ: the mean is 0.25
        values = (rng.random((60, 20)) < chance[:, None]).astype(float).ravel()
        found = over_users(values, np.repeat(np.arange(60), 20))
        covered += found.low <= 0.25 <= found.high
        as_if = over_users(values, np.arange(1200))
        narrow += as_if.low <= 0.25 <= as_if.high
    assert 0.91 < covered / 300 < 0.99 and narrow / 300 < 0.75


def test_calibration_compares_chances_with_what_came():
    rng = np.random.default_rng(0)
    chance = rng.random(5000)
    rows = pd.DataFrame({"chance": chance, "user": np.arange(5000)})
    honest = measures.calibration(rows.assign(first=rng.random(5000) < chance))
    assert [one["events"] for one in honest] == [500] * 10
    assert [round(one["chance"], 1) for one in honest] == pytest.approx(
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.6, 0.8, 0.8, 1.0], abs=0.11
    )
    inside = [one["came"].low <= one["chance"] <= one["came"].high for one in honest]
    assert sum(inside) >= 8 and measures.calibration_error(honest) < 0.03
    boastful = measures.calibration(rows.assign(first=rng.random(5000) < chance / 2))
    assert measures.calibration_error(boastful) == pytest.approx(0.25, abs=0.02)
    unknown = rows.assign(chance=np.nan, first=False)
    assert measures.calibration(unknown) == [] and np.isnan(measures.calibration_error([]))


def test_few_events_have_as_many_bins():
    rows = pd.DataFrame(
        {"chance": [0.1, 0.5, 0.9], "user": [1, 2, 3], "first": [False, True, True]}
    )
    assert [one["events"] for one in measures.calibration(rows)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("item", "k", "rank"),
    [("a", 2, 1), ("b", 2, 3), ("c", 2, 3), ("d", 2, 3), ("z", 2, 3), ("b", 3, 3), ("z", 3, 4)],
)
def test_a_rank_is_in_the_middle_of_its_ties(item, k, rank):
    # b and c tie at places 2 and 3: half of one before it, rounded up
    shown = TopK(list("abcd"), [4.0, 3.0, 3.0, 1.0])
    whole = TopK(list("abcdef"), [4.0, 3.0, 3.0, 1.0, 0.5, 0.25])
    assert measures.rank_shown(shown if k == 2 else whole, item, k, 90) == rank


def test_an_item_that_no_list_may_show_ties_with_its_like():
    shown = TopK(["a", "b"], [2.0, 1.0])
    assert measures.rank_shown(shown, "z", 10, left=7) == 1 + 2 + 5 // 2
    assert measures.rank_shown(shown, "z", 10, left=90) == 11


def test_items_are_banded_by_training_alone(log_of):
    log = log_of([1] * 6 + [2] * 3 + [3] * 1 + [4] * 5)
    bands = measures.popularity_bands(log, np.arange(10), bands=5)
    assert bands.tolist() == [0, 1, 4, 5, 0]


def test_drift_is_zero_without_any_and_grows_with_it():
    expected = np.array([100, 300, 600])
    found = ([10, 30, 60], [20, 30, 50], [60, 30, 10])
    shifts = [measures.psi(expected, np.array(one)) for one in found]
    assert shifts[0] < 0.01 < shifts[1] < 0.25 < shifts[2]
    assert np.isfinite(measures.psi(expected, np.array([0, 0, 5])))


def test_accuracy_after_short_histories():
    rows = pd.DataFrame(
        {"history_length": [1, 2, 4, 5, 9], "rank": [1, 11, 1, 11, 1], "user": range(5)}
    )
    found = {name: one.mean for name, one in measures.by_history(rows).items()}
    assert found == {"1": 1.0, "2": 0.0, "3-5": 0.5, "6+": 1.0}


def test_nothing_decided_has_no_interval():
    with pytest.raises(ValueError, match="nothing was decided"):
        over_users(np.array([]), np.array([], dtype=int))
