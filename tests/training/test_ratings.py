"""The loop of rating models."""

import math
from dataclasses import replace

import pytest
import torch

from seqrec_lib.data.ratings import DAY_S, Ratings
from seqrec_lib.models.ratings.bias import Biases
from seqrec_lib.models.ratings.mf import BiasedMF
from seqrec_lib.models.ratings.rrn import RRN
from seqrec_lib.models.ratings.svdpp import SVDpp
from seqrec_lib.models.ratings.time_bias import TimeBias
from seqrec_lib.training.ratings import Diverged, RatingTraining, batches, fit, rmse

USERS, ITEMS = 60, 12


def simulated(taste=1.0, step=1.0):
    """Everybody rates everything in 100 days: one factor, and at day 50 a step for half of it.

    The last 20 days are the later part.
    """
    draw = torch.Generator().manual_seed(0)
    user = torch.arange(USERS).repeat_interleave(ITEMS)
    item = torch.arange(1, ITEMS + 1).repeat(USERS)
    day = 100 * torch.rand(len(user), generator=draw)
    one, other = torch.randn(USERS, generator=draw), torch.randn(ITEMS + 1, generator=draw)
    noise = 0.1 * torch.randn(len(user), generator=draw)
    rating = 3 + taste * one[user] * other[item] + step * (day > 50) * (item % 2) + noise
    made = Ratings(user, item, (day * DAY_S).long(), rating.float())
    late = day > 80
    return made[torch.nonzero(~late)[:, 0]], made[torch.nonzero(late)[:, 0]]


HOW = RatingTraining(passes=60, patience=20, batch_size=64, learning_rate=0.03)
ADAM = RatingTraining(passes=20, patience=5, batch_size=128, learning_rate=0.02, optimizer="adam")
SMALL = RRN.Config(embed_dim=4, hidden_dim=8, state_dim=4, item_days=10.0, decay=0.01)


@pytest.mark.parametrize("part", ["rating", "user", "item"])
def test_a_pass_has_every_rating_once_and_an_owner_in_one_batch(part):
    known, _ = simulated()
    found = list(batches(known, part, 100, torch.Generator().manual_seed(0)))
    assert torch.cat(found).sort().values.tolist() == list(range(len(known)))
    assert all(len(one) >= 100 for one in found[:-1])
    if part != "rating":
        owners = [set(getattr(known, part)[rows].tolist()) for rows in found]
        assert sum(map(len, owners)) == len(set.union(*owners))
    again = list(batches(known, part, 100, torch.Generator().manual_seed(1)))
    assert again[0].tolist() != found[0].tolist()


def error(model, known, late, training=HOW):
    history = fit(model, known, late, training)
    found = rmse(model, late)
    assert found == pytest.approx(history["valid"].min(), abs=1e-6)  # that of the best pass
    return found


def test_factors_learn_tastes_and_biases_do_not():
    known, late = simulated(step=0.0)
    torch.manual_seed(0)
    bias = error(Biases(USERS, ITEMS, Biases.Config()), known, late)
    config = BiasedMF.Config(embed_dim=4, decay=0.01)
    for kind in (BiasedMF, SVDpp):
        assert error(kind(USERS, ITEMS, config), known, late, ADAM) < 0.5 * bias


def test_what_sees_time_learns_a_step_and_biases_do_not():
    known, late = simulated(taste=0.0)
    torch.manual_seed(0)
    bias = error(Biases(USERS, ITEMS, Biases.Config()), known, late)
    binned = error(TimeBias(USERS, ITEMS, TimeBias.Config(bins=8)), known, late)
    moving = error(RRN(USERS, ITEMS, SMALL), known, late, ADAM)
    constant = replace(SMALL, users_move=False, items_move=False)
    still = error(RRN(USERS, ITEMS, constant), known, late, ADAM)
    assert max(moving, binned) < 0.6 * min(bias, still)


