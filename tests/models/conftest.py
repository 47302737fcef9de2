"""Examples of what a loss is called with, and what it gives."""

import pytest
import torch
import torch.nn.functional as F


def _drawn(positions=37, num_items=23, embed_dim=6, bias=True, seed=0, scale=1.0):
    """States, targets, output table, bias and frequencies; the first three want gradients."""
    chance = torch.Generator().manual_seed(seed)
    states = torch.randn(positions, embed_dim, generator=chance) * scale
    vectors = torch.randn(num_items + 1, embed_dim, generator=chance)
    shift = torch.randn(num_items + 1, generator=chance) if bias else None
    targets = torch.randint(1, num_items + 1, (positions,), generator=chance)
    frequency = torch.arange(num_items + 1).float()
    for one in (states, vectors, shift):
        if one is not None:
            one.requires_grad_()
    return states, targets, vectors, shift, frequency


def _cross_entropy(states, targets, vectors, bias, frequency):
    logits = states @ vectors[1:].T + (0 if bias is None else bias[1:])
    return F.cross_entropy(logits, targets - 1)


def _value_and_gradients(objective, states, targets, vectors, bias, frequency, **how):
    wanted = [one for one in (states, vectors, bias) if one is not None]
    loss = objective(states, targets, vectors, bias, frequency, **how)
    return loss.detach(), torch.autograd.grad(3 * loss, wanted)


@pytest.fixture(scope="session")
def drawn():
    return _drawn


@pytest.fixture(scope="session")
def cross_entropy():
    """The plain way: every score of every position at once."""
    return _cross_entropy


@pytest.fixture(scope="session")
def value_and_gradients():
    """The loss, and three times its gradients: of states, table and bias."""
    return _value_and_gradients
