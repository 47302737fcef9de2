import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders import gru
from seqrec_lib.models.encoders.gru import GRU


def catalogue(num_items):
    return Catalogue(num_items, np.r_[0, np.ones(num_items, dtype=np.int64)])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_one_step_by_hand():
    torch.manual_seed(0)
    model = GRU(catalogue(7), GRU.Config(embed_dim=3, hidden_dim=4, tied=False)).eval()
    torch.nn.init.normal_(model.items.weight)
    weight = {name: value.detach().numpy() for name, value in model.named_parameters()}
    x, zero = weight["items.weight"][5], np.zeros(4)
    given = weight["gru.weight_ih_l0"] @ x + weight["gru.bias_ih_l0"]
    kept = weight["gru.weight_hh_l0"] @ zero + weight["gru.bias_hh_l0"]
    reset, update = (sigmoid(given[i : i + 4] + kept[i : i + 4]) for i in (0, 4))
    hidden = (1 - update) * np.tanh(given[8:] + reset * kept[8:])
    batch = Batch(torch.tensor([[5]]))
    np.testing.assert_allclose(model.encode(batch)[0, 0].detach(), hidden, atol=1e-6)
    scores = weight["output.weight"] @ hidden + weight["output.bias"]
    np.testing.assert_allclose(model.score_all(batch)[0, 1:].detach(), scores[1:], atol=1e-6)
    assert abs(hidden).min() > 1e-3


def stepwise(cell, weight, x, hidden, memory):
    """One step of a cell, written out: hidden state and, of an LSTM, memory."""
    given = weight["gru.weight_ih_l0"] @ x + weight["gru.bias_ih_l0"]
    given = given + weight["gru.weight_hh_l0"] @ hidden + weight["gru.bias_hh_l0"]
    if cell == "rnn":
        return np.tanh(given), memory
    enter, forget, show = (sigmoid(given[i : i + 4]) for i in (0, 4, 12))
    memory = forget * memory + enter * np.tanh(given[8:12])
    return show * np.tanh(memory), memory


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_two_steps_of_the_other_cells_by_hand(cell):
    torch.manual_seed(0)
    config = GRU.Config(embed_dim=3, hidden_dim=4, tied=False, cell=cell)
    model = GRU(catalogue(7), config).eval()
    torch.nn.init.normal_(model.items.weight)
    weight = {name: value.detach().numpy() for name, value in model.named_parameters()}
    hidden = memory = np.zeros(4)
    states = []
    for item in (5, 2):
        hidden, memory = stepwise(cell, weight, weight["items.weight"][item], hidden, memory)
        states.append(hidden)
    found = model.encode(Batch(torch.tensor([[5, 2]])))[0].detach()
    np.testing.assert_allclose(found, states, atol=1e-6)
    assert abs(np.array(states)).min() > 1e-3


def test_cells_have_one_three_and_four_sets_of_weights():
    count = {}
    for cell in ("rnn", "gru", "lstm"):
        network = GRU(catalogue(7), GRU.Config(embed_dim=3, hidden_dim=4, cell=cell)).gru
        count[cell] = sum(weight.numel() for weight in network.parameters())
    assert count == {"rnn": 36, "gru": 3 * 36, "lstm": 4 * 36}


def test_another_cell_is_refused():
    with pytest.raises(ValueError, match="cell is 'gated'; use one of gru, lstm, rnn"):
        GRU(catalogue(7), GRU.Config(cell="gated"))


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_rows_run_in_parts_have_the_states_and_gradients_of_rows_run_at_once(cell, monkeypatch):
    torch.manual_seed(0)
    config = GRU.Config(embed_dim=3, hidden_dim=4, dropout=0.0, cell=cell)
    model, batch = GRU(catalogue(7), config), Batch(torch.randint(1, 8, (5, 6)))

    def learned():
        model.zero_grad()
        states = model.encode(batch)
        states.square().sum().backward()
        return states.detach(), model.gru.weight_hh_l0.grad.clone()

    whole = learned()
    monkeypatch.setattr(gru, "WHOLE", 12)  # two rows
    for one, other in zip(whole, learned(), strict=True):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_tied_states_are_projected_back_to_the_item_table():
    torch.manual_seed(0)
    model = GRU(catalogue(7), GRU.Config(embed_dim=3, hidden_dim=4)).eval()
    torch.nn.init.normal_(model.items.weight)
    batch = Batch(torch.tensor([[5, 2]]))
    hidden, _ = model.gru(model.items(batch.item))
    expected = model.project(hidden)[0, 1] @ model.items.weight[1:].T
    torch.testing.assert_close(model.score_all(batch)[0, 1:], expected)
    assert expected.std() > 0.01


def test_the_network_of_seed_001_has_its_number_of_weights():
    with torch.device("meta"):
        model = GRU(catalogue(456_186), GRU.Config(embed_dim=128, hidden_dim=256, tied=False))
    assert len(model.items.weight) == 456_187  # with padding
    assert sum(weight.numel() for weight in model.parameters()) == 175_928_443


@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_acts_in_training_only(layers):
    torch.manual_seed(0)
    config = GRU.Config(embed_dim=8, hidden_dim=8, num_layers=layers, dropout=0.5)
    model, batch = GRU(catalogue(7), config), Batch(torch.tensor([[1, 2, 3]]))
    assert not model.encode(batch).equal(model.encode(batch))
    model.eval()
    assert model.encode(batch).equal(model.encode(batch))
