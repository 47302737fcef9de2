"""What is asked beside ranks in the whole catalogue: candidates that all models share, the first
items of another model in a new order, and, for selection, items drawn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int

from seqrec_lib.data import candidates
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.candidates import by_question, ranks_of_first
from seqrec_lib.models.base import Recommender
from seqrec_lib.training.evaluation import PROTOCOLS, best, chunks, evaluating, last, refuse_nan

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


@torch.inference_mode()
def scores_of(
    model: Recommender,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    candidates: Int[np.ndarray, "P C"],
    length: int = 50,
    batch_size: int = 256,
) -> Float[np.ndarray, "P C"]:
    """Scores of candidates before each position; that of no candidate (0) is minus infinity.

    Raises ``FloatingPointError`` on a score that is not a number.
    """
    found = np.empty(candidates.shape, dtype=np.float32)
    with evaluating(model):
        for rows, batch in chunks(model, log, positions, length, batch_size):
            asked = torch.from_numpy(candidates[rows].astype(np.int64)).to(batch.item.device)
            scores = model.score(batch, asked).float().masked_fill(asked == 0, -torch.inf)
            refuse_nan(scores.max(1).values)
            found[rows] = scores.cpu().numpy()
    return found


def sampled_ranks(
    model: Recommender,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    length: int = 50,
    count: int = 100,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Rank the true item of every position among itself and ``count`` others, for selection alone.

    The others are drawn uniformly from the items that are not in the user's earlier events, with
    replacement, by a seed of their own: the same whatever model is asked, and whenever. Such ranks
    are no estimate of those in the catalogue (Krichene & Rendle, 2020).

    Returns ``rank_masked`` and ``rank_unmasked``, a row per position in the order given; they
    differ in repeats alone, of which ``rank_masked`` is the last one. Raises ``ValueError`` for a
    log of one item, and as ``scores_of`` does.
    """
    others, repeat = _others(log, positions, count)
    candidates = np.concatenate([log.item[positions, None], others], 1)
    rank = ranks_of_first(scores_of(model, log, positions, candidates, length, batch_size))
    masked = np.where(repeat, count + 1, rank).astype(np.int32)
    return pd.DataFrame({"rank_masked": masked, "rank_unmasked": rank.astype(np.int32)})


def _others(
    log: EventLog, positions: Int[np.ndarray, "P"], count: int
) -> tuple[Int[np.ndarray, "P K"], Bool[np.ndarray, "P"]]:
    """Uniform items that a user has not had, and whether the true one is among those they had."""
    if log.num_items < 2:
        raise ValueError("the log has one item, and no others to rank it among: bring more items")
    lot = np.random.default_rng(0).random((len(positions), count))
    repeat = np.zeros(len(positions), dtype=bool)
    others = np.empty((len(positions), count), dtype=np.int64)
    start = log.offsets[log.user_of(positions)]
    for row, position in enumerate(positions):
        earlier, target = log.item[start[row] : position], log.item[position]
        if log.context is not None:
            earlier = earlier[~log.context[start[row] : position]]
        repeat[row] = (earlier == target).any()
        had = np.unique(np.append(earlier, target))
        if len(had) == log.num_items:  # of everything: the others are all but the target
            had = np.array([target])
        free = (lot[row] * (log.num_items - len(had))).astype(np.int64)  # the n-th one not had
        others[row] = free + 1 + np.searchsorted(had - np.arange(len(had)) - 1, free, "right")
    return others, repeat
