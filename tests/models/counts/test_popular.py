import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.counts.popular import Popular


def counted(log, positions, **config):
    model = Popular(Catalogue.learned(log, positions), Popular.Config(**config))
    model.count(log, positions)
    return model


def test_items_score_as_often_as_they_were_seen_in_training(log_of):
    log = log_of([1, 2, 2, 3], [2, 3, 3, 4])
    model = counted(log, np.array([0, 1, 2, 4]))
    scores = model.score_all(Batch(torch.tensor([[4], [1]])))
    assert scores.tolist() == [[-np.inf, 1, 3, 0, 0]] * 2  # the same for everyone


def test_an_event_counts_half_after_one_half_life(log_of):
    log = log_of([1, 2, 3], [3, 4], days=[[0, 20, 30], [10, 30]])
    model = counted(log, np.arange(5), half_life_days=10.0)
    expected = [0, 1 / 8, 1 / 2, 1 + 1 / 4, 1]  # age 30, 10, 0 and 20, 0 days
    np.testing.assert_allclose(model.popularity, expected, rtol=1e-6)


def test_age_is_counted_from_the_newest_training_event(log_of):
    log = log_of([1, 2, 3], days=[[0, 10, 1000]])
    model = counted(log, np.array([0, 1]), half_life_days=10.0)
    assert model.popularity.tolist() == [0, 0.5, 1, 0]


def test_counting_again_replaces_the_counts(log_of):
    log = log_of([1, 2, 2], [1, 2])
    model = counted(log, np.arange(5))
    model.count(log, np.array([0]))
    assert model.popularity.tolist() == [0, 1, 0]


def test_there_is_no_loss_to_train_on(log_of):
    with pytest.raises(NotImplementedError):
        counted(log_of([1, 2]), np.array([0]))(Batch(torch.tensor([[1]])))
