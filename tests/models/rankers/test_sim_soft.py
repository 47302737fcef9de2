"""SIM with soft search: what is nearest, what the search predicts alone, and by which loss."""

import dataclasses

import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.losses import BCE
from seqrec_lib.models.rankers.sim_soft import Guess, SIMSoft

SMALL = SIMSoft.Config(embed_dim=8, num_heads=2, hidden=(12, 6), dropout=0.0, k=2)
HISTORIES = torch.tensor([[3, 1, 4, 1, 5, 9], [9, 2, 7, 0, 0, 0]])
TARGET = torch.tensor([[1, 4, 1, 5, 9, 2], [2, 7, 8, 0, 0, 0]])


def made(catalogue, shaken, **settings):
    torch.manual_seed(0)
    return shaken(SIMSoft(catalogue, dataclasses.replace(SMALL, **settings)), 0.3)


@torch.no_grad()
def test_it_reads_the_events_of_highest_projected_product(small_catalogue, shaken):
    model = made(small_catalogue, shaken)
    table, search = model.items.weight, model.search
    read, asked = model.read(Batch(HISTORIES)), model.asked(torch.arange(1, 41)[None])
    taken = model.chosen(read, asked)[1, 0]
    other = 0
    for candidate in range(1, 41):
        events = table[HISTORIES[1, :3]]
        product = (events @ search.event.weight.T) @ (search.candidate.weight @ table[candidate])
        assert taken[candidate - 1].nonzero().flatten().equal(product.topk(2).indices.sort().values)
        other += product.min() < 0  # where padding, of product 0, would be taken
    assert other > 5


@torch.no_grad()
def test_what_the_search_predicts_alone_is_a_network_on_weighted_events(
    small_catalogue, shaken, after_every_step
):
    model = made(small_catalogue, shaken)
    table, search = model.items.weight, model.search
    events, item = table[[3, 1, 4, 1]], table[7]
    weights = (events @ search.event.weight.T) @ (search.candidate.weight @ item)
    expected = model.guess((weights[:, None] * events).sum(0), item)
    read, guess = model.read(Batch(HISTORIES)), Guess(model)
    found = guess.match(read, torch.tensor([[7], [7]]), torch.tensor([[3], [1]]))
    torch.testing.assert_close(found[0, 0], expected)
    each = after_every_step(guess, read, torch.tensor([2, 7]), HISTORIES > 0)
    torch.testing.assert_close(each[0, 3, 1], expected)
    whole = guess.match(read, torch.tensor([[7], [7]]))
    torch.testing.assert_close(whole[:, 0], torch.stack([each[0, 5, 1], each[1, 2, 1]]))


def gradients(model, objective=None):
    torch.manual_seed(1)
    model.zero_grad()
    model.loss(Batch(HISTORIES, TARGET)).backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


@pytest.mark.parametrize("objective", [SMALL.objective, BCE(2)])
def test_the_search_learns_by_its_own_loss_alone(small_catalogue, shaken, objective):
    untrained = gradients(made(small_catalogue, shaken, alpha=0.0, objective=objective))
    learned = gradients(made(small_catalogue, shaken, alpha=1.0, objective=objective))
    for name in untrained:
        of_search = name.startswith(("search.", "guess."))
        assert (untrained[name] is None) == of_search, name
        assert learned[name] is not None
        if name.endswith("layers.5.bias") and not isinstance(objective, BCE):
            # a softmax does not see what is added to all scores
            assert learned[name].abs().max() < 1e-6, name
        else:
            assert learned[name].abs().max() > 0, name


def test_a_search_that_does_not_learn_says_so(small_catalogue, shaken):
    """Several processes refuse a weight that is to learn and gets no gradient."""
    for alpha in (0.0, 1.0):
        for name, weight in made(small_catalogue, shaken, alpha=alpha).named_parameters():
            of_search = name.startswith(("search.", "guess."))
            assert weight.requires_grad == (alpha > 0 or not of_search), name


def test_the_loss_is_the_weighted_sum_of_both(small_catalogue, shaken):
    losses = {}
    for alpha, beta in ((0.0, 1.0), (1.0, 1.0), (0.5, 2.0)):
        model = made(small_catalogue, shaken, alpha=alpha, beta=beta)
        torch.manual_seed(1)
        losses[alpha, beta] = model.loss(Batch(HISTORIES, TARGET)).item()
    first = losses[1.0, 1.0] - losses[0.0, 1.0]
    assert first > 0.1
    assert losses[0.5, 2.0] == pytest.approx(2 * losses[0.0, 1.0] + 0.5 * first, rel=1e-5)


@pytest.mark.parametrize("change", [{"alpha": -1.0}, {"beta": 0.0}])
def test_weights_of_no_loss_are_refused(small_catalogue, change):
    with pytest.raises(ValueError, match="alpha is"):
        SIMSoft(small_catalogue, dataclasses.replace(SMALL, **change))
