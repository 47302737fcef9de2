"""Biases, by hand."""

import pytest
import torch

from seqrec_lib.models.ratings.bias import Biases


@pytest.fixture
def model(some):
    model = Biases(3, 4, Biases.Config(decay=0.5))
    model.read(some)
    with torch.no_grad():
        model.user_bias.weight[0], model.item_bias.weight[2] = 0.5, -1.0
    return model


def test_a_rating_is_the_mean_and_two_biases(model, ratings_of):
    asked = ratings_of((0, 2, 99, 0), (1, 2, 99, 0), (1, 1, 99, 0))
    mean = 27 / 8
    assert model(asked).tolist() == pytest.approx([mean - 0.5, mean - 1, mean])


def test_the_loss_is_the_squared_error_and_the_squares_of_both_biases(model):
    # the second rating: user 0, item 2, a 5
    found = model.loss(torch.tensor([1]))
    assert found.item() == pytest.approx((5 - (27 / 8 - 0.5)) ** 2 + 0.5 * (0.5**2 + 1**2))


def test_a_step_of_the_gradient_is_that_of_the_textbook(model):
    # b <- b + rate (error - decay b), where the rate is twice that of the gradient
    error = 5 - (27 / 8 - 0.5)
    model.loss(torch.tensor([1])).backward()
    assert model.user_bias.weight.grad[0].item() == pytest.approx(-2 * (error - 0.5 * 0.5))
    assert model.item_bias.weight.grad[2].item() == pytest.approx(-2 * (error + 0.5 * 1.0))


def test_no_answer_is_outside_the_ratings_that_are_known(model, ratings_of):
    with torch.no_grad():
        model.user_bias.weight[:2, 0] = torch.tensor([9.0, -9.0])
    assert model.predict(ratings_of((0, 1, 0, 0), (1, 1, 0, 0))).tolist() == [5, 1]
