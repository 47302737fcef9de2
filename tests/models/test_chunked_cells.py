"""What teachers say and the target, in one sweep over the catalogue."""

import numpy as np
import pytest
import torch

from seqrec_lib.models.losses import BCE, SampledSoftmax, Softmax
from seqrec_lib.models.wrappers.taught import Lesson


def answers(positions, num_items, kept, seed=0):
    """Random teachers: ``kept`` items of each position, and how likely each is."""
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(num_items)[:kept] + 1 for _ in range(positions)])
    chances = rng.dirichlet(np.ones(num_items), positions)[:, :kept]
    return torch.from_numpy(items).int(), torch.from_numpy(chances).float()


def plainly(lesson):
    """The same, written out: every logit at once, the last cell by subtraction."""

    def loss(states, targets, vectors, bias, frequency):
        logits = (states @ vectors.T + (0 if bias is None else bias))[:, 1:].double()
        logs = logits.log_softmax(1)
        own = logs.gather(1, lesson.items.long() - 1)
        taught = lesson.chances.double()
        others, left = 1 - taught.sum(1), 1 - own.exp().sum(1)
        divergence = (taught * (taught.log() - own)).sum(1) + others * (others / left).log()
        hit = -logs.gather(1, targets[:, None] - 1)[:, 0]
        return ((1 - lesson.share) * hit + lesson.share * divergence).mean().float()

    return loss


def test_three_items_by_hand():
    """The pupil says .5, .3, .2; the teachers .8 of the first, and so .2 of the other two."""
    bias = torch.tensor([0.0, 0.5, 0.3, 0.2]).log().nan_to_num(neginf=0.0).requires_grad_()
    states, vectors = torch.zeros(1, 2), torch.zeros(4, 2)
    lesson = Lesson(Softmax(), torch.tensor([[1]]), torch.tensor([[0.8]]), share=0.25)
    loss = lesson(states, torch.tensor([2]), vectors, bias, torch.ones(4))
    divergence = 0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.2 / 0.5)
    assert loss.item() == pytest.approx(-0.75 * np.log(0.3) + 0.25 * divergence, rel=1e-6)
    (slope,) = torch.autograd.grad(loss, bias)
    # the others give up a tenth: a quarter of .2 / .5; of the target three quarters are missing
    expected = [0.0, 0.5 - 0.25 * 0.8, 0.9 * 0.3 - 0.75, 0.9 * 0.2]
    np.testing.assert_allclose(slope.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_it_is_the_formula_in_value_and_gradients(drawn, value_and_gradients, bias, share):
    example = drawn(positions=300, bias=bias)  # more than one chunk
    lesson = Lesson(Softmax(), *answers(300, 23, 5), share)
    ours, our_gradients = value_and_gradients(lesson, *example)
    theirs, their_gradients = value_and_gradients(plainly(lesson), *example)
    assert theirs > 0.5
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        assert their.abs().max() > 1e-3
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-6)


def test_without_a_share_it_is_cross_entropy(drawn, cross_entropy, value_and_gradients):
    example = drawn()
    ours, our_gradients = value_and_gradients(Lesson(Softmax(), *answers(37, 23, 5), 0.0), *example)
    theirs, their_gradients = value_and_gradients(cross_entropy, *example)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-5, atol=1e-6)


def test_of_all_items_it_is_the_divergence_of_two_softmaxes(drawn):
    states, targets, vectors, bias, frequency = drawn()
    taught = torch.randn(37, 23).log_softmax(1)
    items = torch.arange(1, 24).expand(37, 23)
    pupil = (states @ vectors.T + bias)[:, 1:].log_softmax(1)
    expected = torch.nn.functional.kl_div(pupil, taught, reduction="batchmean", log_target=True)
    # half precision: the probabilities of a position no longer sum to one, and no item is left over
    lesson = Lesson(Softmax(), items, taught.exp().half(), 1.0)
    found = lesson(states, targets, vectors, bias, frequency)
    torch.testing.assert_close(found, expected, rtol=5e-3, atol=0)


def test_a_pupil_that_agrees_has_nothing_to_learn(drawn, value_and_gradients):
    states, targets, vectors, bias, frequency = drawn()
    with torch.no_grad():
        pupil = (states @ vectors.T + bias)[:, 1:].softmax(1)
    chances, items = pupil.topk(4)
    lesson = Lesson(Softmax(), items + 1, chances, 1.0)
    loss, gradients = value_and_gradients(lesson, states, targets, vectors, bias, frequency)
    assert abs(loss) < 1e-6 and max(slope.abs().max() for slope in gradients) < 1e-6


@pytest.mark.parametrize("objective", [BCE(), SampledSoftmax(8)])
def test_another_objective_keeps_its_part(drawn, objective):
    example = drawn()
    lesson = answers(37, 23, 5)
    torch.manual_seed(0)
    own = objective(*example)
    torch.manual_seed(0)
    both = Lesson(objective, *lesson, 0.25)(*example)
    taught = Lesson(Softmax(), *lesson, 1.0)(*example)
    assert (own - taught).abs() > 0.1
    torch.testing.assert_close(both, 0.75 * own + 0.25 * taught)


def test_cosines_are_of_rows_as_long_as_one(drawn):
    states, targets, vectors, _, frequency = drawn(bias=False)
    lesson = Lesson(Softmax(), *answers(37, 23, 5), 0.5)
    unit = torch.nn.functional.normalize(vectors, dim=1)
    expected = lesson(states, targets, unit, None, frequency)
    assert lesson(states, targets, vectors, None, frequency, cosine=True).equal(expected)
    assert not lesson(states, targets, vectors, None, frequency).allclose(expected, atol=0.1)


def test_bfloat16_comes_close_to_full_precision(drawn, value_and_gradients):
    example = drawn(positions=512, num_items=300, embed_dim=32, scale=0.3)
    lesson = Lesson(Softmax(), *answers(512, 300, 20), 0.5)
    exact, exact_gradients = value_and_gradients(lesson, *example)
    with torch.autocast("cpu", torch.bfloat16):
        rough, rough_gradients = value_and_gradients(lesson, *example)
    assert rough.dtype == torch.float32
    assert abs(rough / exact - 1) < 2e-3
    for rough_one, exact_one in zip(rough_gradients, exact_gradients, strict=True):
        assert (rough_one - exact_one).norm() / exact_one.norm() < 1e-2


def test_scores_far_apart_give_a_finite_lesson(drawn, value_and_gradients):
    example = drawn(scale=100.0)  # of most items the pupil's probability is below any float
    loss, gradients = value_and_gradients(Lesson(Softmax(), *answers(37, 23, 5), 0.5), *example)
    assert loss.isfinite() and loss > 1
    assert all(slope.isfinite().all() for slope in gradients)
