"""Lists by raw ids: what the model is asked, what is left out, and what is said about it."""

import dataclasses
import logging
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data import events
from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.hybrid.registry import SET_1, FeatureSet, RegistryError
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.models.rankers.transact import TransAct
from seqrec_lib.records.model_file import save_model, stored_spec
from seqrec_lib.records.settings import plain
from seqrec_lib.serving.recommend import main, recommend
from seqrec_lib.training.settings import Training

LENGTH = 5  # of the histories that the models of conftest.py read


@pytest.mark.parametrize("name", ["sasrec", "gru", "markov", "popular"])
@pytest.mark.parametrize("protocol", ["masked", "unmasked"])
def test_lists_are_the_best_of_the_scores_by_hand(kept, table, name, protocol):
    path, model, log = kept(name)
    found = recommend(path, table, k=7, protocol=protocol)
    assert len(found) == 7 * log.num_users and found.columns.tolist() == [
        "user", "rank", "item", "score"
    ]  # fmt: skip
    for user in range(0, log.num_users, 13):
        own = log.item[log.offsets[user] : log.offsets[user + 1]].astype(np.int64)
        with torch.no_grad():
            scores = model.score_all(Batch(torch.from_numpy(own[-LENGTH:][None]))).clone()[0]
        if protocol == "masked":
            scores[own] = -torch.inf
        mine = found[found["user"] == log.users[user]]
        assert mine["rank"].tolist() == list(range(1, 8))
        np.testing.assert_allclose(mine["score"], scores.topk(7).values, rtol=1e-5, atol=1e-6)
        chosen = torch.from_numpy(np.searchsorted(log.items, mine["item"]) + 1)
        np.testing.assert_allclose(mine["score"], scores[chosen], rtol=1e-5, atol=1e-6)
        if protocol == "masked":
            assert not set(mine["item"]) & set(log.items[own - 1])


def test_only_as_many_events_are_read_as_the_model_was_trained_on(kept):
    path, _, log = kept("sasrec")
    last = log.items[:LENGTH].tolist()
    long = log.items[10:25].tolist() + last
    both = recommend(path, {"long": long, "short": last}, k=30, protocol="unmasked")
    long, short = (both[both["user"] == user] for user in ("long", "short"))
    assert long["item"].tolist() == short["item"].tolist()


def test_a_list_is_shorter_where_nothing_more_is_left(kept):
    path, _, log = kept("markov")
    found = recommend(path, {1: log.items[:-2].tolist()}, k=50)
    assert found["item"].isin(log.items[-2:]).all() and 0 < len(found) <= 2


@pytest.mark.parametrize("text", [False, True])
def test_unknown_items_are_named_and_passed_over(kept, text, caplog):
    path, _, log = kept("sasrec", text)
    one, other = log.items[:2].tolist()
    with caplog.at_level(logging.WARNING):
        found = recommend(
            path, {"a": [one, "unheard of", other], "b": ["never"], "c": [one, other]}
        )
    assert "2 items are not among" in caplog.text and "'unheard of'" in caplog.text
    assert "1 users have no item that the model knows" in caplog.text and "'b'" in caplog.text
    lists = found.groupby("user")["item"].agg(list)
    assert set(lists.index) == {"a", "c"} and lists["a"] == lists["c"]
    as_text = recommend(path, {"a": [str(one), str(other)]})
    assert as_text["item"].tolist() == lists["a"]
    with pytest.raises(ValueError, match="no history has an item that the model knows; its items"):
        recommend(path, {"b": ["never"]})
    with pytest.raises(ValueError, match="there are no histories"):
        recommend(path, {})


