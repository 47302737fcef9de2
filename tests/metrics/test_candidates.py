"""Measures among candidates, by hand and by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from seqrec_lib.metrics.candidates import by_question, measures, ranks_of_first


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


def test_the_means_of_single_questions_are_the_measures():
    rng = np.random.default_rng(2)
    scores, user = rng.integers(9, size=(60, 11)) / 3, rng.integers(7, size=60)
    found = {name: value.mean() for name, value in by_question(scores, user).items()}
    assert found == pytest.approx(measures(scores, user))


def test_an_auc_varies_with_users_as_its_values_do():
    """Samples of 100 users drawn again and again from a world in which some are easier, and some
    have all their other candidates scored high."""
    rng = np.random.default_rng(3)
    found, error, alone = [], [], []
    for _ in range(200):
        scores = rng.normal(size=(100, 3, 6))
        scores[..., 0] += 0.6 + rng.normal(size=(100, 1))
        scores[..., 1:] += rng.normal(size=(100, 1, 1))
        value = by_question(scores.reshape(300, 6), np.repeat(np.arange(100), 3))["AUC"]
        found.append(value.mean())
        error.append(value.reshape(100, 3).mean(1).std(ddof=1) / 100**0.5)
        alone.append(value.std(ddof=1) / 300**0.5)
    assert np.mean(error) == pytest.approx(np.std(found), rel=0.1)
    assert np.mean(alone) < 0.8 * np.std(found)  # as if the questions of a user were not alike


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="not a number"):
        by_question(np.array([[1.0, np.nan]]), np.array([0]))
