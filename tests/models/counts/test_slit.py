import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.counts import slit
from seqrec_lib.models.counts.slit import SLIT

CONFIG = SLIT.Config(decay=2.0, ahead=2, decay_ahead=1.0, regularisation=3.0, temperature=1.0)


def counted(log, positions, config=CONFIG):
    model = SLIT(Catalogue(log.num_items, np.zeros(log.num_items + 1, dtype=np.int64)), config)
    model.count(log, positions)
    return model


def dense(model):
    """The whole matrix of weights."""
    size = model.num_items + 1
    return torch.zeros(size, size).scatter_(1, model.leads_to, model.weight)


def test_it_is_the_ridge_regression_worked_out_by_hand(log_of):
    log = log_of([1, 2, 3, 1], [2, 3, 9])
    positions = np.array([0, 1, 2, 4, 5])  # the last event of each is held out
    old, late = np.exp(-1 / 2), np.exp(-1.0)
    before = np.array([[1, 0, 0], [old, 1, 0], [0, 1, 0]])  # of items 1, 2, 3
    after = np.array([[0, 1, late], [0, 0, 1], [0, 0, 1]])
    expected = np.linalg.solve(before.T @ before + 3 * np.eye(3), before.T @ after)
    weight = dense(counted(log, positions))
    np.testing.assert_allclose(weight[1:4, 1:4], expected, atol=1e-6)
    assert weight[4:].abs().sum() == 0 and weight[:, 4:].abs().sum() == 0


def test_a_history_adds_up_its_items_the_older_the_less(small_log, small_split):
    model = counted(small_log, small_split.train)
    scores = model.score_all(Batch(torch.tensor([[5, 7, 5, 0], [7, 0, 0, 0]])))
    weight, floor = dense(model), 1e-4 * model.popularity
    expected = weight[5] * (1 + np.exp(-1)) + weight[7] * np.exp(-0.5) + floor
    torch.testing.assert_close(scores[0, 1:], expected[1:], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(scores[1, 1:], (weight[7] + floor)[1:])


def test_only_the_largest_weights_of_an_item_are_kept(small_log, small_split):
    whole = dense(counted(small_log, small_split.train))
    few = dense(counted(small_log, small_split.train, dataclasses.replace(CONFIG, kept=5)))
    assert ((few != 0).sum(1) <= 5).all()
    kept = few != 0
    torch.testing.assert_close(few[kept], whole[kept])
    assert (whole.abs().where(~kept, 0).amax(1)[1:] <= few.abs().where(kept, 9).amin(1)[1:]).all()


def test_no_history_is_asked_beyond_its_length(small_log, small_split):
    short = dataclasses.replace(CONFIG, length=2)
    model = counted(small_log, small_split.train, short)
    a, b = (model.score_all(Batch(torch.tensor([row]))) for row in ([9, 5, 7], [3, 5, 7]))
    assert a.equal(b)


def test_too_many_items_are_refused(small_log, small_split, monkeypatch):
    monkeypatch.setattr(slit, "LARGEST", 40)
    with pytest.raises(ValueError, match="41 items: SLIT solves for all pairs of up to 40"):
        counted(small_log, small_split.train)
