"""Receipts as steps: plain loops over them, what may be known of the target's own, and limits."""

import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.encoders.bert4rec import BERT4Rec
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.stores.encoder import StoreEncoder
from seqrec_lib.models.stores.pools import POOLS, Attention, DeepSets, Mean

SASREC = SASRec.Config(embed_dim=8, hidden_dim=16, max_len=8, dropout=0.0, temperature=0.1)
GRUCE = GRU.Config(embed_dim=8, hidden_dim=12, dropout=0.0)
ATTENTION = Attention.Config()
every_pool = pytest.mark.parametrize("pool", [kind.Config() for kind in POOLS], ids=str)
or_none = pytest.mark.parametrize("pool", [*(kind.Config() for kind in POOLS), None], ids=str)
every_encoder = pytest.mark.parametrize("inner", [SASREC, GRUCE], ids=["sasrec", "gru"])
either = pytest.mark.parametrize("own", [False, True])

# three histories, and the basket of the question after the last event
HISTORIES = (
    ([3, 1, 4, 1, 5, 9, 2, 6], [7, 7, 7, 2, 2, 5, 4, 4], 4),
    ([7, 8, 2, 2], [1, 2, 2, 2], 3),
    ([5, 6], [3, 3], 3),
)


@pytest.fixture
def model_of(small_catalogue, shaken):
    def make(inner=SASREC, pool=ATTENTION, own=False):
        torch.manual_seed(0)
        return shaken(StoreEncoder(small_catalogue, StoreEncoder.Config(inner, pool, own=own)), 0.3)

    return make


def batch_of(*histories):
    def padded(rows):
        return torch.tensor([row + [0] * (8 - len(row)) for row in rows])

    item, basket = (padded([one[i] for one in histories]) for i in (0, 1))
    asked = padded([one[1][1:] + [one[2]] for one in histories])
    return Batch(item, basket=basket, asked_basket=asked)


def changed(batch, places):
    item = batch.item.clone()
    item[0, places] += 1
    return dataclasses.replace(batch, item=item)


def written_out(model, items, baskets, asked):
    """The state that answers a question, from lists; None if nothing stands before it."""
    if not model.config.own:
        kept = [place for place, name in enumerate(baskets) if name != asked]
        items, baskets = ([one[place] for place in kept] for one in (items, baskets))
    if model.config.pool is None:
        baskets = list(range(len(items)))
    steps = []
    for name in dict.fromkeys(baskets):
        own = [item for item, of in zip(items, baskets, strict=True) if of == name]
        own, whole = model.items.weight[own], torch.ones(1, 1, len(own), dtype=torch.bool)
        steps.append(own[0] if len(own) == 1 else model.pool(own[None], whole)[0, 0])
    if not steps:
        return None
    return model.encoder.run(torch.stack(steps)[None], torch.ones(1, len(steps)) > 0)[0, -1]


@either
@or_none
@torch.no_grad()
def test_each_state_is_the_encoder_over_the_steps_written_out(model_of, pool, own):
    model = model_of(GRUCE, pool, own)
    states = model.encode(batch_of(*HISTORIES))
    for user, (items, baskets, asked) in enumerate(HISTORIES):
        for event, basket in enumerate([*baskets[1:], asked], start=1):
            found = written_out(model, items[:event], baskets[:event], basket)
            expected = torch.zeros(8) if found is None else found
            torch.testing.assert_close(states[user, event - 1], expected)


@either
@or_none
@torch.no_grad()
def test_a_question_is_answered_by_the_steps_before_it(model_of, pool, own):
    model = model_of(SASREC, pool, own)
    found = model.state(batch_of(*HISTORIES))
    for user, history in enumerate(HISTORIES[: 3 if own else 2]):
        torch.testing.assert_close(found[user], written_out(model, *history))
        states = model.encode(batch_of(*HISTORIES))[user]
        torch.testing.assert_close(found[user], states[len(history[0]) - 1])


@either
@every_encoder
@every_pool
@torch.no_grad()
def test_where_every_basket_has_one_event_it_is_the_encoder_inside(model_of, inner, pool, own):
    model, batch = model_of(inner, pool, own), batch_of(*HISTORIES)
    alone = torch.arange(8).expand_as(batch.item)
    batch = dataclasses.replace(batch, basket=alone, asked_basket=alone + 1)
    assert model.encode(batch)[batch.real].equal(model.encoder.encode(batch)[batch.real])
    assert model.score_all(batch).equal(model.encoder.score_all(batch))


@every_encoder
@torch.no_grad()
def test_lines_of_the_own_basket_are_history_only_if_asked_for(model_of, inner):
    one = batch_of(HISTORIES[0])
    other = changed(one, [6, 7])
    a, b = (model_of(inner).score_all(batch) for batch in (one, other))
    assert a.equal(b)
    a, b = (model_of(inner, own=True).score_all(batch) for batch in (one, other))
    assert (a - b)[:, 1:].abs().max() > 1e-2


@every_encoder
@torch.no_grad()
def test_no_target_of_training_sees_other_lines_of_its_own_basket(model_of, inner):
    model, one = model_of(inner), batch_of(HISTORIES[0])
    moved = (model.encode(one) - model.encode(changed(one, [3, 4])))[0].abs().amax(-1) > 1e-3
    # the fifth event is answered for by the one that follows it, the first one behind the basket
    assert moved.tolist() == [False] * 4 + [True] * 4


