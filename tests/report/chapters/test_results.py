"""All records as rows: what is read from where, what it took, and what is averaged."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.records import store
from seqrec_lib.report.chapters import results
from seqrec_lib.report.chapters.results import FILES, File, called, means, minutes, of_file


@pytest.fixture
def record(tmp_path):
    """``record("simulated/sasrec/s0", minutes=2, starts=())``: a record without tables."""

    def write(place, minutes=1.0, starts=(), device="AMD EPYC 7"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        dataset, name, seed = place.split("/")
        model = "markov" if name == "markov" else "sasrec"
        spec = {"dataset": dataset, "model": model, "training": {"seed": int(seed[1:])}}
        card = {"device": device, "starts_from": dict.fromkeys(starts, "digest"), "parameters": 7}
        card |= {"own_seconds": 60 * minutes, "total_seconds": 0.0, "peak_bytes": 1}
        (folder / "spec.json").write_text(json.dumps(spec))
        (folder / "card.json").write_text(json.dumps(card | {"scoring_seconds": 5.0}))
        for part in ("history.csv", "ranks.parquet", "exposure.parquet"):
            (folder / part).touch()

    return write


def test_runs_are_those_with_records_of_the_seeds_asked_for(record, tmp_path):
    for place in ("sasrec/s0", "sasrec/s2", "markov/s0", "gru/s5"):
        record(f"simulated/{place}")
    found = results.recorded("simulated", [0, 1, 2], str(tmp_path))
    assert [(one.name, one.numbers) for one in found] == [("markov", [0]), ("sasrec", [0, 2])]
    assert results.recorded("simulated", [7], str(tmp_path)) == []


@pytest.fixture
def committed(record, tmp_path, monkeypatch):
    """A folder of one's own, first asked, beside one that stands for the committed records."""
    record("simulated/sasrec/s0")
    record("simulated/gru/s0")
    (tmp_path / "committed").mkdir()
    (tmp_path / "simulated").rename(tmp_path / "committed" / "simulated")
    record("simulated/sasrec/s1")
    monkeypatch.setattr(results, "places", lambda given: (tmp_path, tmp_path / "committed"))
    return tmp_path


def test_a_run_is_read_from_one_results_folder(committed):
    found = results.recorded("simulated", [0, 1], str(committed))
    # not s0 of the other folder beside s1
    assert {one.name: one.numbers for one in found} == {"gru": [0], "sasrec": [1]}


def test_scratch_adds_nothing_to_what_is_committed(committed, monkeypatch):
    monkeypatch.setattr(results, "places", lambda given: (committed / "committed", committed))
    monkeypatch.setattr(results, "SCRATCH", str(committed))
    found = results.recorded("simulated", [0, 1], str(committed))
    assert {one.name: one.numbers for one in found} == {"gru": [0], "sasrec": [0]}
    shutil.rmtree(committed / "committed")
    (one,) = results.recorded("simulated", [0, 1], str(committed))
    assert (one.name, one.numbers) == ("sasrec", [1])


def test_what_starts_from_others_takes_what_they_took(record, tmp_path):
    record("simulated/sasrec/s0", minutes=10)
    record("simulated/sasrec/s1", minutes=30)
    record("simulated/sasrec/s2", minutes=20)
    record("simulated/gru/s0", minutes=4)
    record("simulated/memory/s0", minutes=1, starts=["simulated/sasrec/s0"])
    record("simulated/both/s0", minutes=0.5, starts=["simulated/memory/s0", "simulated/gru/s0"])
    of = {one.name: one for one in results.recorded("simulated", [0], str(tmp_path))}
    assert minutes(of["sasrec"], str(tmp_path)) == 10
    # the median of the three trainings, not the one that it happened to start from
    assert minutes(of["memory"], str(tmp_path)) == 21
    assert minutes(of["both"], str(tmp_path)) == 25.5


