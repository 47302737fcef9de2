"""The top of a batch of scores: which items, in which order, and how likely the first is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Ranking:
    """Lists of several positions in one: a row, an item (1..num_items) and a score each, best
    first within a row; and ``chance`` of the first item, a row (nan: its list is empty).
    """

    row: Int[np.ndarray, "L"]
    item: Int[np.ndarray, "L"]
    score: Float[np.ndarray, "L"]
    chance: Float[np.ndarray, "P"]


def best(
    scores: Float[Tensor, "B N"], logits: Float[Tensor, "B N"], k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Row, item and score of the k best of each row, and the chance of its first."""
    k = min(k, scores.shape[1] - 1)
    top, place = scores.topk(k + 1)  # one more, to see whether it is as good as the last
    score, item = top.cpu().numpy(), place.cpu().numpy()
    if not (score[:, 0] < np.inf).all():
        raise FloatingPointError("a score is infinite or not a number; the model cannot be served")
    some = score > -np.inf
    if ((score[:, 1:] == score[:, :-1]) & some[:, 1:]).any():
        # topk takes any of those that are equal, in any order: the first of all of them
        listed = ((scores >= top[:, k - 1 : k]) & (scores > -torch.inf)).nonzero(as_tuple=True)
        row, found, score = (values.cpu().numpy() for values in (*listed, scores[listed]))
        order = np.lexsort((found, -score, row))
        row, found, score = (values[order] for values in (row, found, score))
        nth = np.arange(len(row)) - np.searchsorted(row, row)
        item[row[nth == 0], 0] = found[nth == 0]
        found, score, row = (values[nth < k] for values in (found, score, row))
    else:
        some[:, k:] = False
        row, found, score = some.nonzero()[0], item[some], score[some]
    first = torch.from_numpy(item[:, :1]).to(logits.device)
    # in one pass over the scores; a sum of exponentials of its own takes four
    chance = logits.log_softmax(1).gather(1, first)[:, 0].exp().double().cpu().numpy()
    return row, found, score, np.where(some[:, 0], chance, np.nan)


def joined(parts: list[Any]) -> Ranking:
    """The chunks' lists in the order of the positions."""
    place = np.concatenate([rows[row] for rows, row, *_ in parts])
    order = np.argsort(place, kind="stable")
    item, score = (np.concatenate([one[i] for one in parts])[order] for i in (2, 3))
    chance = np.empty(sum(len(rows) for rows, *_ in parts))
    for rows, *_, given in parts:
        chance[rows] = given
    return Ranking(place[order], item, score.astype(np.float64), chance)
