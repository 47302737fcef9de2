import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.counts.svd import SVD, shifted_ppmi


def counted(log, **config):
    everything = np.arange(len(log))
    model = SVD(Catalogue.learned(log, everything), SVD.Config(**config))
    model.count(log, everything)
    return model


def test_shifted_pmi_by_hand():
    counts = csr_array(np.array([[0, 6.0, 2], [3, 0, 1], [4, 0, 0]]))
    # of 16 pairs: rows 8, 4, 4; columns 7, 6, 3
    expected = np.zeros((3, 3))
    expected[0, 1] = np.log(6 * 16 / (8 * 6))
    expected[0, 2] = np.log(2 * 16 / (8 * 3))
    expected[1, 0] = np.log(3 * 16 / (4 * 7))
    expected[1, 2] = np.log(1 * 16 / (4 * 3))
    expected[2, 0] = np.log(4 * 16 / (4 * 7))
    np.testing.assert_allclose(shifted_ppmi(counts).toarray(), expected)
    shifted = np.where(expected > np.log(1.8), expected - np.log(1.8), 0)
    assert (shifted > 0).sum() == 2
    np.testing.assert_allclose(shifted_ppmi(counts, 1.8).toarray(), shifted, atol=1e-12)


def test_pairs_no_more_frequent_than_by_chance_weigh_nothing():
    by_chance = csr_array(np.outer([1.0, 2, 3], [4, 5]))
    np.testing.assert_allclose(shifted_ppmi(by_chance).toarray(), 0, atol=1e-12)


def test_factors_are_those_of_a_dense_svd(log_of):
    rng = np.random.default_rng(0)
    log = log_of(*(rng.integers(1, 15, 9) for _ in range(60)), np.arange(1, 15))
    steps = np.zeros((15, 15))
    for user in range(log.num_users):
        own = log.item[log.offsets[user] : log.offsets[user + 1]]
        np.add.at(steps, (own[:-1], own[1:]), 1)
    matrix = np.zeros((15, 15))
    matrix[1:, 1:] = shifted_ppmi(csr_array(steps[1:, 1:])).toarray()
    left, values, _ = np.linalg.svd(matrix)
    for power in (0.0, 0.5, 1.0):
        factors = (left * values**power)[:, :5]
        unit = factors / np.linalg.norm(factors, axis=1, keepdims=True).clip(1e-9)
        model = counted(log, embed_dim=5, power=power)
        scores = model.score_all(Batch(torch.arange(1, 15)[:, None]))
        np.testing.assert_allclose(scores[:, 1:], unit[1:] @ unit[1:].T, atol=1e-5)


def test_only_the_last_item_counts_and_its_neighbours_come_first(log_of):
    """Two groups of items that never meet: an item is nearer its own group."""
    rng = np.random.default_rng(1)
    histories = [rng.permutation(np.arange(1, 6) + 5 * (user % 2)) for user in range(40)]
    model = counted(log_of(*histories), embed_dim=3)
    scores = model.score_all(Batch(torch.tensor([[7, 2], [3, 9], [2, 0]])))
    assert scores[0].equal(scores[2])
    assert scores[0, 1:6].min() > scores[0, 6:].max() + 0.5
    assert scores[1, 6:].min() > scores[1, 1:6].max() + 0.5


def test_after_an_item_without_pairs_popularity_decides(log_of):
    log = log_of([1, 2, 1, 2, 1], [2, 3, 2, 3], [4])
    model = counted(log, embed_dim=2)
    scores = model.score_all(Batch(torch.tensor([[4], [0]])))
    assert scores[:, 0].tolist() == [-torch.inf] * 2
    for row in scores[:, 1:]:
        assert row.tolist() == pytest.approx([0.3, 0.4, 0.2, 0.1])


def test_the_same_counts_give_the_same_factors(log_of):
    rng = np.random.default_rng(2)
    histories = [rng.integers(1, 30, 12) for _ in range(50)]
    log = log_of(*histories, np.arange(1, 30))
    a, b = (counted(log, embed_dim=8) for _ in range(2))
    assert a.factors.equal(b.factors) and a.factors.abs().max() > 0.1


def test_a_catalogue_of_one_item_is_refused_in_words(log_of):
    log = log_of([1, 1, 1])
    model = SVD(Catalogue.learned(log, np.arange(3)), SVD.Config())
    with pytest.raises(ValueError, match="a catalogue of one item has no pairs"):
        model.count(log, np.arange(3))
