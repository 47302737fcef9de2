"""RRN: its formula by hand, its limits, and what its states may know."""

from dataclasses import replace

import pytest
import torch

from seqrec_lib.data.ratings import DAY_S
from seqrec_lib.models.ratings.mf import BiasedMF
from seqrec_lib.models.ratings.rrn import RRN, above
from seqrec_lib.models.ratings.steps import BINS

SMALL = RRN.Config(
    decay=0.1, embed_dim=2, input_dim=3, hidden_dim=4, state_dim=2, user_days=1.0,
    item_days=2.0, dropout=0.0,
)  # fmt: skip


def built(some, **changes):
    torch.manual_seed(0)
    model = RRN(3, 5, replace(SMALL, **changes))
    model.read(some)
    return model


def test_a_rating_is_what_moves_and_what_stays_and_biases(some, ratings_of):
    model = built(some, users_move=False, items_move=False)
    with torch.no_grad():
        model.states["user"].own.weight[1] = torch.tensor([0.5, 2.0])
        model.states["user"].shared.weight[0] = torch.tensor([0.5, 0.0])
        model.states["item"].own.weight[3] = torch.tensor([3.0, -2.0])
        model.states["item"].shared.weight[0] = torch.tensor([0.0, 1.0])
        model.user_factors.weight[1] = torch.tensor([0.5, 0.0])
        model.item_factors.weight[3] = torch.tensor([2.0, 7.0])
        model.user_bias.weight[1], model.item_bias.weight[3] = 0.25, -0.125
    expected = 27 / 8 + (3 - 2) + 1.0 + 0.25 - 0.125
    assert model(ratings_of((1, 3, 99, 0))).item() == pytest.approx(expected)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_state_is_the_cell_run_over_earlier_steps(some, ratings_of, cell):
    # user 0 has steps on days 0 (two ratings), 3, 9; asked on day 5
    side = built(some, cell=cell).states["user"]
    value = some.rating - some.rating.mean() - above(some, "item", 6)

    def step(rows, gap_days):
        total = (value[rows, None] * side.others.weight[some.item[rows]]).sum(0) / len(rows) ** 0.5
        size = torch.tensor([float(len(rows)), float(gap_days)]).log1p()
        return torch.cat([total, value[rows].mean()[None], size, torch.zeros(1)])[None]

    newcomer = torch.zeros(1, 3 + 4)
    newcomer[0, -1] = 1
    state = side.cell(newcomer)
    state = side.cell(step([0, 1], 3), state)  # on day 3
    state = side.cell(step([2], 2), state)  # and on day 5
    hidden = state[0] if cell == "lstm" else state
    found = side(torch.tensor([0]), torch.tensor([5 * DAY_S]))
    torch.testing.assert_close(found, side.emit(hidden))


def test_states_of_many_are_those_of_each_alone(some):
    for side in ("user", "item"):
        model = built(some)
        together = model._state(side, some)
        alone = [model._state(side, some[torch.tensor([row])]) for row in range(len(some))]
        torch.testing.assert_close(together, torch.cat(alone))


