"""Learning from all steps of histories: in blocks, and as each step by itself."""

import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.losses import BCE, SampledSoftmax
from seqrec_lib.models.rankers import base
from seqrec_lib.models.rankers.dien import DIEN
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.models.rankers.eta import ETA
from seqrec_lib.models.rankers.pooling import Pooling
from seqrec_lib.models.rankers.sim_hard import SIMHard
from seqrec_lib.models.rankers.sim_soft import SIMSoft
from seqrec_lib.models.rankers.surge import SURGE
from seqrec_lib.models.rankers.target_attention import TargetAttention
from seqrec_lib.models.rankers.tim import TIM
from seqrec_lib.models.rankers.twin import TWIN
from seqrec_lib.models.rankers.twin_v2 import TWINV2

SMALL = {"embed_dim": 8, "hidden": (8, 4), "dropout": 0.0}
RANKERS = {
    "pooling": (Pooling, {}),
    "sum": (Pooling, {"pooling": "sum"}),
    "DIN": (DIN, {}),
    "DIN, mean": (DIN, {"pooling": "mean"}),
    "DIN, softmax": (DIN, {"normalised": True}),
    "attention": (TargetAttention, {}),
    "recent": (TargetAttention, {"k": 3}),
    "SIM, hard": (SIMHard, {"k": 3}),
    "SIM, soft": (SIMSoft, {"k": 3}),
    "ETA": (ETA, {"k": 3}),
    "TWIN": (TWIN, {"k": 3, "num_heads": 2}),
    "TIM": (TIM, {"max_len": 40}),
    "TIM, intervals": (TIM, {"time": "intervals"}),
}
LENGTHS = (75, 40, 9, 1, 0)
every_ranker = pytest.mark.parametrize("name", RANKERS)


@pytest.fixture
def batch(small_catalogue):
    """Histories longer and shorter than a block, of which one learns nothing, others in part."""
    draw = torch.Generator().manual_seed(0)
    real = torch.arange(75) < torch.tensor(LENGTHS)[:, None]
    item, target = (
        torch.randint(1, small_catalogue.num_items + 1, real.shape, generator=draw) * real
        for _ in range(2)
    )
    target[0, 60:], target[1, ::3], target[1, 31:34] = 0, 0, 0
    time = torch.randint(1, 10**9, real.shape, generator=draw).sort(1).values * real
    return Batch(item, target, time=time, asked_at=time + 10**6)


@pytest.fixture
def made(small_catalogue, shaken):
    draw = np.random.default_rng(0)
    genres = draw.integers(0, 4, (small_catalogue.num_items + 1, 2))
    genres[0] = 0
    catalogue = dataclasses.replace(small_catalogue, attributes=genres)

    def make(name, objective=None):
        kind, settings = RANKERS[name]
        torch.manual_seed(0)
        config = kind.Config(**SMALL, **settings, objective=objective or SampledSoftmax(5))
        return shaken(kind(catalogue, config), 0.3)

    return make


@pytest.mark.parametrize(
    "kind", [Pooling, DIN, TargetAttention, SIMSoft, TWIN, TWINV2, TIM, DIEN, SURGE]
)
@torch.no_grad()
def test_item_vectors_are_dropped_in_training_alone(kind, small_catalogue, batch):
    model = kind(small_catalogue, kind.Config(embed_dim=8, hidden=(8, 4), dropout=0.5))

    def read():
        parts = model.read(batch)
        return torch.cat([x.flatten() for x in parts if x is not None and x.is_floating_point()])

    model.eval()
    assert read().equal(read())
    model.train()
    assert not read().equal(read())


@every_ranker
def test_a_batch_with_nothing_to_learn_is_refused(name, made, batch):
    nothing = dataclasses.replace(batch, target=torch.zeros_like(batch.target))
    with pytest.raises(ValueError, match="no item to learn: give it a target"):
        made(name).loss(nothing)


@every_ranker
@torch.no_grad()
def test_steps_are_scored_as_histories_that_end_there(name, made, batch):
    model, candidates = made(name), torch.tensor([7, 2])
    learn = batch.target > 0
    found = model.match_each(model.read(batch), candidates, learn)
    assert found.shape == (int(learn.sum()), 2) and found.std() > 1e-3
    for number, (row, step) in enumerate(learn.nonzero().tolist()):
        if number % 5:
            continue
        end = step + 1
        time, asked_at = batch.time[[row], :end], batch.asked_at[[row], :end]
        seen = Batch(batch.item[[row], :end], time=time, asked_at=asked_at)
        torch.testing.assert_close(
            found[[number]], model.score(seen, candidates[None]), rtol=1e-4, atol=1e-5
        )


@every_ranker
def test_the_loss_is_that_of_all_steps_at_once(name, made, batch):
    learn = batch.target > 0
    step = torch.arange(75).expand_as(learn)
    for objective in (SampledSoftmax(5), BCE(2)):
        model = made(name, objective)
        if name == "SIM, soft":
            model.config = dataclasses.replace(model.config, alpha=0.0)
        torch.manual_seed(1)
        lost = model.loss(batch)
        torch.manual_seed(1)
        read = model.read(batch)
        own = model.match(read, batch.target, step)[learn]
        if isinstance(objective, SampledSoftmax):
            items, chance = base.losses.sampled_items(5, objective.alpha, model.frequency)
            every = items.expand(len(learn), 75, -1).flatten(1)
            other = model.match(read, every, step.repeat_interleave(5, 1)).unflatten(1, (75, 5))
            expected = objective.lost(own, other[learn], items, batch.target[learn], chance)
        else:
            items = base.losses.other_items(batch.target.flatten(), 2, model.num_items + 1)
            every = items.unflatten(0, learn.shape).flatten(1)
            other = model.match(read, every, step.repeat_interleave(2, 1)).unflatten(1, (75, 2))
            log = torch.nn.functional.softplus
            expected = ((log(-own) + log(other[learn]).sum(1)) / 3).mean()
        torch.testing.assert_close(lost, expected)
        gradients = [
            torch.autograd.grad(one, model.items.weight, retain_graph=True)[0]
            for one in (lost, expected)
        ]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_blocks_leave_out_what_comes_later_and_who_has_ended():
    steps = torch.arange(100) < torch.tensor([100, 20, 0, 9])[:, None]
    steps[1, 3:7] = False
    asked = []

    def after(rows, begin, end):
        asked.append((rows.tolist(), begin, end))
        return 1000 * rows[:, None] + torch.arange(begin, end)

    found = base.in_blocks(steps, after, then=lambda found: found + 0.5)
    row, step = steps.nonzero().T
    assert found.equal(1000 * row + step + 0.5)
    assert asked == [
        *(([0, 1, 3], 0, 8), ([0, 1, 3], 8, 16), ([0, 1], 16, 32), ([0], 32, 64)),
        *(([0], 64, 96), ([0], 96, 100)),
    ]
