"""Every committed record is whole, and its card says what its ranks say."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import amazon, datasets
from seqrec_lib.data.files import find, root
from seqrec_lib.metrics.ranking import hr, mrr, ndcg
from seqrec_lib.models import MODELS
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.losses import GBCE
from seqrec_lib.models.sasrec import SASRec
from seqrec_lib.training import runs
from seqrec_lib.training.loop import Training
from seqrec_lib.training.recipes import RECIPES

RESULTS = root() / runs.RESULTS
RECORDS = sorted(card.parent for card in RESULTS.glob("*/*/s*/card.json"))
PARTS = {"spec.json", "card.json", "history.csv", "ranks.parquet", "exposure.parquet"}
CARD = {
    *("commit", "date", "device", "threads", "versions", "code_digest", "peak_bytes"),
    *("training_seconds", "scoring_seconds", "parameters", "data_digest", "summary", "coverage@10"),
}
BUDGET = 40e6  # bytes, of all records together


def check(folder):
    """Raise AssertionError unless the record is whole and agrees with itself."""
    assert {path.name for path in folder.iterdir()} == PARTS
    run = runs.load(folder)
    check_spec(run)
    check_ranks(run)
    check_exposure(run)
    check_history(run)
    check_card(run)


def check_spec(run):
    *_, dataset, name, seed = run.folder.parts
    spec = run.spec
    assert set(spec) == {"dataset", "name", "model", "config", "training"}
    assert seed == f"s{spec['training']['seed']}" and name == spec["name"]
    assert dataset in (spec["dataset"], spec["dataset"].rsplit("/", 1)[-1].split(".")[0])
    kind = MODELS[spec["model"]]
    assert set(spec["config"]) == set(kind.Config.__dataclass_fields__)
    assert set(spec["training"]) == set(Training.__dataclass_fields__)


def check_ranks(run):
    table, num_items = run.ranks, len(run.exposure)
    assert table.columns.tolist() == [
        *("user", "item", "history_length", "repeat", "rank_masked", "rank_unmasked")
    ]
    assert len(table) and table["user"].is_unique  # one row a user
    assert sorted(table["user"]) == list(range(len(table)))
    assert not table.isna().any().any()
    for column in ("item", "rank_masked", "rank_unmasked"):
        assert table[column].dtype == np.int32
        assert table[column].between(1, num_items).all()
    assert (table["history_length"] >= 2).all()  # a training and a validation event at least
    new = table[~table["repeat"]]
    assert (new["rank_masked"] <= new["rank_unmasked"]).all()
    assert (table["rank_masked"][table["repeat"]] == num_items).all()


def check_exposure(run):
    shown = run.exposure
    assert shown.columns.tolist() == ["item", "masked", "unmasked"]
    assert shown["item"].tolist() == list(range(1, len(shown) + 1))
    lists = len(run.ranks)
    for protocol in ("masked", "unmasked"):
        assert shown[protocol].between(0, lists).all()
        assert shown[protocol].sum() == min(10, len(shown)) * lists
        assert run.card["coverage@10"][protocol] == (shown[protocol] > 0).mean()


def check_history(run):
    history = run.history
    assert history.columns.tolist() == [
        *("epoch", "loss", "valid_ndcg@10", "valid_hr@10", "seconds")
    ]
    if issubclass(MODELS[run.spec["model"]], CountModel):
        assert history.empty
        return
    assert history["epoch"].tolist() == list(range(1, len(history) + 1))
    training = run.spec["training"]
    assert 1 <= len(history) <= training["epochs"]
    waited = len(history) - 1 - int(history["valid_ndcg@10"].argmax())
    assert len(history) == training["epochs"] or waited == training["patience"]
    assert np.isfinite(history).all().all() and history["seconds"].is_monotonic_increasing
    assert (history["valid_ndcg@10"] <= history["valid_hr@10"]).all()


def check_card(run):
    card = run.card
    assert set(card) == CARD
    assert re.fullmatch(r"[0-9a-f]{40}\+?|unknown", card["commit"])
    for digest in ("code_digest", "data_digest"):
        assert re.fullmatch("[0-9a-f]{64}", card[digest])
    assert card["peak_bytes"] > 1e7 and card["device"] and card["versions"]["torch"]
    assert (card["parameters"] == 0) == issubclass(MODELS[run.spec["model"]], CountModel)
    for protocol in ("masked", "unmasked"):
        ranks = run.ranks[f"rank_{protocol}"].to_numpy()
        expected = {
            f"{name}@{k}": metric(ranks, k).mean()
            for k in (5, 10, 20)
            for name, metric in (("HR", hr), ("NDCG", ndcg), ("MRR", mrr))
        }
        assert card["summary"][protocol].keys() == expected.keys()
        for name, value in expected.items():
            assert abs(card["summary"][protocol][name] - value) < 1e-12


@pytest.fixture(scope="session")
def todays_data():
    """(log, split) of an Amazon set, read once."""
    seen = {}

    def load(dataset):
        if dataset not in seen:
            seen[dataset] = datasets.load(dataset)
        return seen[dataset]

    return load


# --- the committed records ---------------------------------------------------------------------


@pytest.mark.parametrize("folder", RECORDS, ids=lambda path: "-".join(path.parts[-3:]))
def test_a_committed_record_is_whole(folder):
    check(folder)


@pytest.mark.parametrize("folder", RECORDS, ids=lambda path: "-".join(path.parts[-3:]))
def test_a_committed_record_was_made_from_todays_data(folder, todays_data):
    dataset = folder.parts[-3]
    if dataset in amazon.NAMES and find(f"amazon/{dataset}.parquet") is None:
        pytest.skip("the Amazon files are not here")
    log, split = todays_data(dataset)
    run = runs.load(folder)
    assert run.card["data_digest"] == datasets.digest(log, split)
    table = run.ranks
    np.testing.assert_array_equal(table["item"], log.item[split.test])
    np.testing.assert_array_equal(table["history_length"], log.history_length(split.test))
    np.testing.assert_array_equal(table["user"], log.user_of(split.test))
    assert len(run.exposure) == log.num_items


def test_nothing_but_records_stands_among_the_results():
    files = [path for path in RESULTS.rglob("*") if path.is_file()]
    assert all((path.parent / "card.json").exists() and path.name in PARTS for path in files)
    assert all(folder.parts[-2] in RECIPES for folder in RECORDS)


def test_all_records_together_keep_to_their_budget():
    assert sum(path.stat().st_size for path in RESULTS.rglob("*") if path.is_file()) < BUDGET


# --- the check itself, on a record made here ---------------------------------------------------


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    config = SASRec.Config(8, 16, 1, max_len=20, objective=GBCE(3))
    training = Training(epochs=4, batch_size=128, max_len=20, precision="fp32", patience=3)
    spec = runs.Spec("simulated", "attention", "sasrec", config, training)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "root", lambda: folder)
        return runs.run_spec(spec).folder


@pytest.fixture
def record(fresh, tmp_path):
    folder = tmp_path / "simulated" / "attention" / "s0"
    folder.mkdir(parents=True)
    for path in fresh.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def change_json(part, **changes):
    def change(folder):
        content = json.loads((folder / part).read_text())
        (folder / part).write_text(json.dumps(content | changes))

    return change


def change_table(part, edit):
    def change(folder):
        table = pd.read_parquet(folder / part)
        edit(table).to_parquet(folder / part, index=False)

    return change


def one_more(column):
    """Among the first 20 a rank one lower, or an item shown once more."""

    def edit(table):
        table.loc[table.index[table[column].between(1, 20)][0], column] += 1
        return table

    return edit


def shifted_summary(folder):
    card = json.loads((folder / "card.json").read_text())
    card["summary"]["masked"]["NDCG@10"] += 1e-9
    (folder / "card.json").write_text(json.dumps(card))


def test_a_record_made_here_is_whole(record):
    check(record)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "left.over").touch(),
        lambda folder: (folder / "history.csv").unlink(),
        lambda folder: (folder / "history.csv").write_text("epoch,loss\n"),
        lambda folder: folder.rename(folder.with_name("s1")),
        change_json("spec.json", name="another"),
        change_json("spec.json", config={"embed_dim": 8}),
        change_json("card.json", parameters=0),
        change_json("card.json", commit="yesterday"),
        change_json("card.json", **{"coverage@10": {"masked": 1.0, "unmasked": 0.5}}),
        shifted_summary,
        change_table("ranks.parquet", lambda table: table[1:]),
        change_table("ranks.parquet", lambda table: table.assign(rank_masked=np.int32(0))),
        change_table("ranks.parquet", lambda table: table.assign(rank_unmasked=np.int32(1))),
        change_table("ranks.parquet", lambda table: table.drop(columns="repeat")),
        change_table("ranks.parquet", one_more("rank_masked")),
        change_table("exposure.parquet", one_more("masked")),
        change_table("exposure.parquet", lambda table: table[:-1]),
    ],
)
def test_a_damaged_record_is_found_out(record, damage):
    damage(record)
    with pytest.raises((AssertionError, FileNotFoundError)):
        check(next(record.parent.iterdir()))
