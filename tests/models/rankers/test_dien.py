"""DIEN: attention, evolution and auxiliary loss by hand, and the limits of its gates."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.losses import BCE
from seqrec_lib.models.rankers.dien import DIEN

SMALL = DIEN.Config(embed_dim=6, hidden=(10, 5), dropout=0.0, share=1.0)
HISTORIES = torch.tensor([[3, 1, 4, 1, 5, 9], [9, 2, 7, 0, 0, 0], [6, 0, 0, 0, 0, 0]])
CANDIDATES = torch.tensor([[7, 8, 2]] * 3)
KINDS = [{}, {"gate": "released"}, {"evolution": "agru"}, {"evolution": "aigru"}]


@pytest.fixture
def made(small_catalogue, shaken):
    def make(**settings):
        torch.manual_seed(0)
        return shaken(DIEN(small_catalogue, dataclasses.replace(SMALL, **settings)), 0.3)

    return make


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def arrays(model):
    return {name: value.detach().double().numpy() for name, value in model.state_dict().items()}


def extracted(own, history):
    """The states of the first GRU."""
    h, states = np.zeros(6), []
    for item in history:
        read = own["extract.weight_ih_l0"] @ own["items.weight"][item] + own["extract.bias_ih_l0"]
        kept = own["extract.weight_hh_l0"] @ h + own["extract.bias_hh_l0"]
        r, z = sigmoid(read[:6] + kept[:6]), sigmoid(read[6:12] + kept[6:12])
        h = z * h + (1 - z) * np.tanh(read[12:] + r * kept[12:])
        states.append(h)
    return np.array(states)


def by_hand(model, history, candidate):
    """The score of one candidate, one step after the other."""
    own, config = arrays(model), model.config
    item, states = own["items.weight"][candidate], extracted(own, history)
    attention = np.exp(states @ own["relevance.weight"].T @ item)
    attention /= attention.sum()
    h = np.zeros(6)
    for a, state in zip(attention, states, strict=True):
        state = state * a if config.evolution == "aigru" else state
        read = own["evolve.input.weight"] @ state + own["evolve.input.bias"]
        kept = own["evolve.state.weight"] @ h + own["evolve.state.bias"]
        r, u = sigmoid(read[:6] + kept[:6]), sigmoid(-read[6:12] - kept[6:12])
        new = np.tanh(read[12:] + r * kept[12:])
        if config.evolution == "agru":
            u = a
        elif config.evolution == "augru":
            u = a * u if config.gate == "paper" else 1 - (1 - a) * (1 - u)
        h = (1 - u) * h + u * new
    x = own["tower.user.weight"] @ h + own["tower.user.bias"] + own["tower.item.weight"] @ item
    x = x + own["tower.both.weight"] @ (h * item)
    for slope, layer in ((0, 2), (3, 5)):
        x = np.where(x > 0, x, own[f"tower.layers.{slope}.weight"] * x)
        x = own[f"tower.layers.{layer}.weight"] @ x + own[f"tower.layers.{layer}.bias"]
    return x[0]


@pytest.mark.parametrize("settings", KINDS, ids=str)
@torch.no_grad()
def test_a_score_by_hand(made, as_by_hand, settings):
    model = made(**settings)
    histories = [history[history > 0].tolist() for history in HISTORIES]
    found = model.score(Batch(HISTORIES), CANDIDATES)
    as_by_hand(found, CANDIDATES, lambda row, candidate: by_hand(model, histories[row], candidate))


@torch.no_grad()
def test_attention_sums_to_one_over_what_is_there(made):
    model = made()
    batch = Batch(torch.cat([HISTORIES, torch.zeros_like(HISTORIES[:1])]))
    item = model.items(torch.tensor([[7, 8, 2]] * 4))
    found = model.attention(model.read(batch), item)
    torch.testing.assert_close(found.sum(-1), torch.tensor([[1.0], [1], [1], [0]]).expand(4, 3))
    assert (found[1, :, 3:] == 0).all() and found[0].std() > 1e-2


def gru_of(model):
    """A GRU of torch with the weights of the second one."""
    cell, gru = model.evolve, nn.GRU(6, 6, batch_first=True)
    parts = (cell.input.weight, cell.state.weight, cell.input.bias, cell.state.bias)
    for own, other in zip(gru.parameters(), parts, strict=True):
        own.copy_(other)
    return gru


@pytest.mark.parametrize("attention", [0.0, 1.0])
@pytest.mark.parametrize("settings", KINDS, ids=str)
@torch.no_grad()
def test_the_limits_of_attention(made, settings, attention):
    """A GRU, no step at all, or no memory: which it is the paper and its code do not agree on."""
    model = made(**settings)
    read = model.read(Batch(HISTORIES[:1]))
    found = model.evolved(read, torch.full((1, 1, 6), attention))[0, 0]
    gru, nothing = gru_of(model), torch.zeros(1, 6, 6)
    last = model.evolve.input(read.states[:, -1:])
    kind = settings.get("gate") or model.config.evolution
    if kind == "aigru":
        expected = gru(read.states if attention else nothing)[1][0, 0]
    elif (kind, attention) in (("augru", 1.0), ("released", 0.0)):
        expected = gru(read.states)[1][0, 0]
    elif attention == 0:
        expected = torch.zeros(6)
    else:  # the candidate state of the last step, whose memory is all of the one before
        before = model.evolved(
            model.read(Batch(HISTORIES[:1, :5])), torch.full((1, 1, 5), attention)
        )
        own = model.evolve.state(before[0, 0])
        reset = torch.sigmoid(last[0, 0, :6] + own[:6])
        expected = torch.tanh(last[0, 0, 12:] + reset * own[12:])
    assert (expected.abs().max() > 0.1) == (kind in ("aigru", "released") or attention == 1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("auxiliary", ["product", "mlp"])
@torch.no_grad()
def test_the_auxiliary_loss_by_hand(made, auxiliary):
    model = made(auxiliary=auxiliary)
    own, other = arrays(model), HISTORIES % 11 + 20
    found = model.auxiliary_loss(model.read(Batch(HISTORIES)).states, HISTORIES, other)

    def scored(state, item):
        item = own["items.weight"][item]
        if auxiliary == "product":
            return state @ item
        x = own["follows.layers.0.weight"] @ np.r_[state, item] + own["follows.layers.0.bias"]
        x = np.where(x > 0, x, own["follows.layers.1.weight"] * x)
        return own["follows.layers.2.weight"][0] @ x + own["follows.layers.2.bias"][0]

    for row, length in ((0, 6), (1, 3)):
        states = extracted(own, HISTORIES[row, :length].tolist())
        lost = 0.0
        for t in range(length - 1):
            clicked = sigmoid(scored(states[t], int(HISTORIES[row, t + 1])))
            drawn = sigmoid(scored(states[t], int(other[row, t + 1])))
            lost -= np.log(clicked) + np.log(1 - drawn)
        np.testing.assert_allclose(found[row], lost / (length - 1), rtol=1e-4)
    assert found[2] == 0  # one event, nothing after it


def asked():
    target = torch.zeros_like(HISTORIES)
    target[0, 5], target[1, 2] = 2, 6  # the third history asks nothing
    return target


def test_the_loss_is_the_objective_and_alpha_times_the_auxiliary(made):
    losses = []
    for alpha in (0.0, 0.5, 1.0):
        torch.manual_seed(0)
        losses.append(made(alpha=alpha).loss(Batch(HISTORIES, asked())).item())
    assert losses[1] - losses[0] > 0.1
    np.testing.assert_allclose(losses[2] - losses[0], 2 * (losses[1] - losses[0]), rtol=1e-4)


def test_no_event_is_told_from_itself(monkeypatch):
    """Among three items a third of all draws would be."""
    model = DIEN(Catalogue(3, np.array([0, 1, 1, 1])), SMALL)
    item = torch.randint(1, 4, (40, 20))
    item[:, 12:] = 0
    told, auxiliary_loss = [], model.auxiliary_loss
    monkeypatch.setattr(
        model, "auxiliary_loss", lambda *given: told.append(given[1:]) or auxiliary_loss(*given)
    )
    target = torch.zeros_like(item)
    target[:, 11] = 1
    model.loss(Batch(item, target))
    ((own, other),) = told
    assert own.equal(item) and (other[own > 0] != own[own > 0]).all()
    assert other.unique().tolist() == [1, 2, 3]


def test_without_alpha_nothing_of_the_auxiliary_is_there(made):
    model = made(alpha=0.0, auxiliary="mlp")
    assert model.follows is None
    torch.manual_seed(0)
    whole = model.loss(Batch(HISTORIES, asked()))
    torch.manual_seed(0)
    target = asked().amax(1, keepdim=True)
    assert whole.equal(model._lost(model.read(Batch(HISTORIES)), target))


@pytest.mark.parametrize("settings", [{}, {"auxiliary": "mlp", "objective": BCE(3)}], ids=str)
def test_a_history_that_asks_nothing_teaches_nothing(made, settings):
    model, found = made(**settings), []
    for last in (6, 11):
        history = HISTORIES.clone()
        history[2, :2] = torch.tensor([last, 12])
        torch.manual_seed(0)
        found.append(model.loss(Batch(history, asked())))
    assert found[0].equal(found[1])


@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_every_weight_has_a_gradient(made, settings):
    model = made(auxiliary="mlp", objective=BCE(3), **settings)
    model.loss(Batch(HISTORIES, asked())).backward()
    for name, weight in model.named_parameters():
        assert weight.grad.isfinite().all() and weight.grad.abs().max() > 0, name


def test_a_pass_learns_from_a_share_of_the_positions(small_catalogue, small_log, small_split):
    model = DIEN(small_catalogue, dataclasses.replace(SMALL, share=0.3))
    every = len(model.windows(small_log, small_split.train, 4))
    found = []
    for seed in (0, 0, 1):
        rng = np.random.default_rng(seed)
        batches = list(model.training_batches(small_log, small_split.train, 64, 4, rng))
        assert all(((batch.target > 0).sum(1) == 1).all() for batch in batches)
        found.append(sorted(tuple(row) for batch in batches for row in batch.item.tolist()))
    assert len(found[0]) == model.num_targets(small_log, small_split.train, 4)
    assert len(found[0]) == int(np.ceil(0.3 * every))
    assert found[0] == found[1] != found[2]


def test_a_shorter_history_has_to_be_read_by_itself(made, read_by_itself):
    read_by_itself(made(), HISTORIES, CANDIDATES)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"evolution": "gru"}, "use one of augru, agru, aigru"),
        ({"gate": "keep"}, "use 'paper' or 'released'"),
        ({"gate": "replaced", "evolution": "aigru"}, "gate is 'replaced'"),
        ({"gate": "keep", "evolution": "agru"}, "gate is 'keep'"),
        ({"hidden": ()}, r"hidden is \(\)"),
        ({"auxiliary": "sum"}, "use 'product' or 'mlp'"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"share": 0.0}, "share is 0.0"),
    ],
)
def test_settings_that_are_none_are_refused(small_catalogue, settings, words):
    with pytest.raises(ValueError, match=words):
        DIEN(small_catalogue, dataclasses.replace(SMALL, **settings))
