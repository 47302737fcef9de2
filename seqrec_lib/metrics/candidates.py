"""Accuracy among candidates: a row a question, the score of the true item in its first column."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from seqrec_lib.metrics.auc import auc, gauc
from seqrec_lib.metrics.ranking import hr, ndcg


def ranks_of_first(scores: Float[np.ndarray, "P C"]) -> Int[np.ndarray, "P"]:
    """The rank of the first candidate among all, best = 1; ties count half, rounded up.

    A score that is not a number is that of no candidate.

    >>> ranks_of_first(np.array([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0], [1.0, np.nan, np.nan]]))
    array([2, 2, 1])
    """
    own, other = scores[:, :1], scores[:, 1:]
    return 1 + (other > own).sum(1) + ((other == own).sum(1) + 1) // 2


def measures(
    scores: Float[np.ndarray, "P C"], user: Shaped[np.ndarray, "P"], k: int = 10
) -> dict[str, float]:
    """AUC of all pairs of a true and another score, GAUC, HR@k and NDCG@k.

    AUC compares scores of different users, GAUC those of one: it is the mean over users of the AUC
    of all their questions together, weighted by how many these are.

    >>> scores = np.array([[3.0, 1.0, 2.0], [0.0, 1.0, 2.0], [9.0, 7.0, 8.0]])
    >>> found = measures(scores, np.array(["a", "a", "b"]), k=1)
    >>> {name: round(value, 3) for name, value in found.items()}
    {'AUC': 0.556, 'GAUC': 0.667, 'HR@1': 0.667, 'NDCG@1': 0.667}
    """
    true = np.zeros(scores.shape, dtype=bool)
    true[:, 0] = True
    rank = ranks_of_first(scores)
    return {
        "AUC": auc(true.ravel(), scores.ravel()),
        "GAUC": gauc(true.ravel(), scores.ravel(), np.repeat(user, scores.shape[1])),
        f"HR@{k}": float(hr(rank, k).mean()),
        f"NDCG@{k}": float(ndcg(rank, k).mean()),
    }
