import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data import datasets, files
from seqrec_lib.data.log import bucketed
from seqrec_lib.data.patterns import mine, mined
from seqrec_lib.models.regenerator import Regenerator
from seqrec_lib.records import store
from seqrec_lib.records.recipes import recipe
from seqrec_lib.studies import regeneration
from seqrec_lib.studies.regeneration import (
    Regeneration,
    contained,
    pairs,
    regenerate,
    rewritten,
    train,
)

CONFIG = Regenerator.Config(embed_dim=8, hidden_dim=16, num_layers=1, ways=2, dropout=0.1)
HOW = Regeneration(CONFIG, per_history=3, epochs=4, batch_size=64, learning_rate=1e-2)


@pytest.fixture
def project(tmp_path, monkeypatch):
    for module in (regeneration, files, store):
        monkeypatch.setattr(module, "root", lambda: tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(small_log, small_split):
    return train(small_log, small_split.train, HOW)


def test_the_patterns_of_a_history_stand_in_it_in_order_and_within_the_span():
    patterns = {(1, 2), (2, 1), (1, 3), (1, 2, 3), (1, 9), (4, 4)}
    assert contained(np.array([1, 2, 3]), patterns) == [(1, 2), (1, 2, 3), (1, 3)]
    assert contained(np.array([1, 5, 6, 7, 3]), patterns) == [(1, 3)]
    assert contained(np.array([1, 5, 6, 7, 8, 3]), patterns) == []
    assert contained(np.array([1]), patterns) == []


def test_a_history_is_paired_with_its_own_patterns_and_no_more_than_asked(small_log, small_split):
    found = pairs(small_log, small_split.train, HOW)
    patterns = {tuple(row[:-1]) for row in mine(small_log, small_split.train)}
    by_history = {}
    for history, pattern in found:
        own = tuple(pattern.tolist())
        assert own in patterns and own in contained(history.numpy(), {own})
        by_history.setdefault(id(history), []).append(own)
    counts = [len(own) for own in by_history.values()]
    assert max(counts) == 3 and all(len(set(own)) == len(own) for own in by_history.values())


def test_it_learns_and_twice_the_same(small_log, small_split, trained):
    model, rows = trained
    assert rows["epoch"].tolist() == [1, 2, 3, 4]
    assert rows["held_out"].iloc[-1] < rows["held_out"].iloc[0]
    again, same = train(small_log, small_split.train, HOW)
    assert same["loss"].tolist() == rows["loss"].tolist()
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert a.equal(b)


def test_the_weights_of_the_best_epoch_are_kept(small_log, small_split, monkeypatch):
    real, held_out, met = Regenerator.loss, [3.0, 1.0, 2.0, 1.5], []

    def scripted(model, *how):
        if model.training:
            return real(model, *how)
        weight = model.items.weight.detach().clone()
        if not met or not weight.equal(met[-1]):
            met.append(weight)
        return torch.tensor(held_out[len(met) - 1]), 1

    monkeypatch.setattr(Regenerator, "loss", scripted)
    model, rows = train(small_log, small_split.train, HOW)
    assert rows["held_out"].tolist() == held_out
    assert model.items.weight.equal(met[1]) and not met[1].equal(met[3])


def test_interrupted_it_goes_on_and_ends_the_same(
    small_log, small_split, trained, tmp_path, monkeypatch
):
    whole, rows = trained
    epochs, real = [], Regenerator.loss

    def stop(self, *given):
        epochs.append(1)
        if len(epochs) == 30:
            raise KeyboardInterrupt
        return real(self, *given)

    monkeypatch.setattr(Regenerator, "loss", stop)
    checkpoint = tmp_path / "checkpoints" / "one.pt"
    with pytest.raises(KeyboardInterrupt):
        train(small_log, small_split.train, HOW, checkpoint=checkpoint)
    assert checkpoint.exists()
    resumed, history = train(small_log, small_split.train, HOW, checkpoint=checkpoint)
    assert history["loss"].tolist() == rows["loss"].tolist()
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert a.equal(b)
    with pytest.raises(ValueError, match="of other settings; delete it or move it away"):
        other = dataclasses.replace(HOW, gamma=0.5)
        train(small_log, small_split.train, other, checkpoint=checkpoint)


def test_nothing_is_written_from_held_out_events(small_log, small_split, with_other_items):
    other = with_other_items(small_log, np.r_[small_split.valid, small_split.test])
    how = dataclasses.replace(HOW, epochs=1)
    tables = []
    for log in (small_log, other):
        model, _ = train(log, small_split.train, how)
        tables.append(rewritten(model, log, small_split.train, how))
    pd.testing.assert_frame_equal(*tables)


def test_what_is_written_is_told_once_a_history_and_has_two_items(small_log, small_split):
    model, _ = train(small_log, small_split.train, dataclasses.replace(HOW, epochs=10))
    table = rewritten(model, small_log, small_split.train, dataclasses.replace(HOW, gamma=0.0))
    assert table["sequence"].nunique() > 50
    told = table.groupby("sequence").agg({"item": tuple, "user": "first", "way": "nunique"})
    assert (told["item"].map(len) >= 2).all() and (told["way"] == 1).all()
    assert not told.duplicated(["item", "user"]).any()
    start, end = small_log.offsets[told["user"]], small_log.offsets[told["user"] + 1] - 2
    for items, a, b in zip(told["item"], start, end, strict=True):  # gamma 0: own items alone
        assert set(items) <= set(small_log.item[a:b].tolist())


def test_a_regenerated_data_set_adds_to_what_is_learned_and_to_nothing_else(project):
    log, split = datasets.load("simulated")
    written = regenerate("simulated", HOW)
    folder = project / "build/regenerated/simulated"
    card = json.loads((folder / "card.json").read_text())
    assert card["sequences"] == written["sequence"].nunique() > 0
    assert list((project / "build/checkpoints").iterdir()) == []
    more, parts = datasets.load("simulated-regenerated")
    np.testing.assert_array_equal(more.item[: len(log)], log.item)
    np.testing.assert_array_equal(more.item[len(log) :], written["item"])
    assert more.num_users == log.num_users + card["sequences"]
    told = written.drop_duplicates("sequence")["user"]
    np.testing.assert_array_equal(more.sources, [*range(log.num_users), *told])
    np.testing.assert_array_equal(parts.valid, split.valid)
    np.testing.assert_array_equal(parts.test, split.test)
    added = np.setdiff1d(parts.train, split.train)
    assert len(parts.train) == len(split.train) + len(written) and added.min() == len(log)
    assert len(more.windows(parts.train, 50)) > 0
    once, _ = datasets.load("simulated-regenerated-distinct")
    rows = {tuple(row): None for row in written.groupby("sequence")["item"].agg(tuple)}
    assert log.num_users + len(rows) == once.num_users < more.num_users
    found = np.split(once.item, once.offsets[1:-1])[log.num_users :]
    assert [tuple(one.tolist()) for one in found] == list(rows)  # in order, the first of each


def test_as_released_originals_stand_twice_and_patterns_beside_what_was_written(project):
    regenerate("simulated", dataclasses.replace(HOW, epochs=1))
    log, split = datasets.load("simulated")
    once, _ = datasets.load("simulated-regenerated-distinct")
    released, parts = datasets.load("simulated-regenerated-released")
    found = np.split(released.item, released.offsets[1:-1])
    users = np.unique(log.user_of(split.train))
    again = found[-len(users) :]
    for user, items in zip(users, again, strict=True):
        np.testing.assert_array_equal(
            items, log.item[split.train[log.user_of(split.train) == user]]
        )
    np.testing.assert_array_equal(released.sources[-len(users) :], users)
    patterns, owners = mined(log, split.train)
    added = found[once.num_users : -len(users)]
    whose = owners[:, 0]  # of two users the first, of more nobody
    np.testing.assert_array_equal(released.sources[once.num_users : -len(users)], whose)
    assert (whose >= 0).any()
    expected = np.split(patterns.item, patterns.offsets[1:-1])
    assert list(map(tuple, added)) == list(map(tuple, expected))
    assert len(parts.train) == len(split.train) + len(released) - len(log)
    np.testing.assert_array_equal(parts.valid, split.valid)


def test_what_was_written_from_other_data_is_refused(project, monkeypatch):
    with pytest.raises(FileNotFoundError, match="seqrec_lib.studies.regeneration simulated"):
        datasets.load("simulated-regenerated")
    regenerate("simulated", dataclasses.replace(HOW, epochs=1))
    monkeypatch.setattr(datasets, "digest_of", lambda *_: "other")
    datasets._load.cache_clear()
    with pytest.raises(ValueError, match="written from other data than today's simulated"):
        datasets.load("simulated-regenerated")


def test_given_vectors_are_where_it_starts(small_log, small_split):
    vectors = torch.randn(41, 8)
    how = dataclasses.replace(HOW, epochs=1, learning_rate=0.0)
    model, _ = train(small_log, small_split.train, how, vectors)
    assert model.items.weight[1:41].equal(vectors[1:])


def test_what_is_not_published_is_made_below_build_and_then_read(project, monkeypatch):
    calls = []
    monkeypatch.setattr(regeneration, "Regeneration", lambda: HOW)
    regenerate_for_real = regeneration.regenerate
    monkeypatch.setattr(
        regeneration,
        "regenerate",
        lambda *given, **more: (calls.append(given), regenerate_for_real(*given, HOW, **more)),
    )
    table, card = regeneration.record("simulated", start=None)
    assert calls == [("simulated",)] and card["sequences"] == table["sequence"].nunique()
    assert (project / "build" / "regenerated" / "simulated" / "sequences.parquet").exists()
    again, _ = regeneration.record("simulated", start=None)
    assert len(calls) == 1 and again.equals(table)
    log, split = datasets.load("simulated-regenerated")
    assert log.num_users == 400 + card["sequences"]


@pytest.mark.skipif(files.find("amazon/beauty.parquet") is None, reason="needs the real files")
# the recipe's ratios are Beauty's
@pytest.mark.parametrize(
    ("base", "written", "within"),
    [
        ("beauty", "regenerated", 0.02), ("toys", "regenerated", 0.05),
        ("sports", "regenerated", 0.05), ("beauty", "regenerated-distinct", 0.02),
        # patterns are mined anew
        pytest.param("beauty", "regenerated-released", 0.03, marks=pytest.mark.slow),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["sasrec", "duorec"])
def test_what_was_written_is_learned_in_as_many_updates_of_as_many_steps(
    name, base, written, within
):
    updates, steps = [], []
    for dataset in (base, f"{base}-{written}"):
        log, split = datasets.load(dataset)
        training = recipe(name, dataset)[2]
        windows = log.windows(split.train, training.max_len)
        lengths = windows[:, 1] - windows[:, 0] + 1
        batches = list(bucketed(lengths, training.batch_size, np.random.default_rng(0)))
        updates.append(training.epochs * len(batches))
        steps.append(lengths.sum() / len(batches))
    assert updates[1] == pytest.approx(updates[0], rel=within)
    assert steps[1] == pytest.approx(steps[0], rel=0.02)
