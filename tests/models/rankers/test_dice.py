"""Dice: its values by hand, and whose mean it bends at."""

import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.rankers.dice import Dice, activation
from seqrec_lib.models.rankers.din import DIN

SMALL = DIN.Config(embed_dim=8, hidden=(12, 6), dropout=0.0, unit_dim=5, activation="dice")
HISTORIES = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0]])


@torch.no_grad()
def test_values_by_hand():
    dice = Dice(2).eval()
    dice.slope.copy_(torch.tensor([0.2, -0.3]))
    dice.mean.copy_(torch.tensor([1.0, -2.0]))
    dice.variance.copy_(torch.tensor([4.0, 0.25]))
    x = np.array([[0.5, 3.0], [-1.0, -2.0]])
    p = 1 / (1 + np.exp(-(x - [1, -2]) / [2, 0.5]))
    expected = p * x + (1 - p) * np.array([0.2, -0.3]) * x
    np.testing.assert_allclose(dice(torch.tensor(x).float()), expected, rtol=1e-5)


def remembered(*calls):
    """Mean and variance of all values met; each call that came since takes a hundredth."""
    share = torch.cat([torch.full((len(one),), 0.99**n) for n, one in enumerate(reversed(calls))])
    share, values = (share / share.sum())[:, None], torch.cat(calls[::-1])
    mean = (share * values).sum(0)
    return mean, (share * (values - mean).square()).sum(0)


@torch.no_grad()
def test_it_keeps_the_mean_of_what_it_met_and_later_follows():
    torch.manual_seed(0)
    dice, met = Dice(3), torch.randn(5, 40, 3) * 2 + 1
    for values in met:
        dice(values.unflatten(0, (4, 10)))
    mean, variance = remembered(*met)
    torch.testing.assert_close(dice.mean, mean)
    torch.testing.assert_close(dice.variance, variance)
    dice.met.fill_(40 / 0.01)  # after very many calls of 40
    before = dice.mean.clone()
    dice(met[0] + 10)
    torch.testing.assert_close(dice.mean, before + 0.01 * (met[0].mean(0) + 10 - before))


@torch.no_grad()
def test_a_value_counts_the_same_in_a_call_of_few_as_in_one_of_many():
    torch.manual_seed(0)
    targets, others = torch.randn(10, 1, 2) + 3, torch.randn(990, 2)
    dice = Dice(2)
    for one in targets:
        dice(one)
    dice(others)
    mean, variance = remembered(*targets, others)
    torch.testing.assert_close(dice.mean, mean)
    torch.testing.assert_close(dice.variance, variance)


@torch.no_grad()
def test_what_lies_between_calls_is_part_of_the_variance():
    dice = Dice(1)
    for value in (0.0, 10.0):
        dice(torch.full((500, 1), value))
    torch.testing.assert_close(dice.variance, torch.tensor([25.0]), rtol=0.01, atol=0)


@torch.no_grad()
def test_it_learns_of_values_in_training_alone():
    dice = Dice(3).eval()
    dice(torch.randn(4, 3))
    assert dice.met == 0 and (dice.mean == 0).all()


def test_nothing_teaches_it_nothing():
    dice = Dice(3)
    dice(torch.zeros(0, 3))
    assert dice.met == 0 and (dice.mean == 0).all() and (dice.variance == 1).all()


@torch.no_grad()
def test_a_value_is_the_same_whoever_else_is_in_the_batch():
    torch.manual_seed(0)
    x, dices = torch.randn(6, 3), (Dice(3).train(), Dice(3).train())
    for dice in dices:
        dice(torch.arange(12.0).view(4, 3))
    whole, part = dices[0](x), dices[1](x[:2])
    assert whole[:2].equal(part) and part.abs().max() > 0.1


@torch.no_grad()
def test_the_table_of_pairs_knows_where_it_bends(small_catalogue):
    torch.manual_seed(0)
    model = DIN(small_catalogue, SMALL).eval()
    every = torch.arange(1, 41).expand(2, -1)
    before = model.score_all(Batch(HISTORIES))
    for dice in (part for part in model.modules() if isinstance(part, Dice)):
        dice.mean += 0.5
        dice.variance *= 0.1
    found = model.score_all(Batch(HISTORIES))[:, 1:]
    torch.testing.assert_close(found, model.score(Batch(HISTORIES), every))
    assert (found - before[:, 1:]).abs().max() > 1e-3


def test_it_is_learned_in_one_process_and_without_a_mean_of_weights(small_catalogue):
    dice = DIN(small_catalogue, SMALL)
    plain = DIN(small_catalogue, dataclasses.replace(SMALL, activation="prelu"))
    assert "Dice" in dice.needs_one_process and not dice.averages
    assert not plain.needs_one_process and plain.averages
    assert not list(plain.unit.buffers())


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="use 'prelu' or 'dice'"):
        activation("relu", 3)
