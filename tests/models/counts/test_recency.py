import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.counts.recency import Recency


def order(model, *histories):
    """Items from best to worst after each history."""
    longest = max(map(len, histories))
    item = torch.tensor([list(one) + [0] * (longest - len(one)) for one in histories])
    scores = model.score_all(Batch(item))[:, 1:]
    return (scores.argsort(dim=1, descending=True, stable=True) + 1).tolist()


@pytest.fixture
def counted(log_of):
    log = log_of([4, 4, 4, 3, 3, 5], [1, 2])  # popularity: 4, 3, then 1, 2 and 5

    def build(**config):
        model = Recency(Catalogue.learned(log, np.arange(8)), Recency.Config(**config))
        model.count(log, np.arange(8))
        return model

    return build


def test_the_newest_item_comes_first_then_older_ones_then_the_rest_by_popularity(counted):
    assert order(counted(), [5, 2], [1]) == [[2, 5, 4, 3, 1], [1, 4, 3, 2, 5]]


def test_a_repeated_item_stands_where_it_was_touched_last(counted):
    assert order(counted(), [2, 1, 2]) == [[2, 1, 4, 3, 5]]
    assert order(counted(), [2, 2, 1]) == [[1, 2, 4, 3, 5]]


def test_even_the_most_popular_item_stands_behind_one_touched_once(counted):
    assert order(counted(), [5]) == [[5, 4, 3, 1, 2]]


def test_without_popularity_items_never_touched_are_all_equal(counted):
    scores = counted(popularity=False).score_all(Batch(torch.tensor([[5, 2]])))
    assert scores.tolist() == [[-np.inf, 0, 2, 0, 0, 1]]


def test_a_history_without_events_falls_back_on_popularity(counted):
    assert order(counted(), [0]) == [[4, 3, 1, 2, 5]]


def test_the_rest_may_be_ordered_by_recent_popularity(log_of):
    log = log_of([1, 1, 2], [3], days=[[0, 0, 100], [90]])
    model = Recency(Catalogue.learned(log, np.arange(4)), Recency.Config(half_life_days=5.0))
    model.count(log, np.arange(4))
    assert order(model, [0]) == [[2, 3, 1]]
