import dataclasses
import math

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.duorec import DuoRec, SameTarget, contrast
from seqrec_lib.models.encoders.sasrec import SASRec

CONFIG = DuoRec.Config(embed_dim=8, hidden_dim=12, num_layers=1, max_len=20, dropout=0.2)


def model_of(log, split, config=CONFIG):
    torch.manual_seed(0)
    return DuoRec(Catalogue.learned(log, split.train), config)


def first_batch(model, log, split, seed=0):
    rng = np.random.default_rng(seed)
    return next(model.training_batches(log, split.train, 32, 20, rng))


# --- histories that led to the same item -------------------------------------------------------


def test_a_partner_has_the_same_item_and_is_another_training_position(small_log, small_split):
    same = SameTarget(small_log, small_split.train)
    asked = small_split.train[small_log.history_length(small_split.train) > 0]
    found = same.draw(asked, np.random.default_rng(0))
    np.testing.assert_array_equal(small_log.item[found], small_log.item[asked])
    assert (found != asked).all()  # 40 items, each asked for many times
    assert np.isin(found, small_split.train).all()
    assert (small_log.history_length(found) > 0).all()


def test_partners_are_uniform_over_the_others(log_of):
    log = log_of([1, 2], [3, 2], [4, 2], [5, 2])
    positions = np.array([1, 3, 5, 7])
    same, rng = SameTarget(log, np.arange(8)), np.random.default_rng(0)
    for own in positions:
        found = same.draw(np.full(6000, own), rng)
        others, count = np.unique(found, return_counts=True)
        assert set(others) == set(positions) - {own}
        assert abs(count / 6000 - 1 / 3).max() < 0.03


def test_a_target_met_once_is_its_own_partner(log_of):
    log = log_of([1, 2], [3, 4])
    same = SameTarget(log, np.arange(4))
    assert same.draw(np.array([1, 3]), np.random.default_rng(0)).tolist() == [1, 3]


def test_the_step_that_is_contrasted_leads_to_the_partners_item(small_log, small_split):
    model = model_of(small_log, small_split)
    asked = small_split.train[small_log.history_length(small_split.train) > 0]
    led_to = {}  # history: the items that it led to
    for history, item in zip(
        small_log.histories(asked, 20).item.tolist(), small_log.item[asked], strict=True
    ):
        led_to.setdefault(tuple(one for one in history if one), set()).add(item)
    steps = set()
    for batch in model.training_batches(
        small_log, small_split.train, 32, 20, np.random.default_rng(0)
    ):
        row, step = torch.arange(len(batch.item)), batch.extra["step"]
        target = batch.target[row, step].tolist()
        for own, history in zip(target, batch.extra["like"].tolist(), strict=True):
            assert own in led_to[tuple(one for one in history if one)]
        steps.update((batch.length - 1 - step).tolist())
    assert {0, 1, 2} < steps  # not the last one alone


# --- the loss ----------------------------------------------------------------------------------


def test_the_contrast_of_two_rows_by_hand():
    one, other = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    # row 0 of one: partner 1, negatives 0 and 0; row 1: partner 2, negatives 0 and 1
    # row 0 of the other: partner 1, negatives 1 and 2; row 1: partner 2, negatives 0 and 2
    e = math.e
    terms = [
        (e, 1 + 1),
        (e**2, 1 + e),
        (e, e + e**2),
        (e**2, 1 + e**2),
    ]
    expected = np.mean([-math.log(own / (own + rest)) for own, rest in terms])
    assert contrast(one, other).item() == pytest.approx(expected, rel=1e-6)


def test_rows_of_the_same_target_are_no_negatives():
    torch.manual_seed(0)
    one, other = torch.randn(2, 4, 6)
    target = torch.tensor([7, 8, 7, 9])
    found = contrast(one, other, target[:, None] == target, 0.5)
    views, total = torch.cat([one, other]), 0.0
    for i in range(8):
        scores = (views @ views[i] / 0.5).exp()
        own = scores[(i + 4) % 8]
        rest = sum(scores[j] for j in range(8) if target[j % 4] != target[i % 4])
        total -= (own / (own + rest)).log() / 8
    torch.testing.assert_close(found, total)
    assert found < contrast(one, other, None, 0.5)


def test_without_weight_it_is_sasrec(small_log, small_split):
    config = dataclasses.replace(CONFIG, weight=0.0, dropout=0.0)
    model = model_of(small_log, small_split, config)
    names = {field.name for field in dataclasses.fields(SASRec.Config)}
    own = {name: getattr(config, name) for name in names}
    plain = SASRec(Catalogue.learned(small_log, small_split.train), SASRec.Config(**own))
    plain.load_state_dict(model.state_dict())
    batch = first_batch(model, small_log, small_split)
    torch.testing.assert_close(model.loss(batch), plain.loss(batch))
    torch.testing.assert_close(model.eval().score_all(batch), plain.eval().score_all(batch))


@pytest.mark.parametrize("views", ["dropout-target", "both"])
@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("mask_same", [True, False])
def test_the_loss_is_that_of_its_parts(small_log, small_split, views, cosine, mask_same):
    how = {"views": views, "cosine": cosine, "mask_same": mask_same, "contrast_temperature": 0.3}
    config = dataclasses.replace(CONFIG, dropout=0.0, weight=0.5, **how)
    model = model_of(small_log, small_split, config)
    with torch.no_grad():
        model.items.weight.mul_(20)  # else all states are nearly alike
    batch = first_batch(model, small_log, small_split)
    states = model.encode(batch)
    row, step = torch.arange(len(batch.item)), batch.extra["step"]
    own, target = states[row, step], batch.target[row, step]
    like = model.state(Batch(batch.extra["like"]))
    expected = model.next_item_loss(states, batch)
    for other in (like, own)[: 1 + (views == "both")]:  # without dropout a second pass is the first
        unit = [view / view.norm(dim=1, keepdim=True) if cosine else view for view in (own, other)]
        same = target[:, None] == target if mask_same else None
        expected = expected + 0.5 * contrast(*unit, same, 0.3)
    torch.testing.assert_close(model.loss(batch), expected)


@pytest.mark.parametrize("views", ["dropout-target", "both"])
def test_the_contrastive_terms_are_added_with_their_weight(small_log, small_split, views):
    losses = []
    for weight in (0.0, 0.1, 0.2):
        config = dataclasses.replace(CONFIG, weight=weight, views=views)
        model = model_of(small_log, small_split, config)
        batch = first_batch(model, small_log, small_split)
        torch.manual_seed(1)
        losses.append(model.loss(batch).item())
    first, second = np.diff(losses)
    assert first > 0.01 and first == pytest.approx(second, rel=1e-3)


def test_other_views_are_refused(small_log, small_split):
    with pytest.raises(ValueError, match="views is 'us'; use 'dropout-target' or 'both'"):
        model_of(small_log, small_split, dataclasses.replace(CONFIG, views="us"))


@torch.no_grad()
def test_histories_in_groups_have_the_states_of_one_batch(small_log, small_split):
    model = model_of(small_log, small_split).eval()
    for count in (1, 3, 50):
        batch = small_log.histories(small_split.test[:count], 20)
        torch.testing.assert_close(
            model._last_states(batch.item), model.state(batch), rtol=1e-5, atol=1e-6
        )
