"""Measures among candidates, by hand and by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from seqrec_lib.metrics.candidates import measures, ranks_of_first


def test_measures_are_those_of_each_pair_counted_by_hand():
    scores = np.array([[2.0, 1.0, 2.0], [5.0, 9.0, 0.0], [0.0, 3.0, 1.0]])
    found = measures(scores, np.array([7, 7, 8]), k=2)
    # 6 pairs of each true score: 2 is above 1, 0, 1 and ties once; 5 above all but 9; 0 ties once
    assert found["AUC"] == pytest.approx((3.5 + 5 + 0.5) / 18)
    # user 7: of 8 pairs 2 has 2.5, 5 has 3; user 8 has none of 2
    assert found["GAUC"] == pytest.approx((2 * 5.5 / 8 + 0) / 3)
    assert ranks_of_first(scores).tolist() == [2, 2, 3]
    assert found["HR@2"] == pytest.approx(2 / 3)
    assert found["NDCG@2"] == pytest.approx(2 / 3 / np.log2(3))


def test_on_drawn_scores_areas_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, user = rng.integers(9, size=(60, 11)) / 3, rng.integers(7, size=60)
    true = np.arange(11) == np.zeros((60, 1))
    found = measures(scores, user)
    assert found["AUC"] == pytest.approx(roc_auc_score(true.ravel(), scores.ravel()))
    each = [roc_auc_score(true[user == u].ravel(), scores[user == u].ravel()) for u in range(7)]
    assert found["GAUC"] == pytest.approx(np.average(each, weights=np.bincount(user)))


def test_a_user_whose_scores_are_shifted_has_the_same_gauc_and_another_auc():
    rng = np.random.default_rng(1)
    scores, user = rng.normal(size=(40, 6)), np.arange(40) % 4
    before, after = measures(scores, user), measures(scores + 9 * user[:, None], user)
    assert after["GAUC"] == pytest.approx(before["GAUC"])
    assert abs(after["AUC"] - before["AUC"]) > 0.01
