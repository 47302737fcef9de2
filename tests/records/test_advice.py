"""Whoever trains on a log of their own is told of ties and repeats, once, and of the control."""

import logging

import pandas as pd
import pytest

from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.splits import leave_last_out, tail
from seqrec_lib.records import advice
from seqrec_lib.records.recipes import RECIPES, published


@pytest.fixture
def said(caplog):
    """``said(dataset)``: what is said of a data set."""

    def ask(dataset):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "seqrec_lib.records.advice"):
            advice.advise(Dataset.parse(str(dataset)))
        return caplog.text

    return ask


@pytest.fixture
def shop(tmp_path):
    """``shop(tied, repeated)``: 100 users of six events; so many end in a tie, repeat an item."""

    def write(tied, repeated):
        rows = []
        for user in range(100):
            items = [user, user + 1, user + 2, user + 3, user + 4, user + 5]
            times = [1_600_000_000 + 60 * step for step in range(6)]
            times[5] -= 60 * (user < tied)
            items[4] = items[0] if user < repeated else items[4]
            rows += [(user, *pair) for pair in zip(items, times, strict=True)]
        path = tmp_path / f"shop-{tied}-{repeated}.csv"
        pd.DataFrame(rows, columns=["user", "item", "time"]).to_csv(path, index=False)
        return path

    return write


def test_who_reads_less_than_there_is_is_told(log_of, caplog):
    log = log_of(list(range(1, 61)), [1, 2, 3, 4])
    split = leave_last_out(log)
    advice.advise_length("eta", 50, 50, log, split)
    assert "eta reads the last 50 events of a history; before 50% of the test events" in caplog.text
    assert "more, up to 59; its search finds as many, so that it leaves none out" in caplog.text
    caplog.clear()
    advice.advise_length("sasrec", 50, None, log, split)
    assert "up to 59" in caplog.text and "search" not in caplog.text
    caplog.clear()
    advice.advise_length("sasrec", 59, None, log, split)
    assert not caplog.text


def test_a_user_who_speaks_for_all_is_told(log_of, caplog):
    busy = log_of(list(range(1, 101)), *([1, 2, 3, 4, 5],) * 20)
    advice.advise_average(busy, tail(busy))
    assert "means over 40 questions of 21 users, and one user has 50% of them" in caplog.text
    caplog.clear()
    advice.advise_average(busy, leave_last_out(busy))
    assert not caplog.text


def test_ties_of_the_test_events_are_told_once_with_the_control(said, shop):
    path = shop(tied=2, repeated=0)
    text = said(path)
    assert "2.0% of the test events have the time of the event before" in text
    assert f"it is the data set '{path}?shuffled'" in text
    assert said(path) == "" and said(f"{path}?shuffled") == ""


def test_few_ties_and_few_repeats_are_not_worth_a_word(said, shop):
    path = shop(tied=1, repeated=10)
    assert said(path) == ""
    assert published(str(path), "sasrec", [0])[0].training.select == "masked"


def test_a_log_with_many_repeats_is_selected_with_earlier_items_left_in(said, shop):
    path = shop(tied=0, repeated=11)
    assert "11.0% of the validation events repeat an item" in said(path)
    for dataset in (path, f"{path}?with_validation", f"{path}?pairs"):
        (spec,) = published(str(dataset), "sasrec", [0])
        assert spec.as_dict()["training"]["select"] == "unmasked"  # and so on its card


def test_of_what_the_book_studies_nothing_is_said_and_recipes_stay(said):
    assert said("simulated") == ""
    assert published("simulated", "sasrec", [0])[0].training == RECIPES["sasrec"][2]


def test_of_a_log_with_stores_the_control_is_offered_too(said, tmp_path):
    days = [1_600_000_000 // 86_400 * 86_400 + 86_400 * (step // 2) for step in range(6)]
    rows = [(user, user + step, days[step]) for user in range(100) for step in range(6)]
    table = pd.DataFrame(rows, columns=["user", "item", "time"]).assign(channel="online")
    store = table[::6].assign(channel="store")
    table = pd.concat([table, store]).sort_values(["user", "time"], kind="stable")
    table = table.assign(known=table["time"], basket=-1)
    path = tmp_path / "two.csv"
    table.to_csv(path, index=False)
    dataset = f"{path}?drop_duplicates&stores=known"
    assert f"it is the data set '{dataset}&shuffled'" in said(dataset)
    assert said(f"{dataset}&shuffled") == ""
