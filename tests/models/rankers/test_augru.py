"""AUGRU: its limits, and a GRU of torch given the same weights."""

import numpy as np
import pytest
import torch
from torch import nn

from seqrec_lib.models.rankers.augru import AUGRU, GATES


@pytest.fixture(params=["paper", "released"])
def augru(request):
    torch.manual_seed(0)
    return AUGRU(3, 4, request.param)


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.randn(2, 5, 3)


def as_torch(augru):
    """A GRU of torch with the same weights."""
    gru = nn.GRU(3, 4, batch_first=True)
    parts = (augru.input.weight, augru.state.weight, augru.input.bias, augru.state.bias)
    with torch.no_grad():
        for own, other in zip(gru.parameters(), parts, strict=True):
            own.copy_(other)
    return gru


@torch.no_grad()
def test_attention_one_in_the_paper_and_none_in_the_released_code_is_a_gru(augru, x):
    every = torch.full((2, 5), 1.0 if augru.gate == "paper" else 0.0)
    expected = as_torch(augru)(x)[1][0]
    assert expected.abs().min() > 1e-3
    torch.testing.assert_close(augru(x, every), expected)


@torch.no_grad()
def test_a_step_of_no_interest_leaves_the_papers_state_as_it_is(x):
    torch.manual_seed(0)
    augru, attention = AUGRU(3, 4), torch.tensor([[0.7, 0.0, 0.2, 0.0, 0.0]]).expand(2, -1)
    assert augru(x, attention).equal(augru(x[:, [0, 2]], attention[:, [0, 2]]))
    assert augru(x, torch.zeros(2, 5)).abs().max() == 0


@torch.no_grad()
def test_a_step_of_full_interest_writes_over_the_released_codes_state(x):
    torch.manual_seed(0)
    augru = AUGRU(3, 4, "released")
    attention = torch.tensor([0.3, 0.4, 0.1, 0.9, 1.0]).expand(2, -1)
    before = augru(x[:, :4], attention[:, :4])
    read, state = augru.input(x[:, 4]), augru.state(before)
    reset = torch.sigmoid(read[:, :4] + state[:, :4])
    expected = torch.tanh(read[:, 8:] + reset * state[:, 8:])
    torch.testing.assert_close(augru(x, attention), expected)


@torch.no_grad()
def test_steps_by_hand(augru, x):
    attention = np.array([0.9, 0.1, 0.5, 0.3, 0.7])
    w, u, b, c = (
        part.detach().double().numpy()
        for part in (augru.input.weight, augru.state.weight, augru.input.bias, augru.state.bias)
    )
    sigmoid = lambda value: 1 / (1 + np.exp(-value))  # noqa: E731
    for row in range(2):
        h = np.zeros(4)
        for a, step in zip(attention, x[row].double().numpy(), strict=True):
            read, own = w @ step + b, u @ h + c
            r, z = sigmoid(read[:4] + own[:4]), sigmoid(read[4:8] + own[4:8])
            n = np.tanh(read[8:] + r * own[8:])
            taken = a * (1 - z) if augru.gate == "paper" else 1 - (1 - a) * z
            h = (1 - taken) * h + taken * n
        found = augru(x, torch.tensor(attention).float().expand(2, -1))[row]
        np.testing.assert_allclose(found, h, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_what_is_not_real_is_passed_by(augru, x):
    real = torch.tensor([[True, True, False, False, False], [True] * 5])
    attention = torch.rand(2, 5)
    found = augru(x, attention, real)
    torch.testing.assert_close(found[:1], augru(x[:1, :2], attention[:1, :2]))
    torch.testing.assert_close(found[1:], augru(x[1:], attention[1:]))
    assert not found[0].allclose(augru(x, attention)[0])


@torch.no_grad()
def test_in_agru_attention_is_the_gate(x):
    torch.manual_seed(0)
    augru, attention = AUGRU(3, 4, "replaced"), torch.rand(2, 5)
    w, u, b, c = (
        *(p.weight for p in (augru.input, augru.state)),
        augru.input.bias,
        augru.state.bias,
    )
    for row in range(2):
        h = torch.zeros(4)
        for a, step in zip(attention[row], x[row], strict=True):
            read, own = w @ step + b, u @ h + c
            new = torch.tanh(read[8:] + torch.sigmoid(read[:4] + own[:4]) * own[8:])
            h = (1 - a) * h + a * new
        torch.testing.assert_close(augru(x, attention)[row], h)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("of_attention", [torch.float32, torch.bfloat16])
def test_under_autocast_the_state_stays_in_single_precision(gate, of_attention, x):
    torch.manual_seed(0)
    augru, attention = AUGRU(3, 4, gate), torch.rand(2, 5).to(of_attention)
    expected = augru(x, attention)
    with torch.autocast("cpu", torch.bfloat16):
        found = augru(x, attention)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0.01)
    assert not found.equal(expected)  # products were halved
    found.sum().backward()


def test_another_gate_is_refused():
    with pytest.raises(ValueError, match="use 'paper' or 'released'"):
        AUGRU(3, 4, "keep")
