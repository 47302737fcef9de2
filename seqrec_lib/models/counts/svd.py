"""Factors of co-occurrence: a truncated SVD of the shifted positive PMI matrix of item pairs.

Word vectors by counting (Levy & Goldberg, 2014, "Neural Word Embedding as Implicit Matrix
Factorization"): what skip-gram with negative sampling factors implicitly is factored outright. A
step from one item to the next is a pair. Near are items that occur with the same others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import svds
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.limits import above_zero, at_least


def shifted_ppmi(counts: csr_array, shift: float = 1.0) -> csr_array:
    """max(0, log(n_ab n / (n_a n_b)) - log shift) of every pair that was counted (section 3.2).

    ``shift`` is the number of negative samples that skip-gram would take.
    """
    pairs = coo_array(counts)
    before, after = (np.asarray(counts.sum(axis)).ravel() for axis in (1, 0))
    row, column = pairs.coords
    pmi = np.log(pairs.data * pairs.data.sum() / (before[row] * after[column])) - np.log(shift)
    kept = pmi > 0
    return csr_array((pmi[kept], (row[kept], column[kept])), shape=counts.shape)


class SVD(CountModel):
    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        shift: float = 1.0  # pairs must be more than so many times as frequent as by chance
        power: float = 0.5  # of the singular values: the symmetric choice (section 4.2)

    def __init__(self, catalogue: Catalogue, config: Config):
        at_least(1, config, "embed_dim")
        at_least(0, config, "power")
        above_zero(config, "shift")
        super().__init__(catalogue)
        self.config = config
        self.register_buffer("popularity", torch.zeros(catalogue.num_items + 1))
        self.register_buffer("factors", torch.zeros(catalogue.num_items + 1, config.embed_dim))

    def count(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> None:
        if log.num_items < 2:
            raise ValueError("a catalogue of one item has no pairs to factor")
        size = log.num_items + 1
        share = np.bincount(log.item[positions], minlength=size) / len(positions)
        self.popularity = torch.from_numpy(share).float()
        positions = positions[log.history_length(positions) > 0]
        steps = (log.item[positions - 1], log.item[positions])
        counts = coo_array((np.ones(len(positions)), steps), shape=(size, size)).tocsr()
        matrix = shifted_ppmi(counts, self.config.shift)
        rank = min(self.config.embed_dim, size - 2)
        # seeded: its start, and where it starts anew, are random
        left, values, _ = svds(matrix, k=rank, rng=0)
        factors = left * values**self.config.power
        factors[matrix.sum(1) == 0] = 0  # and not nearly
        self.factors = F.normalize(torch.from_numpy(factors), dim=-1).float()

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        last = batch.item[torch.arange(len(batch.item)), (batch.length - 1).clamp(min=0)]
        scores = self.factors[last] @ self.factors.T
        unknown = ~self.factors[last].any(1)
        scores[unknown] = self.popularity
        scores[:, 0] = -torch.inf
        return scores
