"""Target attention over what a search picks: by hand, in the limits, and with any search."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.rankers import target_attention
from seqrec_lib.models.rankers.eta import ETA
from seqrec_lib.models.rankers.search import Own, Random, Recent
from seqrec_lib.models.rankers.sim_soft import InnerProduct, SIMSoft
from seqrec_lib.models.rankers.target_attention import NEVER, TargetAttention, shift

SMALL = TargetAttention.Config(embed_dim=8, num_heads=2, hidden=(12, 6), dropout=0.0)
KINDS = {
    "recent": (TargetAttention, SMALL),
    "sim-soft": (SIMSoft, SIMSoft.Config(**vars(SMALL))),
    "eta": (ETA, ETA.Config(**vars(SMALL), bits=96)),
}
HISTORIES = torch.tensor(
    [[3, 1, 4, 1, 5, 9, 2, 6, 5, 35], [9, 2, 7, 1, 8, 0, 0, 0, 0, 0], [6] + [0] * 9]
)


def made(kind, catalogue, shaken, **settings):
    model, config = KINDS[kind]
    torch.manual_seed(0)
    return shaken(model(catalogue, dataclasses.replace(config, **settings)), 0.3)


every_kind = pytest.mark.parametrize("kind", KINDS)


@torch.no_grad()
def test_a_history_is_what_each_head_takes_of_its_most_recent_events(small_catalogue, shaken):
    model = made("recent", small_catalogue, shaken, k=3)
    table, taken = model.items.weight, []
    events, item = table[[6, 5, 35]], table[7]
    for head in (slice(0, 4), slice(4, 8)):
        query, key, value = (p.weight[head] for p in (model.query, model.key, model.value))
        weights = ((events @ key.T) @ (query @ item) / 2).softmax(0)
        taken.append(weights @ (events @ value.T))
    expected = model.tower(model.out.weight @ torch.cat(taken), item)
    found = model.score(Batch(HISTORIES[:1]), torch.tensor([[7]]))
    torch.testing.assert_close(found[0, 0], expected)


@torch.no_grad()
def test_a_whole_history_is_pytorchs_attention(small_catalogue, shaken):
    model = made("recent", small_catalogue, shaken)
    candidates = torch.tensor([[7, 8, 2]] * 3)
    read, asked = model.read(Batch(HISTORIES)), model.asked(candidates)
    mask = (HISTORIES > 0)[:, None, None]
    heads = F.scaled_dot_product_attention(asked.queries, read.keys, read.values, mask)
    expected = model.out(heads.transpose(1, 2).flatten(2))
    torch.testing.assert_close(model.interest(read, asked), expected)


@every_kind
@torch.no_grad()
def test_with_k_as_long_as_the_history_every_search_is_full_target_attention(
    kind, small_catalogue, shaken
):
    full = made("recent", small_catalogue, shaken)
    model = made(kind, small_catalogue, shaken, k=10)
    shared = {name: value for name, value in full.state_dict().items()}
    model.load_state_dict(shared, strict=False)
    expected = full.score_all(Batch(HISTORIES))
    torch.testing.assert_close(model.score_all(Batch(HISTORIES)), expected)
    shorter = made(kind, small_catalogue, shaken, k=2)
    shorter.load_state_dict(shared, strict=False)
    apart = (shorter.score_all(Batch(HISTORIES)) - expected)[:, 1:].abs().amax(1)
    assert (apart[:2] > 1e-2).all() and apart[2] < 1e-5  # the last one has a single event


@every_kind
@pytest.mark.parametrize("k", [1, 3, 7])
@torch.no_grad()
def test_a_candidate_of_a_step_sees_the_events_up_to_it(
    kind, k, small_catalogue, shaken, as_prefixes
):
    model = made(kind, small_catalogue, shaken, k=k)
    as_prefixes(model, HISTORIES, torch.tensor([[0, 6, 9, 4], [0, 1, 4, 3], [0, 0, 0, 0]]))


@every_kind
@torch.no_grad()
def test_shared_candidates_after_every_step_score_as_each_by_itself(
    kind, small_catalogue, shaken, after_every_step
):
    model = made(kind, small_catalogue, shaken, k=2)
    read, candidates = model.read(Batch(HISTORIES)), torch.tensor([2, 7, 7, 11])
    found = after_every_step(model, read, candidates, HISTORIES > 0)
    assert found.shape == (3, 10, 4)
    for step in range(10):
        expected = model.match(read, candidates.expand(3, -1), torch.full((3, 4), step))
        real = HISTORIES[:, step] > 0
        torch.testing.assert_close(found[real, step], expected[real])


@every_kind
@torch.no_grad()
def test_events_looked_up_give_what_masked_ones_give(kind, small_catalogue, shaken, monkeypatch):
    model = made(kind, small_catalogue, shaken, k=3)
    found = []
    for times in (1, 8):
        monkeypatch.setattr(target_attention, "LONG", times)
        found.append(model.score_all(Batch(HISTORIES)))
    torch.testing.assert_close(found[0], found[1])


@every_kind
@torch.no_grad()
def test_the_second_stage_reads_k_events_and_no_padding(kind, small_catalogue, shaken):
    model = made(kind, small_catalogue, shaken, k=3)
    read, asked = model.read(Batch(HISTORIES)), model.asked(torch.arange(1, 41)[None])
    taken = model.chosen(read, asked)
    assert taken.sum(-1).amax((1, 2)).tolist() == taken.sum(-1).amin((1, 2)).tolist() == [3, 3, 1]
    assert not (taken & (HISTORIES == 0)[:, None, None]).any()


@pytest.mark.parametrize("kind", ["sim-soft", "eta"])
@torch.no_grad()
def test_what_a_search_finds_does_not_depend_on_dropout(kind, small_catalogue, shaken):
    model = made(kind, small_catalogue, shaken, k=3, dropout=0.5)
    asked = model.asked(torch.arange(1, 41)[None])
    expected = model.chosen(model.read(Batch(HISTORIES)), asked)
    reads = [model.train().read(Batch(HISTORIES)) for _ in range(3)]
    for read in reads:
        assert model.chosen(read, asked).equal(expected)
    assert not reads[0].keys.equal(reads[1].keys)  # the second stage does


def test_no_event_is_taken_that_is_not_seen_or_is_ruled_out():
    relevance = torch.tensor([-3.0, -torch.inf, -2.0, -1.0])
    seen = torch.tensor([True, True, True, False])
    for k in (2, 3, 4, None):
        assert (shift(relevance, seen, k) == 0).tolist() == [True, False, True, False]
    added = shift(relevance, seen, 1)
    assert added.tolist() == [NEVER, NEVER, 0, NEVER]
    assert torch.equal((torch.randn(4) + added).softmax(0), torch.tensor([0.0, 0, 1, 0]))


@pytest.mark.parametrize("kind", ["float", "double", "alike", "ruled out"])
def test_the_k_most_relevant_are_taken_and_no_more(kind):
    rng = np.random.default_rng(0)
    relevance = torch.from_numpy(rng.normal(size=(3, 2, 40, 30)))
    if kind == "alike":
        relevance = torch.from_numpy(rng.integers(0, 6, (3, 2, 40, 30)).astype(float))
    if kind == "ruled out":
        relevance[relevance < 0.8] = -torch.inf
    relevance = relevance if kind == "double" else relevance.float()
    seen = torch.from_numpy(rng.random((3, 1, 1, 30)) < 0.7)
    taken = shift(relevance, seen, 5) == 0
    left = torch.where(seen, relevance, -torch.inf)
    possible = (left > -torch.inf).sum(-1)
    assert torch.equal(taken.sum(-1), possible.clamp(max=5)) and (taken <= seen).all()
    worst = left.masked_fill(~taken, torch.inf).amin(-1)
    assert (left.masked_fill(taken, -torch.inf).amax(-1) <= worst).all()


@pytest.mark.parametrize("search", [Recent(), Random(), Own(), Own(False), InnerProduct(8)])
@torch.no_grad()
def test_any_search_can_stand_before_one_second_stage(search, small_catalogue, shaken):
    model = made("recent", small_catalogue, shaken, k=3)
    model.search = search
    batch = Batch(HISTORIES)
    read, step = model.read(batch), torch.tensor([[4], [4], [0]])
    assert model.score_all(batch)[:, 1:].isfinite().all()
    found = model.match(read, torch.tensor([[7]] * 3), step)
    alone = model.score(Batch(HISTORIES[:, :5]), torch.tensor([[7]] * 3))
    torch.testing.assert_close(found, alone)


@torch.no_grad()
def test_no_search_finds_more_of_the_weight_than_the_second_stage_itself(small_catalogue, shaken):
    model = made("recent", small_catalogue, shaken, k=3)
    every = torch.arange(1, 41)[None]
    weights = target_attention.logits(model.read(Batch(HISTORIES)), model.asked(every))
    weights = weights.masked_fill((HISTORIES == 0)[:, None, None], -torch.inf).softmax(-1)
    mass = {}
    for name, search in {"own": Own(), "recent": Recent(), "random": Random()}.items():
        model.search = search
        taken = model.chosen(model.read(Batch(HISTORIES)), model.asked(every))
        mass[name] = (weights * taken).sum(-1)
    best = weights.topk(3).values.sum(-1)
    torch.testing.assert_close(mass["own"], best)
    assert (mass["recent"] < best - 1e-3)[:2].any() and (mass["random"] < best - 1e-3)[:2].any()


@torch.no_grad()
def test_random_events_are_drawn_evenly_and_of_a_history_always_alike(small_catalogue, shaken):
    model = made("recent", small_catalogue, shaken, k=5)
    item, asked = torch.randint(1, 41, (2000, 20)), model.asked(torch.tensor([[1]]))
    draws = []
    for seed in (0, 0, 1):
        model.search = Random(seed)
        draws.append(model.chosen(model.read(Batch(item)), asked)[:, 0, 0])
    assert draws[0].equal(draws[1]) and not draws[0].equal(draws[2])
    # a quarter of the events, each place alike; of the first event there are but 40 kinds
    share = draws[0].float().mean(0)[3:]
    assert (share - 0.25).abs().max() < 5 * (0.25 * 0.75 / 2000) ** 0.5


@torch.no_grad()
def test_an_empty_history_has_scores(small_catalogue, shaken):
    for k in (None, 1):
        model = made("recent", small_catalogue, shaken, k=k)
        scores = model.score_all(Batch(torch.zeros(1, 12, dtype=torch.long)))
        assert scores[0, 1:].isfinite().all()


@pytest.mark.parametrize("change", [{"k": 0}, {"num_heads": 3}, {"num_heads": 0}])
def test_settings_that_make_no_attention_are_refused(small_catalogue, change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} is"):
        TargetAttention(small_catalogue, dataclasses.replace(SMALL, **change))
