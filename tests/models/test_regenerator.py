import itertools

import pytest
import torch

from seqrec_lib.models.losses import Softmax
from seqrec_lib.models.regenerator import Regenerator

CONFIG = Regenerator.Config(
    embed_dim=8, hidden_dim=16, num_layers=1, dropout=0.0, ways=3, max_len=12
)
HISTORY = torch.tensor([[3, 1, 4, 7, 5], [2, 6, 0, 0, 0]])
PATTERN = torch.tensor([[3, 4, 5], [2, 6, 0]])


def model_of(seed=0, config=CONFIG):
    """A small regenerator with large random weights, so that every part of it shows."""
    torch.manual_seed(seed)
    model = Regenerator(9, config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
        model.items.weight[0] = 0
    return model


def test_a_history_is_read_in_as_many_ways_as_asked_for():
    model = model_of()
    memory = model.read(HISTORY)
    assert memory.shape == (2, 3, 5, 8)
    one, other = memory[0, 0], memory[0, 1]
    assert not torch.allclose(one, other, atol=0.1)


@torch.no_grad()
def test_padding_of_a_history_changes_nothing():
    model = model_of()
    alone = model.read(HISTORY[1:, :2])
    torch.testing.assert_close(model.read(HISTORY)[1:, :, :2], alone, rtol=1e-5, atol=1e-5)
    begin = torch.full((1, 1), model.start)
    padded = model.write(model.read(HISTORY)[1:, 0], HISTORY[1:] == 0, begin)
    bare = model.write(alone[:, 0], HISTORY[1:, :2] == 0, begin)
    torch.testing.assert_close(padded, bare, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_token_is_written_without_sight_of_those_after_it():
    model = model_of()
    memory, absent = model.read(HISTORY)[:, 0], HISTORY == 0
    one, other = torch.tensor([[3, 4, 5], [2, 6, 1]]), torch.tensor([[3, 4, 8], [2, 6, 9]])
    a, b = (model.write(memory, absent, written) for written in (one, other))
    torch.testing.assert_close(a[:, :2], b[:, :2])
    assert not torch.allclose(a[:, 2], b[:, 2], atol=0.1)


@torch.no_grad()
def test_the_loss_is_the_cross_entropy_of_the_patterns_tokens_and_the_entropy():
    model = model_of()
    torch.manual_seed(3)
    loss, tokens = model.loss(HISTORY, PATTERN, 0.7, Softmax())
    assert tokens == 7  # three and two items, and two ends
    torch.manual_seed(3)
    chance, entropy = model.chance(PATTERN, 0.7)
    total = 0.0
    for row, items in enumerate(([3, 4, 5], [2, 6])):
        history = HISTORY[row : row + 1, : (5, 2)[row]]
        memory = (chance[row, :, None, None] * model.read(history)[0]).sum(0)[None]
        written = torch.tensor([[model.start, *items]])
        states = model.write(memory, history == 0, written)[0]
        scores = states @ model.items.weight[1:].T  # all but padding
        target = torch.tensor([*items, model.end]) - 1
        total += torch.nn.functional.cross_entropy(scores, target, reduction="sum")
    torch.testing.assert_close(loss, total / 7 + entropy, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(chance.sum(1), torch.ones(2))


def test_every_weight_learns_but_that_of_padding():
    model = model_of()
    loss, _ = model.loss(HISTORY, PATTERN, 1.0, Softmax())
    loss.backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name
    assert model.items.weight.grad[0].abs().max() == 0


def test_it_learns_to_tell_a_history_as_its_pattern():
    torch.manual_seed(0)
    histories = torch.stack([torch.randperm(9)[:4] + 1 for _ in range(40)])
    patterns = histories[:, [0, 2]]  # the first and the third item
    model = Regenerator(9, CONFIG)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(300):
        loss, _ = model.loss(histories, patterns, 0.5, Softmax())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    written, _ = model.eval().rewrite(histories, gamma=0.0)
    told = [[[i for i in way if i] for way in ways] for ways in written.tolist()]
    right = sum(p.tolist() in ways for p, ways in zip(patterns, told, strict=True))
    assert right > 30


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_restrictive_steps_take_items_of_the_history_and_no_item_comes_twice(gamma):
    seen_others = False
    for seed in range(20):
        written, chance = model_of(seed).rewrite(HISTORY, gamma, longest=8)
        assert written.shape[:2] == chance.shape == (2, 3) and (chance < 0).all()
        for history, ways in zip(HISTORY.tolist(), written.tolist(), strict=True):
            for items in ways:
                told = list(itertools.takewhile(bool, items))
                assert not any(items[len(told) :])  # nothing after the end
                assert len(set(told)) == len(told) and all(1 <= i <= 9 for i in told)
                seen_others |= not set(told) <= set(history)
    assert seen_others == (gamma == 1.0)


def test_the_chance_of_what_is_written_is_the_product_of_its_tokens():
    model = model_of(2)
    with torch.no_grad():
        written, chance = model.rewrite(HISTORY[:1], gamma=1.0, longest=12)
        for way in range(3):
            told = [i for i in written[0, way].tolist() if i]
            tokens = torch.tensor([[model.start, *told]])
            states = model.write(model.read(HISTORY[:1])[:, way], HISTORY[:1] == 0, tokens)
            scores = model.scores(states[0])
            for step in range(1, len(told) + 1):  # items written before are barred
                scores[step, told[:step]] = -torch.inf
            scores[:2, model.end] = -torch.inf  # not before two items
            expected = scores.log_softmax(-1)[torch.arange(len(told) + 1), [*told, model.end]]
            torch.testing.assert_close(chance[0, way], expected.sum(), rtol=1e-4, atol=1e-4)


def test_it_starts_from_given_vectors():
    model, vectors = model_of(), torch.randn(10, 8)
    model.start_from(vectors)
    assert model.items.weight[1:10].equal(vectors[1:]) and not model.items.weight[0].any()
