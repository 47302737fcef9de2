"""What is asked of rankers beside ranks in the whole catalogue: candidates that all models share,
and the first items of another model in a new order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from seqrec_lib.data import candidates
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.candidates import by_question, ranks_of_first
from seqrec_lib.models.base import Recommender
from seqrec_lib.training.evaluation import PROTOCOLS, best, last, scores_of

Lists = Mapping[str, Int[np.ndarray, "P K"]]


def among_shared(
    model: Recommender, log: EventLog, split: Split, law: str, length: int = 50
) -> tuple[dict[str, Float[np.ndarray, "P"]], str]:
    """AUC, GAUC, HR@10 and NDCG@10 among :func:`candidates.shared`, a value a test position
    (:func:`by_question`), and the digest of these. Raises as these do, and :func:`scores_of`."""
    asked = candidates.shared(log, split.train, split.test, law)
    found = scores_of(model, log, split.test, asked, length)
    return by_question(found, log.user_of(split.test)), candidates.digest(asked)


def first(
    model: Recommender,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    k: int = 200,
    length: int = 50,
) -> dict[str, Int[np.ndarray, "P K"]]:
    """The k items that a model ranks first before each position, by protocol; 0 where fewer are
    left. Raises as :func:`seqrec_lib.training.evaluation.ranks` does."""
    found = {name: np.zeros((len(positions), k), dtype=np.int32) for name in PROTOCOLS}
    for rows, lists in best(model, log, positions, k, length):
        for name, (item, _) in lists.items():
            found[name][rows, : item.shape[1]] = item
    return found


def reranked(
    model: Recommender,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    lists: Lists,
    length: int = 50,
) -> pd.DataFrame:
    """Ranks of the true items where ``model`` orders the ``lists`` of another (:func:`first`).

    ``rank_masked`` and ``rank_unmasked``, a row a position. What a list lacks is last in the
    catalogue (``evaluation.last``), so that no HR@k can be above the recall of the list. Raises as
    :func:`scores_of`.
    """
    found = {}
    for name, items in lists.items():
        own = items == log.item[positions, None]
        scores = scores_of(model, log, positions, items, length)
        other = np.where(own | (items == 0), np.nan, scores)
        true = np.where(own, scores, -np.inf).max(1, keepdims=True)
        rank = ranks_of_first(np.concatenate([true, other], 1))
        found[f"rank_{name}"] = np.where(own.any(1), rank, last(log.num_items)).astype(np.int32)
    return pd.DataFrame(found)
