import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.losses import Softmax


class Newest(SequenceEncoder):
    """The state is the newest item's own vector: the least that an encoder can be."""

    def encode(self, batch):
        return self.items(batch.item)


class Windows(Newest):
    every_step = False


def batches(model, log, split, length=4):
    rng = np.random.default_rng(0)
    return list(model.training_batches(log, split.train, 16, length, rng))


def test_an_encoder_that_learns_from_every_step_meets_each_position_once(
    small_log, small_split, small_catalogue
):
    found = batches(Newest(small_catalogue, 8, Softmax()), small_log, small_split)
    learned = sum(int((batch.target > 0).sum()) for batch in found)
    assert learned == (small_log.history_length(small_split.train) > 0).sum()
    assert all((batch.target > 0).equal(batch.real) for batch in found)


def test_one_that_learns_from_windows_meets_the_last_target_of_each(
    small_log, small_split, small_catalogue
):
    found = batches(Windows(small_catalogue, 8, Softmax()), small_log, small_split)
    for batch, whole in zip(
        found, batches(Newest(small_catalogue, 8, Softmax()), small_log, small_split), strict=True
    ):
        last = batch.length - 1
        assert ((batch.target > 0).sum(1) == 1).all()
        assert batch.target.gather(1, last[:, None]).equal(whole.target.gather(1, last[:, None]))
    rows = sum(len(batch.item) for batch in found)
    assert rows == len(small_log.windows(small_split.train, 4))


def test_a_score_is_the_inner_product_of_the_last_state_and_the_item(small_catalogue):
    torch.manual_seed(0)
    model = Newest(small_catalogue, 8, Softmax())
    table = model.items.weight
    scores = model.score_all(Batch(torch.tensor([[3, 5, 0], [7, 1, 2]])))
    torch.testing.assert_close(scores[:, 1:], table[[5, 2]] @ table[1:].T)
    assert scores.std() != 0


def test_cosine_scores_ignore_the_length_of_vectors(small_catalogue):
    torch.manual_seed(0)
    model = Newest(small_catalogue, 8, Softmax(), temperature=0.5)
    batch = Batch(torch.tensor([[3, 5], [7, 0]]))
    before = model.score_all(batch)
    with torch.no_grad():
        model.items.weight *= torch.rand(41, 1) + 0.5
    torch.testing.assert_close(model.score_all(batch), before)
    assert before[:, 1:].abs().max().item() == pytest.approx(2)  # 1 / 0.5: the item itself


def test_calling_a_model_gives_its_loss(small_log, small_split, small_catalogue):
    model = Newest(small_catalogue, 8, Softmax())
    (batch, *_) = batches(model, small_log, small_split)
    assert model(batch).equal(model.loss(batch)) and model(batch) > 1
    model(batch).backward()
    assert model.items.weight.grad.abs().sum() > 0
