"""Profile, by hand."""

import numpy as np
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.counts.profile import Profile


def of(log, attributes):
    model = Profile(Catalogue.learned(log, np.arange(len(log)), attributes), Profile.Config())
    model.count(log, np.arange(len(log)))
    return model


def test_attributes_in_common_are_counted_for_each_event_and_popularity_orders_the_rest(log_of):
    log = log_of([1, 2, 4], [3, 4, 4])
    #               1: a b   2: a    3: b    4: none
    attributes = np.array([[0, 0], [1, 2], [1, 0], [2, 0], [0, 0]], dtype=np.int32)
    model = of(log, attributes)
    (scores,) = model.score_all(model.batch(log, np.array([2]), 50))  # after 1 and 2
    assert scores.tolist()[0] == -np.inf
    # popularity 1, 1, 1, 3 over 4; profile: a twice, b once
    assert scores[1:].tolist() == pytest.approx([3.25, 2.25, 1.25, 0.75])


def test_an_item_without_attributes_has_its_popularity_alone(log_of):
    log = log_of([4, 4, 4], [1, 2, 3])
    model = of(log, np.array([[0], [1], [1], [2], [0]], dtype=np.int32))
    (scores,) = model.score_all(model.batch(log, np.array([2]), 50))
    assert torch.equal(scores[1:], model.popularity[1:] / 4)


def test_a_catalogue_without_attributes_is_refused(log_of):
    with pytest.raises(ValueError, match="this catalogue has none"):
        of(log_of([1, 2, 3]), None)
