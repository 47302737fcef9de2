import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.hstu import HSTU

CATALOGUE = Catalogue(9, np.r_[0, np.ones(9, dtype=np.int64)])
DAY = 86_400


def model_of(**config):
    """A small model with large random weights, so that every part of it shows."""
    torch.manual_seed(0)
    small = {"embed_dim": 4, "num_layers": 1, "num_heads": 1, "max_len": 5, "dropout": 0.0}
    model = HSTU(CATALOGUE, HSTU.Config(**small | config)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.5)
        model.items.weight[0] = 0
    return model


def batch_of(*items, times=None, asked=None):
    item = torch.tensor([items])
    if times is None:
        return Batch(item)
    time = torch.tensor([times])
    asked_at = None if asked is None else torch.cat([time[:, 1:], torch.tensor([[asked]])], 1)
    return Batch(item, time=time, asked_at=asked_at)


@torch.no_grad()
def test_a_block_worked_out_step_by_step():
    model = model_of()
    block = model.blocks[0]
    x = torch.randn(1, 3, 4)
    gate, value, query, key = F.silu(block.project(block.norm(x)))[0].split(4, 1)
    for t in range(3):
        gathered = torch.zeros(4)
        for s in range(t + 1):
            gathered += F.silu(query[t] @ key[s] + block.distance[t - s]) / 5 * value[s]
        expected = x[0, t] + block.out(block.gathered_norm(gathered) * gate[t])
        torch.testing.assert_close(block(x, None)[0, t], expected)


@torch.no_grad()
def test_weights_do_not_compete():
    """Twice the same event weighs twice as much; a softmax would share one weight out."""
    block = model_of().blocks[0]
    block.distance.zero_()
    x = torch.randn(1, 1, 4).repeat(1, 3, 1)
    rows = block.weights(x, None)[0, 0].sum(-1)
    torch.testing.assert_close(rows, rows[0] * torch.tensor([1.0, 2.0, 3.0]))


@torch.no_grad()
def test_time_is_read_where_it_is_said_and_the_question_only_where_declared():
    early, late = (batch_of(1, 2, 3, times=[0, t, 2 * DAY], asked=3 * DAY) for t in (9, DAY))
    later = batch_of(1, 2, 3, times=[0, 9, 2 * DAY], asked=300 * DAY)
    for time, events, asked in (("none", 0, 0), ("events", 1, 0), ("asked", 1, 1)):
        model = model_of(time=time)
        states = [model.encode(one)[0, -1] for one in (early, late, later)]
        assert (not states[0].equal(states[1])) == events, time
        assert (not states[0].equal(states[2])) == asked, time
        assert ("asked_at" in model.reads) == asked
    with pytest.raises(ValueError, match="time is 'always'; use one of none, events, asked"):
        model_of(time="always")


def test_buckets_are_logarithms_of_seconds():
    model = model_of(time="events")
    bucket = model._buckets(batch_of(1, 2, 3, times=[0, 1, 1 + DAY]))[0]
    assert bucket[1, 0] == 0 and bucket[0, 0] == 0
    assert bucket[2, 1] == int(np.log(DAY) / 0.301)  # 37
    assert bucket[2, 0] == int(np.log(DAY + 1) / 0.301)
