import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import RR, Qrel, ScoredDoc, Success, nDCG

from seqrec_lib.metrics.ranking import hr, mrr, ndcg, summary

METRICS = [hr, ndcg, mrr]
some_ranks = st.lists(st.integers(1, 10**6), min_size=1, max_size=50).map(np.array)
cutoffs = st.integers(1, 100)


def test_by_hand():
    ranks = np.array([1, 2, 3, 5, 6])
    np.testing.assert_array_equal(hr(ranks, 5), [1, 1, 1, 1, 0])
    np.testing.assert_allclose(ndcg(ranks, 5), [1, 0.63093, 0.5, 0.38685, 0], atol=1e-5)
    np.testing.assert_allclose(mrr(ranks, 5), [1, 1 / 2, 1 / 3, 1 / 5, 0], rtol=1e-15)


def test_a_summary_is_the_mean_over_users_at_every_cutoff():
    values = summary(np.array([1, 3, 7, 15]))
    assert list(values) == [f"{name}@{k}" for k in (5, 10, 20) for name in ("HR", "NDCG", "MRR")]
    assert all(type(value) is float for value in values.values())
    assert [values[f"HR@{k}"] for k in (5, 10, 20)] == [0.5, 0.75, 1.0]
    assert values["NDCG@10"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 4)
    assert values["NDCG@20"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert values["MRR@20"] == pytest.approx((1 + 1 / 3 + 1 / 7 + 1 / 15) / 4)


@pytest.mark.parametrize("k", [1, 5, 10, 20])
def test_each_user_agrees_with_ir_measures(k):
    rng = np.random.default_rng(k)
    scores = rng.normal(size=(60, 40))
    true = rng.integers(40, size=60)
    scores[np.arange(60), true] += 1  # a model that has learnt something
    ranks = 1 + (scores > scores[np.arange(60), true][:, None]).sum(axis=1)
    qrels = [Qrel(str(user), str(item), 1) for user, item in enumerate(true)]
    run = [ScoredDoc(str(u), str(i), score) for (u, i), score in np.ndenumerate(scores)]
    for ours, theirs in [(hr, Success @ k), (ndcg, nDCG @ k), (mrr, RR @ k)]:
        found = {int(m.query_id): m.value for m in ir_measures.iter_calc([theirs], qrels, run)}
        assert len(found) == 60 and sum(found.values()) > 0
        np.testing.assert_allclose(ours(ranks, k), [found[u] for u in range(60)], rtol=1e-9)


@given(some_ranks, cutoffs)
def test_hit_rate_bounds_discounted_gain_bounds_reciprocal_rank(ranks, k):
    one = np.ones(len(ranks))
    for larger, smaller in [(one, hr), (hr, ndcg), (ndcg, mrr), (mrr, 0 * one)]:
        a, b = (m(ranks, k) if callable(m) else m for m in (larger, smaller))
        assert (a >= b).all()
    np.testing.assert_array_equal(hr(ranks, k) > 0, mrr(ranks, k) > 0)


@pytest.mark.parametrize("metric", METRICS)
@given(some_ranks, cutoffs)
def test_a_longer_list_loses_nothing_and_a_better_rank_earns_more(metric, ranks, k):
    assert (metric(ranks, k + 1) >= metric(ranks, k)).all()
    better, worse = metric(ranks, k), metric(ranks + 1, k)
    assert (better >= worse).all()
    if metric is not hr:
        assert (better > worse)[ranks <= k].all()


@pytest.mark.parametrize("metric", METRICS)
@given(some_ranks, cutoffs, st.randoms())
def test_the_order_of_users_does_not_matter(metric, ranks, k, random):
    order = random.sample(range(len(ranks)), len(ranks))
    np.testing.assert_array_equal(metric(ranks[order], k), metric(ranks, k)[order])


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, np.float32])
def test_the_type_of_the_ranks_costs_no_precision(dtype):
    ranks = np.arange(1, 100)
    for metric in METRICS:
        np.testing.assert_array_equal(metric(ranks.astype(dtype), 50), metric(ranks, 50))
    top = np.array([np.iinfo(np.int32).max], dtype=np.int32)
    assert ndcg(top, 2**31)[0] == pytest.approx(1 / 31)


@pytest.mark.parametrize("metric", [*METRICS, lambda ranks, k: summary(ranks, (k,))])
def test_bad_input_is_refused_in_words(metric):
    with pytest.raises(ValueError, match=r"2 of 3 ranks.*row 1 \(0\).*counted from 0"):
        metric(np.array([4, 0, -1]), 10)
    with pytest.raises(ValueError, match="missing, the first in row 1"):
        metric(np.array([4.0, np.nan]), 10)
    with pytest.raises(ValueError, match="no ranks"):
        metric(np.array([], dtype=int), 10)
    with pytest.raises(ValueError, match="k is 0"):
        metric(np.array([1]), 0)
