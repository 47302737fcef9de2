import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.counts.markov import Markov
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.models.rankers.transact import TransAct
from seqrec_lib.models.wrappers.ensemble import Ensemble

MEMBER = SASRec.Config(embed_dim=8, hidden_dim=8, num_layers=1, max_len=20)


class Fixed(Recommender):
    """A member that always scores alike."""

    def __init__(self, *scores):
        super().__init__(Catalogue(len(scores), np.zeros(len(scores) + 1, dtype=np.int64)))
        self.scores = torch.tensor([-torch.inf, *scores])

    def score_all(self, batch):
        return self.scores.repeat(len(batch.item), 1)


def of(*members, repeats=False, share=0.5):
    config = Ensemble.Config((), repeats)
    model = Ensemble(Catalogue(3, np.zeros(4, dtype=np.int64)), config)
    model.members.extend(members)
    model.repeat_share.fill_(share)
    return model


def test_two_members_are_averaged_by_hand():
    one, other = np.log([0.7, 0.2, 0.1]), np.log([0.1, 0.8, 0.1])
    scores = of(Fixed(*one), Fixed(*(other + 5))).score_all(Batch(torch.tensor([[1]])))
    expected = torch.tensor((one + other) / 2).float()  # a constant of a member has no say
    torch.testing.assert_close(scores[0, 1:], expected)
    assert scores[0, 0] == -torch.inf


def test_a_mixture_by_hand(log_of):
    """Three quarters of one's chances, a quarter of a Markov chain's."""
    log, catalogue = log_of([1, 2, 1, 3]), Catalogue(3, np.zeros(4, dtype=np.int64))
    chain = Markov.Config(order=1)
    model = Ensemble(catalogue, Ensemble.Config((MEMBER, chain), shares=(0.75, 0.25)))
    model.members[0] = Fixed(*np.log([0.7, 0.2, 0.1]))
    model.members[1].count(log, np.arange(4))
    # after a 1 came a 2 and a 3: each gives up a half, which goes by popularity, 2 : 1 : 1
    steps = 0.25 * np.array([0.5 * 0.5, 0.25 + 0.5 * 0.25, 0.25 + 0.5 * 0.25])
    found = model.score_all(Batch(torch.tensor([[1]]))).exp()
    expected = torch.tensor([0, *(0.75 * np.array([0.7, 0.2, 0.1]) + steps)]).float()
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.6), (1.0, 0.0)])
def test_shares_that_are_no_mixture_are_refused(shares):
    config = Ensemble.Config((MEMBER, MEMBER), shares=shares)
    with pytest.raises(ValueError, match="shares must be 2, each above 0, and sum to 1"):
        Ensemble(Catalogue(4, np.zeros(5, dtype=np.int64)), config)


def test_repeats_take_the_share_that_was_counted():
    member = Fixed(*np.log([0.7, 0.2, 0.1]))
    history = Batch(torch.tensor([[1, 2, 0], [1, 1, 1]]))
    chance = of(member, repeats=True, share=0.25).score_all(history).exp()
    torch.testing.assert_close(chance[0, 1:], torch.tensor([0.25 * 7 / 9, 0.25 * 2 / 9, 0.75]))
    torch.testing.assert_close(chance[1, 1:], torch.tensor([0.25, 0.75 * 2 / 3, 0.75 / 3]))


def test_where_nothing_repeats_unmasked_becomes_masked():
    scores = of(Fixed(2.0, 1.0, 0.0), repeats=True, share=1e-4).score_all(
        Batch(torch.tensor([[1, 0]]))
    )
    assert scores[0].argsort(descending=True)[:3].tolist() == [2, 3, 1]


def test_repeats_are_counted_in_training_positions_only(log_of):
    log = log_of([1, 2, 1, 3, 3], [2, 3, 4])
    model = Ensemble(Catalogue(4, np.zeros(5, dtype=np.int64)), Ensemble.Config((MEMBER,)))
    # targets 2, 1 (seen), 3, and 3, 4; the second 3 of the first user is held out
    model.begin_pass(log, np.array([0, 1, 2, 3, 5, 6, 7]), 20)
    assert model.repeat_share == pytest.approx(2 / 7)
    model.begin_pass(log, np.array([0, 1, 2, 3, 5, 6, 7]), 1)  # the event before is no 1
    assert model.repeat_share == pytest.approx(1 / 7)


def test_it_scores_as_many_steps_at_once_as_the_narrowest_member_holds():
    catalogue = Catalogue(3, np.zeros(4, dtype=np.int64))
    members = (TransAct.Config(), MEMBER, DIN.Config())
    found = [
        Ensemble(catalogue, Ensemble.Config(some)).steps_at_once for some in (members, members[1:2])
    ]
    assert found == [TransAct.steps_at_once, None] and TransAct.steps_at_once < DIN.steps_at_once


def test_it_takes_its_members_in_order(small_log, small_split):
    catalogue = Catalogue.learned(small_log, small_split.train)
    sources = [SASRec(catalogue, MEMBER) for _ in range(2)]
    model = Ensemble(catalogue, Ensemble.Config((MEMBER, MEMBER)))
    model.start_from(*sources)
    for member, source in zip(model.members, sources, strict=True):
        assert member.items.weight.equal(source.items.weight)
    with pytest.raises(ValueError, match="shorter"):
        model.start_from(sources[0])
