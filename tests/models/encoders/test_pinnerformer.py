"""PinnerFormer: what lies ahead of a step, how often it is a target, what it is compared with."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.models import losses
from seqrec_lib.models.encoders.pinnerformer import DAY, Ahead, PinnerFormer
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import SampledSoftmax, Softmax

CONFIG = PinnerFormer.Config(8, 12, 1, max_len=30, dropout=0.0, window_s=2 * DAY)


@pytest.fixture
def three(log_of):
    """Three users; of each the last two events are held out, some of them within two days."""
    items = ([1, 2, 3, 4, 1, 1], [2, 1, 2, 3, 3], [4, 4, 1, 1])
    return log_of(*items, days=([0, 1, 2, 5, 6, 7], [0, 0, 1, 2, 3], [0, 1, 2, 3]))


TRAIN = np.array([0, 1, 2, 3, 6, 7, 8, 11, 12])


def model_of(log, train, config=CONFIG):
    torch.manual_seed(0)
    return PinnerFormer(Catalogue.learned(log, train), config)


def passed(model, log, train, length=30, seed=0):
    return list(model.training_batches(log, train, 16, length, np.random.default_rng(seed)))


# --- what lies ahead ---------------------------------------------------------------------------


def test_what_lies_ahead_of_three_users_by_hand(three):
    ahead = Ahead(three, TRAIN, 2 * DAY)
    found = {int(ahead.asked[k]): ahead.asked[k : ahead.end[k]].tolist() for k in ahead.number}
    assert found == {
        1: [1, 2],  # after day 0: days 1 and 2
        2: [2],  # after day 1, and day 5 is too late
        3: [],  # after day 2, as long before day 5
        7: [7, 8],  # days 0 and 1, but not day 2, which is held out
        8: [8],
        12: [12],  # nor here
    }


def test_targets_are_drawn_from_ahead(three):
    model, seen = model_of(three, TRAIN), set()
    for seed in range(40):
        (batch,) = passed(model, three, TRAIN, seed=seed)
        rows = {row[0]: row[1:] for row in torch.cat([batch.item[:, :1], batch.target], 1).tolist()}
        assert rows.keys() == {1, 2, 4}
        seen.update((first, step, item) for first in rows for step, item in enumerate(rows[first]))
    assert seen == {
        *((1, 0, 2), (1, 0, 3), (1, 1, 3), (1, 2, 0)),  # the first user's steps
        *((2, 0, 1), (2, 0, 2), (2, 1, 2), (2, 2, 0)),
        *((4, 0, 4), (4, 1, 0), (4, 2, 0)),
    }


@pytest.mark.parametrize(
    ("num_positions", "expected"),
    [(32, [0, 0.5, 2, 1.5, 1]), (1, [0, 0.25, 1, 0.75, 1])],
)
def test_how_often_an_item_is_a_target_by_hand(three, num_positions, expected):
    model = model_of(three, TRAIN, dataclasses.replace(CONFIG, num_positions=num_positions))
    model.begin_pass(three, TRAIN, 30)
    np.testing.assert_allclose(model.frequency, expected, atol=1e-6)
    assert model.num_targets(three, TRAIN, 30) == sum(expected)


@pytest.mark.parametrize("length", [5, 30])
def test_items_are_targets_as_often_as_expected(small_log, small_split, length):
    config = dataclasses.replace(CONFIG, window_s=4 * DAY, num_positions=3)
    model, passes = model_of(small_log, small_split.train, config), 60
    found = np.zeros(41)
    for seed in range(passes):
        for batch in passed(model, small_log, small_split.train, length, seed):
            found += np.bincount(batch.target.flatten(), minlength=41)
    expected = passes * model.frequency.numpy()
    apart = (found - expected)[1:] / np.sqrt(expected[1:])  # in standard errors, at most
    assert np.abs(apart).max() < 4 and expected[1:].min() > 500
    assert found[1:].sum() == passes * model.num_targets(small_log, small_split.train, length)


def test_targets_are_training_events_of_the_same_user_after_the_step(log_of):
    items = np.arange(1, 91).reshape(3, 30)  # an event has an item of its own
    log = log_of(*items)
    train = leave_last_out(log).train
    config = dataclasses.replace(CONFIG, window_s=6 * DAY, num_positions=8)
    model, far = model_of(log, train, config), 0
    for seed in range(30):
        for batch in passed(model, log, train, 10, seed):
            learn = batch.target > 0
            assert (learn.sum(1) <= 8).all()
            step, target = batch.item[learn] - 1, batch.target[learn] - 1  # positions
            apart = target - step
            assert (apart >= 1).all() and (apart <= 6).all()
            assert (step // 30 == target // 30).all() and np.isin(target, train).all()
            last = batch.item.amax(1)[learn.nonzero()[:, 0]]  # that is read
            far += int((target > last).sum())
    assert far > 20  # behind what is the last target of the window, too


def test_steps_and_targets_are_drawn_anew_in_every_pass(small_log, small_split):
    model = model_of(small_log, small_split.train, dataclasses.replace(CONFIG, num_positions=3))
    a, b, c = (passed(model, small_log, small_split.train, seed=seed) for seed in (0, 0, 1))
    assert a[0].target.equal(b[0].target) and not a[0].target.equal(c[0].target)
    steps = torch.cat([batch.target[:, :3] > 0 for batch in a if batch.target.shape[1] > 9]).sum(0)
    assert (steps > 10).all()  # the first ones like any other


def test_where_nothing_lies_ahead_there_is_nothing_to_learn(three):
    model = model_of(three, TRAIN, dataclasses.replace(CONFIG, window_s=1))
    assert len(model.windows(three, TRAIN, 30)) == 1  # of the second user, on day 0
    alone = np.array([0, 1, 2, 3])
    with pytest.raises(ValueError, match="nothing happens within 1 s of the event before it"):
        model.windows(three, alone, 30)


# --- the loss ----------------------------------------------------------------------------------


def test_both_kinds_of_negatives_and_their_logq_by_hand(three, monkeypatch):
    objective = SampledSoftmax(2, in_batch=True)
    config = dataclasses.replace(CONFIG, learned=False, temperature=None, objective=objective)
    model = model_of(three, TRAIN, config)
    model.begin_pass(three, TRAIN, 30)  # targets are expected .5, 2, 1.5 and 1 times, of 5
    drawn = torch.tensor([1, 3]), torch.tensor([0, 0.25, 0.25, 0.25, 0.25])
    monkeypatch.setattr(losses, "sampled_items", lambda *_: drawn)
    with torch.no_grad():  # exp(score) is the item's number
        model.items.weight.zero_()
        model.items.weight[1:, 0] = torch.arange(1.0, 5.0).log()
    states = torch.zeros(3, 2, 8)
    states[..., 0] = 1
    target = torch.tensor([[3, 2], [2, 0], [4, 0]])
    found = model.next_item_loss(states, Batch(torch.ones_like(target), target)).item()
    # how often each item is expected among 2 uniform of 4 and the 4 targets of the batch
    expected = {1: 0.5 + 0.4, 2: 0.5 + 1.6, 3: 0.5 + 1.2, 4: 0.5 + 0.8}
    negatives = {  # drawn, then in the batch; never the target, nor what its user does besides
        (0, 3): [1, 2, 4],
        (0, 2): [1, 3, 4],
        (1, 2): [1, 3, 3, 4],
        (2, 4): [1, 3, 3, 2, 2],
    }
    lost = [
        math.log(1 + sum(i / expected[i] for i in them) / own)
        for (_, own), them in negatives.items()
    ]
    assert found == pytest.approx(np.mean(lost), rel=1e-5)


@pytest.fixture
def next_only(small_log, small_split):
    """A day ahead, of events a day apart; and SASRec with the same weights."""

    def make(objective):
        config = dataclasses.replace(CONFIG, window_s=DAY, learned=False, objective=objective)
        model = model_of(small_log, small_split.train, config)
        own = {f.name: getattr(config, f.name) for f in dataclasses.fields(SASRec.Config)}
        plain = SASRec(Catalogue.learned(small_log, small_split.train), SASRec.Config(**own))
        plain.load_state_dict(model.state_dict())
        return model, plain

    return make


def test_if_only_the_next_event_lies_ahead_it_is_sasrec(next_only, small_log, small_split):
    model, plain = next_only(Softmax())
    train = small_split.train
    for a, b in zip(*(passed(m, small_log, train) for m in (model, plain)), strict=True):
        assert a.item.equal(b.item) and a.target.equal(b.target)
    assert model.loss(a).item() == plain.loss(b).item()
    torch.testing.assert_close(model.eval().score_all(a), plain.eval().score_all(a))


def test_without_random_negatives_it_is_a_softmax_over_the_batch(next_only, small_log, small_split):
    model, plain = next_only(SampledSoftmax(0, in_batch=True))
    batch = passed(model, small_log, small_split.train, length=1)[0]  # a target a row
    asked = small_split.train[small_log.history_length(small_split.train) > 0]
    often = np.bincount(small_log.item[asked], minlength=41)
    np.testing.assert_allclose(model.frequency, often, atol=1e-5)
    plain.frequency.copy_(torch.from_numpy(often))
    torch.testing.assert_close(model.loss(batch), plain.loss(batch))
    assert batch.target.shape[1] == 1 and model.loss(batch) > 1


def test_a_learned_temperature_starts_where_it_is_given_and_has_a_floor(small_log, small_split):
    model = model_of(small_log, small_split.train)
    fixed = model_of(small_log, small_split.train, dataclasses.replace(CONFIG, learned=False))
    fixed.load_state_dict(model.state_dict(), strict=False)
    batch = passed(model, small_log, small_split.train)[0]
    scores = model.eval().score_all(batch)[:, 1:]
    torch.testing.assert_close(scores, fixed.eval().score_all(batch)[:, 1:], rtol=1e-4, atol=1e-4)
    model.loss(batch).backward()
    assert model.log_temperature.grad.abs() > 1e-4
    with torch.no_grad():
        model.log_temperature.fill_(-20)
    torch.testing.assert_close(model.score_all(batch)[:, 1:], scores * 7, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"window_s": 0}, "window_s is 0; use 1 or more"),
        ({"num_positions": 0}, "num_positions is 0; use 1 or more"),
        ({"temperature": None}, "inner products have no temperature to learn"),
    ],
)
def test_settings_that_are_none_are_refused(small_catalogue, wrong, words):
    with pytest.raises(ValueError, match=words):
        PinnerFormer(small_catalogue, dataclasses.replace(CONFIG, **wrong))
