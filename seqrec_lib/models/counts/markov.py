"""Markov chain: what came next after the same last items, backing off to shorter contexts.

Transition counts with interpolated absolute discounting (Ney, Essen & Kneser, 1994): every count
gives up ``discount``, and what is set free is spread as the next shorter context would spread it,
down to popularity. The chain of order one is the memoryless model of the survey.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import CountModel

# of each order: known contexts, where their entries begin, which items followed, how often
_PARTS = ("contexts", "starts", "items", "counts")


class Markov(CountModel):
    @dataclass(frozen=True)
    class Config:
        order: int = 2  # number of last items that make the context
        discount: float = 0.5  # taken off every count, between 0 and 1

    def __init__(self, catalogue: Catalogue, config: Config):
        super().__init__(catalogue)
        if config.order < 1 or not 0 < config.discount < 1:
            raise ValueError(f"order must be 1 or more, discount between 0 and 1: {config}")
        self.config = config
        self.register_buffer("popularity", torch.zeros(catalogue.num_items + 1))
        for order in range(1, config.order + 1):
            for part in _PARTS:
                self.register_buffer(f"{part}_{order}", torch.zeros(0, dtype=torch.long))

    def count(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> None:
        size, item = log.num_items + 1, log.item.astype(np.int64)
        share = np.bincount(log.item[positions], minlength=size) / len(positions)
        self.popularity = torch.from_numpy(share).float()
        suffix = np.zeros(len(positions), dtype=np.int64)  # the shorter context's number
        for order in range(1, self.config.order + 1):
            enough = log.history_length(positions) >= order
            positions, suffix = positions[enough], suffix[enough]
            key = suffix * size + item[positions - order]
            contexts, suffix = np.unique(key, return_inverse=True)
            pairs, counts = np.unique(suffix * size + item[positions], return_counts=True)
            starts = np.searchsorted(pairs, np.arange(len(contexts) + 1) * size)
            for part, value in zip(_PARTS, (contexts, starts, pairs % size, counts), strict=True):
                setattr(self, f"{part}_{order}", torch.from_numpy(value))

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        size, device = self.num_items + 1, batch.item.device
        rows = torch.arange(len(batch.item), device=device)
        scores = self.popularity.repeat(len(rows), 1)
        suffix = torch.zeros_like(rows)
        for order in range(1, self.config.order + 1):
            contexts, starts, items, counts = (getattr(self, f"{p}_{order}") for p in _PARTS)
            if not len(contexts):
                break
            enough = batch.length[rows] >= order
            rows, suffix = rows[enough], suffix[enough]
            key = suffix * size + batch.item[rows, batch.length[rows] - order]
            suffix = torch.searchsorted(contexts, key).clamp(max=len(contexts) - 1)
            known = contexts[suffix] == key
            rows, suffix = rows[known], suffix[known]
            # one entry for every item that ever followed one of these contexts
            kinds = starts[suffix + 1] - starts[suffix]
            entry = torch.repeat_interleave(torch.arange(len(rows), device=device), kinds)
            before = kinds.cumsum(0) - kinds
            place = starts[suffix][entry] + torch.arange(len(entry), device=device) - before[entry]
            count = counts[place].float()
            total = torch.zeros(len(rows), device=device).index_add_(0, entry, count)
            scores[rows] *= (self.config.discount * kinds / total)[:, None]
            kept = (count - self.config.discount) / total[entry]
            scores.index_put_((rows[entry], items[place]), kept, accumulate=True)
        scores[:, 0] = -torch.inf
        return scores

    def log_chances(self, batch: Batch) -> Float[Tensor, "B N"]:
        chance = self.score_all(batch).clamp(min=0)
        return (chance / chance.sum(1, keepdim=True)).log()
