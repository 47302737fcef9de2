import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.encoders.fpmc import FPMC
from seqrec_lib.models.encoders.prme import PRME

CATALOGUE = Catalogue(4, np.array([0, 1, 1, 1, 1]), num_users=2)
# user 1 after items 3, then 2; user 2 after item 4, ten seconds before the question
BATCH = Batch(
    torch.tensor([[3, 2], [4, 0]]),
    user=torch.tensor([1, 2]),
    time=torch.tensor([[0, 100], [200, 0]]),
    asked_at=torch.tensor([[100, 101], [210, 0]]),
)


def model_of(kind, **config):
    """Two numbers a vector, all of them set by hand; both users known."""
    model = kind(CATALOGUE, kind.Config(embed_dim=2, **config)).eval()
    tables = {
        "items": [[0, 0], [1, 0], [0, 1], [1, 1], [2, 0]],
        "liked": [[0, 0], [1, 2], [0, -1], [3, 0], [1, 1]],
        "next": [[0, 0], [0, 1], [1, 0], [2, 2], [-1, 0]],
    }
    with torch.no_grad():
        for name, rows in tables.items():
            if getattr(model, name, None) is not None:
                getattr(model, name).weight.copy_(torch.tensor(rows, dtype=torch.float32))
        if model.users is not None:
            model.users.vectors.weight.copy_(torch.tensor([[5.0, 5.0], [1.0, -1.0], [0.0, 2.0]]))
            model.users.known[:] = True
    return model


@torch.no_grad()
def test_fpmc_adds_what_a_user_likes_to_what_follows():
    scores = model_of(FPMC).score_all(BATCH)[:, 1:]
    # user 1 is (1, -1); the last item, 2, is (0, 1)
    liked, follows = [1 - 2, 0 + 1, 3 - 0, 1 - 1], [1, 0, 2, 0]
    assert scores[0].tolist() == [a + b for a, b in zip(liked, follows, strict=True)]
    # user 2 is (0, 2); the last item, 4, is (2, 0)
    liked, follows = [4, -2, 0, 2], [0, 2, 4, -2]
    assert scores[1].tolist() == [a + b for a, b in zip(liked, follows, strict=True)]


@torch.no_grad()
def test_each_term_of_fpmc_can_be_left_out():
    whole = model_of(FPMC).score_all(BATCH)[:, 1:]
    follows = model_of(FPMC, user=False).score_all(BATCH)[:, 1:]
    assert (whole - follows).tolist() == [[-1, 1, 3, 0], [4, -2, 0, 2]]
    factorisation = model_of(FPMC, last=False)  # who asks, and nothing of the history
    other = Batch(torch.tensor([[1, 1], [1, 0]]), user=BATCH.user)
    assert factorisation.score_all(other).equal(factorisation.score_all(BATCH))
    with pytest.raises(ValueError, match="knows nothing; use one of them"):
        model_of(FPMC, user=False, last=False)


@torch.no_grad()
def test_prme_is_minus_two_squared_distances():
    scores = model_of(PRME, share=0.25).score_all(BATCH)[:, 1:]
    # user 1 at (1, -1), items by what is liked; last item 2 at (0, 1), items by where they lie
    users = np.array([0 + 9, 1 + 0, 4 + 1, 0 + 4])
    items = np.array([1 + 1, 0, 1 + 0, 4 + 1])
    expected = -(0.25 * users + 0.75 * items)
    # of the same user and last item: what an item's place cannot change may be left out
    assert np.allclose(scores[0] - scores[0, 0], expected - expected[0])


@torch.no_grad()
def test_prme_forgets_an_item_that_lies_too_far_back():
    near = model_of(PRME, share=0.25).score_all(BATCH)
    both = model_of(PRME, share=0.25, gap_s=5).score_all(BATCH)
    assert both[0].equal(near[0])  # asked a second after the last item
    user_alone = model_of(PRME, share=1.0).score_all(BATCH)
    torch.testing.assert_close(both[1], user_alone[1])
    with pytest.raises(ValueError, match="share is 1.5; use 0 to 1"):
        model_of(PRME, share=1.5)


@pytest.mark.parametrize("kind", [FPMC, PRME])
@torch.no_grad()
def test_a_user_without_a_target_in_training_is_nobody(kind):
    model = model_of(kind)
    model.users.known[:] = False
    # users 1 and 2 with three and with one event: the second has nothing to learn from
    log = EventLog(
        item=np.array([1, 2, 3, 4]), time=np.arange(4), offsets=np.array([0, 3, 4]),
        users=np.array([7, 8]), items=np.arange(1, 5),
    )  # fmt: skip
    model.begin_pass(log, np.array([1, 3]), 50)
    assert model.users.known.tolist() == [False, True, False]
    nobody = Batch(BATCH.item, user=torch.tensor([1, 0]), time=BATCH.time, asked_at=BATCH.asked_at)
    assert model.score_all(BATCH)[1].equal(model.score_all(nobody)[1])
    assert not model.score_all(BATCH)[0].equal(model.score_all(nobody)[1])
