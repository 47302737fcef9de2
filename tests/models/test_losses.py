import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.models.losses import (
    BCE,
    GBCE,
    BPRMax,
    SampledSoftmax,
    Softmax,
    _shared_negatives,
    _Table,
    other_items,
    sampled_items,
)

OBJECTIVES = [
    Softmax(),
    SampledSoftmax(8),
    SampledSoftmax(0, in_batch=True),
    BPRMax(8),
    BCE(),
    GBCE(8),
]


# --- all objectives ----------------------------------------------------------------------------


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("bias", [True, False])
def test_padding_is_never_a_candidate_and_gets_no_gradient(drawn, objective, bias):
    states, targets, vectors, shift, frequency = drawn(bias=bias)
    with torch.no_grad():
        vectors[0] = 1e6  # would take all the mass
    torch.manual_seed(0)
    loss = objective(states, targets, vectors, shift, frequency)
    loss.backward()
    assert 0 < loss.item() < 100
    assert vectors.grad[0].abs().max() == 0 and vectors.grad[1:].abs().max() > 0
    if bias:
        assert shift.grad[0] == 0 and shift.grad[1:].abs().max() > 0


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_a_step_against_the_gradient_lowers_the_loss(drawn, value_and_gradients, objective):
    example = drawn()
    states, targets, vectors, bias, frequency = example
    torch.manual_seed(0)
    loss, (slope, _, _) = value_and_gradients(objective, *example)
    torch.manual_seed(0)  # the same negatives
    better = objective(states - 1e-2 * slope, targets, vectors, bias, frequency)
    assert better < loss - 1e-4


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_cosine_is_normalising_the_whole_table_by_hand(drawn, value_and_gradients, objective):
    states, targets, vectors, bias, frequency = drawn()

    def by_hand(states, targets, vectors, bias, frequency):
        length = vectors.square().sum(1, keepdim=True).sqrt()
        return objective(states, targets, vectors / length, bias, frequency)

    found = []
    for one, how in ((objective, {"cosine": True}), (by_hand, {}), (objective, {})):
        torch.manual_seed(0)  # the same negatives
        example = (states, targets, vectors, bias, frequency)
        found.append(value_and_gradients(one, *example, **how))
    (ours, our_gradients), (theirs, their_gradients), (inner, _) = found
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        assert their.abs().max() > 1e-2
        torch.testing.assert_close(our, their, rtol=1e-5, atol=1e-6)
    assert abs(inner - ours) > 1e-2  # the lengths do matter without


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES[1:], ids=repr)
def test_a_sparse_gradient_is_the_dense_one_and_holds_the_compared_rows_alone(
    drawn, value_and_gradients, objective, cosine
):
    example = drawn(positions=5, num_items=500)
    found = []
    for sparse in (False, True):
        torch.manual_seed(0)  # the same negatives
        found.append(value_and_gradients(objective, *example, cosine=cosine, sparse=sparse))
    (dense, dense_gradients), (loss, (states, table, bias)) = found
    assert loss == dense and table.is_sparse
    for our, their in zip((states, table.to_dense(), bias), dense_gradients, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-6, atol=1e-7)
    held = set(table.coalesce().indices()[0].tolist())
    touched = set(dense_gradients[1].abs().sum(1).nonzero()[:, 0].tolist())
    assert touched <= held and set(example[1].tolist()) <= touched
    assert len(held) <= 5 + 5 * 8  # targets, and eight negatives each at the most


def test_a_softmax_over_the_catalogue_has_no_sparse_gradient(drawn):
    with pytest.raises(ValueError, match="moves every row: no sparse gradient"):
        Softmax()(*drawn(), sparse=True)


# --- sampled softmax ---------------------------------------------------------------------------


def partitions(drawn, count, alpha, in_batch, draws=400):
    """Sum of exp(score) over the negatives of one position, drawn many times; and the full sum."""
    states, _, vectors, bias, frequency = (one.detach() for one in drawn(1, num_items=9, seed=1))
    torch.manual_seed(0)
    targets = torch.full((draws, 200 if in_batch else 1), 4)
    if in_batch:  # the other positions' targets are as popular items are
        targets[:, 1:] = torch.multinomial(frequency, draws * 199, True).view(draws, 199)
    sums = []
    for own in targets:
        rows = states.expand(len(own), -1)
        table = _Table(vectors, bias, cosine=False, sparse=False)
        scores, log_expected = _shared_negatives(
            rows, own, table, frequency, count, alpha, in_batch
        )
        sums.append((scores[0] - log_expected).exp().sum())
    every = (states @ vectors.T + bias).exp()[0]
    return torch.stack(sums), every[1:].sum() - every[4]


@pytest.mark.parametrize(
    ("count", "alpha", "in_batch"),
    [(200, 0.0, False), (200, 0.75, False), (0, 0.0, True), (100, 0.5, True), (400, 0.0, True)],
)
def test_logq_makes_the_sum_over_negatives_an_unbiased_estimate(drawn, count, alpha, in_batch):
    sums, expected = partitions(drawn, count, alpha, in_batch)
    error = sums.std() / math.sqrt(len(sums))
    assert error < 0.02 * expected
    own_place = 1 / 200 if in_batch else 0  # a batch of 200 has 199 others
    assert abs(sums.mean() - expected) < 4 * error + own_place * expected