def test_the_same_seed_gives_the_same_answers_and_another_does_not():
    known, late = simulated()
    answers = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        model = RRN(USERS, ITEMS, SMALL)
        fit(
            model,
            known,
            None,
            RatingTraining(passes=2, batch_size=128, seed=seed, optimizer="adam"),
        )
        answers.append(model.predict(late))
    assert torch.equal(answers[0], answers[1]) and not torch.equal(answers[0], answers[2])


def test_a_step_is_that_of_stochastic_gradient_descent_by_hand():
    """b <- b + rate (error - decay b), p <- p + rate (error q - decay p), and so for q."""
    known, _ = simulated()
    known = known[torch.tensor([3])]
    user, item, config = known.user[0], known.item[0], BiasedMF.Config(embed_dim=2, decay=0.3)
    torch.manual_seed(0)
    model = BiasedMF(USERS, ITEMS, config)
    with torch.no_grad():
        model.user_bias.weight.fill_(0.5)
    p, q = (
        w.weight[i].clone() for w, i in ((model.user_factors, user), (model.item_factors, item))
    )
    error = -0.5 - p @ q  # the only rating is the mean
    fit(model, known, None, RatingTraining(passes=1, learning_rate=0.1))
    torch.testing.assert_close(model.user_factors.weight[user], p + 0.1 * (error * q - 0.3 * p))
    torch.testing.assert_close(model.item_factors.weight[item], q + 0.1 * (error * p - 0.3 * q))
    expected = 0.5 + 0.1 * (error - 0.3 * 0.5)
    torch.testing.assert_close(model.user_bias.weight[user, 0], expected)


def test_without_validation_all_passes_are_made():
    known, _ = simulated()
    history = fit(Biases(USERS, ITEMS, Biases.Config()), known, None, RatingTraining(passes=7))
    assert history["pass"].tolist() == list(range(8)) and all(map(math.isnan, history["valid"]))


def test_it_stops_when_validation_has_not_improved_for_as_long_as_its_patience():
    known, late = simulated()
    model = Biases(USERS, ITEMS, Biases.Config())
    history = fit(model, known, late, RatingTraining(passes=99, patience=2, learning_rate=0.05))
    assert len(history) == history["valid"].argmin() + 1 + 2 < 99


def test_where_no_pass_helps_the_model_stays_as_it_came():
    known, late = simulated()
    model = Biases(USERS, ITEMS, Biases.Config())
    model.read(known)
    before = model.predict(late)
    history = fit(model, known, late, RatingTraining(passes=9, patience=3, learning_rate=5.0))
    assert history["pass"].tolist() == [0, 1, 2, 3] and torch.equal(model.predict(late), before)


def test_nothing_to_learn_from_is_refused():
    known, _ = simulated()
    with pytest.raises(ValueError, match="nothing to learn from"):
        fit(Biases(USERS, ITEMS, Biases.Config()), known[torch.tensor([]).long()], None)


def test_learning_that_diverges_says_so():
    known, late = simulated()
    wild = replace(HOW, learning_rate=50.0)
    with pytest.raises(Diverged, match=r"Biases is .* in pass \d+. Use .* below 50.0"):
        fit(Biases(USERS, ITEMS, Biases.Config()), known, late, wild)


@pytest.mark.parametrize("years", [1, 10, 40])
def test_drifting_biases_learn_from_users_of_many_years(years):
    draw = torch.Generator().manual_seed(0)
    count = 2000
    item = torch.randint(1, ITEMS + 1, (count,), generator=draw)
    time = (torch.rand(count, generator=draw) * years * 365 * DAY_S).long()
    rating = 3 + 0.5 * torch.randn(count, generator=draw)
    user = torch.randint(0, USERS, (count,), generator=draw)
    known = Ratings(user, item, time, rating + 0.5 * (item % 2))
    found = fit(TimeBias(USERS, ITEMS, TimeBias.Config()), known, known, RatingTraining(passes=5))
    assert found["valid"].iloc[-1] < found["valid"].iloc[0]
