import json
import logging

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.simulator import small_world
from seqrec_lib.records import forecast, runs
from seqrec_lib.records.recipes import published
from seqrec_lib.records.store import SCRATCH


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """``committed(dataset, name, seconds)`` writes what a forecast reads of a record."""
    monkeypatch.setattr(forecast, "root", lambda: tmp_path)

    def write(dataset, name, seconds, epochs=40, device="AMD EPYC", seed=0, events=1000, **how):
        folder = tmp_path / "book/results" / dataset / name / f"s{seed}"
        folder.mkdir(parents=True)
        spec = published("beauty", name, [seed], epochs)[0].as_dict() | {"dataset": dataset}
        spec["training"] |= how
        card = {"device": device, "threads": 1, "own_seconds": seconds, "data_digest": "0" * 64}
        (folder / "spec.json").write_text(json.dumps(spec))
        (folder / "card.json").write_text(json.dumps(card))
        examples = pd.DataFrame({"user": np.arange(events // 10), "history_length": 9})
        examples.to_parquet(folder.parents[1] / "examples-00000000.parquet")

    return write


def test_minutes_are_the_median_of_the_cards_by_epochs(committed):
    for seed, seconds in enumerate((60, 120, 6000)):
        committed("beauty", "sasrec", seconds, seed=seed)
    (spec,) = published("beauty", "sasrec", [3])
    assert forecast.minutes(spec, "cpu") == (2.0, "the cards of beauty (AMD EPYC, 1 thread)")
    (half,) = published("beauty", "sasrec", [3], epochs=20)
    assert forecast.minutes(half, "cpu")[0] == 1.0
    assert forecast.minutes(spec, "cuda") is None  # no card of a GPU


def test_on_other_data_they_grow_with_the_events(committed, tmp_path):
    table = small_world(num_users=50)
    table.to_csv(tmp_path / "shop.csv", index=False)
    committed("beauty", "sasrec", 600)
    (spec,) = published(str(tmp_path / "shop.csv"), "sasrec", [0])
    assert forecast.minutes(spec, "cpu")[0] == pytest.approx(10 * len(table) / 1000)


def test_among_other_data_those_with_most_events_tell(committed, tmp_path):
    table = small_world(num_users=50)
    table.to_csv(tmp_path / "shop.csv", index=False)
    for dataset, events, seconds in (("a", 100, 1), ("b", 3000, 600), ("c", 500, 1)):
        committed(dataset, "sasrec", seconds, events=events)
    (spec,) = published(str(tmp_path / "shop.csv"), "sasrec", [0])
    found, words = forecast.minutes(spec, "cpu")
    assert words.startswith("the cards of b (")
    assert found == pytest.approx(10 * len(table) / 3000)


def test_a_recipe_of_the_same_name_and_other_settings_tells_only_where_no_other_does(committed):
    committed("tail", "sasrec", 6000, events=9000, max_len=300)
    (spec,) = published("beauty", "sasrec", [3])
    assert forecast.minutes(spec, "cpu")[1].startswith("the cards of tail (")
    committed("beauty", "sasrec", 600, seed=0, max_len=300)
    assert forecast.minutes(spec, "cpu") == (10.0, "the cards of beauty (AMD EPYC, 1 thread)")
    committed("toys", "sasrec", 60)
    assert forecast.minutes(spec, "cpu")[1].startswith("the cards of toys (")
    committed("beauty", "sasrec", 120, seed=1)
    assert forecast.minutes(spec, "cpu") == (2.0, "the cards of beauty (AMD EPYC, 1 thread)")


def test_of_a_sample_of_users_alone_nobody_knows_the_size(committed, tmp_path):
    small_world(num_users=50).to_csv(tmp_path / "shop.csv", index=False)
    committed("beauty", "sasrec", 600)
    (tmp_path / "book/results/beauty/examples-00000000.parquet").unlink()
    (own,) = published("beauty", "sasrec", [3])
    assert forecast.minutes(own, "cpu")[0] == 10.0
    (other,) = published(str(tmp_path / "shop.csv"), "sasrec", [0])
    assert forecast.minutes(other, "cpu") is None


def test_what_is_to_be_trained_is_announced_with_its_total_and_counters_are_not(committed, caplog):
    committed("beauty", "sasrec", 600)
    specs = [*published("beauty", "popular", [0]), *published("beauty", "sasrec", [1, 2])]
    with caplog.at_level(logging.INFO):
        forecast.announce(specs, "cpu", SCRATCH)
        assert [line.split(",")[0] for line in caplog.messages] == [
            "to be trained: beauty/sasrec/s1",
            "to be trained: beauty/sasrec/s2",
            "together about 20 minutes on cpu; records go to build/results. Stopped and started "
            "again",
        ]
        caplog.clear()
        forecast.announce(published("beauty", "gru", [0]), "cpu", SCRATCH)
        assert "no card says how long" in caplog.text and "for an unknown time" in caplog.text
        caplog.clear()
        forecast.announce(published("beauty", "popular", [0]), "cpu", SCRATCH)
        assert not caplog.text


def test_runs_that_a_run_starts_from_are_announced_before_it(monkeypatch, tmp_path):
    for module in ("runs", "standing"):
        monkeypatch.setattr(f"seqrec_lib.records.{module}.root", lambda: tmp_path)
    specs = published("toys", "duorec-retrieval", [0])
    found = runs.to_train(specs, False, SCRATCH)
    assert [str(one) for one in found] == ["toys/duorec/s0", "toys/duorec-retrieval/s0"]
