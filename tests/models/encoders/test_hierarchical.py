"""HRNN: what a session starts from, what ends one, and what it is without a user's state."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.hierarchical import HRNN

WIDTH = 4


def model_of(**config):
    """A small model with large random weights, of a catalogue with two actions."""
    torch.manual_seed(0)
    small = {"embed_dim": 3, "hidden_dim": WIDTH, "gap_s": 60, "dropout": 0.0}
    catalogue = Catalogue(9, np.arange(10), names={"action": np.array(["click", "view"])})
    model = HRNN(catalogue, HRNN.Config(**small | config)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn_like(weight) * 0.5)
        model.items.weight[0] = 0
        if model.actions is not None:
            model.actions.weight[0] = 0
    return model


# sessions of two and three events, of one each, and a short one
BATCH = Batch(
    torch.tensor([[5, 2, 7, 1, 5], [3, 8, 4, 0, 0], [6, 6, 0, 0, 0]]),
    time=torch.tensor([[0, 60, 121, 130, 131], [0, 100, 200, 0, 0], [50, 50, 0, 0, 0]]),
    basket=torch.tensor([[1, 1, 2, 2, 2], [3, 4, 5, 0, 0], [6, 6, 0, 0, 0]]),
    action=torch.tensor([[1, 2, 1, 1, 1], [2, 1, 2, 0, 0], [1, 0, 0, 0, 0]]),
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(weight, name, x, hidden, also=0.0):
    """A step of a GRU, written out; ``also`` is added to what is read."""
    given = weight[f"{name}.weight_ih"] @ x + weight[f"{name}.bias_ih"] + also
    kept = weight[f"{name}.weight_hh"] @ hidden + weight[f"{name}.bias_hh"]
    reset, update = (sigmoid(given[i : i + WIDTH] + kept[i : i + WIDTH]) for i in (0, WIDTH))
    new = np.tanh(given[2 * WIDTH :] + reset * kept[2 * WIDTH :])
    return (1 - update) * new + update * hidden


@pytest.mark.parametrize("fed", [False, True])
def test_two_sessions_by_hand(fed):
    model = model_of(fed=fed)
    weight = {name: value.detach().numpy() for name, value in model.named_parameters()}
    one, two, three, *_ = weight["items.weight"][[5, 2, 7]]
    first = step(weight, "session", one, np.zeros(WIDTH))
    second = step(weight, "session", two, first)
    user = step(weight, "user", second, np.zeros(WIDTH))
    start = np.tanh(weight["start.weight"] @ user + weight["start.bias"])
    also = weight["feed.weight"] @ user if fed else 0.0
    third = step(weight, "session", three, start, also)
    states = np.stack([first, second, third])
    states = states @ weight["project.weight"].T + weight["project.bias"]
    found = model.encode(BATCH)[0, :3].detach()
    np.testing.assert_allclose(found, states, atol=1e-6)
    assert abs(start).min() > 1e-2 and np.ptp(states, axis=0).min() > 1e-3


def test_the_second_users_state_takes_in_the_first():
    model = model_of()
    weight = {name: value.detach().numpy() for name, value in model.named_parameters()}
    hidden = user = np.zeros(WIDTH)
    for number, item in enumerate([3, 8, 4]):  # each a session of its own
        if number:
            user = step(weight, "user", hidden, user)
            hidden = np.tanh(weight["start.weight"] @ user + weight["start.bias"])
        hidden = step(weight, "session", weight["items.weight"][item], hidden)
    state = weight["project.weight"] @ hidden + weight["project.bias"]
    np.testing.assert_allclose(model.state(BATCH)[1].detach(), state, atol=1e-6)


def gru_of(model):
    """GRU-CE with the weights of the sessions' net."""
    catalogue = Catalogue(9, np.arange(10))
    gru = GRU(catalogue, GRU.Config(3, WIDTH, dropout=0.0)).eval()
    for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(gru.gru, f"{part}_l0").data.copy_(getattr(model.session, part))
    gru.items.load_state_dict(model.items.state_dict())
    gru.project.load_state_dict(model.project.state_dict())
    return gru


