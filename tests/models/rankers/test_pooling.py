"""Pooling and a network: hand arithmetic, and what every ranker does."""

import dataclasses

import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.losses import BCE, BPRMax, SampledSoftmax
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.models.rankers.pooling import Pooling, Tower

SMALL = Pooling.Config(embed_dim=8, hidden=(12, 6), dropout=0.0)
KINDS = {
    "mean": (Pooling, SMALL),
    "sum": (Pooling, dataclasses.replace(SMALL, pooling="sum")),
    "din": (DIN, DIN.Config(**vars(SMALL) | {"pooling": "sum"}, unit_dim=5)),
    "din-mean": (DIN, DIN.Config(**vars(SMALL), unit_dim=5)),
    "din-normalised": (DIN, DIN.Config(**vars(SMALL), unit_dim=5, normalised=True)),
}
HISTORIES = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0], [6, 0, 0, 0, 0]])


@pytest.fixture(params=KINDS)
def model(request, small_catalogue, shaken):
    kind, config = KINDS[request.param]
    torch.manual_seed(0)
    made = kind(small_catalogue, config)
    return shaken(made, 0.3)


@torch.no_grad()
def test_a_tower_is_an_mlp_on_user_item_and_their_product():
    torch.manual_seed(0)
    tower = Tower(4, (5, 3), 0.0)
    user, item = torch.randn(2, 3, 4), torch.randn(3, 4)
    both = torch.cat([user, item.expand(2, -1, -1), user * item], -1)
    weight = torch.cat([tower.user.weight, tower.item.weight, tower.both.weight], 1)
    expected = tower.layers(both @ weight.T + tower.user.bias).squeeze(-1)
    torch.testing.assert_close(tower(user, item), expected)
    torch.testing.assert_close(tower.table(user, item), expected)
    same = user[:, 0]  # of all candidates
    torch.testing.assert_close(tower.table(same, item), tower(same[:, None], item))


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_a_history_is_the_mean_or_sum_of_its_items(small_catalogue, pooling):
    torch.manual_seed(0)
    model = Pooling(small_catalogue, dataclasses.replace(SMALL, pooling=pooling)).eval()
    table, candidate = model.items.weight, torch.tensor([[7], [7], [7]])
    rows = [[3, 1, 4, 1, 5], [9, 2], [6]]
    taken = [getattr(table[row], pooling)(0) for row in rows]
    expected = model.tower(torch.stack(taken), table[7])
    torch.testing.assert_close(model.score(Batch(HISTORIES), candidate)[:, 0], expected)


@torch.no_grad()
def test_a_candidate_of_a_step_sees_the_events_up_to_it(model, as_prefixes):
    as_prefixes(model, HISTORIES, torch.tensor([[0, 2, 4, 1], [0, 1, 1, 0], [0, 0, 0, 0]]))


@torch.no_grad()
def test_shared_candidates_after_every_step_score_as_each_by_itself(model, after_every_step):
    read, candidates = model.read(Batch(HISTORIES)), torch.tensor([2, 7, 7, 11])
    found = after_every_step(model, read, candidates, HISTORIES > 0)
    assert found.shape == (3, 5, 4)
    for step in range(5):
        steps = torch.full((3, 4), step)
        expected = model.match(read, candidates.expand(3, -1), steps)
        real = HISTORIES[:, step] > 0
        torch.testing.assert_close(found[real, step], expected[real])


@torch.no_grad()
def test_in_which_order_a_history_stands_changes_nothing(model):
    turned = Batch(torch.tensor([[5, 1, 4, 3, 1], [2, 9, 0, 0, 0], [6, 0, 0, 0, 0]]))
    torch.testing.assert_close(model.score_all(turned), model.score_all(Batch(HISTORIES)))


@torch.no_grad()
def test_the_catalogue_is_scored_alike_in_chunks_of_any_size(model):
    found = []
    for model.chunk in (1, 7, 64):
        found.append(model.score_all(Batch(HISTORIES)))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


@torch.no_grad()
def test_an_empty_history_has_scores(model):
    scores = model.score_all(Batch(torch.zeros(1, 3, dtype=torch.long)))
    assert scores[0, 1:].isfinite().all()


def test_the_loss_of_one_negative_is_binary_cross_entropy(small_catalogue, monkeypatch):
    torch.manual_seed(0)
    model = Pooling(small_catalogue, dataclasses.replace(SMALL, objective=BCE())).eval()
    monkeypatch.setattr(
        "seqrec_lib.models.losses.other_items", lambda t, count, rows: t[:, None] % 40 + 1
    )
    target = torch.tensor([[1, 4, 0, 0, 0], [2, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    batch = Batch(HISTORIES, target)
    found = model.loss(batch)
    lost = []
    for row, step, own in ((0, 0, 1), (0, 1, 4), (1, 0, 2)):
        pair = torch.tensor([[own, own % 40 + 1]])
        yes, no = model.score(Batch(HISTORIES[[row], : step + 1]), pair)[0].sigmoid()
        lost.append((-yes.log() - (1 - no).log()) / 2)
    torch.testing.assert_close(found, torch.stack(lost).mean())


def test_the_loss_of_shared_negatives_is_a_softmax_over_the_catalogue_in_the_limit(
    small_catalogue,
):
    torch.manual_seed(0)
    many = dataclasses.replace(SMALL, objective=SampledSoftmax(40_000))
    model = Pooling(small_catalogue, many).eval()
    batch = Batch(HISTORIES[:1], torch.tensor([[1, 4, 1, 5, 9]]))
    steps = [model.score_all(Batch(HISTORIES[:1, : t + 1]))[0] for t in range(5)]
    exact = -torch.stack([s.log_softmax(0)[t] for s, t in zip(steps, batch.target[0], strict=True)])
    with torch.no_grad():
        assert model.loss(batch).item() == pytest.approx(exact.mean().item(), rel=2e-2)


@pytest.mark.parametrize("objective", [BPRMax(), SampledSoftmax(8, in_batch=True)])
def test_objectives_that_a_ranker_cannot_learn_by_are_refused(small_catalogue, objective):
    with pytest.raises(ValueError, match="a ranker cannot learn by"):
        Pooling(small_catalogue, dataclasses.replace(SMALL, objective=objective))


@pytest.mark.parametrize("change", [{"pooling": "max"}, {"hidden": ()}, {"hidden": (8, 0)}])
def test_settings_that_make_no_network_are_refused(small_catalogue, change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} is"):
        Pooling(small_catalogue, dataclasses.replace(SMALL, **change))