def test_with_many_negatives_the_sampled_softmax_is_the_full_one_and_not_so_without_logq(
    drawn, cross_entropy
):
    example = [one.detach() for one in drawn(num_items=12)]
    torch.manual_seed(0)
    full = cross_entropy(*example)
    for alpha in (0.0, 0.75):
        assert SampledSoftmax(100_000, alpha)(*example).item() == pytest.approx(
            full.item(), rel=5e-3
        )
    uncorrected = SampledSoftmax(100_000, logq=False)(*example)
    assert uncorrected - full > math.log(100_000 / 12) - 1


def test_in_batch_negatives_are_the_other_targets_and_never_the_own_one(drawn):
    states, _, vectors, bias, frequency = (one.detach() for one in drawn(3))
    targets = torch.tensor([5, 7, 5])
    score = (states @ vectors.T + bias).numpy()
    five, seven = (3 * f / frequency.sum().item() for f in (5, 7))  # expected among three
    hands = [
        math.log1p(math.exp(score[0, 7] - score[0, 5]) / seven),
        math.log1p(2 * math.exp(score[1, 5] - score[1, 7]) / five),
        math.log1p(math.exp(score[2, 7] - score[2, 5]) / seven),
    ]
    loss = SampledSoftmax(0, in_batch=True)(states, targets, vectors, bias, frequency)
    assert loss.item() == pytest.approx(np.mean(hands), rel=1e-5)


def test_targets_of_one_owner_are_no_negatives_of_each_other(drawn):
    states, _, vectors, _, frequency = drawn(positions=3, bias=False)
    targets, owner = torch.tensor([4, 7, 9]), torch.tensor([0, 1, 0])
    objective = SampledSoftmax(0, in_batch=True, logq=False)
    loss = objective(states, targets, vectors, None, frequency, owner=owner)
    scores = states @ vectors[targets].T
    others = [[1], [0, 2], [1]]
    lost = [scores[i, [i, *them]].logsumexp(0) - scores[i, i] for i, them in enumerate(others)]
    torch.testing.assert_close(loss, torch.stack(lost).mean())


def test_a_batch_of_one_target_has_no_in_batch_negatives(drawn):
    states, _, vectors, bias, frequency = drawn(4)
    alone = torch.full((4,), 9)
    loss = SampledSoftmax(0, in_batch=True)(states, alone, vectors, bias, frequency)
    assert loss.item() == 0


def test_the_target_among_the_sampled_is_no_negative(drawn, cross_entropy):
    states, targets, vectors, bias, frequency = drawn(5, num_items=2)
    torch.manual_seed(0)
    loss = SampledSoftmax(50_000)(states, targets, vectors, bias, frequency)
    assert loss.item() == pytest.approx(
        cross_entropy(states, targets, vectors, bias, None).item(), rel=0.02
    )


# --- BPR-max -----------------------------------------------------------------------------------


def test_bpr_max_by_hand_on_three_negatives():
    states = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, -1.0]])
    vectors = torch.tensor([[9.0, 9.0], [1.0, 2.0], [0.0, 1.0], [-1.0, 0.5], [2.0, 0.0]])
    targets = torch.tensor([1, 2, 3, 4])
    hands = []
    for state, target in zip(states.tolist(), targets.tolist(), strict=True):
        score = [state[0] * x + state[1] * y for x, y in vectors.tolist()]
        others = [i for i in (1, 2, 3, 4) if i != target]
        mass = sum(math.exp(score[i]) for i in others)
        weight = {i: math.exp(score[i]) / mass for i in others}
        won = sum(weight[i] / (1 + math.exp(score[i] - score[target])) for i in others)
        hands.append(-math.log(won) + 0.7 * sum(weight[i] * score[i] ** 2 for i in others))
    loss = BPRMax(0, in_batch=True, regularisation=0.7)(
        states, targets, vectors, None, torch.ones(5)
    )
    assert loss.item() == pytest.approx(np.mean(hands), rel=1e-6)


def test_bpr_max_against_one_negative_is_bpr(drawn):
    states, _, vectors, _, frequency = drawn(2, bias=False)
    targets = torch.tensor([3, 8])
    score = states @ vectors.T
    margins = torch.stack([score[0, 3] - score[0, 8], score[1, 8] - score[1, 3]])
    loss = BPRMax(0, regularisation=0.0)(states, targets, vectors, None, frequency)
    assert loss.item() == pytest.approx(-F.logsigmoid(margins).mean().item(), rel=1e-5)


# --- BCE and gBCE ------------------------------------------------------------------------------


def one_other(num_items, own, other):
    """One position whose target scores ``own`` and every other item ``other``."""
    vectors = torch.full((num_items + 1, 1), other)
    vectors[3] = own
    return torch.ones(1, 1), torch.tensor([3]), vectors, None, torch.ones(num_items + 1)


