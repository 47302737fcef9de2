"""SURGE: one pair by hand, its switches, what it knows of order, and how it learns."""

import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.losses import BCE
from seqrec_lib.models.rankers.surge import SURGE

SMALL = SURGE.Config(
    embed_dim=8, num_heads=2, clusters=3, attention_dim=5, hidden=(12, 6), dropout=0.0
)
HISTORIES = torch.tensor([[3, 1, 4, 1, 5, 9], [9, 2, 7, 0, 0, 0], [6, 0, 0, 0, 0, 0]])
CANDIDATES = torch.tensor([[7, 8, 2]] * 3)


def made(catalogue, shaken, **settings):
    torch.manual_seed(0)
    return shaken(SURGE(catalogue, dataclasses.replace(SMALL, **settings)), 0.2)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def softmax(x):
    share = np.exp(x - x.max(-1, keepdims=True))
    return share / share.sum(-1, keepdims=True)


def by_hand(model, history, candidate):
    """The score of one candidate, one step after the other."""
    config = model.config
    own = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
    h, item, n = own["items.weight"][history], own["items.weight"][candidate], len(history)

    def prelu(x, name):
        return np.where(x > 0, x, own[name] * x)

    def scored(name, node, other):
        first = node @ own[f"{name}.user.weight"].T + own[f"{name}.user.bias"]
        first = first + other @ own[f"{name}.item.weight"].T
        first = first + (node * other) @ own[f"{name}.both.weight"].T
        first = prelu(first, f"{name}.layers.0.weight")
        return (first @ own[f"{name}.layers.2.weight"].T + own[f"{name}.layers.2.bias"])[..., 0]

    likeness = np.zeros((n, n))
    for weight in own["likeness.weight"]:
        unit = h * weight / np.linalg.norm(h * weight, axis=1, keepdims=True)
        likeness += unit @ unit.T / len(own["likeness.weight"])
    least = np.sort((likeness + np.eye(n)).ravel())[::-1][int(np.ceil(config.share * n * n)) - 1]
    edges = (likeness + np.eye(n) >= least - 1e-9) | np.eye(n, dtype=bool)
    if not config.pruned:
        edges[:] = True
    strength = (1 + likeness) / 2 if config.weighted else np.ones((n, n))
    averaged = strength * edges
    averaged /= averaged.sum(1, keepdims=True)

    alpha = scored("cluster", h @ own["of_cluster.weight"].T, averaged @ averaged @ h)
    beta = alpha
    if config.query_aware:
        beta = scored("query", h @ own["of_query.weight"].T, np.tile(item, (n, 1)))
    hears = softmax(np.where(edges, leaky(alpha[:, None] + beta[None]), -1e9))
    nodes = leaky(hears @ h @ own["fuse.weight"].T + h)
    logits = averaged @ nodes @ own["assign.content.weight"].T
    if config.placed:
        place = (np.arange(n)[:, None] + 0.5) / n
        logits = logits + place * own["assign.place.weight"].T + own["assign.place.bias"]
    assigned, weight = softmax(logits), softmax(beta)
    clusters, of_cluster, readout = assigned.T @ nodes, assigned.T @ weight, weight @ nodes

    state = np.zeros_like(item)
    for cluster, a in zip(clusters, of_cluster, strict=True):
        read = own["evolve.input.weight"] @ cluster + own["evolve.input.bias"]
        kept = own["evolve.state.weight"] @ state + own["evolve.state.bias"]
        (r, z, c), (r2, z2, c2) = read.reshape(3, -1), kept.reshape(3, -1)
        new = np.tanh(c + c2 / (1 + np.exp(-r - r2)))
        taken = a / (1 + np.exp(z + z2))
        state = state + taken * (new - state)
    x = np.concatenate([state, readout, item, readout * item])
    for layer in ("0", "3", "6"):
        x = own[f"predict.{layer}.weight"] @ x + own[f"predict.{layer}.bias"]
        x = x if layer == "6" else prelu(x, f"predict.{int(layer) + 1}.weight")
    return x[0]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"share": 0.3, "num_heads": 1},
        {"pruned": False, "weighted": False},
        {"query_aware": False, "clusters": 1},
        {"placed": False},
    ],
    ids=str,
)
@torch.no_grad()
def test_a_score_by_hand(small_catalogue, shaken, as_by_hand, settings):
    model = made(small_catalogue, shaken, **settings)
    histories = [history[history > 0].numpy() for history in HISTORIES]
    found = model.score(Batch(HISTORIES), CANDIDATES)
    as_by_hand(found, CANDIDATES, lambda row, candidate: by_hand(model, histories[row], candidate))


