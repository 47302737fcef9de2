"""Accuracy of a ranking with one true item per user, from the rank of that item (best = 1).

Every function takes the ranks of all users and a cut-off ``k``, and returns one value in [0, 1]
per user: means, segments and intervals are arithmetic on these. A rank below 1, a missing rank,
no rank at all or a cut-off below 1 raises ``ValueError``. With one true item HR@k is what
trec_eval calls success, and equals recall; MRR@k is its reciprocal rank cut at k.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Real


def hr(ranks: Real[np.ndarray, " users"], k: int) -> Float[np.ndarray, " users"]:
    """Hit rate, per user: 1 if the true item is among the first k, else 0.

    >>> hr(np.array([1, 3, 11]), k=10)
    array([1., 1., 0.])
    """
    return np.where(_checked(ranks, k) <= k, 1.0, 0.0)


def ndcg(ranks: Real[np.ndarray, " users"], k: int) -> Float[np.ndarray, " users"]:
    """Discounted gain of the one true item, per user: 1 at rank 1, 0 beyond rank k.

    The gain at rank r is 1 / log2(r + 1); the ideal list has gain 1, so no division is left
    (Järvelin and Kekäläinen, 2002, doi:10.1145/582415.582418).

    >>> ndcg(np.array([1, 3, 11]), k=10)
    array([1. , 0.5, 0. ])
    """
    ranks = _checked(ranks, k)
    return np.where(ranks <= k, 1 / np.log2(ranks + 1), 0.0)


def mrr(ranks: Real[np.ndarray, " users"], k: int) -> Float[np.ndarray, " users"]:
    """Reciprocal rank of the true item, per user: 1 / rank within the first k, 0 beyond.

    >>> mrr(np.array([1, 4, 11]), k=10)
    array([1.  , 0.25, 0.  ])
    """
    ranks = _checked(ranks, k)
    return np.where(ranks <= k, 1 / ranks, 0.0)


def summary(ranks: Real[np.ndarray, " users"], ks: Sequence[int] = (5, 10, 20)) -> dict[str, float]:
    """Means over users of the three metrics at each cut-off, as plain Python floats.

    >>> summary(np.array([1, 3, 11, 40]), ks=(10,))
    {'HR@10': 0.5, 'NDCG@10': 0.375, 'MRR@10': 0.3333333333333333}
    """
    metrics = {"HR": hr, "NDCG": ndcg, "MRR": mrr}
    return {f"{name}@{k}": float(f(ranks, k).mean()) for k in ks for name, f in metrics.items()}


def _checked(ranks: Real[np.ndarray, " users"], k: int) -> Float[np.ndarray, " users"]:
    if k < 1:
        raise ValueError(f"k is {k}; a cut-off is at least 1")
    if ranks.size == 0:
        raise ValueError("no ranks: is the split or the segment empty?")
    bad = ~(ranks >= 1)  # so written, it is true of NaN
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"{bad.sum()} of {ranks.size} ranks are below 1 or missing, the first in row {first} "
            f"({ranks[first]}); the best rank is 1: are they counted from 0?"
        )
    return ranks.astype(float)  # small integers would give half-precision logarithms
