"""TWIN-V2: clusters of one are TWIN, n copies are n keys, and clusters come of frozen vectors."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.rankers.twin import TWIN
from seqrec_lib.models.rankers.twin_v2 import TWINV2

SMALL = TWINV2.Config(
    embed_dim=8, num_heads=2, hidden=(12, 6), dropout=0.0, k=3, largest=1, cross=(), share=1.0
)
ITEM = torch.tensor([[3, 10, 4, 1, 5, 9, 2, 6, 15, 35], [9, 2, 7, 1, 8, 0, 0, 0, 0, 0]])
TIME = torch.tensor([[0, 4, 5, 70, 71, 72, 9000, 9001, 9001, 10**6], [0, 7, 8, 9, 30] + [0] * 5])
HISTORIES = Batch(ITEM, time=TIME)
BOTH = ("gap", "count")


def made(catalogue, shaken, **settings):
    torch.manual_seed(0)
    model = shaken(TWINV2(catalogue, dataclasses.replace(SMALL, **settings)), 0.3)
    model.freeze()
    return model


def twin(catalogue, model):
    config = {k: v for k, v in vars(model.config).items() if hasattr(TWIN.Config, k)}
    plain = TWIN(catalogue, TWIN.Config(**config))
    state = {key: value for key, value in model.state_dict().items() if key != "frozen"}
    plain.load_state_dict(state)
    return plain.eval()


@pytest.mark.parametrize("cross", [(), BOTH])
@pytest.mark.parametrize("counted", [False, True])
@torch.no_grad()
def test_clusters_of_one_event_are_twin(small_catalogue, shaken, cross, counted):
    model = made(small_catalogue, shaken, cross=cross, counted=counted)
    expected = twin(small_catalogue, model).score_all(HISTORIES)
    torch.testing.assert_close(model.score_all(HISTORIES), expected)


@pytest.mark.parametrize("k", [3, None])
@pytest.mark.parametrize("cross", [(), BOTH])
@torch.no_grad()
def test_of_repeated_items_too(small_catalogue, shaken, cross, k):
    often = Batch(ITEM.clamp(max=4), time=TIME)
    model = made(small_catalogue, shaken, cross=cross, k=k)
    expected = twin(small_catalogue, model).score_all(often)
    torch.testing.assert_close(model.score_all(often), expected)


@torch.no_grad()
def test_a_cluster_of_n_copies_weighs_as_n_keys_if_counted_and_as_one_if_not(
    small_catalogue, shaken
):
    copies = Batch(torch.tensor([[3] * 7 + [10, 4, 4]]))
    once = Batch(torch.tensor([[3, 10, 4]]))
    model = made(small_catalogue, shaken, k=None, largest=7)
    silent = made(small_catalogue, shaken, k=None, largest=7, counted=False)
    plain = twin(small_catalogue, model)
    as_keys, as_one = plain.score_all(copies), plain.score_all(once)
    assert (as_keys - as_one)[:, 1:].abs().max() > 1e-2
    torch.testing.assert_close(model.score_all(copies), as_keys)
    torch.testing.assert_close(silent.score_all(copies), as_one)


@torch.no_grad()
def test_a_virtual_item_is_the_mean_of_its_events(small_catalogue, shaken):
    model = made(small_catalogue, shaken, largest=3, cross=BOTH)
    model.frozen[[3, 4, 5]] = 10.0
    model.frozen[[10, 1]] = -10.0
    history = Batch(torch.tensor([[3, 10, 4, 1, 5]]), time=TIME[:1, :5])
    read = model.read(history)
    assert read.real.tolist() == [[True, True]]
    table, cross = model.items.weight, model.cross(history)[0]
    places = {3: [0, 2, 4], 2: [1, 3]}  # of the events of the cluster of each size
    means = {n: table[history.item[0, events]].mean(0) for n, events in places.items()}
    for number, n in enumerate(sorted(means, key=lambda n: (read.vectors[0, 0] - means[n]).norm())):
        torch.testing.assert_close(read.vectors[0, number], means[n])
        bias = model.bias.weight @ cross[places[n]].mean(0) + math.log(n)
        torch.testing.assert_close(read.bias[0, :, number], bias)


@torch.no_grad()
def test_clusters_stay_until_the_next_pass_begins(small_catalogue, shaken):
    model = made(small_catalogue, shaken, largest=3)
    before = model.read(HISTORIES).item
    model.items.weight[1:] = torch.randn(40, 8) * 3
    assert model.read(HISTORIES).item.equal(before)
    model.freeze()
    assert not model.read(HISTORIES).item.equal(before)


@pytest.mark.parametrize("begins", ["begin_pass", "begin_scoring"])
@torch.no_grad()
def test_a_pass_and_a_scoring_cluster_by_vectors_as_they_are_then(
    small_catalogue, small_log, small_split, shaken, begins
):
    model = made(small_catalogue, shaken, largest=3)
    model.items.weight[1:] = torch.randn(40, 8) * 3
    expected = made(small_catalogue, shaken, largest=3)
    expected.items.weight.copy_(model.items.weight)
    expected.freeze()
    assert not model.read(HISTORIES).item.equal(expected.read(HISTORIES).item)
    getattr(model, begins)(small_log, small_split.train, 4)
    assert model.read(HISTORIES).item.equal(expected.read(HISTORIES).item)


def test_events_learn_though_clusters_do_not(small_catalogue, shaken):
    model = made(small_catalogue, shaken, largest=3, k=1)
    target = torch.tensor([[0] * 9 + [7], [0] * 4 + [3] + [0] * 5])
    model.loss(Batch(ITEM, target, time=TIME)).backward()
    assert (model.items.weight.grad[[2, 7, 8]].abs().amax(1) > 0).any()
    assert "frozen" not in dict(model.named_parameters())


@torch.no_grad()
def test_many_events_are_few_clusters(small_catalogue, shaken):
    model = made(small_catalogue, shaken, largest=20)
    item = torch.randint(1, 41, (2, 300))
    read = model.read(Batch(item))
    assert read.real.sum(1).max() < 60 < 300
    assert model.score_all(Batch(item))[:, 1:].isfinite().all()
    empty = Batch(torch.zeros(2, 3, dtype=torch.long))
    assert model.score_all(empty)[:, 1:].isfinite().all()


@torch.no_grad()
def test_a_shorter_history_has_to_be_read_by_itself(small_catalogue, shaken):
    model = made(small_catalogue, shaken)
    with pytest.raises(ValueError, match="other clusters"):
        model.match(model.read(HISTORIES), torch.ones(2, 1).long(), torch.ones(2, 1).long())


@pytest.mark.parametrize(
    "settings, words", [({"largest": 0}, "largest is 0"), ({"share": 1.5}, "share is 1.5")]
)
def test_settings_that_are_none_are_refused(small_catalogue, settings, words):
    with pytest.raises(ValueError, match=words):
        TWINV2(small_catalogue, dataclasses.replace(SMALL, **settings))


def test_a_pass_learns_from_a_share_of_the_positions(small_catalogue, small_log, small_split):
    model = TWINV2(small_catalogue, dataclasses.replace(SMALL, share=0.5))
    every = len(model.windows(small_log, small_split.train, 4))
    batches = model.training_batches(small_log, small_split.train, 64, 4, np.random.default_rng(0))
    assert sum(len(batch.item) for batch in batches) == math.ceil(every / 2)