@torch.no_grad()
def test_edges_are_those_it_reads_and_all_without_pruning(small_catalogue, shaken):
    batch, real = Batch(HISTORIES), HISTORIES > 0
    model, whole = (made(small_catalogue, shaken, pruned=pruned) for pruned in (True, False))
    assert model.edges(batch).equal(model.read(batch).edges)
    pair = real[:, :, None] & real[:, None]
    assert whole.edges(batch).equal(pair)
    kept = model.edges(batch)
    assert kept[1:].sum() < pair[1:].sum() and kept[0].sum() in (18, 20)  # 18 of 36, or a tie
    assert kept[0, 1, 3] and kept[0, 3, 1]  # the same item twice


@torch.no_grad()
def test_which_edges_stay_does_not_depend_on_dropout(small_catalogue, shaken):
    model = made(small_catalogue, shaken, dropout=0.5).train()
    edges = [model.read(Batch(HISTORIES)).edges for _ in range(3)]
    assert edges[0].equal(edges[1]) and edges[1].equal(edges[2])


@torch.no_grad()
def test_as_in_the_paper_it_cannot_know_the_order_of_a_history(small_catalogue, shaken):
    moved = Batch(HISTORIES[:1, [4, 0, 5, 3, 2, 1]])
    blind, model = (made(small_catalogue, shaken, placed=placed) for placed in (False, True))
    found = [one.score(Batch(HISTORIES[:1]), CANDIDATES[:1]) for one in (blind, model)]
    torch.testing.assert_close(blind.score(moved, CANDIDATES[:1]), found[0], rtol=1e-4, atol=1e-5)
    assert (model.score(moved, CANDIDATES[:1]) - found[1]).abs().max() > 1e-3


@torch.no_grad()
def test_without_a_view_to_what_is_asked_all_candidates_share_one_graph(small_catalogue, shaken):
    model = made(small_catalogue, shaken, query_aware=False)
    read = model.read(Batch(HISTORIES))
    assert model.pooled(read, model.items(CANDIDATES)).clusters.shape == (3, 1, 3, 8)


@pytest.mark.parametrize("settings", [{}, {"query_aware": False, "objective": BCE(4)}], ids=str)
def test_gradients_reach_every_weight(small_catalogue, shaken, settings):
    model = made(small_catalogue, shaken, **settings)
    target = torch.zeros_like(HISTORIES)
    target[0, 5], target[1, 2], target[2, 0] = 2, 6, 3
    model.loss(Batch(HISTORIES, target)).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


def test_edges_that_are_there_or_not_teach_likeness_nothing(small_catalogue):
    model = SURGE(small_catalogue, dataclasses.replace(SMALL, weighted=False))
    assert not model.likeness.weight.requires_grad


def test_the_loss_has_the_three_it_is_held_to(small_catalogue, shaken):
    target = torch.zeros_like(HISTORIES)
    target[0, 5], target[1, 2] = 2, 6  # the third history asks nothing
    losses = []
    for weight in (0.0, 1.0, 3.0):
        model = made(small_catalogue, shaken, regularisation=weight)
        torch.manual_seed(0)
        losses.append(model.loss(Batch(HISTORIES, target)).item())
    assert losses[1] - losses[0] > 0.1
    np.testing.assert_allclose(losses[2] - losses[0], 3 * (losses[1] - losses[0]), rtol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"objective": BCE(3)}], ids=str)
def test_a_history_that_asks_nothing_teaches_nothing(small_catalogue, shaken, settings):
    model = made(small_catalogue, shaken, **settings)
    target = torch.zeros_like(HISTORIES)
    target[0, 5], target[1, 2] = 2, 6
    model.loss(Batch(HISTORIES, target)).backward()
    assert model.items.weight.grad.isfinite().all()
    other = HISTORIES.clone()
    other[2, 0] = 11
    found = []
    for history in (HISTORIES, other):
        torch.manual_seed(0)
        found.append(model.loss(Batch(history, target)))
    assert found[0].equal(found[1])


def test_every_position_is_the_end_of_a_window_of_its_own(small_log, small_split, small_catalogue):
    model = SURGE(small_catalogue, SMALL)
    asked = small_split.train[small_log.history_length(small_split.train) > 0]
    windows = model.windows(small_log, small_split.train, 4)
    np.testing.assert_array_equal(np.sort(windows[:, 1]), asked)
    length = windows[:, 1] - windows[:, 0] + 1
    np.testing.assert_array_equal(length, np.minimum(small_log.history_length(windows[:, 1]), 4))
    for batch in model.training_batches(small_log, asked, 64, 4, np.random.default_rng(0)):
        assert ((batch.target > 0).sum(1) == 1).all()
        last = batch.target.gather(1, batch.length[:, None] - 1)
        assert (last > 0).all()


def test_a_shorter_history_has_to_be_read_by_itself(small_catalogue, read_by_itself):
    read_by_itself(SURGE(small_catalogue, SMALL), HISTORIES, CANDIDATES)


@pytest.mark.parametrize("settings, words", [({"share": 0.0}, "share"), ({"clusters": 0}, "1 or")])
def test_settings_that_are_none_are_refused(small_catalogue, settings, words):
    with pytest.raises(ValueError, match=words):
        SURGE(small_catalogue, dataclasses.replace(SMALL, **settings))
