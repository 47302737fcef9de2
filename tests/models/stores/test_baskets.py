"""Steps that are sets: hand arithmetic of the pooling, and the two limits of a basket's size."""

import dataclasses

import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.stores.baskets import BasketSASRec

SMALL = {"embed_dim": 8, "hidden_dim": 16, "max_len": 8, "dropout": 0.0, "num_heads": 1}
ITEM = torch.tensor([[3, 1, 4, 1, 5, 9]])
BASKET = torch.tensor([[7, 7, 7, 2, 2, 5]])


@pytest.fixture
def model(small_catalogue, shaken):
    torch.manual_seed(0)
    made = BasketSASRec(small_catalogue, BasketSASRec.Config(**SMALL))
    return shaken(made, 0.2)


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_an_event_is_its_basket_as_far_as_it_is_there(small_catalogue, pooling):
    config = BasketSASRec.Config(**SMALL, pooling=pooling)
    model = BasketSASRec(small_catalogue, config)
    vectors = torch.arange(6.0)[None, :, None].expand(-1, -1, 8)
    first = torch.tensor([[True, False, False, True, False, True]])
    sums, sizes = torch.tensor([0.0, 1, 3, 3, 7, 5]), torch.tensor([1.0, 2, 3, 1, 2, 1])
    expected = sums / sizes if pooling == "mean" else sums
    torch.testing.assert_close(model.pooled(vectors, first)[0, :, 0], expected)


@torch.no_grad()
def test_baskets_of_one_item_make_it_sasrec(model, small_catalogue):
    twin = SASRec(small_catalogue, SASRec.Config(**SMALL)).eval()
    twin.load_state_dict(model.state_dict())
    alone = Batch(ITEM, basket=torch.arange(6)[None])
    torch.testing.assert_close(model.encode(alone), twin.encode(Batch(ITEM)))
    together = model.encode(Batch(ITEM, basket=BASKET))
    assert (together - twin.encode(Batch(ITEM)))[0, 1:].abs().max() > 1e-2


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_each_state_is_sasrec_over_the_baskets_written_out(model, pooling):
    model.config = dataclasses.replace(model.config, pooling=pooling)
    items = [[3, 1, 4, 1, 5, 9, 2, 6], [7, 8, 2], [5]]
    baskets = [[7, 7, 7, 2, 2, 5, 4, 4], [1, 2, 2], [3]]
    padded = [
        torch.tensor([row + [0] * (8 - len(row)) for row in rows]) for rows in (items, baskets)
    ]
    found = model.encode(Batch(padded[0], basket=padded[1]))
    for user, (own, names) in enumerate(zip(items, baskets, strict=True)):
        newest = len(set(names)) - 1
        for event in range(len(own)):
            x = []
            for step, name in enumerate(dict.fromkeys(names[: event + 1])):
                there = [own[i] for i in range(event + 1) if names[i] == name]
                vector = getattr(model.items.weight[there], pooling)(0)
                x.append(vector + model.positions.weight[newest - step])
            x = torch.stack(x)[None]
            for block in model.blocks:
                x = block(x)
            torch.testing.assert_close(found[user, event], model.norm(x)[0, -1])


@torch.no_grad()
def test_attention_written_out_gives_the_same_states(model):
    batch = Batch(ITEM, basket=BASKET)
    states, weights = model.attended(batch)
    torch.testing.assert_close(states, model.encode(batch))
    assert ((weights > 0) == model.seen(batch)).all()


@torch.no_grad()
def test_in_which_order_a_closed_basket_stands_changes_nothing(model):
    turned = torch.tensor([[4, 3, 1, 5, 1, 9]])
    one, other = (model.encode(Batch(item, basket=BASKET)) for item in (ITEM, turned))
    closing = [2, 4, 5]  # the last event of each basket
    torch.testing.assert_close(one[:, closing], other[:, closing])
    assert (one - other)[0, 0].abs().max() > 1e-2


@torch.no_grad()
def test_a_state_sees_closed_baskets_and_its_own(model):
    batch = Batch(ITEM, basket=BASKET)
    assert model.seen(batch)[0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 1, 0, 1, 0],
        [0, 0, 1, 0, 1, 1],
    ]
    assert model.steps(batch).tolist() == [[0, 0, 0, 1, 1, 2]]


def test_a_log_without_baskets_is_refused_in_words(model, small_log, small_split):
    bare = dataclasses.replace(small_log, basket=None)
    with pytest.raises(ValueError, match="reads the basket of events, and this log has none"):
        model.batch(bare, small_split.test[:3], 5)


def test_another_pooling_is_refused(small_catalogue):
    with pytest.raises(ValueError, match="pooling is 'max'"):
        BasketSASRec(small_catalogue, BasketSASRec.Config(pooling="max"))
