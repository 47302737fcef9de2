import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets
from seqrec_lib.data.simulator import small_world
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.records import __main__ as command
from seqrec_lib.records import golden, provenance, runs, standing, store
from seqrec_lib.records.__main__ import main
from seqrec_lib.records.recipes import RECIPES
from seqrec_lib.records.standing import by_lot
from seqrec_lib.records.store import RESULTS
from seqrec_lib.training.settings import Training

PUBLISHED = ("--results", RESULTS)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """How often a model was trained, in a project's folder of its own with two quick runs."""
    training = Training(epochs=2, batch_size=128, max_len=20, precision="fp32")
    for module in (runs, standing, provenance, command):
        monkeypatch.setattr(module, "root", lambda: tmp_path)
    monkeypatch.setitem(RECIPES, "list", ("popular", Popular.Config(), training))
    monkeypatch.setitem(RECIPES, "attention", ("sasrec", SASRec.Config(8, 16, 1), training))
    seen, fit = [], runs.fit
    monkeypatch.setattr(runs, "fit", lambda *given: seen.append(1) or fit(*given))
    return seen


def test_the_command_line_trains_what_has_no_record_and_shows_the_figures(trained, capsys):
    how = ["train", "simulated", "list", "attention", "--seeds", "0", "1", "--epochs", "1"]
    main(how)
    shown = capsys.readouterr().out
    for run in ("list s0", "attention s0", "attention s1"):
        for protocol in ("masked", "unmasked"):
            assert f"simulated {run} {protocol}: HR@10 0." in shown
    assert len(trained) == 3  # two seeds of one model, and one of the model that counts
    main(how)
    assert len(trained) == 3 and capsys.readouterr().out == shown
    main([*how, "--retrain"])
    assert len(trained) > 5 and " -> " in capsys.readouterr().out


def test_who_asks_for_a_record_without_its_model_is_told_how_to_get_that(trained, capsys):
    how = ["train", "simulated", "list"]
    main(how)
    *_, told = capsys.readouterr().out.split()
    Path(told).unlink()  # as of a record that is committed
    main(how)
    assert "its model is not kept with the record; --retrain makes it" in capsys.readouterr().out
    main([*how, "--retrain"])
    assert f"its model: {told}" in capsys.readouterr().out and len(trained) == 2


def test_the_command_line_lists_the_records_that_do_not_stand_and_fails(
    trained, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(golden, "run_all", lambda names: {})
    main(["train", "simulated", "list", "attention", *PUBLISHED])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["stale"])
    assert ended.value.code == 0 and capsys.readouterr().out == ""
    folder = tmp_path / "book/results/simulated/attention/s0"
    card = json.loads((folder / "card.json").read_text())
    card["summary"]["masked"]["NDCG@10"] += 1e-6
    (folder / "card.json").write_text(json.dumps(card | {"data_digest": "0" * 64}))
    (examples,) = folder.parents[1].glob("examples-*.parquet")
    shutil.copy(examples, examples.with_name("examples-00000000.parquet"))  # named by the digest
    with pytest.raises(SystemExit) as ended:
        main(["stale"])
    (line,) = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1
    assert line.startswith("book/results/simulated/attention/s0: data (digest 00000000 stored, ")
    assert line.endswith("today); its card does not tell what its ranks give")