@torch.no_grad()
def test_one_session_is_a_gru():
    model = model_of(gap_s=100, fed=True)
    expected = gru_of(model).encode(BATCH)[BATCH.real]
    torch.testing.assert_close(model.encode(BATCH)[BATCH.real], expected)
    assert expected.std() > 0.1


@torch.no_grad()
def test_without_a_users_state_it_is_a_gru_that_starts_anew_with_each_session():
    model = model_of(fed=True)
    for weight in (model.start.weight, model.start.bias, model.feed.weight):
        weight.zero_()
    gru, found = gru_of(model), model.encode(BATCH)
    sessions = [(0, 0, 2), (0, 2, 5), (1, 0, 1), (1, 1, 2), (1, 2, 3), (2, 0, 2)]
    for row, begin, end in sessions:
        alone = gru.encode(Batch(BATCH.item[row : row + 1, begin:end]))[0]
        torch.testing.assert_close(found[row, begin:end], alone)
    assert not found[0, 2:].allclose(gru.encode(BATCH)[0, 2:], atol=1e-2)


def test_a_session_begins_after_a_longer_pause_than_the_gap():
    begins = model_of().begins(BATCH)
    assert begins.nonzero().tolist() == [[0, 2], [1, 1], [1, 2]]
    assert model_of(gap_s=59).begins(BATCH).nonzero().tolist()[0] == [0, 1]


def test_baskets_are_sessions_without_a_gap():
    model = model_of(gap_s=None)
    assert model.reads == ("basket",)
    assert model.begins(BATCH).nonzero().tolist() == [[0, 2], [1, 1], [1, 2]]
    untimed = dataclasses.replace(BATCH, time=None)
    assert model.encode(untimed).equal(model_of().encode(BATCH))  # the same sessions, found apart


@torch.no_grad()
def test_a_state_does_not_know_when_what_comes_after_it_happens():
    for model, column in ((model_of(), "time"), (model_of(gap_s=None), "basket")):
        later = getattr(BATCH, column).clone()
        later[0, 3:] += 1000
        found = model.encode(dataclasses.replace(BATCH, **{column: later}))
        change = (found - model.encode(BATCH)).abs().amax(-1)
        assert change[0, :3].max() == 0 and change[0, 3] > 1e-3 and change[1:].max() == 0


def test_later_sessions_teach_what_earlier_ones_are_read_as():
    model = model_of()
    model.encode(BATCH)[0, 3].sum().backward()
    touched = model.items.weight.grad.abs().amax(1).nonzero()[:, 0].tolist()
    assert touched == [1, 2, 5, 7]  # of both sessions, and no later one
    assert model.user.weight_hh.grad.abs().max() == 0  # its first update starts from zero
    assert model.user.weight_ih.grad.abs().min() > 0


@torch.no_grad()
def test_an_action_is_part_of_its_event():
    plain, acting = model_of(), model_of(actions=True)
    assert acting.reads == ("time", "action")
    other = BATCH.action.clone()
    other[0, 2] = 2
    change = acting.encode(dataclasses.replace(BATCH, action=other)) - acting.encode(BATCH)
    change = change.abs().amax(-1)
    assert change[0, :2].max() == 0 and change[0, 2:].min() > 1e-4 and change[1:].max() == 0
    unsaid = dataclasses.replace(BATCH, action=torch.zeros_like(other))
    for part in ("items", "session", "user", "start", "project"):
        getattr(acting, part).load_state_dict(getattr(plain, part).state_dict())
    torch.testing.assert_close(acting.encode(unsaid), plain.encode(BATCH))


def test_actions_come_from_the_log():
    table = pd.DataFrame({"user": 1, "item": [1, 2, 3], "time": [0, 1, 2]})
    log = EventLog.build(table.assign(action=["view", "click", "view"]))
    model = HRNN(Catalogue.learned(log, np.arange(2)), HRNN.Config(actions=True))
    assert model.batch(log, np.array([2]), 5).action.tolist() == [[2, 1]]
    assert model.actions.num_embeddings == 3 and model.actions.weight[0].abs().max() == 0
    with pytest.raises(ValueError, match="reads the action of events, and this log has none"):
        model.batch(EventLog.build(table), np.array([2]), 5)


def test_a_negative_gap_is_refused():
    with pytest.raises(ValueError, match="gap_s is -1; use 0 seconds or more, or None"):
        model_of(gap_s=-1)
