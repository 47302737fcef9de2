"""Rankers among shared candidates and behind another model: by hand, and against whole ranks."""

import numpy as np
import pytest
import torch

from seqrec_lib.data import candidates as shared_candidates
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.training.candidates import among_shared, first, reranked, scores_of
from seqrec_lib.training.evaluation import last, ranks


class Fixed(Recommender):
    """Gives every history the same scores."""

    def __init__(self, catalogue, scores):
        super().__init__(catalogue)
        self.register_buffer("fixed", torch.tensor([-torch.inf, *scores]))

    def score_all(self, batch):
        return self.fixed.repeat(len(batch.item), 1)


@pytest.fixture
def encoder(small_catalogue, shaken):
    torch.manual_seed(0)
    return shaken(GRU(small_catalogue, GRU.Config(embed_dim=8, hidden_dim=8)), 0.5)


@pytest.fixture
def ranker(small_catalogue, shaken):
    torch.manual_seed(1)
    return shaken(DIN(small_catalogue, DIN.Config(embed_dim=8, hidden=(8,))), 0.5)


def test_scores_of_candidates_are_those_of_the_whole_catalogue(small_log, small_split, ranker):
    rng = np.random.default_rng(0)
    asked = rng.integers(0, 41, (len(small_split.test), 7))
    found = scores_of(ranker, small_log, small_split.test, asked, 20, batch_size=9)
    with torch.inference_mode():
        every = ranker.score_all(ranker.batch(small_log, small_split.test, 20)).numpy()
    assert np.array_equal(np.isneginf(found), asked == 0)
    expected = np.take_along_axis(every, asked, 1)
    assert found[asked > 0] == pytest.approx(expected[asked > 0], rel=1e-4, abs=1e-4)


def test_areas_are_those_of_pairs_counted_one_by_one(small_log, small_split, ranker):
    every, digest = among_shared(ranker, small_log, small_split, "popularity", 20)
    found = {name: value.mean() for name, value in every.items()}
    asked = shared_candidates.shared(small_log, small_split.train, small_split.test, "popularity")
    scores = scores_of(ranker, small_log, small_split.test, asked, 20)
    true, false = scores[:, 0], scores[:, 1:].ravel()
    above = (true[:, None] > false).mean() + (true[:, None] == false).mean() / 2
    assert found["AUC"] == pytest.approx(above)
    # one test event a user: the AUC within a user is within a row
    own = (true[:, None] > scores[:, 1:]).mean() + (true[:, None] == scores[:, 1:]).mean() / 2
    assert found["GAUC"] == pytest.approx(own)
    assert digest == shared_candidates.digest(asked)


def test_popularity_is_worth_much_by_one_law_and_nothing_by_the_other(log_of):
    """Where everyone takes items by their popularity alone."""
    share = np.arange(1, 41) ** -1.0
    rng = np.random.default_rng(0)
    log = log_of(*rng.choice(np.arange(1, 41), (300, 12), p=share / share.sum()))
    split = leave_last_out(log)
    model = Popular(Catalogue.learned(log, split.train), Popular.Config())
    model.count(log, split.train)
    found = {
        law: among_shared(model, log, split, law)[0]["AUC"].mean() for law in shared_candidates.LAWS
    }
    assert found["uniform"] > 0.7 and found["popularity"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("protocol", ["masked", "unmasked"])
def test_behind_itself_a_model_keeps_its_ranks_as_far_as_the_list_goes(
    small_log, small_split, encoder, protocol
):
    whole = ranks(encoder, small_log, small_split.test, 20)[f"rank_{protocol}"].to_numpy()
    lists = first(encoder, small_log, small_split.test, 15, 20)
    found = reranked(encoder, small_log, small_split.test, lists, 20)
    found = found[f"rank_{protocol}"].to_numpy()
    assert np.array_equal(found, np.where(whole <= 15, whole, last(40)))
    assert 0.1 < (found <= 40).mean() < 0.9


def test_no_order_finds_what_the_list_lacks(small_log, small_split, encoder, ranker):
    lists = first(encoder, small_log, small_split.test, 10, 20)
    found = reranked(ranker, small_log, small_split.test, lists, 20)
    whole = ranks(encoder, small_log, small_split.test, 20)
    for protocol in ("masked", "unmasked"):
        ceiling = hr(whole[f"rank_{protocol}"].to_numpy(), 10)
        new = found[f"rank_{protocol}"].to_numpy()
        assert np.array_equal(hr(new, 10), ceiling)  # all of the list is within ten
        assert (hr(new, 3) <= ceiling).all() and not np.array_equal(new, whole[f"rank_{protocol}"])


def test_a_new_order_by_hand(log_of):
    log = log_of([1, 2, 3, 4], [1, 2, 3, 5])

    model = Fixed(Catalogue.learned(log, np.arange(8)), [1.0, 4.0, 2.0, 2.0, 3.0])
    lists = {"unmasked": np.array([[4, 2, 3, 0], [1, 2, 3, 4]])}
    found = reranked(model, log, np.array([3, 7]), lists)
    # 4 (2.0) after 2 (4.0), tied with 3: between second and third; 5 is not there
    assert found["rank_unmasked"].tolist() == [3, 101]  # no list of a hundred has it


def test_a_list_is_filled_up_where_nothing_is_left(log_of):

    log = log_of([1, 2, 3, 4])
    model = Fixed(Catalogue.learned(log, np.arange(4)), [1.0, 4.0, 2.0, 3.0])
    lists = first(model, log, np.array([3]), 6)
    assert lists["masked"].tolist() == [[4, 0, 0, 0, 0, 0]]
    assert lists["unmasked"].tolist() == [[2, 4, 3, 1, 0, 0]]
