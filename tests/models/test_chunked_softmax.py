"""The softmax that never holds its logits, through the objective that calls it."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seqrec_lib.models.losses import Softmax


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("chunk", [1, 8, 37, 500])  # 8 does not divide 37
def test_the_chunked_softmax_is_cross_entropy_in_value_and_gradients(
    drawn, cross_entropy, value_and_gradients, bias, chunk
):
    example = drawn(bias=bias)
    ours, our_gradients = value_and_gradients(Softmax(chunk), *example)
    theirs, their_gradients = value_and_gradients(cross_entropy, *example)
    assert theirs > 1
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        assert their.abs().max() > 1e-2
        torch.testing.assert_close(our, their, rtol=1e-5, atol=1e-6)


def test_the_gradient_is_the_slope_of_the_loss(drawn, value_and_gradients):
    states, targets, vectors, bias, frequency = drawn(positions=5, num_items=4)
    _, slopes = value_and_gradients(Softmax(2), states, targets, vectors, bias, frequency)
    for place, slope in zip((states, vectors, bias), slopes, strict=True):
        for at in np.ndindex(*place.shape):
            with torch.no_grad():
                losses = []
                for step in (1e-2, -1e-2):
                    place[at] += step
                    losses.append(Softmax(2)(states, targets, vectors, bias, frequency).item())
                    place[at] -= step
            assert 3 * (losses[0] - losses[1]) / 2e-2 == pytest.approx(slope[at].item(), abs=2e-3)


def test_bfloat16_comes_close_to_full_precision(drawn, value_and_gradients):
    example = drawn(positions=512, num_items=300, embed_dim=32, scale=0.3)
    exact, exact_gradients = value_and_gradients(Softmax(), *example)
    with torch.autocast("cpu", torch.bfloat16):
        rough, rough_gradients = value_and_gradients(Softmax(), *example)
    assert rough.dtype == torch.float32
    assert abs(rough / exact - 1) < 1e-3
    for rough_one, exact_one in zip(rough_gradients, exact_gradients, strict=True):
        assert rough_one.dtype == torch.float32
        assert (rough_one - exact_one).norm() / exact_one.norm() < 1e-2


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_scores_far_apart_give_a_finite_loss(drawn, cross_entropy, value_and_gradients, scale):
    example = drawn(scale=scale)  # at 100 the chance of a target is below the smallest float
    ours, our_gradients = value_and_gradients(Softmax(8), *example)
    theirs, their_gradients = value_and_gradients(cross_entropy, *example)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-4)


class Largest(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        sizes = [one.numel() for one in tree_leaves(made) if isinstance(one, torch.Tensor)]
        self.elements = max([self.elements, *sizes])
        return made


def largest_made_and_kept(objective, example):
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda one: kept.append(one.numel()) or one, lambda one: one
    ):
        with Largest() as seen:
            objective(*example).backward()
    return seen.elements, max(kept)


def test_the_logits_are_never_stored(drawn, cross_entropy):
    positions, num_items, chunk = 400, 300, 32
    example = drawn(positions, num_items)
    made, kept = largest_made_and_kept(cross_entropy, example)
    assert made >= positions * num_items and kept >= positions * num_items  # the plain way
    made, kept = largest_made_and_kept(Softmax(chunk), example)
    assert made == chunk * num_items  # the largest tensor that ever exists
    assert kept <= max(positions, num_items + 1) * 6  # the gradients themselves


def test_scoring_without_gradients_gives_the_same_loss(drawn, cross_entropy):
    example = drawn()
    with torch.no_grad():
        torch.testing.assert_close(Softmax(8)(*example), cross_entropy(*example))
