"""ETA: what bits that differ say of angles, and which events are nearest."""

import dataclasses

import pytest
import torch
from scipy.stats import binomtest

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.rankers.eta import ETA, SimHash
from seqrec_lib.models.rankers.words import hamming

SMALL = ETA.Config(embed_dim=8, num_heads=2, hidden=(12, 6), dropout=0.0, k=2, bits=64)
HISTORY = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 5, 35]])


@pytest.mark.parametrize("degrees", [10, 45, 90, 150])
def test_bits_agree_with_probability_one_minus_the_angle_over_pi(degrees):
    torch.manual_seed(0)
    search, angle = SimHash(16, 4096), torch.tensor(degrees).deg2rad()
    basis = torch.linalg.qr(torch.randn(16, 2)).Q.T
    a, b = basis[0], angle.cos() * basis[0] + angle.sin() * basis[1]
    codes = search.of_events(torch.ones(1, 2).long(), torch.stack([a, 7 * b])[None])
    agree = 4096 - int(hamming(codes[0, 0], codes[0, 1]))
    assert binomtest(agree, 4096, 1 - degrees / 180).pvalue > 1e-3
    assert binomtest(agree, 4096, 1 - (degrees + 5) / 180).pvalue < 1e-3  # it could tell


def test_the_more_bits_the_more_of_the_nearest_are_found():
    torch.manual_seed(0)
    vectors, asked = torch.randn(1, 500, 16), torch.randn(1, 40, 16)
    cosine = (
        torch.nn.functional.normalize(asked, dim=-1)
        @ torch.nn.functional.normalize(vectors, dim=-1).mT
    )
    nearest = torch.zeros(40, 500, dtype=torch.bool).scatter(1, cosine[0].topk(25).indices, True)
    recall = []
    for bits in (32, 64, 256):
        search, item = SimHash(16, bits), torch.ones(1, 1).long()
        codes = [search.of_events(item.expand(1, x.shape[1]), x)[0] for x in (vectors, asked)]
        found = hamming(codes[1][:, None], codes[0][None]).topk(25, largest=False).indices
        recall.append(float(nearest.gather(1, found).float().mean()))
    assert 0.05 < recall[0] < recall[1] < recall[2] < 0.9


@torch.no_grad()
def test_it_reads_the_events_of_fewest_bits_that_differ_the_latest_of_those_alike(
    small_catalogue, shaken
):
    torch.manual_seed(0)
    model = shaken(ETA(small_catalogue, SMALL), 0.3)
    bits = model.items.weight @ model.search.planes > 0
    read, asked = model.read(Batch(HISTORY)), model.asked(torch.arange(1, 41)[None])
    taken = model.chosen(read, asked)[0, 0]
    for candidate in range(1, 41):
        differ = (bits[HISTORY[0]] != bits[candidate]).sum(1).tolist()
        best = sorted(range(10), key=lambda t, d=differ: (d[t], -t))[:2]
        assert taken[candidate - 1].nonzero().flatten().tolist() == sorted(best)
    # an item twice in the history: both of its events are nearest to itself
    assert taken[0].nonzero().flatten().tolist() == [1, 3]


def test_a_loaded_model_looks_by_the_planes_of_the_one_saved(small_catalogue):
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(ETA(small_catalogue, SMALL).eval())
    assert not models[0].search.planes.equal(models[1].search.planes)
    models[1].load_state_dict(models[0].state_dict())
    with torch.no_grad():
        a, b = (model.score_all(Batch(HISTORY)) for model in models)
    assert a.equal(b)


def test_planes_are_no_weights(small_catalogue):
    model = ETA(small_catalogue, SMALL)
    assert "search.planes" not in dict(model.named_parameters())
    assert "search.planes" in model.state_dict()
    with pytest.raises(ValueError, match="bits is 0"):
        ETA(small_catalogue, dataclasses.replace(SMALL, bits=0))