@every_pool
@torch.no_grad()
def test_the_order_of_lines_within_a_receipt_changes_nothing(model_of, pool):
    model, one = model_of(SASREC, pool, own=True), batch_of(HISTORIES[0])
    turned = dataclasses.replace(one, item=one.item[:, [2, 0, 1, 4, 3, 5, 7, 6]])
    closing = [2, 4, 5, 7]
    torch.testing.assert_close(model.score_all(one), model.score_all(turned))
    a, b = (model.encode(batch)[:, closing] for batch in (one, turned))
    torch.testing.assert_close(a, b)


@torch.no_grad()
def test_with_nothing_before_its_basket_a_question_has_no_history(model_of):
    model, nothing = model_of(), batch_of(([0], [0], 0))
    assert model.score_all(batch_of(HISTORIES[2])).equal(model.score_all(nothing))


@pytest.mark.parametrize(
    ("own", "learned"), [(False, [4, 5, 6]), (True, [2, 3, 4, 5, 6, 8, 9])], ids=["no", "own"]
)
def test_a_target_without_a_step_before_its_own_is_not_learned(model_of, log_of, own, learned):
    log = log_of([1, 2, 3, 4, 5, 6], [7, 8, 9])
    log = dataclasses.replace(log, basket=np.array([1, 1, 1, 2, 2, 3, 4, 4, 4]))
    model, everything = model_of(own=own), np.arange(9)
    batches = list(model.training_batches(log, everything, 1, 8, np.random.default_rng(0)))
    targets = torch.cat([batch.target[batch.target > 0] for batch in batches])
    assert sorted(targets.tolist()) == learned
    assert model.num_targets(log, everything, 8) == len(learned)
    assert all(model.loss(batch).isfinite() for batch in batches)


def test_lines_that_are_context_are_steps_and_no_targets(model_of, log_of):
    log = log_of([1, 2, 3, 4, 5, 6], [7, 8, 9])
    log = dataclasses.replace(
        log,
        basket=np.array([1, 1, 1, 2, 3, 4, 5, 5, 6]),
        context=np.isin(np.arange(9), [0, 1, 2, 6, 7]),
    )
    model = model_of()
    (batch,) = model.training_batches(log, log.questions, 2, 8, np.random.default_rng(0))
    assert sorted(batch.target[batch.target > 0].tolist()) == [4, 5, 6, 9]
    assert model.num_targets(log, log.questions, 8) == 4


def test_baskets_of_whole_histories_are_refused_in_words(model_of, log_of):
    log = dataclasses.replace(log_of([1, 2, 3], [4, 5]), basket=np.array([1, 1, 1, 2, 2]))
    with pytest.raises(ValueError, match="no target has an event of another basket .* own=True"):
        model_of().num_targets(log, np.arange(5), 8)


@torch.no_grad()
def test_the_weights_within_a_basket_can_be_read(model_of):
    batch = batch_of(*HISTORIES)
    weights, even = (model_of(pool=pool.Config()).weights(batch) for pool in (Attention, Mean))
    read = [[[0, 1, 2], [3, 4], [5]], [[0], [1, 2, 3], []], [[], [], []]]  # not what is asked for
    assert [[row.nonzero()[:, 0].tolist() for row in steps] for steps in weights] == read
    torch.testing.assert_close(weights.sum(-1), torch.tensor([[1.0] * 3, [1, 1, 0], [0, 0, 0]]))
    assert even[0, 0, :3].tolist() == pytest.approx([1 / 3] * 3)
    assert (weights - even)[0, 0].abs().max() > 0.01
    with pytest.raises(ValueError, match="DeepSets is no weighted sum; use Attention or Mean"):
        model_of(pool=DeepSets.Config()).weights(batch)


@pytest.mark.parametrize("config", [BERT4Rec.Config(), GRU4Rec.Config()])
def test_an_encoder_that_cannot_be_run_over_vectors_is_refused(model_of, config):
    with pytest.raises(ValueError, match=r"cannot be run .* use SASRec.Config\(\) or GRU"):
        model_of(config)


def test_a_log_without_baskets_is_refused_in_words(model_of, small_log, small_split):
    bare = dataclasses.replace(small_log, basket=None)
    with pytest.raises(ValueError, match="reads the basket of events, and this log has none"):
        model_of().batch(bare, small_split.test[:3], 5)


@torch.no_grad()
def test_without_a_pool_each_line_is_a_step_of_the_encoder(model_of):
    model, batch = model_of(pool=None, own=True), batch_of(*HISTORIES)
    states, inside = (one.encode(batch)[batch.real] for one in (model, model.encoder))
    torch.testing.assert_close(states, inside, rtol=0, atol=0)


@torch.no_grad()
def test_marked_an_item_bought_in_a_store_is_not_what_it_is_online(small_catalogue, shaken):
    catalogue = dataclasses.replace(small_catalogue, names={"channel": np.array(["a", "b"])})
    marked = StoreEncoder.Config(SASREC, Mean.Config(), marked=True)
    model = shaken(StoreEncoder(catalogue, marked), 0.3)
    batch = batch_of(*HISTORIES)
    online = dataclasses.replace(batch, channel=torch.ones_like(batch.item) * batch.real)
    bought = torch.where(batch.basket == 7, 2, online.channel)
    states, others = (
        model.encode(dataclasses.replace(batch, channel=one)) for one in (online.channel, bought)
    )
    assert "channel" in model.reads
    assert (states[0, 2] - others[0, 2]).abs().max() > 1e-3  # of the receipt of three lines
    model.mark.weight[:] = model.mark.weight[1]  # all marks are one: nothing is told apart
    states, others = (
        model.encode(dataclasses.replace(batch, channel=one)) for one in (online.channel, bought)
    )
    torch.testing.assert_close(states, others)
