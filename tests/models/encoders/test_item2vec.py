import dataclasses
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders import item2vec
from seqrec_lib.models.encoders.item2vec import Item2Vec, export, info_nce
from seqrec_lib.training.optimizers import optimizer

FREQUENCY = np.array([0, 8, 4, 4, 2, 1, 1])


def model_of(**config):
    """Six items in four dimensions, weights large enough that every part of them shows."""
    torch.manual_seed(0)
    model = Item2Vec(Catalogue(6, FREQUENCY), Item2Vec.Config(**({"embed_dim": 4} | config)))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
        model.items.weight[0] = 0
    return model


def drawn(count, num_items=50, width=8):
    """Vectors and items of a batch in which items repeat."""
    torch.manual_seed(1)
    x, y = (F.normalize(torch.randn(count, width), dim=-1) for _ in range(2))
    x = (x / 0.2).requires_grad_()
    items = torch.randint(1, num_items, (2, count))
    return x, y.requires_grad_(), *items, torch.rand(count) * 4 - 2


def plain(x, y, anchor, partner, log_expected, mask_same):
    """InfoNCE on the full matrix, by autograd."""
    scores = x @ y.T
    own = scores.diagonal()
    no_negative = torch.eye(len(x), dtype=torch.bool)
    if mask_same:
        no_negative |= (partner == partner[:, None]) | (partner == anchor[:, None])
    if log_expected is not None:
        scores = scores - log_expected
    others = scores.masked_fill(no_negative, -torch.inf)
    return (torch.logsumexp(torch.cat([own[:, None], others], 1), 1) - own).mean()


def with_gradients(loss, *inputs):
    return loss.detach(), *torch.autograd.grad(loss, inputs)


