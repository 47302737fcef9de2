"""DIN: hand arithmetic of its attention, and the table of pairs that scores a catalogue."""

import copy
import dataclasses

import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.rankers import din
from seqrec_lib.models.rankers.din import DIN, ActivationUnit

SMALL = DIN.Config(embed_dim=8, hidden=(12, 6), dropout=0.0, unit_dim=5)
HISTORY = Batch(torch.tensor([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0]]))


@pytest.fixture
def model(small_catalogue):
    torch.manual_seed(0)
    return DIN(small_catalogue, SMALL).eval()


@torch.no_grad()
def test_a_unit_is_an_mlp_on_item_event_difference_and_product():
    torch.manual_seed(0)
    unit, weights = ActivationUnit(3, 4), torch.randn(4, 3, 4)  # of q, k, q - k, q * k
    unit.item.weight.copy_((weights[0] + weights[2]).T)
    unit.event.weight.copy_((weights[1] - weights[2]).T)
    unit.both.weight.copy_(weights[3].T)
    item, event = torch.randn(5, 3), torch.randn(5, 3)
    whole = torch.cat([item, event, item - event, item * event], 1)
    expected = unit.out(whole @ weights.flatten(0, 1) + unit.item.bias).squeeze(-1)
    torch.testing.assert_close(unit(item, event), expected)


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("normalised", [False, True])
def test_an_event_counts_by_what_the_unit_says_of_it_and_the_candidate(
    small_catalogue, pooling, normalised
):
    torch.manual_seed(0)
    config = dataclasses.replace(SMALL, pooling=pooling, normalised=normalised)
    model = DIN(small_catalogue, config).eval()
    table, history = model.items.weight, torch.tensor([3, 1, 4, 1, 5])
    weights = torch.stack([model.unit(table[7], table[i]) for i in history])
    weights = weights.softmax(0) if normalised else weights
    taken = (weights[:, None] * table[history]).sum(0) / (5 if pooling == "mean" else 1)
    found = model.score(Batch(HISTORY.item[:1]), torch.tensor([[7]]))
    torch.testing.assert_close(found[0, 0], model.tower(taken, table[7]))


@torch.no_grad()
def test_the_table_of_pairs_gives_what_the_unit_gives(model, monkeypatch):
    found = model.score_all(HISTORY)
    monkeypatch.setattr(din, "LARGEST", 0)  # too many items for a table
    torch.testing.assert_close(model.score_all(HISTORY), found)
    assert found[:, 1:].std(1).min() > 1e-4


@torch.no_grad()
def test_each_event_is_worked_out_once(model, monkeypatch):
    model.score_all(HISTORY)
    monkeypatch.setattr(model.unit, "forward", None)
    model.score_all(Batch(torch.tensor([[5, 9, 1]])))
    with pytest.raises(TypeError):
        model.score_all(Batch(torch.tensor([[5, 6]])))


def changed_in_place(model):
    model.items.weight[1:] += 0.5


def loaded(model):
    state = {name: value + 0.5 for name, value in model.state_dict().items()}
    state["items.weight"][0] = 0
    model.load_state_dict(state)


def changed_unseen(model):
    """As by a fused optimizer: torch counts no change."""
    model.items.weight.data[1:] += 0.5


def made_wide(model):
    changed_unseen(model.double())


def trained(model):
    model.train()
    with torch.enable_grad():
        weight = model.unit.out[1].weight
        torch.optim.SGD([weight], lr=10.0).step(lambda: weight.sum().backward())
    model.eval()


@pytest.mark.parametrize("change", [changed_in_place, changed_unseen, made_wide, loaded, trained])
def test_a_table_of_other_weights_is_never_used(model, change):
    with torch.inference_mode():
        before = model.score_all(HISTORY)
    with torch.no_grad():
        change(model)
        found, afresh = model.score_all(HISTORY), copy.deepcopy(model)
        afresh._table = None
        torch.testing.assert_close(found, afresh.score_all(HISTORY))
    assert (found - before)[:, 1:].abs().max() > 1e-3


def test_a_table_serves_whatever_mode_it_was_begun_in(small_catalogue):
    torch.manual_seed(0)
    histories = [Batch(torch.tensor([[item]])) for item in (3, 1, 4)]
    with torch.inference_mode():
        model = DIN(small_catalogue, SMALL).eval()
        expected = [model.score(one, torch.arange(1, 41)[None]) for one in histories]
        found = [model.score_all(histories[0])]
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            model.score_all(histories[1])
        found += [model.score_all(one) for one in histories[1:]]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one[:, 1:], other)


def test_a_model_in_training_carries_no_table(model):
    with torch.inference_mode():
        model.score_all(HISTORY)
    assert model._table is not None
    assert model.train()._table is None
