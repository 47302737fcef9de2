"""Every data set has a card, and what a card says is what the files and the records say."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import amazon, datasets, hm, movielens
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import root
from seqrec_lib.data.sources import SOURCES
from seqrec_lib.report.chapters import data_cards
from seqrec_lib.report.chapters.card_words import CARDS, TITLES


@pytest.fixture(scope="module")
def counted():
    return pd.read_csv(root() / data_cards.COUNTED, index_col="data set")


def test_every_data_set_has_a_card_and_one_alone():
    named = [name for card in CARDS for name in card.sets]
    assert sorted(named) == sorted(SOURCES)
    assert set(TITLES) == set(SOURCES)


def test_every_data_set_has_terms():
    for name in SOURCES:
        row = data_cards.licences()[name]
        assert row["licence of the data"] and row["what is derived, and so here"]
        assert "".join(row.values()).count("`") % 2 == 0  # code is closed
    assert "CC BY-NC-SA" in data_cards.licences()["tecd-marketplace"]["licence of the data"]
    assert data_cards.licences()["hm-product"] == data_cards.licences()["hm"]


def test_what_files_are_held_to_is_what_their_readers_hold_them_to():
    assert amazon.EDITIONS["toys"].sha256 in data_cards.pinned("toys")
    assert all(
        digest in data_cards.pinned("movielens_small") for digest in movielens.SHA256.values()
    )
    assert re.search(r"revision [0-9a-f]{40}", data_cards.pinned("tecd-marketplace"))
    assert "made here" in data_cards.pinned("omni-100")
    assert "the digest in the contents" in data_cards.pinned("hm")


def test_what_a_data_set_is_are_the_words_of_its_reader():
    assert data_cards.said(hm).startswith("H&M (Kaggle, 2022): what customers bought")
    assert not re.search(r"``|\n|  ", "".join(data_cards.said(card.reader) for card in CARDS))


def test_the_counts_are_those_of_the_log(counted):
    assert counted.index.tolist() == list(SOURCES)
    for name in ("simulated", "movielens_small"):
        row = data_cards.counted(name)
        assert counted.loc[name].to_dict() == row
    log, _ = datasets.load("simulated")
    assert counted.loc["simulated", "events"] == len(log)


def test_the_counts_are_of_the_data_that_the_records_are_of(counted):
    cards = {
        name: json.loads(path.read_text())["data_digest"]
        for name in SOURCES
        for path in (root() / "book/results").glob(f"{name}/*/s0/card.json")
    }
    assert {"beauty", "tecd-marketplace"} <= set(cards)
    assert {name: counted.loc[name, "digest"] for name in cards} == cards


def test_counting_keeps_the_rows_of_what_is_not_at_hand(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    monkeypatch.setattr(data_cards, "root", lambda: tmp_path)
    monkeypatch.setattr(data_cards.datasets, "at_hand", lambda name: name == "simulated")
    monkeypatch.setattr(data_cards, "counted", lambda name: {"users": 1, "digest": name})
    data_cards.count(["simulated"])
    monkeypatch.setattr(data_cards.datasets, "at_hand", lambda name: name == "beauty")
    monkeypatch.setattr(data_cards, "counted", lambda name: {"users": 2, "digest": name})
    table = pd.read_csv(data_cards.count(["beauty", "simulated"]), index_col="data set")
    assert table["users"].to_dict() == {"beauty": 2, "simulated": 1}


def test_a_card_has_what_it_is_and_what_is_in_it():
    for card in CARDS:
        about, contents = data_cards.of(card).tables.values()
        assert len(contents.columns) == 1 + len(card.sets)
        heads = about.iloc[:, 0].tolist()
        for head in ("what it is", "licence", "clock", "known defects and limits"):
            assert head in heads
        assert contents.iloc[:, 0].tolist()[-1] == "digest"


def test_a_card_of_ones_own_is_counted(tmp_path):
    path = tmp_path / "shop.csv"
    rows = [f"{user},{item},{item}" for user in "ab" for item in (1, 2, 3)]
    path.write_text("\n".join(["user,item,time", *rows, ""]))
    (table,) = data_cards.own(str(path)).tables.values()
    cells = dict(table.itertuples(index=False))
    assert (cells["users"], cells["events"]) == ("2", "6") and table.columns[1] == "shop"
    assert cells["digest"] == datasets.digest_of(str(path))[:12]


def test_no_two_data_sets_are_called_alike():
    kinds = {
        "source": "toys", "split": "tail", "shuffled": True, "regenerated": "released",
        "with_validation": True, "pairs": "leaking", "stores": "known", "unordered": True,
    }  # fmt: skip
    assert {field.name for field in dataclasses.fields(Dataset)} == {*kinds, "reading"}
    for name, value in kinds.items():
        base = Dataset("omni-100" if name == "stores" else "beauty")
        other = base.but(**{name: value})
        assert data_cards.title(str(other)) != data_cards.title(str(base)), name
    folders = (root() / "book/results").glob("*/*/s*/spec.json")
    recorded = {json.loads(path.read_text())["dataset"] for path in folders}
    assert len({data_cards.title(name) for name in recorded}) == len(recorded) > 30


def test_a_sample_of_the_users_has_a_row_of_its_own(made):
    whole, part = made("sasrec", np.array([1, 2, 3])), made("dien", np.array([1, 2]))
    part.seeds[0].spec["training"]["test_users"] = 5
    for run in (part, whole):
        run.seeds[0].card["data_digest"] = "0123456789abcdef"
        run.seeds[0].__dict__["exposure"] = pd.DataFrame({"item": range(7)})
    found = data_cards.questions([part, whole])
    assert found["questions"].to_dict() == {"Beauty (2 users asked)": 2, "Beauty": 3}


def test_a_data_set_is_asked_once_however_many_models_answer(made):
    one, other = made("popular", np.array([1, 2, 3])), made("sasrec", np.array([3, 2, 1]))
    for run in (one, other):
        run.seeds[0].card["data_digest"] = "0123456789abcdef"
        run.seeds[0].__dict__["exposure"] = pd.DataFrame({"item": range(7)})
    found = data_cards.questions([one, other])
    assert found.index.tolist() == ["Beauty"]
    assert found.loc["Beauty"].tolist() == [3, 3, 7, 1.0, 0.0, "0123456789ab"]
