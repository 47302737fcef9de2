"""A shop of old items to which others come: what is learned from, what is asked, and by what."""

import numpy as np
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.encoders.attributed import AttributedSASRec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.studies import new_products
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.settings import Training

KINDS = 8


@pytest.fixture(scope="module")
def log():
    """What comes next is of the kind after the last one's, any item of it alike."""
    rng = np.random.default_rng(0)
    start = rng.integers(0, KINDS, 600)
    kind = (start[:, None] + np.arange(6)) % KINDS
    item = (kind * 10 + rng.integers(0, 10, kind.shape) + 1).astype(np.int32).ravel()
    day = np.tile(np.arange(6), 600)
    return EventLog(item, day, np.arange(0, 3601, 6), np.arange(600), np.arange(1, 81))


@pytest.fixture(scope="module")
def attributes():
    """Of an item its kind, and a letter that a quarter has and says nothing."""
    item = np.arange(81)
    table = np.stack([(item - 1) // 10 + 1, KINDS + 1 + item % 4], 1)
    table[0] = 0
    return table


@pytest.fixture(scope="module")
def shop(log, attributes):
    return new_products.opened(log, attributes, share=0.2, seed=3)


def test_nothing_of_a_new_item_is_there_but_as_an_answer(shop, log, attributes):
    log_of, test = shop.log, shop.split.test
    assert shop.old == 64 and log_of.num_items == 80
    assert (np.delete(log_of.item, test) <= 64).all() and shop.new_answers.any()
    assert 0.1 < shop.new_answers.mean() < 0.3
    assert shop.learned.num_items == 64 and shop.learned.item.max() <= 64
    learned = np.concatenate([shop.split.train, shop.split.valid])
    assert (shop.learned.item[learned] == log_of.item[learned]).all()
    # raw ids and attributes follow the new numbers
    raw = log_of.items[log_of.item - 1]
    whole = {u: log.items[log.item[a:b] - 1] for u, a, b in zip(
        log.users, log.offsets[:-1], log.offsets[1:], strict=True)}  # fmt: skip
    for user, a, b in zip(log_of.users, log_of.offsets[:-1], log_of.offsets[1:], strict=True):
        before = [i for i in whole[user][:-1] if i in set(log_of.items[:64])]
        assert raw[a:b].tolist() == [*before, whole[user][-1]] and b - a >= 3
    assert (shop.attributes[1:] == attributes[log_of.items]).all()


def test_an_old_shop_of_another_seed_has_other_new_items(log, attributes):
    one, other = (new_products.opened(log, attributes, seed=seed) for seed in (0, 1))
    assert set(one.log.items[one.old :]) != set(other.log.items[other.old :])
    assert one.log.items[: one.old].tolist() == sorted(one.log.items[: one.old])


@pytest.fixture(scope="module")
def models(shop):
    training = Training(epochs=12, max_len=5, learning_rate=0.01, precision="fp32", patience=12)
    found = {}
    for way, kind in (("sasrec", SASRec), ("attributed", AttributedSASRec)):
        config = kind.Config(embed_dim=16, hidden_dim=16, dropout=0.1, temperature=0.1)
        found[way] = new_products.trained(way, shop, training, config)
    catalogue = Catalogue.learned(shop.log, shop.split.train, shop.attributes)
    found["alike"] = new_products.Alike(catalogue)
    return found


def test_a_new_item_is_its_attributes_alone_and_an_old_one_what_was_learned(models, shop):
    model = models["attributed"]
    new = shop.attributes[shop.old + 1 :]
    expected = model.attribute_vectors.weight[torch.from_numpy(new)].mean(1)
    found = model.item_vectors()[0][shop.old + 1 :]
    assert torch.allclose(found, expected, atol=1e-6) and found.norm(dim=1).min() > 0
    assert models["sasrec"].items.weight.shape[0] == 81
    assert models["sasrec"].items.weight[: shop.old + 1].abs().sum() > 0


def test_attributes_find_new_items_and_numbers_do_not(models, shop):
    def hits(way, part):
        rows = new_products.measured(models[way], shop, 5)
        (row,) = [
            one for one in rows
            if (one["part"], one["protocol"], one["metric"]) == (part, "unmasked", "HR@10")
        ]  # fmt: skip
        assert row["low"] <= row["mean"] <= row["high"]
        return row["mean"]

    # ten of eighty items are of the kind that comes; old ones have vectors of their own beside it
    assert hits("attributed", "new") > 0.25 and hits("attributed", "old") > 0.5
    assert hits("sasrec", "new") < 0.1 and hits("sasrec", "old") > 0.4


def test_among_new_items_alone_there_are_as_many_ranks_as_questions(models, shop):
    asked = shop.split.test[shop.new_answers]
    alone = new_products.Among(models["attributed"], shop, new=True).eval()
    rank = ranks(alone, shop.log, asked, 5)["rank_masked"]
    assert len(rank) == shop.new_answers.sum() and rank.min() >= 1 and rank.max() <= 16
    assert np.median(rank) <= 4  # two of sixteen are of a kind, in the mean
    # fewer rivals: no rank falls, and the order among those that stay is the same
    whole = ranks(models["attributed"], shop.log, asked, 5)["rank_masked"]
    assert (rank <= whole).all() and (rank < whole).any()


def test_what_is_alike_shares_rare_attributes(models, shop, log):
    model = models["alike"]
    last = model.score_all(shop.log.histories(shop.split.test[:1], 1))[0]
    item = shop.log.item[shop.split.test[0] - 1]
    same = (shop.attributes[:, 0] == shop.attributes[item, 0]) & (np.arange(81) > 0)
    assert last[0] == -torch.inf and last[torch.from_numpy(same)].min() > last[1:][~same[1:]].max()


@pytest.mark.usefixtures("nothing_kept")
def test_a_study_is_kept_and_not_made_again(tmp_path, monkeypatch, log, attributes):
    from seqrec_lib.data import datasets
    from seqrec_lib.data.splits import leave_last_out

    monkeypatch.setattr(datasets, "load", lambda _: (log, leave_last_out(log)))
    monkeypatch.setattr(datasets, "attributes", lambda _: attributes)
    found = new_products.study("beauty", tmp_path / "results", seeds=2, epochs=1)
    assert found.groupby("way").size().to_dict() == dict.fromkeys(new_products.WAYS, 24)
    popular = found[(found["way"] == "popular") & (found["part"] == "new")]
    assert (popular["mean"][popular["metric"] == "HR@10"] == 0).all()
    monkeypatch.setattr(new_products, "_made", None)
    assert new_products.study("beauty", tmp_path / "results", seeds=2, epochs=1).equals(found)


def test_without_attributes_it_says_so(tmp_path):
    with pytest.raises(ValueError, match="has no attributes"):
        new_products.study("simulated", tmp_path / "results")
