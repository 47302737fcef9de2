"""TWIN: one attention twice, a bias by hand, and limits in which it is plain attention."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.rankers import target_attention
from seqrec_lib.models.rankers.search import Own, logits
from seqrec_lib.models.rankers.target_attention import TargetAttention
from seqrec_lib.models.rankers.twin import TWIN, Elsewhere

SMALL = TWIN.Config(embed_dim=8, num_heads=2, hidden=(12, 6), dropout=0.0, k=3)
ITEM = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 5, 35], [9, 2, 7, 1, 8, 0, 0, 0, 0, 0]])
TIME = torch.tensor([[0, 4, 5, 70, 71, 72, 9000, 9001, 9001, 10**6], [0, 7, 8, 9, 30] + [0] * 5])
HISTORIES = Batch(ITEM, time=TIME)
EVERY = torch.arange(1, 41)[None]


def made(catalogue, shaken, **settings):
    torch.manual_seed(0)
    return shaken(TWIN(catalogue, dataclasses.replace(SMALL, **settings)), 0.3)


@torch.no_grad()
def test_without_cross_features_and_projections_it_is_scaled_dot_attention(small_catalogue, shaken):
    model = made(small_catalogue, shaken, cross=(), k=None)
    for part in (model.query, model.key, model.value, model.out):
        part.weight.copy_(torch.eye(8))
    table = model.items.weight
    asked, events = table[EVERY[0]].view(40, 2, 4), table[ITEM[0]].view(10, 2, 4)
    expected = F.scaled_dot_product_attention(*(x.transpose(0, 1) for x in (asked, events, events)))
    found = model.interest(model.read(Batch(ITEM[:1])), model.asked(EVERY))
    torch.testing.assert_close(found[0], expected.transpose(0, 1).flatten(1))


@torch.no_grad()
def test_cross_features_are_a_number_added_to_the_logits_of_each_head(small_catalogue, shaken):
    model = made(small_catalogue, shaken)
    read, asked = model.read(HISTORIES), model.asked(EVERY)
    bias = model.cross(HISTORIES) @ model.bias.weight.T
    plain = logits(read._replace(bias=None), asked)
    torch.testing.assert_close(logits(read, asked), plain + bias.mT[:, :, None])
    assert bias.std() > 0.1
    vectors, cross = model.items.weight[ITEM], model.cross(HISTORIES)
    values = vectors @ model.value.weight.T + cross @ model.cross_value.weight.T
    torch.testing.assert_close(read.values.transpose(1, 2).flatten(2), values)


@pytest.mark.parametrize("cross", [(), ("gap", "count")])
@torch.no_grad()
def test_with_k_as_long_as_the_history_it_is_full_attention(small_catalogue, shaken, cross):
    found = []
    for settings in ({"k": None}, {"k": 10}, {"k": 10, "consistent": False}, {"k": 2}):
        model = made(small_catalogue, shaken, cross=cross, **settings)
        state = model.state_dict()
        shared = found[0][0] if found else state
        model.load_state_dict({key: shared.get(key, value) for key, value in state.items()})
        found.append((state, model.score_all(HISTORIES)))
    for _, scores in found[1:3]:
        torch.testing.assert_close(scores, found[0][1])
    assert (found[3][1] - found[0][1])[:, 1:].abs().amax() > 1e-2
    if not cross:
        config = {k: v for k, v in vars(SMALL).items() if hasattr(TargetAttention.Config, k)}
        plain = TargetAttention(small_catalogue, TargetAttention.Config(**config | {"k": None}))
        plain.load_state_dict(found[0][0])
        torch.testing.assert_close(plain.eval().score_all(HISTORIES), found[0][1])


@torch.no_grad()
def test_each_head_reads_the_events_of_its_highest_logits(small_catalogue, shaken):
    model = made(small_catalogue, shaken)
    read, asked = model.read(HISTORIES), model.asked(EVERY)
    own = logits(read, asked).masked_fill((ITEM == 0)[:, None, None], -torch.inf)
    expected = torch.zeros_like(own, dtype=torch.bool).scatter(-1, own.topk(3).indices, True)
    assert model.chosen(read, asked).equal(expected)
    assert not expected[:, 0].equal(expected[:, 1])
    model.search = Own(each_head=False)
    mean = own.mean(1, keepdim=True)
    expected = torch.zeros_like(mean, dtype=torch.bool).scatter(-1, mean.topk(3).indices, True)
    assert model.chosen(read, asked).equal(expected)


@torch.no_grad()
def test_projections_of_another_kind_find_other_events(small_catalogue, shaken):
    model = made(small_catalogue, shaken, consistent=False)
    assert isinstance(model.search, Elsewhere)
    assert not [name for name, _ in model.named_parameters() if name.startswith("search")]
    read, asked = model.read(HISTORIES), model.asked(EVERY)
    theirs = model.chosen(read, asked)
    model.search = Own()
    own = model.chosen(read, asked)
    recall = (own & theirs).sum() / own.sum()
    assert 0.1 < recall < 0.9


@torch.no_grad()
def test_a_candidate_of_a_step_sees_the_events_up_to_it(
    small_catalogue, shaken, monkeypatch, after_every_step
):
    model = made(small_catalogue, shaken)
    read, candidates = model.read(HISTORIES), torch.tensor([[7, 8, 7, 2]] * 2)
    step = torch.tensor([[0, 6, 9, 4], [0, 1, 4, 3]])
    found = model.match(read, candidates, step)
    for times in (1, 8):  # looked up, and masked
        monkeypatch.setattr(target_attention, "LONG", times)
        for row in range(2):
            for place in range(4):
                end = int(step[row, place]) + 1
                seen = Batch(ITEM[[row], :end], time=TIME[[row], :end])
                alone = model.score(seen, candidates[[row], place : place + 1])
                torch.testing.assert_close(found[row, place], alone[0, 0])
    each = after_every_step(model, read, torch.tensor([7, 2]), HISTORIES.real)
    torch.testing.assert_close(
        each[0, 6, 0], model.match(read, candidates[:, :1], step[:, 1:2])[0, 0]
    )


def test_it_reads_the_clock_for_gaps_alone(small_catalogue):
    reads = {
        cross: TWIN(small_catalogue, dataclasses.replace(SMALL, cross=cross)).reads
        for cross in ((), ("count",), ("gap",), ("gap", "count"))
    }
    assert list(reads.values()) == [(), (), ("time",), ("time",)]
