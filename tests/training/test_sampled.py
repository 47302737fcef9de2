"""Ranks among sampled candidates: who they are, that they never change, and how ties count."""

import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.training import candidates
from seqrec_lib.training.candidates import sampled_ranks
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training


class Same(Recommender):
    """One score for all, or the item's own number as its score."""

    def __init__(self, catalogue, numbers):
        super().__init__(catalogue)
        self.register_buffer("one", torch.zeros(()))
        self.numbers = numbers

    def score(self, batch, candidates):
        return candidates.float() * self.numbers + self.one


def asked(log, split, numbers=False, **how):
    return sampled_ranks(Same(Catalogue.learned(log, split.train), numbers), log, split.test, **how)


def test_others_are_items_that_the_user_has_not_had(small_log, small_split):
    others, repeat = candidates._others(small_log, small_split.test, 200)
    for row, position in enumerate(small_split.test):
        start = small_log.offsets[small_log.user_of(np.array([position]))[0]]
        history = set(small_log.item[start:position].tolist())
        target = int(small_log.item[position])
        free = set(range(1, 41)) - history - {target}
        assert set(others[row].tolist()) <= free
        assert repeat[row] == (target in history)
    drawn = np.bincount(others.ravel(), minlength=41)
    assert drawn[0] == 0 and (drawn[1:] > 0).all()


def test_one_item_alone_is_not_ranked(small_log, small_split):
    alone = dataclasses.replace(small_log, item=small_log.item * 0 + 1, items=small_log.items[:1])
    with pytest.raises(ValueError, match="the log has one item, and no others to rank it among"):
        asked(alone, small_split)


def test_an_item_that_ties_with_all_is_in_the_middle(small_log, small_split):
    found = asked(small_log, small_split, count=9)
    assert (found["rank_unmasked"] == 6).all()  # of 10: 5.5, rounded up


def test_a_rank_counts_the_others_that_score_higher(small_log, small_split):
    others, repeat = candidates._others(small_log, small_split.test, 20)
    own = small_log.item[small_split.test]
    expected = 1 + (others > own[:, None]).sum(1)
    found = asked(small_log, small_split, True, count=20, batch_size=7)
    assert found["rank_unmasked"].tolist() == expected.tolist()
    assert (found["rank_masked"] == np.where(repeat, 21, expected)).all() and repeat.any()


def test_a_user_of_every_item_is_compared_with_all_but_the_true_one(log_of):
    log = log_of([1, 2, 3, 2])
    others, repeat = candidates._others(log, np.array([3]), 500)
    assert set(others.ravel().tolist()) == {1, 3} and repeat.tolist() == [True]


def test_a_score_that_is_no_number_is_refused(small_log, small_split, small_catalogue):
    model = Same(small_catalogue, True)
    model.one.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="not a number"):
        sampled_ranks(model, small_log, small_split.test)


def test_a_run_selects_on_what_it_is_told(small_log, small_split, small_catalogue):
    torch.manual_seed(0)
    model = GRU(small_catalogue, model_config())
    how = Training(epochs=1, precision="fp32", max_len=20, validate="sampled", select="unmasked")
    (row,) = fit(model, small_log, small_split, how)
    table = sampled_ranks(model, small_log, small_split.valid, 20)
    assert row["valid_ndcg@10"] == pytest.approx(ndcg(table["rank_unmasked"].to_numpy(), 10).mean())
    again = dataclasses.replace(how, validate="full")
    torch.manual_seed(0)
    (full,) = fit(GRU(small_catalogue, model_config()), small_log, small_split, again)
    assert full["loss"] == row["loss"] and full["valid_ndcg@10"] != row["valid_ndcg@10"]


def model_config():
    return GRU.Config(embed_dim=8, hidden_dim=8)
