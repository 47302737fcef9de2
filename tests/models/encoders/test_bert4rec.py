"""BERT4Rec: what is masked, what a mask sees, and where it stands when a list is asked for."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.encoders.bert4rec import BERT4Rec
from seqrec_lib.models.encoders.sasrec import SASRec

CONFIG = BERT4Rec.Config(embed_dim=8, hidden_dim=16, max_len=6, dropout=0.0, num_layers=2)


@pytest.fixture
def model(small_catalogue, shaken):
    torch.manual_seed(0)
    made = BERT4Rec(small_catalogue, CONFIG)
    return shaken(made, 0.2)


def passed(model, log, positions, length=6, seed=0):
    return list(model.training_batches(log, positions, 16, length, np.random.default_rng(seed)))


def test_every_history_is_learned_from_twice_once_with_its_end_alone_masked(
    model, small_log, small_split
):
    rows = [
        (item[item > 0], target[item > 0])
        for batch in passed(model, small_log, small_split.train)
        for item, target in zip(batch.item, batch.target, strict=True)
    ]
    for item, target in rows:
        assert ((item == model.masked) == (target > 0)).all()
        count = int((target > 0).sum())
        assert count == max(1, round(0.2 * len(item)))
    whole = [tuple(torch.where(target > 0, target, item).tolist()) for item, target in rows]
    # a window has the events of its targets and the one before
    windows = small_log.windows(small_split.train, 5)
    expected = [tuple(small_log.item[a - 1 : b + 1].tolist()) for a, b in windows]
    assert sorted(whole) == sorted(2 * expected)
    at_end = sum(bool(target[-1] > 0) and (target > 0).sum() == 1 for _, target in rows)
    assert at_end >= len(windows)


def test_with_prefixes_a_history_ends_at_any_of_its_targets(model, small_log, small_split):
    """At each of them sooner or later; cloze examples are of whole histories as before."""
    torch.manual_seed(0)
    model.config = replace(CONFIG, prefixes=True)
    train = small_split.train
    windows = {
        tuple(small_log.item[a - 1 : b + 1].tolist()) for a, b in small_log.windows(train, 5)
    }
    seen = set()
    for seed in range(40):
        whole = 0
        for batch in passed(model, small_log, train, seed=seed):
            for item, target in zip(batch.item, batch.target, strict=True):
                count = int((target > 0).sum())
                history = torch.where(target > 0, target, item)[item > 0].tolist()
                whole += tuple(history) in windows
                if count == 1 and target[len(history) - 1] > 0:
                    seen.add(tuple(history))
        assert whole >= len(windows)
    prefixes = {tuple(one[:n]) for one in windows for n in range(2, len(one) + 1)}
    assert seen == prefixes


def test_masks_fall_anywhere_and_anew_in_every_pass(model, small_log, small_split):
    def masked(seed):
        batches = passed(model, small_log, small_split.train, seed=seed)
        whole = [(b.target > 0).sum(0) for b in batches if b.item.shape[1] == 6]
        return torch.stack(whole).sum(0)

    assert (masked(0) > 10).all() and not masked(0).equal(masked(1))


@pytest.mark.parametrize("prefixes", [False, True])
def test_only_training_events_are_masked(model, log_of, prefixes):
    model.config = replace(CONFIG, prefixes=prefixes)
    log = log_of([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])
    positions = np.array([2, 3, 7, 8])  # the first two events of each are known, no more
    found = [passed(model, log, positions, seed=seed) for seed in range(20)]
    targets = torch.cat([batch.target.flatten() for batches in found for batch in batches])
    assert set(targets.tolist()) == {0, 3, 4, 8, 9}
    inputs = torch.cat([batch.item[:, 0] for batches in found for batch in batches])
    assert set(inputs.tolist()) == {2, 7}


@torch.no_grad()
def test_a_mask_sees_what_comes_after_it(model):
    item = torch.tensor([[3, model.masked, 5, 7]])
    before = model.encode(Batch(item))[0, 1]
    item[0, 3] = 8
    assert (model.encode(Batch(item))[0, 1] - before).abs().max() > 1e-3


@torch.no_grad()
def test_attention_written_out_gives_the_same_states(model):
    batch = Batch(torch.tensor([[3, model.masked, 5, 7], [2, 9, 0, 0]]))
    states, weights = model.attended(batch)
    torch.testing.assert_close(states, model.encode(batch))
    assert ((weights > 0) == batch.real[:, None, None]).all()


def test_targets_in_plain_sight_are_refused(model, small_log, small_split):
    batch = model.training_batch(small_log, small_log.windows(small_split.train[:9], 5))
    with pytest.raises(ValueError, match="learns what is masked, not what comes next"):
        model.loss(batch)


@torch.no_grad()
def test_the_question_is_a_mask_behind_the_history_which_loses_its_oldest_item(model):
    history = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 0, 0, 0, 0]])
    found = model.state(Batch(history))
    mask = model.masked
    full = model.encode(Batch(torch.tensor([[2, 3, 4, 5, 6, mask]])))[0, -1]
    short = model.encode(Batch(torch.tensor([[7, 8, mask]])))[0, -1]
    torch.testing.assert_close(found, torch.stack([full, short]))


@torch.no_grad()
def test_the_mask_is_no_candidate(model, small_catalogue):
    scores = model.score_all(Batch(torch.tensor([[1, 2]])))
    assert scores.shape == (1, small_catalogue.num_items + 1) and scores[0, 0] == -torch.inf


@torch.no_grad()
def test_without_a_head_the_last_state_of_one_layer_is_that_of_sasrec(small_catalogue):
    """The last step looks at everything in both."""
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIG, head=False, num_layers=1)
    model = BERT4Rec(small_catalogue, config).eval()
    names = {f.name for f in dataclasses.fields(SASRec.Config)}
    twin = SASRec(small_catalogue, SASRec.Config(**{k: getattr(config, k) for k in names})).eval()
    twin.load_state_dict({k: v for k, v in model.state_dict().items() if k in twin.state_dict()})
    one = Batch(torch.tensor([[4]]))
    torch.testing.assert_close(model.encode(one), twin.encode(one))
    two = Batch(torch.tensor([[4, 9]]))
    torch.testing.assert_close(model.encode(two)[:, 1], twin.encode(two)[:, 1])
    assert (model.encode(two)[:, 0] - twin.encode(two)[:, 0]).abs().max() > 1e-5


@pytest.mark.parametrize("change", [{"mask_share": 0.0}, {"mask_share": 1.0}, {"max_len": 1}])
def test_settings_that_leave_nothing_to_learn_are_refused(small_catalogue, change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} is"):
        BERT4Rec(small_catalogue, dataclasses.replace(CONFIG, **change))


def test_context_is_read_and_never_masked(model, log_of):
    log = replace(log_of([1, 2, 3, 4, 5, 6]), context=np.isin(np.arange(6), (1, 3)))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        for batch in model.training_batches(log, log.questions, 8, 10, rng):
            for item in (2, 4):
                assert (batch.item == item).any(1).all() and not (batch.target == item).any()