def test_nothing_at_or_after_the_bin_of_a_question_is_read(some, ratings_of):
    # items are in bins of two days: day 4 begins one
    asked, later = ratings_of((0, 3, 4, 0), (1, 2, 4, 0)), ratings_of((0, 4, 11, 0), (1, 3, 11, 0))
    model, other = built(some), built(some)
    for side in ("user", "item"):
        steps = other.states[side].steps
        day = (steps.key % BINS) * (steps.width_s // DAY_S)
        late = torch.repeat_interleave(day >= 4, steps.start.diff())
        value = torch.where(late, torch.tensor(77.0), steps.value)
        other.states[side].steps = replace(steps, value=value)
        torch.testing.assert_close(other._state(side, asked), model._state(side, asked))
        assert not torch.allclose(other._state(side, later), model._state(side, later))


def test_what_is_asked_is_not_read(some, ratings_of):
    model = built(some)
    rows = [(0, 3, 12, 1.0), (1, 2, 12, 5.0)]
    first = model.predict(ratings_of(*rows))
    other = model.predict(ratings_of(*((u, i, day, 6 - r) for u, i, day, r in rows)))
    torch.testing.assert_close(first, other, rtol=0, atol=0)
    more = model.predict(ratings_of(*rows, (0, 2, 11, 5.0), (1, 2, 11, 5.0)))
    torch.testing.assert_close(first, more[:2])


def test_a_state_goes_on_changing_while_nothing_happens(some, ratings_of):
    model = built(some)
    asked = ratings_of((0, 1, 11, 0), (0, 1, 300, 0))
    for side in ("user", "item"):
        soon, late = model._state(side, asked)
        assert not torch.allclose(soon, late)


def test_the_bias_of_who_is_asked_about_tells_nothing_of_the_answer(some):
    """Else a user's ratings before would tell of the one after: they sum to about nothing."""
    model = built(some)
    rating = some.rating.clone()
    rating[3] = 5.0  # user 0, item 4, on day 9; nobody else rated it
    other = built(replace(some, rating=rating))
    drop = rating.mean() - some.rating.mean()
    values = [one.states["user"].steps.value[:3] for one in (model, other)]
    usual = above(some, "item", 6)[:3] - above(replace(some, rating=rating), "item", 6)[:3]
    torch.testing.assert_close(values[1], values[0] - drop + usual)


@pytest.mark.parametrize("part", ["user", "item"])
def test_one_side_learns_while_the_other_stays(some, part):
    model = built(some)
    model.begin(part)
    model.loss(torch.arange(len(some)), part).backward()
    other = {"user": "item", "item": "user"}[part]
    for side, learns in ((part, True), (other, False)):
        weights = [*model.states[side].parameters(), model._bias(side).weight]
        weights.append(model.user_factors.weight if side == "user" else model.item_factors.weight)
        for weight in weights:
            assert (weight.grad is not None and bool(weight.grad.any())) is learns


def test_with_constant_states_it_is_biased_mf_with_the_factors_side_by_side(some):
    model = built(some, users_move=False, items_move=False)
    plain = BiasedMF(3, 5, BiasedMF.Config(decay=0.1, embed_dim=4))
    plain.read(some)
    with torch.no_grad():
        for side, table in (("user", plain.user_factors), ("item", plain.item_factors)):
            own = model.user_factors if side == "user" else model.item_factors
            states = model.states[side].own.weight + model.states[side].shared.weight
            table.weight.copy_(torch.cat([states, own.weight], 1))
    torch.testing.assert_close(model(some), plain(some))
    rows = torch.arange(len(some))
    plain.loss(rows).backward()
    for part, table in (("user", plain.user_factors), ("item", plain.item_factors)):
        model.zero_grad()
        model.begin(part)
        model.loss(rows, part).backward()
        own = model.user_factors if part == "user" else model.item_factors
        found = torch.cat([model.states[part].own.weight.grad, own.weight.grad], 1)
        torch.testing.assert_close(found, table.weight.grad)


def test_without_item_states_it_is_the_state_of_a_user_times_a_constant(some, ratings_of):
    model = built(some, items_move=False, embed_dim=0)
    early, late = ratings_of((0, 1, 1, 0)), ratings_of((0, 1, 11, 0))
    for asked in (early, late):
        state = model.states["user"](asked.user, asked.time)[0]
        expected = model.mean + state @ model._state("item", asked)[0]
        assert model(asked).item() == pytest.approx(expected.item(), abs=1e-6)
    assert not torch.equal(model(early), model(late))
    still = built(some, users_move=False, items_move=False)
    torch.testing.assert_close(still(early), still(late))


def test_who_has_no_rating_is_a_newcomer_and_what_has_none_too(some, ratings_of):
    model = built(some)
    fresh = model._state("item", ratings_of((0, 5, 3, 0), (0, 5, 9, 0)))
    torch.testing.assert_close(fresh[0], fresh[1])
    torch.testing.assert_close(fresh[:1], model._state("item", ratings_of((0, 4, 1, 0))))


@pytest.mark.parametrize("items_move", [True, False])
def test_it_can_start_as_a_trained_factorisation_and_learn_from_there(some, items_move):
    plain = BiasedMF(3, 5, BiasedMF.Config(embed_dim=2))
    plain.read(some)
    torch.nn.init.normal_(plain.user_bias.weight)
    model = built(some, items_move=items_move)
    model.start_from(plain)
    torch.testing.assert_close(model(some), plain(some))
    model.begin("item")
    model.loss(torch.arange(len(some)), "item").backward()
    state = model.states["item"]
    assert (state.emit.bias if items_move else state.own.weight).grad.any()
    bare = built(some, embed_dim=0)
    bare.start_from(plain)
    torch.testing.assert_close(bare.user_bias.weight, plain.user_bias.weight)
    with pytest.raises(ValueError, match="embed_dim is 3; the factors have 2"):
        built(some, embed_dim=3).start_from(plain)
