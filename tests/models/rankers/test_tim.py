"""TIM: its attention by hand, what it is without its parts, and what it is told of time."""

import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.rankers.tim import BUCKETS, TIM

SMALL = TIM.Config(embed_dim=6, hidden=(10, 5), dropout=0.0, max_len=4)
HISTORIES = torch.tensor([[3, 1, 4, 1, 5, 9], [9, 2, 7, 0, 0, 0], [6, 0, 0, 0, 0, 0]])
CANDIDATES = torch.tensor([[7, 8, 2]] * 3)
DAY = 86_400
TIME = DAY * torch.tensor([[0, 1, 1, 30, 31, 400], [5, 6, 90, 0, 0, 0], [8, 0, 0, 0, 0, 0]])
ASKED = torch.cat([TIME[:, 1:], TIME[:, :1]], 1).scatter(
    1, torch.tensor([[5], [2], [0]]), DAY * torch.tensor([[401], [91], [9]])
)
TIMED = Batch(HISTORIES, time=TIME, asked_at=ASKED)
CHOICES = [
    {},
    {"combine": "concatenation"},
    {"time": "intervals"},
    {"time": "intervals", "combine": "concatenation", "product": False},
    {"time": "none", "product": False},
]


@pytest.fixture
def made(small_catalogue, shaken):
    def make(**settings):
        torch.manual_seed(0)
        return shaken(TIM(small_catalogue, dataclasses.replace(SMALL, **settings)), 0.2)

    return make


def by_hand(model, row, length, candidate):
    """The score of one candidate after the first events of a history, one event after the other."""
    config = model.config
    own = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
    history, asked = HISTORIES[row, :length].tolist(), int(ASKED[row, length - 1])

    def coded(item, code):
        vector = own["items.weight"][item]
        if config.time == "none":
            return vector
        code = own["codes.weight"][code]
        return vector + code if config.combine == "sum" else np.concatenate([vector, code])

    def code(place):
        if config.time == "positions":
            return min(length - place, config.max_len)
        return 1 + int(np.log(max(1, asked - int(TIME[row, place]))) / 0.301)

    query = coded(candidate, 0)
    events = [coded(item, code(place)) for place, item in enumerate(history)]
    weights = np.exp([query @ event / len(query) ** 0.5 for event in events])
    said = [event * query if config.product else event for event in events]
    user = sum(w * one for w, one in zip(weights / weights.sum(), said, strict=True))
    x = own["tower.user.weight"] @ user + own["tower.user.bias"] + own["tower.item.weight"] @ query
    for slope, layer in ((0, 2), (3, 5)):
        x = np.where(x > 0, x, own[f"tower.layers.{slope}.weight"] * x)
        x = own[f"tower.layers.{layer}.weight"] @ x + own[f"tower.layers.{layer}.bias"]
    return x[0]


@pytest.mark.parametrize("settings", CHOICES, ids=str)
@torch.no_grad()
def test_a_score_by_hand(made, as_by_hand, settings):
    model = made(**settings)
    found, length = model.score(TIMED, CANDIDATES), (6, 3, 1)
    as_by_hand(
        found, CANDIDATES, lambda row, candidate: by_hand(model, row, length[row], candidate)
    )


@pytest.mark.parametrize("settings", CHOICES, ids=str)
@torch.no_grad()
def test_every_step_is_scored_as_a_history_that_ends_there(made, settings, after_every_step):
    model = made(**settings)
    read, items = model.read(TIMED), torch.tensor([7, 8, 2])
    step = torch.tensor([[0, 2, 5], [2, 1, 0], [0, 0, 0]])
    own = model.match(read, CANDIDATES, step)
    each = after_every_step(model, read, items, TIMED.real)
    assert each[TIMED.real].std() > 1e-2
    for row in range(3):
        for place in range(3):
            expected = by_hand(model, row, int(step[row, place]) + 1, int(items[place]))
            np.testing.assert_allclose(own[row, place], expected, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(each[row, step[row, place], place], own[row, place])


@torch.no_grad()
def test_without_codes_the_order_of_a_history_is_lost(made):
    moved = Batch(HISTORIES[:1, [4, 0, 5, 3, 2, 1]])
    for time, known in (("none", False), ("positions", True)):
        model = made(time=time)
        change = model.score(moved, CANDIDATES[:1]) - model.score(
            TIMED.rows(slice(1)), CANDIDATES[:1]
        )
        assert (change.abs().max() > 1e-3) == known, time


@torch.no_grad()
def test_only_intervals_read_time_and_then_that_of_the_question(made):
    later = dataclasses.replace(TIMED, asked_at=ASKED + 300 * DAY)
    for time, reads in (("none", ()), ("positions", ()), ("intervals", ("time", "asked_at"))):
        model = made(time=time)
        assert model.reads == reads
        moved = (model.score(later, CANDIDATES) - model.score(TIMED, CANDIDATES)).abs().amax(1)
        assert (moved > 1e-4).all() if reads else (moved == 0).all()


@torch.no_grad()
def test_only_the_interval_counts_not_the_date(made):
    model = made(time="intervals")
    moved = Batch(HISTORIES, time=TIME + 999 * DAY, asked_at=ASKED + 999 * DAY)
    assert model.score(moved, CANDIDATES).equal(model.score(TIMED, CANDIDATES))


@torch.no_grad()
def test_the_product_may_wait_until_events_are_summed(made):
    """What the paper multiplies event by event is one product with the sum."""
    model, plain = made(), made(product=False)
    read, item = model.read(TIMED), model.asked(CANDIDATES)[:, None]
    last = TIMED.length[:, None] - 1
    torch.testing.assert_close(
        model._interest(read, last, item), plain._interest(read, last, item) * item
    )


@torch.no_grad()
def test_beyond_the_longest_position_all_are_one(made):
    model = made()
    codes = (
        model.events(model.read(TIMED), torch.tensor([[5]] * 3)) - model.items(HISTORIES)[:, None]
    )
    torch.testing.assert_close(codes[0, 0], model.codes.weight[[4, 4, 4, 3, 2, 1]])
    assert model.max_len == 4 and made(time="none").max_len is None


def test_a_code_stands_for_each_interval_up_to_decades(made):
    assert made(time="intervals").codes.num_embeddings == BUCKETS + 2
    with pytest.raises(ValueError, match="time is 'dates'; use one of positions, intervals, none"):
        made(time="dates")
    with pytest.raises(ValueError, match="max_len is 0; use 1 or more, or time='none'"):
        made(max_len=0)
    with pytest.raises(ValueError, match=r"hidden is \(\); use one width"):
        made(hidden=())
    with pytest.raises(ValueError, match="use one of sum, concatenation"):
        made(combine="product")
