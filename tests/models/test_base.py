from dataclasses import replace

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import Recommender, SequenceEncoder
from seqrec_lib.models.losses import Softmax
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training


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


class Given(Recommender):
    """A model that has these item vectors."""

    def __init__(self, vectors):
        super().__init__(Catalogue(len(vectors) - 1, np.zeros(len(vectors), dtype=np.int64)))
        self.vectors = vectors.numpy


def test_a_start_from_vectors_keeps_their_directions_and_the_mean_length_of_the_table(
    small_catalogue,
):
    torch.manual_seed(0)
    model = Newest(small_catalogue, 8, Softmax())
    before = model.items.weight.detach().norm(dim=1)[1:].mean()
    given = 3 * torch.randn(41, 8)
    vectors = given.clone()
    model.start_from(Given(vectors))
    table = model.items.weight.detach()
    ratio = table[1:] / given[1:]
    torch.testing.assert_close(ratio, ratio[0, 0].expand(40, 8))  # one factor for all
    torch.testing.assert_close(table.norm(dim=1)[1:].mean(), before)
    assert ratio[0, 0] < 0.5 and vectors.equal(given)


def test_a_start_from_vectors_leaves_padding_at_zero_and_lets_the_rest_learn(
    small_log, small_split, small_catalogue
):
    model = Newest(small_catalogue, 8, Softmax())
    model.start_from(Given(torch.ones(41, 8)))
    (batch, *_) = batches(model, small_log, small_split)
    model(batch).backward()
    with torch.no_grad():
        assert model.items.weight[0].tolist() == [0] * 8
        assert model.items.weight[1:].abs().min() > 0
    assert model.items.weight.grad[1:].abs().sum(1).min() > 0


@pytest.mark.parametrize("shape", [(40, 8), (42, 8), (41, 16)])
def test_vectors_of_other_items_or_another_width_are_refused(small_catalogue, shape):
    model = Newest(small_catalogue, 8, Softmax())
    before = model.items.weight.detach().clone()
    words = rf"item vectors are \({shape[0]}, {shape[1]}\), the table is \(41, 8\): both need"
    with pytest.raises(ValueError, match=words):
        model.start_from(Given(torch.ones(shape)))
    assert model.items.weight.equal(before)


def test_calling_a_model_gives_its_loss(small_log, small_split, small_catalogue):
    model = Newest(small_catalogue, 8, Softmax())
    (batch, *_) = batches(model, small_log, small_split)
    assert model(batch).equal(model.loss(batch)) and model(batch) > 1
    model(batch).backward()
    assert model.items.weight.grad.abs().sum() > 0


class Told(Newest):
    """Reads all that a log may have, and when it is asked."""

    reads = ("user", "time", "action", "channel", "basket", "rating", "known", "asked_at")

    def encode(self, batch):
        assert batch.user.shape == batch.item.shape[:1]
        for name in self.reads[1:]:
            assert getattr(batch, name).shape == batch.item.shape, name
        assert (batch.asked_at >= batch.time).all()
        self.told += int((batch.asked_at > batch.time).sum())
        return super().encode(batch)


def test_what_a_model_reads_is_there_in_training_and_in_scoring(small_log, small_split):
    codes = np.arange(len(small_log))
    log = replace(
        small_log,
        action=codes % 3,
        channel=codes % 2,
        rating=codes / 2,
        known=small_log.time + 5,
    )
    model = Told(Catalogue.learned(log, small_split.train), 8, Softmax())
    model.told = 0
    fit(model, log, small_split, Training(epochs=1, precision="fp32"))
    trained, model.told = model.told, 0
    ranks(model, log, small_split.test)
    assert trained > 0 and model.told > 0
    assert model.batch(log, small_split.test[:2], 5).action is not None
    other = Newest(Catalogue.learned(log, small_split.train), 8, Softmax())
    assert other.batch(log, small_split.test[:2], 5).time is None


def test_frozen_unit_vectors_are_those_of_the_weights_until_these_change(small_catalogue):
    torch.manual_seed(0)
    model = Newest(small_catalogue, 8, Softmax(), temperature=0.5).eval()
    batch = Batch(torch.tensor([[1, 2]]))

    def expected():
        unit = torch.nn.functional.normalize(model.items.weight, dim=1)
        return torch.cat([torch.tensor([-torch.inf]), 2 * unit[1:] @ unit[2]])

    with torch.no_grad():
        model.freeze()
        frozen = model.compared(torch.ones(1, 8))[1]
        assert model.compared(torch.ones(1, 8))[1] is frozen
        assert torch.allclose(model.score_all(batch)[0], expected())
        model.load_state_dict({name: one.flip(0) for name, one in model.state_dict().items()})
        assert torch.allclose(model.score_all(batch)[0], expected())
        model.freeze()
        assert model.eval().compared(torch.ones(1, 8))[1] is not frozen
        model.train()
        model.items.weight[3] *= -1
        assert torch.allclose(model.score_all(batch)[0], expected())
