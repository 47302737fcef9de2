"""Biased matrix factorisation and SVD++, by hand."""

import pytest
import torch

from seqrec_lib.models.ratings.bias import Biases
from seqrec_lib.models.ratings.mf import BiasedMF
from seqrec_lib.models.ratings.svdpp import SVDpp

MEAN = 27 / 8


def built(kind, some, width=2):
    torch.manual_seed(0)
    model = kind(3, 5, kind.Config(embed_dim=width))
    model.read(some)
    return model


def test_factors_add_their_inner_product(some, ratings_of):
    model = built(BiasedMF, some)
    with torch.no_grad():
        model.user_factors.weight[1] = torch.tensor([1.0, 2.0])
        model.item_factors.weight[3] = torch.tensor([0.5, -1.0])
    assert model(ratings_of((1, 3, 0, 0))).item() == pytest.approx(MEAN + 0.5 - 2.0)


def test_without_factors_it_is_the_biases(some):
    model, bare = built(BiasedMF, some, width=0), Biases(3, 5, Biases.Config())
    bare.read(some)
    torch.testing.assert_close(model(some), bare(some))


@pytest.mark.parametrize("kind", [BiasedMF, SVDpp])
def test_of_what_nobody_rated_only_the_mean_and_the_user_are_known(kind, some, ratings_of):
    assert built(kind, some)(ratings_of((1, 5, 0, 0))).item() == pytest.approx(MEAN)


def test_svdpp_adds_what_was_rated_by_the_root_of_how_many(some, ratings_of):
    model = built(SVDpp, some)
    with torch.no_grad():
        model.user_factors.weight[0] = torch.tensor([1.0, 0.0])
        model.item_factors.weight[2] = torch.tensor([2.0, 4.0])
        model.implicit.weight[1:5] = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
    # user 0 rated all four: 2 (1 + 2 / 2) + 4 (0 + 5 / 2); user 2 the first alone: 2 (1 / 1)
    with torch.no_grad():
        model.user_factors.weight[2] = 0.0
    asked = ratings_of((0, 2, 0, 0), (2, 2, 0, 0))
    assert model(asked).tolist() == pytest.approx([MEAN + 4 + 10, MEAN + 2])
    squares = model.penalty(asked)
    assert squares.tolist() == pytest.approx([1 + 20 + (1 + 2 + 1 + 9), 20 + 1])


def test_svdpp_without_what_was_rated_is_biased_mf(some):
    model, plain = built(SVDpp, some), built(BiasedMF, some)
    model.load_state_dict(plain.state_dict(), strict=False)
    torch.nn.init.zeros_(model.implicit.weight)
    rows = torch.arange(len(some))
    torch.testing.assert_close(model(some), plain(some))
    for one in (model, plain):
        one.loss(rows).backward()
    torch.testing.assert_close(model.item_factors.weight.grad, plain.item_factors.weight.grad)
    assert model.implicit.weight.grad.any()
