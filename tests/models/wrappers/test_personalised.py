import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.duorec import DuoRec
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.wrappers.personalised import LEVEL, Personalised, hypergradient

SASREC = SASRec.Config(embed_dim=8, hidden_dim=16, num_layers=1, max_len=20, dropout=0.0)
CONFIG = Personalised.Config(SASREC, held_out=0.2, warm_up=0, every=1)


@pytest.mark.parametrize("terms", [0, 3, 400])
def test_the_hypergradient_is_that_of_a_quadratic_solved_by_hand(terms):
    bend = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    weight = torch.tensor([0.3, -0.2], requires_grad=True)
    chance = (bend @ weight).detach().requires_grad_()  # so that the weights are at the minimum
    goal = torch.tensor([1.0, 2.0])
    learned = 0.5 * weight @ bend @ weight - chance @ weight
    held_out = 0.5 * ((weight - goal) ** 2).sum()
    (found,) = hypergradient(learned, held_out, [weight], [chance], terms, rate=0.5)
    # weights = bend^-1 chance, so that a chance moves the loss by bend^-1 (weights - goal)
    series = sum(torch.linalg.matrix_power(torch.eye(2) - 0.5 * bend, j) for j in range(terms + 1))
    expected = 0.5 * series @ (weight - goal)
    torch.testing.assert_close(found, expected.detach())
    if terms == 400:
        exact = torch.linalg.solve(bend, weight - goal)
        torch.testing.assert_close(found, exact.detach(), rtol=1e-5, atol=1e-6)


def of(log, split, config=CONFIG):
    torch.manual_seed(0)
    return Personalised(Catalogue.learned(log, split.train), config)


def batches(model, log, split):
    return list(model.training_batches(log, split.train, 16, 20, np.random.default_rng(0)))


def test_the_encoder_learns_nothing_from_those_held_out(small_log, small_split):
    model = of(small_log, small_split).train()
    for batch in batches(model, small_log, small_split)[:5]:
        held_out = batch.extra["held_out"]
        losses = []
        for shift in (0, 7):
            torch.manual_seed(1)
            target = torch.where(
                held_out[:, None] & (batch.target > 0),
                (batch.target - 1 + shift) % 40 + 1,
                batch.target,
            )
            model.config = dataclasses.replace(CONFIG, warm_up=10**9)
            losses.append(model.loss(dataclasses.replace(batch, target=target)))
        assert losses[0] == losses[1] > 0
        if held_out.any():
            break
    else:
        pytest.fail("no batch had a user held out")


def held_out_loss_after_a_step(model, batch, judges, step):
    """Of the encoder moved one step down the loss of a batch weighed by its chances."""
    weights = dict(model.encoder.named_parameters())
    worth = model._worth_of(batch)
    weighed = (LEVEL + worth - worth.mean()).sigmoid() @ model._loss_of_each(batch)
    slopes = torch.autograd.grad(weighed, list(weights.values()))
    moved = {
        f"encoder.{name}": weight - step * slope
        for (name, weight), slope in zip(weights.items(), slopes, strict=True)
    }
    return float(torch.func.functional_call(model, moved, (judges,)).sum().detach())


@pytest.mark.parametrize("terms", [0, 3])
@pytest.mark.parametrize("encoder", [SASREC, GRU.Config(embed_dim=8, hidden_dim=8, dropout=0.0)])
def test_chances_move_where_a_step_of_the_encoder_helps_those_held_out(
    small_log, small_split, encoder, terms
):
    config = dataclasses.replace(
        CONFIG, encoder=encoder, held_out=0.4, terms=terms, learning_rate=0.1
    )
    model = of(small_log, small_split, config)
    model.forward = model._loss_of_each
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    batches(model, small_log, small_split)
    batch, judges = model._drawn(model._learned), model._drawn(model._judging)
    model.mean_worth.copy_(model._worth_of(batch).mean())
    first = model.chance(batch).detach()
    losses = [held_out_loss_after_a_step(model, batch, judges, 0.1)]
    for _ in range(5):
        model._learn_chances(batch, judges)
        losses.append(held_out_loss_after_a_step(model, batch, judges, 0.1))
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] - 1e-5
    now = model.chance(batch).detach()
    assert (now - first).abs().max() > 0.01
    # their level stays: some up, some down
    assert (now < first).any() and (now > first).any()
    assert float(now.logit().mean()) == pytest.approx(LEVEL, abs=1e-3)
    assert model.training == model.encoder.training


def test_a_history_without_a_chance_is_not_learned_from(small_log, small_split, monkeypatch):
    config = dataclasses.replace(CONFIG, warm_up=10**9)
    model = of(small_log, small_split, config).train()
    batch = next(one for one in batches(model, small_log, small_split) if len(one.item) > 3)
    chance = torch.arange(len(batch.item)) % 2 * 1.0
    monkeypatch.setattr(model, "chance", lambda batch: chance)
    kept = (chance == 1) & ~batch.extra["held_out"]
    assert 0 < kept.sum() < (~batch.extra["held_out"]).sum()
    target = torch.where(kept[:, None], batch.target, 0)
    expected = model.encoder.loss(dataclasses.replace(batch, target=target))
    assert model.loss(batch).item() == expected.item()


def test_chances_learn_every_so_many_batches_after_the_warm_up(small_log, small_split, monkeypatch):
    config = dataclasses.replace(CONFIG, warm_up=2, every=3)
    model, learned = of(small_log, small_split, config).train(), []
    monkeypatch.setattr(model, "_learn_chances", lambda *_: learned.append(int(model.batches)))
    for batch in batches(model, small_log, small_split)[:10]:
        model.loss(batch)
    assert learned == [3, 6, 9]


def test_an_encoder_that_learns_from_more_than_targets_is_refused(small_log, small_split):
    duorec = DuoRec.Config(embed_dim=8, hidden_dim=16, num_layers=1, max_len=20)
    with pytest.raises(ValueError, match="left out; use SASRec or GRU"):
        of(small_log, small_split, Personalised.Config(duorec))


def test_what_is_learned_to_its_end_judges_nothing(small_log, small_split):
    model = of(small_log, small_split, dataclasses.replace(CONFIG, held_out=0.5))
    whole = small_log.user_of(np.arange(len(small_log))) % 2 == 0  # as if a regenerator's
    learned = np.union1d(small_split.train, np.flatnonzero(whole))
    batch = next(model.training_batches(small_log, learned, 16, 20, np.random.default_rng(0)))
    held_out = np.flatnonzero(model._held_out)
    assert 0.3 < len(held_out) / (small_log.num_users / 2) < 0.7
    assert (held_out % 2 == 1).all()
    assert np.isin(small_log.user_of(model._judging[:, 0]), held_out).all()
    assert not np.isin(small_log.user_of(model._learned[:, 0]), held_out).any()
    judges = model._drawn(model._judging)  # not those of the batch: of any length
    assert len(set(judges.length.tolist())) > len(set(batch.length.tolist()))


def test_where_all_is_learned_to_its_end_anyone_judges(small_log, small_split):
    model = of(small_log, small_split)
    everything = np.arange(len(small_log))
    next(model.training_batches(small_log, everything, 16, 20, np.random.default_rng(0)))
    assert model._held_out.any()


def test_a_batch_of_held_out_histories_alone_still_has_a_loss(small_log, small_split):
    model = of(small_log, small_split).train()
    batch = batches(model, small_log, small_split)[0]
    batch.extra["held_out"][:] = True
    assert model.loss(batch).isfinite()