def test_actions_that_the_model_does_not_know_are_named_and_never_all_there_is(
    table, tmp_path, caplog
):
    table = table.assign(action=np.where(table["item"] % 3, "view", "buy"))
    log = EventLog.build(table)
    model = TransAct(Catalogue.learned(log, leave_last_out(log).train), TransAct.Config())
    training = dataclasses.asdict(Training(max_len=LENGTH))
    spec = {"model": "transact", "config": plain(model.config), "training": training}
    save_model(model, spec, log.items, path := tmp_path / "transact.safetensors")
    expected = recommend(path, table, k=5)
    assert not caplog.text
    some = table.assign(action=table["action"].where(table["user"] > 3, "VIEW"))
    found = recommend(path, some, k=5)
    assert "1 actions are not among those that the model learned from" in caplog.text
    assert "'VIEW'" in caplog.text and not found.equals(expected)
    with pytest.raises(ValueError, match="no action is one that .* 'buy', 'view', .* are 'VIEW'"):
        recommend(path, table.assign(action="VIEW"), k=5)
    caplog.clear()
    recommend(path, table.assign(channel="web"), k=5)  # nothing that it reads
    assert not caplog.text


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"k": 0}, "k is 0"),
        ({"protocol": "M"}, "'masked' or 'unmasked'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(kept, how, words):
    with pytest.raises(ValueError, match=words):
        recommend(kept("popular")[0], {1: [101]}, **how)


def test_a_text_is_no_list_of_items(kept):
    with pytest.raises(ValueError, match="the items of 'ann' are one text; pass a list"):
        recommend(kept("popular")[0], {"ann": "101", "bob": [101]})


@pytest.mark.parametrize(
    ("histories", "k", "words"),
    [
        ("{1: [101]}", "'10'", "k is '10'; ask for one item or more, a whole number"),
        ("{1: [101]}", "2.5", "k is 2.5"),
        ("[101, 102]", "3", "histories are a list; pass a table of events, or a dictionary"),
    ],
)
def test_other_types_are_refused_in_words(kept, histories, k, words):
    """In a process of its own: here, where types are checked, they do not come so far."""
    lines = (
        "from seqrec_lib.serving.recommend import recommend",
        f"recommend({str(kept('popular')[0])!r}, {histories}, k={k})",
    )
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert f"ValueError: {words}" in ended.stderr


def test_who_gets_no_list_is_named(kept, caplog):
    path, _, log = kept("markov")
    every, some = log.items.tolist(), log.items[:3].tolist()
    with caplog.at_level(logging.WARNING):
        found = recommend(path, {"all": every, "none": [], "few": some}, k=3)
    assert found["user"].unique().tolist() == ["few"]
    assert "1 users have no events; they get no list: 'none'" in caplog.text
    assert "1 users have had every item; nothing is left for them: 'all'" in caplog.text
    caplog.clear()
    assert len(recommend(path, {"all": every}, k=3, protocol="unmasked")) == 3 and not caplog.text


def test_a_table_out_of_order_is_sorted_if_asked_to(kept):
    path, _, log = kept("markov")
    table = pd.DataFrame({"user": [2, 1, 2], "item": log.items[:3], "time": [5, 6, 7]})
    with pytest.raises(ValueError, match="sort=True"):
        recommend(path, table, k=3)
    found = recommend(path, table, k=3, sort=True)
    assert found.equals(recommend(path, table.sort_values(["user", "time"]), k=3))


def test_a_model_of_baskets_reads_those_of_the_table(kept, table):
    path, _, log = kept("store-encoder")
    table = table.assign(basket=table["time"] // 172_800)
    found = recommend(path, table, k=5, protocol="unmasked")
    alone = recommend(path, table.assign(basket=-1), k=5, protocol="unmasked")
    assert (found["score"] != alone["score"]).any()
    # in which order a closed basket stands changes nothing
    user = table[table["user"] == log.users[0]]
    whole = user[user["basket"] < user["basket"].max()]
    turned = whole.sort_values(["basket", "time"], ascending=[True, False])
    turned = turned.assign(time=whole["time"].to_numpy())
    whole, turned = (one.groupby("basket").tail(2).tail(4) for one in (whole, turned))
    lists = [recommend(path, one, k=5, protocol="unmasked")["item"] for one in (whole, turned)]
    assert lists[0].tolist() == lists[1].tolist()


def test_items_without_their_events_are_refused_where_the_model_reads_those(kept):
    with pytest.raises(ValueError, match="the model reads basket of each event: pass a table"):
        recommend(kept("store-encoder")[0], {1: [101]})


@pytest.mark.parametrize("end", [".csv", ".parquet"])
def test_the_command_line_reads_a_log_and_writes_lists(kept, table, tmp_path, end, capsys):
    path, _, _ = kept("gru")
    theirs = table.rename(columns={"user": "customer", "time": "at"}).sample(frac=1, random_state=0)
    theirs.to_csv(tmp_path / "new.csv", index=False, sep=";")
    lists = tmp_path / f"lists{end}"
    how = ["--columns", "user=customer", "time=at", "--separator", ";", "--sort", "--k", "3"]
    main([str(path), str(tmp_path / "new.csv"), str(lists), *how])
    read = pd.read_csv if end == ".csv" else pd.read_parquet
    expected = recommend(path, table, k=3)
    pd.testing.assert_frame_equal(read(lists), expected, check_dtype=False)
    assert "60 users, 180 rows" in capsys.readouterr().out


def test_the_command_line_ends_in_a_sentence(kept, table, tmp_path):
    path, _, _ = kept("gru")
    log, out = tmp_path / "new.csv", str(tmp_path / "lists.csv")
    table.to_csv(log, index=False, sep=";")
    for arguments, words in (
        ([str(path), str(log), out], "separator"),
        (
            [str(tmp_path / "no.safetensors"), str(log), out, "--separator", ";"],
            "no such model file",
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert words in str(ended.value) and "\n" not in str(ended.value)
    for wrong in (["--columns", "user"], ["--unit", "hours"]):
        with pytest.raises(SystemExit):
            main([str(path), str(log), out, *wrong])
    with pytest.raises(SystemExit):
        main([str(path), str(log), str(tmp_path / "lists.xlsx")])


@pytest.mark.parametrize("protocol", ["masked", "unmasked"])
def test_most_bounds_what_is_read_and_not_what_a_user_had(kept, table, tmp_path, protocol):
    path, _, log = kept("sasrec")
    table.to_csv(tmp_path / "new.csv", index=False)
    how = ["--k", "60", "--protocol", protocol, "--most", "2"]
    main([str(path), str(tmp_path / "new.csv"), str(tmp_path / "lists.csv"), *how])
    found = pd.read_csv(tmp_path / "lists.csv")
    of_two = recommend(path, events.bounded(table, most=2), k=90, protocol="unmasked")
    for user, own in table.groupby("user")["item"]:
        had = own if protocol == "masked" else []
        expected = of_two[(of_two["user"] == user) & ~of_two["item"].isin(had)]["item"][:60]
        assert found["item"][found["user"] == user].tolist() == expected.tolist()
    with pytest.raises(ValueError, match="most is 0; let the model read one event or more"):
        recommend(path, table, most=0)


@pytest.mark.parametrize("way", ["itself", "a detour", "a symlink", "a hard link", "the model"])
def test_lists_are_not_written_over_what_they_are_made_from(kept, table, tmp_path, way):
    model = tmp_path / "gru.safetensors.csv"
    model.write_bytes(kept("gru")[0].read_bytes())
    log, out = tmp_path / "mine.csv", tmp_path / "lists.csv"
    table.to_csv(log, index=False)
    if way == "a symlink":
        out.symlink_to(log)
    elif way == "a hard link":
        out.hardlink_to(log)
    else:
        (tmp_path / "sub").mkdir()
        others = {"itself": log, "a detour": tmp_path / "sub" / ".." / "mine.csv"}
        out = others.get(way, model)
    before = log.read_bytes(), model.read_bytes()
    with pytest.raises(SystemExit, match="is the same file as .*: write the lists somewhere else"):
        main([str(model), str(log), str(out)])
    assert (log.read_bytes(), model.read_bytes()) == before


def test_lists_are_not_written_among_the_parts_of_a_log(kept, table, tmp_path):
    folder = tmp_path / "orders"
    folder.mkdir()
    table.to_csv(folder / "part-0.csv", index=False)
    with pytest.raises(SystemExit, match="lists.csv is in .*orders, which is read"):
        main([str(kept("gru")[0]), str(folder), str(folder / "lists.csv")])
    assert [one.name for one in folder.iterdir()] == ["part-0.csv"]
    main([str(kept("gru")[0]), str(folder), str(tmp_path / "lists.csv")])
    assert (tmp_path / "lists.csv").exists()


def test_a_model_is_served_with_the_features_that_it_learned_from_alone(table, kept, tmp_path):
    path, model, log = kept("markov")
    with pytest.raises(ValueError, match="does not say by which features it is served"):
        recommend(path, table, features=SET_1)
    named = tmp_path / "named.safetensors"
    save_model(model, stored_spec(path), log.items, named, {"features": SET_1.digest()})
    expected = recommend(path, table)
    pd.testing.assert_frame_equal(recommend(named, table, features=SET_1), expected)
    other = FeatureSet(SET_1.features[1:])
    with pytest.raises(RegistryError, match="serve it with its own features, or train it again"):
        recommend(named, table, features=other)
    other.save(tmp_path / "other.json")
    table.to_parquet(tmp_path / "new.parquet")
    words = [named, tmp_path / "new.parquet", tmp_path / "lists.csv", "--features"]
    with pytest.raises(SystemExit, match="serve it with its own features"):
        main([*map(str, words), str(tmp_path / "other.json")])
    main([*map(str, words[:3])])
