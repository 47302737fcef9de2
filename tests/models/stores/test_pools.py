"""One vector a set: each pool against its equations, and the order that it must not know."""

import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.stores.pools import POOLS, Attention, DeepSets, SetTransformer, pool_of

WIDTH = 8
SIZES = (1, 3, 2, 6)  # of the sets of a row, which stand one after the other
MEMBER = torch.repeat_interleave(torch.arange(4), torch.tensor(SIZES)) == torch.arange(4)[:, None]


def shaken(config):
    torch.manual_seed(0)
    pool = pool_of(WIDTH, config)
    with torch.no_grad():
        for weight in pool.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return pool


@pytest.fixture(params=POOLS, ids=lambda kind: kind.__name__)
def pool(request):
    return shaken(request.param.Config())


@pytest.fixture
def x():
    torch.manual_seed(1)
    x = torch.randn(2, sum(SIZES), WIDTH)
    x[:, -1] = x[:, -2]  # a line that is repeated
    return x


@torch.no_grad()
def pooled(pool, x, member=MEMBER):
    return pool(x, member.expand(2, -1, -1))


def by_set(pool, x):
    """What the pool makes of each set of the first row, and the set's events."""
    return zip(pooled(pool, x)[0], x[0].split(SIZES), strict=True)


def test_the_order_of_events_changes_nothing(pool, x):
    turned = torch.randperm(x.shape[1])
    other = pooled(pool, x[:, turned], MEMBER[:, turned])
    torch.testing.assert_close(other, pooled(pool, x))


def test_a_set_knows_nothing_of_the_others(pool, x):
    changed = x.clone()
    changed[:, 1:4] = changed[:, 1:4].flip(-1)  # the second set
    moved = (pooled(pool, changed) - pooled(pool, x)).abs().amax(-1)
    assert (moved[:, 1] > 1e-2).all()
    assert moved[:, [0, 2, 3]].max() < 1e-6


def test_a_line_that_is_repeated_counts_twice(pool, x):
    once = pooled(pool, x[:, :-1], MEMBER[:, :-1])
    assert (once - pooled(pool, x))[:, 3].abs().max() > 1e-3


@torch.no_grad()
def test_attention_by_its_equation(x):
    pool = shaken(Attention.Config())
    queries, keys = pool.project.weight.split(WIDTH)
    for found, own in by_set(pool, x):
        normed, taken = pool.norm(own), []
        for one in normed:
            alike = torch.stack([(queries @ one) @ (keys @ other) for other in normed])
            taken.append(F.softmax(alike / WIDTH**0.5, 0) @ own)
        torch.testing.assert_close(found, torch.stack(taken).mean(0))


@torch.no_grad()
def test_deep_sets_by_their_equation(x):
    pool = shaken(DeepSets.Config(hidden_dim=12))
    for found, own in by_set(pool, x):
        total = sum(pool.each(pool.norm(one)) for one in own)
        torch.testing.assert_close(found, pool.whole(total))


def block(weights, looks, at):
    """Multihead attention block, equations 6 and 7, scaled as in the authors' code."""
    width = WIDTH // weights.num_heads
    query, key, value = weights.query(looks), weights.key(at), weights.value(at)
    heads = []
    for head in range(weights.num_heads):
        part = slice(head * width, (head + 1) * width)
        chance = F.softmax(query[:, part] @ key[:, part].T / WIDTH**0.5, dim=1)
        heads.append(query[:, part] + chance @ value[:, part])
    hidden = weights.attention_norm(torch.cat(heads, 1))
    return weights.feed_norm(hidden + torch.relu(weights.feed(hidden)))


@torch.no_grad()
def test_the_set_transformer_by_its_equations(x):
    pool = shaken(SetTransformer.Config(num_blocks=2))
    for found, own in by_set(pool, x):
        own = pool.norm(own)
        for weights in pool.blocks:
            own = block(weights, own, own)
        torch.testing.assert_close(found, pool.out(block(pool.gather, pool.seed[None], own))[0])


def test_the_settings_of_no_pool_are_refused():
    with pytest.raises(ValueError, match=r"no pool; use one of Mean.Config\(\), Attention"):
        pool_of(WIDTH, SASRec.Config())