@pytest.mark.parametrize("mask_same", [True, False])
@pytest.mark.parametrize("logq", [True, False])
@pytest.mark.parametrize("chunk", [7, 64, 1000])
def test_the_loss_and_its_gradient_are_those_of_the_full_matrix(
    mask_same, logq, chunk, monkeypatch
):
    monkeypatch.setattr(item2vec, "CHUNK", chunk)
    x, y, anchor, partner, log_expected = drawn(150)
    log_expected = log_expected if logq else None
    ours = info_nce(x, y, anchor, partner, log_expected, mask_same)
    expected = plain(x, y, anchor, partner, log_expected, mask_same)
    for a, b in zip(with_gradients(ours, x, y), with_gradients(expected, x, y), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
        assert b.abs().max() > 1e-4


def test_four_pairs_by_hand():
    # every score is 0, so each row's loss is the log of 1 + its number of negatives
    x, y = torch.zeros(4, 3), torch.ones(4, 3)
    anchor, partner = torch.tensor([1, 2, 3, 5]), torch.tensor([2, 3, 2, 1])
    unmasked = info_nce(x, y, anchor, partner, mask_same=False)
    assert unmasked.item() == pytest.approx(np.log(4))
    # negatives of the pair (1, 2): 3 alone, for 2 is its own partner and 1 its anchor;
    # of (2, 3): 1; of (3, 2): 1; of (5, 1): 2, 3 and 2
    masked = info_nce(x, y, anchor, partner)
    assert masked.item() == pytest.approx((3 * np.log(2) + np.log(4)) / 4)
    # a negative that is expected twice counts half
    halved = info_nce(x, y, anchor, partner, torch.full((4,), np.log(2.0)), mask_same=False)
    assert halved.item() == pytest.approx(np.log(1 + 3 / 2))


def test_a_pair_without_negatives_costs_nothing():
    x = torch.randn(2, 3, requires_grad=True)
    loss = info_nce(x, x.detach(), torch.tensor([1, 2]), torch.tensor([2, 1]))
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert torch.autograd.grad(loss, x)[0].abs().max() < 1e-6


def test_bfloat16_scores_change_little():
    x, y, anchor, partner, log_expected = drawn(300)
    exact = with_gradients(info_nce(x, y, anchor, partner, log_expected), x, y)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = with_gradients(info_nce(x, y, anchor, partner, log_expected), x, y)
    assert 0 < abs(coarse[0] / exact[0] - 1) < 1e-3
    for a, b in zip(coarse[1:], exact[1:], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0.03 * b.abs().max().item())


def test_logq_of_what_was_never_counted_is_refused():
    model = Item2Vec(Catalogue(6, np.zeros(7, dtype=np.int64)), Item2Vec.Config(embed_dim=4))
    with pytest.raises(ValueError, match="no item was counted in training"):
        model.loss(Batch(torch.tensor([[1], [2]]), torch.tensor([[3], [4]])))


def test_with_logq_a_batch_with_the_expected_counts_gives_the_softmax_over_all_items():
    torch.manual_seed(3)
    frequency = torch.from_numpy(FREQUENCY)
    table, x = torch.randn(7, 4), torch.randn(1, 4).expand(60, 4)
    partner = torch.repeat_interleave(torch.arange(7), 3 * frequency)
    log_expected = (3.0 * frequency[partner]).log()
    anchor = torch.zeros_like(partner)
    exact = F.cross_entropy(x @ table[1:].T, partner - 1)
    ours = info_nce(x, table[partner], anchor, partner, log_expected)
    torch.testing.assert_close(ours, exact)
    assert info_nce(x, table[partner], anchor, partner) > exact + 1


def test_the_loss_of_a_batch_is_that_of_its_pairs():
    model = model_of(temperature=0.5)
    batch = Batch(torch.tensor([[1, 2], [3, 0], [5, 4]]), torch.tensor([[2, 0], [6, 0], [4, 1]]))
    anchor, partner = torch.tensor([1, 3, 5, 4]), torch.tensor([2, 6, 4, 1])
    unit = F.normalize(model.project(model.items.weight), dim=-1)
    log_expected = (4 * torch.tensor(FREQUENCY)[partner] / 20).log()
    expected = plain(unit[anchor] / 0.5, unit[partner], anchor, partner, log_expected, True)
    torch.testing.assert_close(model.loss(batch), expected)


def test_no_more_than_what_it_was_asked_for_is_held_at_once():
    """4,096 pairs have 16.8 million scores, 67 MB; a chunk of them has a sixteenth."""
    x, y, anchor, partner, _ = drawn(4096)
    with torch.profiler.profile(profile_memory=True) as seen:
        info_nce(x, y, anchor, partner).backward()
    assert max(event.cpu_memory_usage for event in seen.events()) < 10e6


@pytest.mark.parametrize("projected", [True, False])
@torch.no_grad()
def test_scores_are_cosines_over_the_temperature(projected):
    model = model_of(projected=projected, temperature=0.25)
    table = model.items.weight
    unit = F.normalize(model.project(table) if projected else table, dim=-1)
    scores = model.score_all(Batch(torch.tensor([[6, 3], [5, 0]])))
    torch.testing.assert_close(scores[:, 1:], unit[[3, 5]] @ unit[1:].T / 0.25)
    np.testing.assert_allclose(model.vectors()[1:], unit[1:], atol=1e-6)


@torch.no_grad()
def test_scores_follow_the_weights_although_the_table_is_kept():
    model, batch = model_of(), Batch(torch.tensor([[3]]))
    other = model_of()
    for weight in other.parameters():
        weight.mul_(torch.rand_like(weight))
    before, expected = model.score_all(batch), other.score_all(batch)
    assert model._unit[1] is model.compared(torch.ones(1, 4))[1]
    model.load_state_dict(other.state_dict())
    torch.testing.assert_close(model.score_all(batch), expected)
    assert (before - expected)[:, 1:].abs().max() > 0.1


def test_exported_vectors_are_of_length_one_and_padding_is_zero(tmp_path):
    model, raw = model_of(), np.array(["a", "b", "c", "d", "e", "f"])
    export(model, raw, tmp_path / "vectors")
    vectors = np.load(tmp_path / "vectors" / "vectors.npy")
    assert vectors.shape == (7, 4) and not vectors[0].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[1:], axis=1), 1, rtol=1e-6)
    assert json.loads((tmp_path / "vectors" / "items.json").read_text()) == raw.tolist()
    with pytest.raises(ValueError, match="5 raw ids for a model of 6 items"):
        export(model, raw[1:], tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["vectors"]


def test_a_sparse_step_moves_the_items_of_the_batch_and_no_others():
    model = model_of()
    steps = optimizer(model, "sparse-adam", 0.1, 0.0)
    before = model.items.weight.detach().clone()
    model.loss(Batch(torch.tensor([[1], [4]]), torch.tensor([[2], [5]]))).backward()
    assert model.items.weight.grad.is_sparse
    steps.step()
    moved = (model.items.weight != before).any(1).nonzero().ravel()
    assert moved.tolist() == [1, 2, 4, 5]


def test_the_reports_settings_are_a_variant_of_ours():
    ours = Item2Vec.Config()
    assert (ours.temperature, ours.embed_dim) == (0.1, 128)
    report = dataclasses.replace(ours, logq=False, mask_same=False, projected=False)
    model = model_of(**dataclasses.asdict(report) | {"embed_dim": 4})
    batch = Batch(torch.tensor([[1], [3], [1]]), torch.tensor([[2], [2], [4]]))
    unit = F.normalize(model.project(model.items.weight), dim=-1)
    # the listing of the report: cross-entropy over the batch, nothing left out
    expected = F.cross_entropy(unit[[1, 3, 1]] @ unit[[2, 2, 4]].T / 0.1, torch.arange(3))
    torch.testing.assert_close(model.loss(batch), expected)
