"""TransAct: a score by hand, what it hands on, and what it hides in training."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.rankers.transact import TransAct

SMALL = TransAct.Config(
    embed_dim=4, action_dim=2, hidden_dim=6, latest=3, hidden=(8,), dropout=0.0, share=1.0
)
HISTORIES = torch.tensor([[3, 1, 4, 1, 5, 9], [9, 2, 7, 0, 0, 0], [6, 0, 0, 0, 0, 0]])
ACTIONS = torch.tensor([[1, 1, 2, 1, 2, 2], [2, 2, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]])
CANDIDATES = torch.tensor([[7, 8, 2]] * 3)
ACTED = Batch(HISTORIES, action=ACTIONS)


@pytest.fixture
def made(shaken):
    def make(names=(), **settings):
        torch.manual_seed(0)
        words = {name: np.array(["click", "view"]) for name in names}
        catalogue = Catalogue(40, np.r_[0, np.ones(40, dtype=np.int64)], names=words)
        return shaken(TransAct(catalogue, dataclasses.replace(SMALL, **settings)), 0.2)

    return make


def by_hand(model, history, actions, candidate):
    """The score of one candidate: layer by layer, event by event."""
    item = model.items.weight[candidate]
    rows = [model.items.weight[history]]
    if model.actions is not None:
        rows.append(model.actions.weight[actions])
    x = torch.cat([*rows, item.expand(len(history), -1)], 1)
    for layer in model.layers:
        attend, width = layer.attention, x.shape[1]
        query, key, value = (x @ attend.project.weight.T + attend.project.bias).split(width, 1)
        heads, part = [], width // 2
        for begin in (0, part):
            q, k, v = (one[:, begin : begin + part] for one in (query, key, value))
            heads.append((q @ k.T / part**0.5).softmax(1) @ v)
        x = layer.attention_norm(x + attend.out(torch.cat(heads, 1)))
        x = layer.feed_norm(x + layer.feed[2](F.relu(layer.feed[0](x))))
    latest = [x[-back] if back <= len(x) else torch.zeros(x.shape[1]) for back in (1, 2, 3)]
    return model.predict(torch.cat([*latest, model.pool(x.max(0).values), item]))[0]


@pytest.mark.parametrize("names", [(), ("action",)])
@torch.no_grad()
def test_a_score_by_hand(made, as_by_hand, names):
    model = made(names)

    def expected(row, candidate):
        there = HISTORIES[row] > 0
        return by_hand(model, HISTORIES[row, there], ACTIONS[row, there], candidate)

    as_by_hand(model.score(ACTED, CANDIDATES), CANDIDATES, expected)


@torch.no_grad()
def test_actions_are_read_where_the_log_has_them(made):
    other = dataclasses.replace(ACTED, action=(3 - ACTIONS) * (ACTIONS > 0))
    for names, reads in (((), ()), (("action",), ("action",)), (("channel",), ())):
        model = made(names)
        assert model.reads == reads
        moved = (model.score(other, CANDIDATES) - model.score(ACTED, CANDIDATES)).abs().max()
        assert (moved > 1e-3) == bool(reads)


@torch.no_grad()
def test_order_counts_only_among_the_latest(made):
    batches = [Batch(HISTORIES[:1, order]) for order in ([2, 0, 1, 3, 4, 5], [5, 1, 2, 3, 4, 0])]
    before = Batch(HISTORIES[:1])
    for latest, change in ((3, (False, True)), (0, (False, False))):
        model = made(latest=latest)
        score = model.score(before, CANDIDATES[:1])
        moved = [(model.score(one, CANDIDATES[:1]) - score).abs().max() > 1e-4 for one in batches]
        assert tuple(map(bool, moved)) == change, latest


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_few_events_or_none_are_no_trouble(made, training):
    model = made().train(training)
    found = model.score(Batch(torch.tensor([[6, 0], [0, 0], [3, 4]])), CANDIDATES)
    assert found.isfinite().all() and found.std() > 1e-2


def test_a_single_event_teaches_without_trouble(made):
    model = made(dropout=0.2).train()
    model.loss(Batch(HISTORIES[2:, :1], HISTORIES[2:, 1:2] + 5)).backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


HOURS = [0, 100, 100.9, 101.5, 101.99, 102]  # the last is asked about


@pytest.fixture
def log():
    time = (3600 * np.array(HOURS)).astype(np.int64)
    action = ["view", "click"] * 3
    table = {"user": 1, "item": np.arange(1, 7), "time": time, "action": action}
    return EventLog.build(pd.DataFrame(table))


def batches_of(model, log, positions, seeds):
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        yield from model.training_batches(log, positions, 1, 9, rng)


def test_a_random_time_before_the_question_is_hidden_in_training_alone(made, log):
    model = made(("action",))
    last = np.array([5])
    lengths = []
    for batch in batches_of(model, log, last, 200):
        kept = int(batch.length)
        lengths.append(kept)
        assert batch.item[0, :kept].equal(torch.arange(1, kept + 1))
        assert (batch.item[0, kept:] == 0).all()
        assert (batch.action > 0).equal(batch.item > 0)
        assert batch.target.max() == 6
    share = [np.mean([one <= kept for one in lengths]) for kept in (3, 4)]
    # hidden as soon as the window is longer: half an hour, and 36 seconds, of up to one hour
    np.testing.assert_allclose(share, [0.5, 0.99], atol=0.12)
    assert min(lengths) == 3  # an hour and more is never hidden
    assert model.batch(log, last, 9).length == 5


def test_nothing_is_hidden_without_a_window_and_one_event_stays_of_any(made, log):
    for window, lengths in ((0.0, {5}), (1e9, {1})):
        found = {int(b.length) for b in batches_of(made(window_s=window), log, np.array([5]), 20)}
        assert found == lengths, window


def test_a_shorter_history_has_to_be_read_by_itself(made, read_by_itself):
    read_by_itself(made(), HISTORIES, CANDIDATES)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"num_heads": 3}, "does not divide the width, 8"),
        ({"num_heads": 0}, "num_heads is 0"),
        ({"share": 1.5}, "share is 1.5"),
        ({"window_s": -1.0}, "window_s -1.0"),
    ],
)
def test_settings_that_are_none_are_refused(made, settings, words):
    with pytest.raises(ValueError, match=words):
        made(**settings)
