import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
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
