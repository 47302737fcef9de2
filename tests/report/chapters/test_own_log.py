"""A shop's export with everything wrong, what is said of it, and the commands of its chapter."""

import logging
import re
import shlex
import subprocess
import sys

import chapters
import nbformat
import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import events, splits
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.options import READING
from seqrec_lib.report.chapters import own_log
from seqrec_lib.report.parameters import ParameterError

ANSWERS = {
    "separator": ";",
    "columns": {"user": "customer", "item": "sku", "time": "bought_at"},
    "quotes": False,
    "unit": "ms",
    "sort": True,
    "drop_duplicates": True,
    "fewest": 3,
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return own_log.export(tmp_path_factory.mktemp("shop") / "shop.csv")


def test_the_export_is_the_same_bytes_every_time(shop, tmp_path):
    assert own_log.export(tmp_path / "again.csv").read_bytes() == shop.read_bytes()


def test_every_refusal_names_its_answer(shop):
    found = own_log.refusals(shop, ANSWERS)
    assert len(found) == len(ANSWERS)
    for said, answer in found.itertuples(index=False):
        assert answer.partition("=")[0] + "=" in said
        assert str(shop.parent) not in said
    assert found["the answer"].tolist()[0] == "separator=';'"


def test_an_answer_to_nothing_has_an_empty_cell_and_a_refusal_that_is_left_is_raised(tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"{user},{item},{item}" for user in "ab" for item in (1, 2, 3)]
    path.write_text("\n".join(["user,item,time", *rows, ""]))
    found = own_log.refusals(path, {"sort": True})
    assert found["what is said of the file"].isna().tolist() == [True]
    assert own_log.refusals(path, {}).empty
    path.write_text("user,item,time\na,1,1\n")
    with pytest.raises(ValueError, match="needs three events a user"):
        own_log.refusals(path, {"sort": True})


def test_the_account_balances(shop):
    with own_log.heard():
        rows = own_log.account(shop, ANSWERS)["rows"]
        read = events.read(shop, **ANSWERS)
    whole, twice, few, kept = rows
    assert whole == len(shop.read_text().splitlines()) - 1 == twice + few + kept
    assert (twice, kept) == (own_log.TWICE, len(read)) and few > 0


def test_the_account_of_a_plain_file_leaves_nothing_out(tmp_path):
    path = tmp_path / "log.parquet"
    pd.DataFrame({"user": [1, 1], "item": [3, 4], "time": [5, 6]}).to_parquet(path)
    assert own_log.account(path, {})["rows"].tolist() == [2, 0, 0, 2]


def test_a_file_is_read_as_it_was_asked_for_and_our_own_data_sets_are_refused(shop, tmp_path):
    text = f"{shop}?unit=ms&split=time&separator=;"
    own = own_log.brought(text, {}, "build/results", tmp_path)
    assert own.path == shop and own.dataset.split == "time" and own.results == "build/results"
    assert list(own.answers.items()) == [("separator", ";"), ("unit", "ms")]
    with pytest.raises(ParameterError, match="this chapter reads a file"):
        own_log.brought("beauty", {}, "build/results", tmp_path)


def test_every_option_has_its_place_in_the_order():
    assert set(own_log.ORDER) == set(READING) and len(own_log.ORDER) == len(READING)


def test_what_the_chapter_makes_and_trains_stays_in_its_folder(tmp_path):
    own = own_log.brought("simulated", ANSWERS, "build/results", tmp_path)
    assert own.path.parent == tmp_path and own.results == tmp_path / "results"
    assert dict(own.dataset.reading).keys() == ANSWERS.keys()


def test_the_first_lines_of_text_and_the_columns_of_what_is_none(shop, tmp_path):
    assert own_log.first_lines(shop, 1) == "customer;sku;bought_at;note\n"
    pd.DataFrame({"user": [1], "item": [3]}).to_parquet(tmp_path / "log.parquet")
    assert own_log.first_lines(tmp_path / "log.parquet") == "log.parquet: columns user, item"


def test_warnings_are_gathered_and_everything_is_as_before_after_them():
    ours = logging.getLogger("seqrec_lib")
    before = list(ours.handlers), ours.propagate
    with pytest.raises(KeyError), own_log.heard() as said:
        logging.getLogger("seqrec_lib.data.events").warning("left out: %d users", 2)
        raise KeyError
    assert said == ["left out: 2 users"] and (ours.handlers, ours.propagate) == before
    assert own_log.words([*said, *said])["words"].tolist() == said
    assert own_log.words([])["words"].tolist() == ["nothing"]


def test_the_customer_has_a_history_to_show():
    table = pd.DataFrame({"user": np.repeat(["a", "b", "c"], [2, 12, 15])})
    assert own_log.customer(table) == "b"
    assert own_log.customer(table[:5]) == "b"
    assert own_log.customer(table[:3]) == "a"


def test_parts_add_up_to_the_events(log_of):
    log = log_of([1, 2, 1, 3], [2, 1, 3])
    found = own_log.parts(log, splits.leave_last_out(log))["number"]
    three = found[["events that train", "events that validate", "events that test"]]
    assert three.tolist() == [3, 2, 2] and found["customers"] == 2
    assert found["events that repeat an article, %"] == round(100 / 7, 1)


def test_lists_stand_beside_the_latest_events():
    history = pd.DataFrame({"item": ["x", "y"]})
    one = pd.DataFrame({"rank": [1, 2, 3], "item": ["a", "b", "c"]})
    found = own_log.beside(history, {"masked": one, "unmasked": one[::-1]})
    assert found["bought last"].tolist()[:2] == ["y", "x"] and pd.isna(found["bought last"][3])
    assert found.iloc[0, 1:].tolist() == ["a", "c"]


@pytest.mark.slow
def test_the_commands_of_the_chapter_run(shop, tmp_path):
    """Word for word, but for the interpreter's name and fewer passes."""
    notebook = nbformat.read(chapters.NOTEBOOKS / "20_your_own_log.ipynb", as_version=4)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    block = re.findall(r"```sh\n(.*?)```", prose, re.DOTALL)[-1].replace("\\\n", " ")
    commands = [line for line in block.splitlines() if line.strip()]
    assert len(commands) == 2
    (tmp_path / "shop.csv").write_bytes(shop.read_bytes())
    own = f"{tmp_path}/results"  # else it would be build/results
    train = commands[0].replace("--epochs 20", f"--epochs 1 --results {own}")
    for command in (train, commands[1].replace("build/results", own)):
        command = command.replace(".venv/bin/python", shlex.quote(sys.executable))
        done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
    lists = pd.read_csv(tmp_path / "lists.csv")
    with own_log.heard():
        log = EventLog.build(events.read(shop, **ANSWERS | {"fewest": 1}))
    assert lists["user"].nunique() == log.num_users
    assert (lists.groupby("user").size() == 10).all()