def test_records_that_cannot_be_read_are_listed_with_the_rest(
    trained, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(golden, "run_all", lambda names: {})
    main(["train", "simulated", "list", "attention", "--seeds", "0", "1", "2", *PUBLISHED])
    capsys.readouterr()
    place = tmp_path / "book/results/simulated"
    (place / "attention/s0/history.csv").unlink()
    (place / "attention/s1/spec.json").write_text("{")
    spec = json.loads((place / "attention/s2/spec.json").read_text())
    (place / "attention/s2/spec.json").write_text(json.dumps(spec | {"name": "withdrawn"}))
    (examples,) = place.glob("examples-*.parquet")
    examples.unlink()
    with pytest.raises(SystemExit) as ended:
        main(["stale"])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1 and [line.split(": ")[0] for line in lines] == [
        f"book/results/simulated/{run}"
        for run in ("attention/s0", "attention/s1", "attention/s2", "list/s0")
    ]
    words = ("history.csv is missing", "spec.json", "'withdrawn' is not published", "examples-")
    assert all(word in line for word, line in zip(words, lines, strict=True))


def test_the_command_line_makes_a_record_again_and_fails_if_it_is_another(
    trained, tmp_path, capsys
):
    main(["train", "simulated", "attention", *PUBLISHED])
    record = "book/results/simulated/attention/s0"
    with pytest.raises(SystemExit) as ended:
        main(["remake", record])
    shown = capsys.readouterr().out
    assert ended.value.code == 0 and "tolerance" in shown and shown.count("True") == 4
    card = json.loads((tmp_path / record / "card.json").read_text())
    card["summary"]["masked"]["HR@10"] += 0.1
    (tmp_path / record / "card.json").write_text(json.dumps(card))
    with pytest.raises(SystemExit) as ended:
        main(["remake", record])
    assert ended.value.code == 1 and "False" in capsys.readouterr().out


def test_a_record_that_a_lot_draws_is_made_again(trained, tmp_path, capsys):
    main(["train", "simulated", "attention", "list", "--seeds", "0", "1", *PUBLISHED])
    cards = sorted(tmp_path.glob("book/results/simulated/*/s*/card.json"))
    drawn = {by_lot(lot, 60) for lot in range(40)}
    assert drawn == {str(card.parent.relative_to(tmp_path)) for card in cards} and len(cards) == 3
    assert by_lot(7, 60) == by_lot(7, 60)
    for card in cards[1:]:
        told = json.loads(card.read_text()) | {"total_seconds": 61.0, "scoring_seconds": 0.0}
        card.write_text(json.dumps(told))
    with pytest.raises(SystemExit) as ended:
        main(["remake", "--lot", "7", "--minutes", "1"])
    shown = capsys.readouterr().out
    record = str(cards[0].parent.relative_to(tmp_path))
    assert ended.value.code == 0 and f"{record} is made again" in shown


def test_a_lot_without_records_and_no_record_at_all_are_refused_in_words(trained):
    with pytest.raises(SystemExit, match=r"no record in .* give more minutes, or fetch the data"):
        main(["remake", "--lot", "7"])
    for wrong in ([], ["book/results/simulated/list/s0", "--lot", "7"]):
        with pytest.raises(SystemExit, match="say which record is to be made again"):
            main(["remake", *wrong])


def test_records_of_a_gpu_and_of_data_that_are_not_at_hand_are_not_drawn(trained, monkeypatch):
    main(["train", "simulated", "list", *PUBLISHED])
    assert by_lot(0, 60).endswith("list/s0")
    (card,) = (standing.root() / RESULTS).glob("simulated/list/s0/card.json")
    plain = card.read_text()
    card.write_text(json.dumps(json.loads(plain) | {"device": "NVIDIA H100"}))
    with pytest.raises(ValueError, match="on a processor"):
        by_lot(0, 60)
    card.write_text(plain)
    monkeypatch.setattr(datasets, "at_hand", lambda name: False)
    with pytest.raises(ValueError, match="of data that are at hand"):
        by_lot(0, 60)


def test_an_unknown_command_ends_with_the_usage(capsys):
    with pytest.raises(SystemExit):
        main(["trian"])
    assert "usage: python -m seqrec_lib.records" in capsys.readouterr().err


def test_a_log_of_ones_own_is_trained_with_the_options_of_events_read(
    trained, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    world = small_world(num_users=30).rename(columns={"user": "customer"})
    world = world.assign(time=world["time"] * 1000).sort_values("item")
    world.to_csv("tecd-shop.csv", index=False, sep=";")
    how = ["--columns", "user=customer", "--unit", "ms", "--sort", "--separator", ";"]
    main(["train", "tecd-shop.csv", "list", *how, "--split", "tail", "--fewest", "7"])
    assert "tecd-shop-tail list s0 masked: HR@10 0." in capsys.readouterr().out
    (spec,) = tmp_path.glob("**/tecd-shop-tail-*/list/s0/spec.json")
    spelled = "columns=user:customer&unit=ms&sort&separator=;&fewest=7&split=tail"
    assert json.loads(spec.read_text())["dataset"] == f"{tmp_path}/tecd-shop.csv?{spelled}"
    main(["train", f"tecd-shop.csv?{spelled}", "list"])
    assert len(trained) == 1  # one data set, however it is said


@pytest.mark.parametrize(
    "how", [("--columns", "item=a", "item=b"), ("--columns", "item=a", "--columns", "item=b")]
)
def test_a_column_that_is_named_twice_is_refused(trained, capsys, how):
    with pytest.raises(SystemExit):
        main(["train", "shop.csv", "list", *how])
    assert "--columns: 'item' is given twice, as 'a' and 'b'" in capsys.readouterr().err


def test_a_log_that_cannot_be_read_ends_in_a_sentence(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for dataset, words in (
        ("lgo.csv", f"no such file .from {tmp_path}."),
        ("beuaty", "no data set"),
    ):
        with pytest.raises(SystemExit, match=words):
            main(["train", dataset, "list"])


@pytest.mark.parametrize(
    ("names", "more", "words"),
    [
        (("list", "sim-hard"), (), "sim-hard reads attributes of items, and simulated has none"),
        (("list",), ("--epochs", "0"), "--epochs is 0; use 1 or more passes"),
        (("list",), ("--seeds", "0", "4294967296"), "use whole numbers from 0 to 2.32 - 1"),
        (("list",), ("--seeds", "9" * 20), "use whole numbers from 0"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(trained, names, more, words):
    with pytest.raises(SystemExit, match=words):
        main(["train", "simulated", *names, *more])
    assert not trained


def brought(path, users, events, items):
    """A log of so many users, each with so many events, of so many items in turn."""
    user, step = np.divmod(np.arange(users * events), events)
    table = {"user": user, "item": (user + step) % items, "time": 86_400 * step + 1_600_000_000}
    pd.DataFrame(table).to_csv(path, index=False)


def test_a_log_of_users_of_three_events_is_refused_before_anything_is_trained(
    trained, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    brought("shop.csv", users=30, events=6, items=9)
    brought("three.csv", users=30, events=3, items=9)
    for how in (("three.csv",), ("shop.csv", "--most", "3")):
        words = "attention learns from events that come after others .* has none: bring users of"
        with pytest.raises(SystemExit, match=words):
            main(["train", how[0], "list", "attention", *how[1:]])
        assert not trained
        with pytest.raises(ValueError, match=words):
            runs.run("?most=".join((how[0], *how[2:])), "attention")
    main(["train", "three.csv", "list"])  # it only counts
    main(["train", "shop.csv", "attention", "--most", "4"])
    assert len(trained) == 2


def test_a_log_of_one_item_is_refused_before_anything_is_trained(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    brought("one.csv", users=20, events=6, items=1)
    with pytest.raises(SystemExit, match="attention learns to tell items apart, and .* has one"):
        main(["train", "one.csv", "list", "attention"])
    assert not trained
    main(["train", "one.csv", "list"])


def test_a_column_that_a_model_reads_is_asked_for_before_anything_is_trained(
    trained, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    brought("shop.csv", users=20, events=6, items=9)
    with pytest.raises(SystemExit, match="the model reads the basket of events, and this log"):
        main(["train", "shop.csv", "list", "sasrec-avge"])
    assert not trained


def test_in_a_small_shop_what_was_had_is_no_hit_where_it_is_taken_out(
    trained, tmp_path, monkeypatch, capsys
):
    """Of eight items; and of three, where everybody has had all of them and no list is left."""
    monkeypatch.chdir(tmp_path)
    for name, items in (("eight", 8), ("three", 3)):
        user, step = np.divmod(np.arange(160), 8)
        item = np.where(step < 3, step, (user + step) % items)
        table = pd.DataFrame({"user": user, "item": item, "time": 60 * step + 1_600_000_000})
        table.to_csv(f"{name}.csv", index=False)
        main(["train", f"{name}.csv", "list"])
        (path,) = tmp_path.glob(f"**/{name}-*/list/s0")
        record = store.load(path)
        repeat = record.ranks["repeat"]
        assert repeat.any() and (record.ranks["rank_masked"][repeat] > 100).all()
        shown = capsys.readouterr().out
        assert f"masked: HR@10 {1 - repeat.mean():.4f}" in shown and "unmasked: HR@10 1.0" in shown
    assert record.card["coverage@10"] == {"masked": 0.0, "unmasked": 1.0}


def test_stale_repeats_nothing_that_was_told_when_a_log_was_read(trained, monkeypatch, caplog):
    reader = logging.getLogger("seqrec_lib.data.channels")
    main(["train", "simulated", "list", *PUBLISHED])
    monkeypatch.setattr("seqrec_lib.records.__main__.stale", lambda _: reader.warning("once") or [])
    with pytest.raises(SystemExit):
        main(["stale"])
    assert "once" not in caplog.text
    reader.warning("later")
    assert "later" in caplog.text
