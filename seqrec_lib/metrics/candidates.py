"""Accuracy among candidates: a row a question, the score of the true item in its first column."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from seqrec_lib.metrics.auc import auc, auc_by_group, below, gauc
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


def by_question(
    scores: Float[np.ndarray, "P C"], user: Shaped[np.ndarray, "P"], k: int = 10
) -> dict[str, Float[np.ndarray, "P"]]:
    """The same measures as a value a question, whose mean they are.

    HR and NDCG are means of questions anyway, and GAUC of how much of its user's other scores a
    true one is above; AUC is no such mean (:func:`seqrec_lib.metrics.auc.auc_by_group`). Raises
    ``ValueError`` for a score that is not a number.

    >>> scores = np.array([[3.0, 1.0, 2.0], [0.0, 1.0, 2.0], [9.0, 7.0, 8.0]])
    >>> found = by_question(scores, np.array(["a", "a", "b"]), k=1)
    >>> found["AUC"].round(3).tolist(), found["GAUC"].tolist()
    ([0.778, 0.111, 0.778], [1.0, 0.0, 1.0])
    """
    rank, own = ranks_of_first(scores), np.empty(len(scores))
    true = np.zeros(scores.shape, dtype=bool)
    true[:, 0] = True
    question = np.repeat(np.arange(len(scores)), scores.shape[1])
    area = auc_by_group(true.ravel(), scores.ravel(), question)
    group = np.unique(user, return_inverse=True)[1]
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        own[rows] = below(scores[rows, 0], scores[rows, 1:].ravel())
    return {"AUC": area, "GAUC": own, f"HR@{k}": hr(rank, k), f"NDCG@{k}": ndcg(rank, k)}