def test_bce_is_binary_cross_entropy_of_the_target_and_one_negative():
    expected = F.binary_cross_entropy_with_logits(
        torch.tensor([1.3, -0.4]), torch.tensor([1.0, 0.0])
    )
    assert BCE()(*one_other(9, 1.3, -0.4)).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("negatives", [1, 5])
def test_gbce_without_calibration_is_bce(drawn, negatives):
    example = drawn(bias=False)
    torch.manual_seed(0)
    plain = BCE(negatives)(*example)
    torch.manual_seed(0)
    assert GBCE(negatives, t=0.0)(*example) == plain
    hand = (math.log1p(math.exp(-1.3)) + negatives * math.log1p(math.exp(-0.4))) / (1 + negatives)
    assert GBCE(negatives, t=0.0)(*one_other(9, 1.3, -0.4)).item() == pytest.approx(hand, rel=1e-6)


def test_gbce_by_hand():
    rate = 4 / 8  # four negatives of the eight others
    beta = rate * (0.75 * (1 - 1 / rate) + 1 / rate)
    assert beta == 0.625
    # the positive's chance is raised to the power beta before its log is taken
    chance = 1 / (1 + math.exp(-1.3))
    hand = (-math.log(chance**beta) + 4 * math.log1p(math.exp(-0.4))) / 5
    assert GBCE(4, t=0.75)(*one_other(9, 1.3, -0.4)).item() == pytest.approx(hand, rel=1e-6)


def test_beta_runs_from_one_to_the_sampling_rate():
    assert GBCE(256, t=0.0).beta(12_101) == pytest.approx(1, rel=1e-12)
    assert GBCE(256, t=1.0).beta(12_101) == pytest.approx(256 / 12_100, rel=1e-12)
    halfway = GBCE(256, t=0.5).beta(12_101)
    assert halfway == pytest.approx((1 + 256 / 12_100) / 2, rel=1e-12)
    assert GBCE(256, t=0.75).beta(100) == 1  # more negatives than items: nothing to undo


# --- negatives ---------------------------------------------------------------------------------


def test_uniform_negatives_never_are_the_target_and_cover_all_others_evenly():
    torch.manual_seed(0)
    targets = torch.tensor([1, 4, 7])
    items = other_items(targets, 60_000, 8)
    for target, row in zip(targets, items, strict=True):
        counts = torch.bincount(row, minlength=8)
        assert len(counts) == 8 and counts[0] == 0 and counts[target] == 0
        others = [count for i, count in enumerate(counts.tolist()) if i not in (0, target)]
        assert len(others) == 6
        assert others == pytest.approx([10_000] * 6, abs=4 * math.sqrt(10_000))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_negatives_by_popularity_follow_frequency_to_the_power_alpha(alpha):
    frequency = torch.tensor([0.0, 9.0, 0.0, 1.0, 4.0])
    torch.manual_seed(0)
    items, chance = sampled_items(90_000, alpha, frequency)
    weight = np.array([0, 9, 0, 1, 4.0]) ** alpha if alpha else np.array([0, 1, 1, 1, 1.0])
    expected = weight / weight.sum()
    np.testing.assert_allclose(chance, expected, rtol=1e-6)
    counts = torch.bincount(items, minlength=5).numpy()
    assert counts[0] == 0 and ((counts == 0) == (expected == 0)).all()
    np.testing.assert_allclose(counts / 90_000, expected, atol=4 * math.sqrt(0.25 / 90_000))


def test_where_all_negatives_are_the_target_there_is_nothing_to_learn():
    """BPR-max of two positions, one of which meets only its own target."""
    torch.manual_seed(0)
    states, vectors = torch.randn(2, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    frequency = torch.tensor([0.0, 9.0, 0.0])  # item 1 is all that is drawn
    objective = BPRMax(5, alpha=1.0, in_batch=False)
    both = objective(states, torch.tensor([1, 2]), vectors, None, frequency)
    other = objective(states[1:], torch.tensor([2]), vectors, None, frequency)
    assert both.item() == pytest.approx(other.item() / 2, rel=1e-6) and both > 0
    both.backward()
    assert states.grad.isfinite().all() and vectors.grad.isfinite().all()
    assert (states.grad[0] == 0).all() and (states.grad[1] != 0).all()


@pytest.mark.parametrize("objective", [BCE(), GBCE(4)])
def test_one_item_has_no_other_to_be_compared_with(objective):
    states, targets = torch.randn(3, 4), torch.ones(3, dtype=torch.long)
    with pytest.raises(ValueError, match="a catalogue of one item has no other one"):
        objective(states, targets, torch.randn(2, 4), None, torch.tensor([0.0, 3.0]))


def test_popularity_of_what_was_never_counted_is_refused():
    """A model of a file has no counts: what it learned further was not a number."""
    with pytest.raises(ValueError, match="no item was counted in training: build the model from"):
        sampled_items(4, 0.75, torch.zeros(9))
    items, chance = sampled_items(4, 0.0, torch.zeros(9))  # uniform needs none
    assert items.min() > 0 and chance[1:].tolist() == [0.125] * 8