def test_a_starting_run_without_a_record_is_named(record, tmp_path):
    record("simulated/memory/s0", starts=["simulated/sasrec/s0"])
    (run,) = results.recorded("simulated", [0], str(tmp_path))
    with pytest.raises(FileNotFoundError, match="simulated/sasrec has no record"):
        minutes(run, str(tmp_path))


def test_a_data_set_written_anew_takes_its_writing_too(record, tmp_path, monkeypatch):
    record("simulated/sasrec/s0", minutes=3)
    record("simulated-regenerated/sasrec/s0", minutes=8)
    card = {"pairs_and_training_seconds": 90, "rewriting_seconds": 30, "start": "sasrec"}
    (tmp_path / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(results.datasets, "regenerated", lambda dataset: tmp_path)
    (run,) = results.recorded("simulated-regenerated", [0], str(tmp_path))
    assert minutes(run, str(tmp_path)) == 8 + 2 + 3


def test_where_users_are_asked_several_times_the_population_decides(made):
    run = made("popular", np.array([1, 50, 1, 50]))
    table = run.seeds[0].ranks
    table["user"] = [0, 0, 0, 1]
    assert means(run)["HR@10 M"].mean == 0.5
    assert means(run, np.array([0, 0, 1, 1.0]))["HR@10 M"].mean == 0.5
    per_user = means(run, np.array([1 / 3, 1 / 3, 1 / 3, 1]))
    assert per_user["HR@10 M"].mean == pytest.approx(1 / 3)
    # who weighs nothing is nobody: of one user there is no interval
    assert np.isnan(means(run, np.array([1, 1, 1, 0.0]))["NDCG@10 U"].low)


def test_means_have_both_protocols_and_metrics(made):
    run = made("popular", np.array([1, 3, 11, 11]), unmasked=np.array([3, 11, 11, 11]))
    found = means(run)
    assert {name: one.mean for name, one in found.items()} == {
        "HR@10 M": 0.5, "NDCG@10 M": 0.375, "HR@10 U": 0.25, "NDCG@10 U": 0.125,
    }  # fmt: skip


@pytest.fixture
def rows(record, tmp_path, monkeypatch, made):
    """Rows of a file with two parts, from records whose ranks are given here."""
    ranks = {"sasrec": [1, 1, 50, 50], "markov": [1, 50, 50, 50], "sasrec-attne": [1, 1, 1, 1]}
    ranks["gru"] = [1, 1, 1, 1]
    for name in ("sasrec", "markov", "sasrec-attne"):
        record(f"simulated/{name}/s0", device="NVIDIA H100 80GB HBM3")
    record("simulated-shuffled/sasrec/s0", device="Intel(R) Xeon(R) Processor")
    read = store.load

    def load(folder):
        one, given = read(folder), made("x", np.array(ranks[folder.parent.name])).seeds[0]
        one.__dict__["ranks"] = given.ranks
        one.__dict__["exposure"] = pd.DataFrame({"item": range(5)})
        return one

    monkeypatch.setattr(store, "load", load)
    parts = {"simulated": "", "simulated-shuffled": "days shuffled"}
    file = File("a world", parts, "the last", without=("sasrec-attne",))
    return file, results.rows(file, [0], str(tmp_path))


def test_a_row_says_what_it_is_of_and_the_best_comes_first(rows):
    _, found = rows
    assert [(row.model, row.seeds, row.device) for row in found] == [
        ("SASRec", "1", "GPU, H100"),
        ("SASRec, days shuffled", "1", "CPU, Intel Xeon"),
        ("Markov chain", "none", "GPU, H100"),
    ]
    assert {row.file for row in found} == {"a world"}
    assert (found[0].own, found[0].minutes, found[0].seconds, found[0].parameters) == (1, 1, 5, 7)
    assert not found[0].informed


# a place in a history is no clock
TIMES = {"none": False, "positions": False, "events": True, "asked": True, "intervals": True}


@pytest.mark.parametrize(("time", "informed"), TIMES.items())
def test_who_reads_times_knows_more_than_item_numbers(rows, monkeypatch, time, informed):
    row = rows[1][0]
    monkeypatch.setitem(row.runs.seeds[0].spec, "config", {"time": time})
    assert row.informed is informed


@pytest.mark.parametrize(("model", "informed"), [("sim-hard", True), ("sim-soft", False)])
def test_who_reads_attributes_knows_more_too(rows, monkeypatch, model, informed):
    row = rows[1][0]
    monkeypatch.setitem(row.runs.seeds[0].spec, "model", model)
    assert row.informed is informed


def test_what_was_asked_less_than_others_has_no_row(rows, record, tmp_path, monkeypatch):
    file, _ = rows
    record("simulated/gru/s0")
    whole = store.load

    def load(folder):
        one = whole(folder)
        if folder.parent.name == "gru":
            one.__dict__["ranks"] = one.ranks.iloc[:3]
        return one

    monkeypatch.setattr(store, "load", load)
    found = results.rows(file, [0], str(tmp_path))
    assert {row.runs.name for row in found} == {"sasrec", "markov"}


def test_on_a_sample_all_are_shown_as_asked_the_sample(rows, record, tmp_path, monkeypatch):
    file, _ = rows
    record("simulated/gru/s0")
    whole = store.load

    def load(folder):  # gru was asked about two of the users
        one = whole(folder)
        one.ranks["user"] = one.ranks["history_length"] = np.arange(4)
        if folder.parent.name == "gru":
            one.__dict__["ranks"] = one.ranks.iloc[1:3]
        return one

    monkeypatch.setattr(store, "load", load)
    found = results.rows(dataclasses.replace(file, like="gru"), [0], str(tmp_path))
    assert {row.model: row.found["HR@10 M"].mean for row in found} == {
        "GRU-CE": 1.0, "SASRec": 0.5, "SASRec, days shuffled": 0.5, "Markov chain": 0.0,
    }  # fmt: skip
    assert {row.model: row.seconds for row in found}["SASRec"] == 2.5  # of five for all four
    assert results.rows(dataclasses.replace(file, like="dien"), [0], str(tmp_path)) == []


def test_values_to_take_away_have_the_ends_of_intervals(rows):
    _, found = rows
    table = results.raw(found)
    assert table["seeds"].tolist() == [1, 1, 0] and table["note"].tolist() == ["one seed"] * 2 + [
        ""
    ]
    assert table["data set"].tolist() == ["simulated", "simulated-shuffled", "simulated"]
    assert table["NDCG@10 M"].tolist() == [0.5, 0.5, 0.25]
    assert (table["NDCG@10 M low"] < table["NDCG@10 M"]).all()
    assert (table["NDCG@10 M high"] > table["NDCG@10 M"]).all()


def test_a_file_is_described_by_its_questions(rows):
    file, found = rows
    table = results.files(found, [file, dataclasses.replace(file, name="without rows")])
    assert table.loc["a world"].tolist() == ["the last", 4, 5, 3] and len(table) == 1


def test_only_the_runs_of_a_file_are_of_it(rows, tmp_path):
    file, _ = rows
    (row,) = results.rows(dataclasses.replace(file, without=(), only=("sasrec-attne",)), [0],
                          str(tmp_path))  # fmt: skip
    assert row.model == "SASRec, attnE"


def test_a_data_set_has_its_file(tmp_path):
    assert of_file("beauty").name == "Beauty"
    assert of_file("tecd-marketplace").name == "T-ECD, per event"
    assert of_file("simulated").parts == {"simulated": ""}
    # a part is no file: its rows stand among those of the whole
    assert of_file("beauty-regenerated").name == "beauty-regenerated"


def test_files_have_names_of_their_own_and_data_that_are_known():
    assert len({one.name for one in FILES}) == len(FILES)
    for one in FILES:
        for dataset in one.parts:
            assert str(results.Dataset.parse(dataset)) == dataset


def test_a_name_says_what_its_data_add_once():
    assert called("sasrec", "") == "SASRec"
    assert called("sasrec", "regenerated data") == "SASRec, regenerated data"
    assert called("sasrec-longer", "regenerated data") == "SASRec, regenerated data, more passes"
