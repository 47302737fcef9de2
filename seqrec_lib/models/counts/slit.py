"""SLIT: which items a history leads to, linear, in closed form (Choi et al., 2021,
arXiv:2103.16104, SLIT).

A history is the sum of its items, the older the less; what came after it is another such sum; the
matrix that turns the one into the other is a ridge regression, solved at once. It learns from
whole histories what a Markov chain learns from the last items, and needs no passes and no seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.limits import above_zero, at_least

LARGEST = 40_000  # items whose square matrices, three at a time, still fit: 19 GB


class SLIT(CountModel):
    @dataclass(frozen=True)
    class Config:
        length: int = 50  # events of a history
        decay: float = 5.0  # events after which an item of the history counts 1 / e
        ahead: int = 3  # how many of the following items are learned
        decay_ahead: float = 2.0  # items after which a following item counts 1 / e
        regularisation: float = 10.0
        kept: int = 200  # largest weights of an item; the others are dropped
        temperature: float = 0.02  # scores are divided by it, to be added to log-probabilities

    def __init__(self, catalogue: Catalogue, config: Config):
        at_least(1, config, "length", "ahead", "kept")
        above_zero(config, "decay", "decay_ahead", "regularisation", "temperature")
        super().__init__(catalogue)
        self.config = config
        size = catalogue.num_items + 1
        self.register_buffer("popularity", torch.zeros(size))
        self.register_buffer("leads_to", torch.zeros(size, 1, dtype=torch.long))
        self.register_buffer("weight", torch.zeros(size, 1))
        self.leads_to: Tensor
        self.weight: Tensor

    def count(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> None:
        """Solve (X'X + regularisation) W = X'Y over the training positions.

        Raises ``ValueError`` if the catalogue is too large for dense matrices.
        """
        size, config = log.num_items + 1, self.config
        if size > LARGEST:
            raise ValueError(f"{size:,} items: SLIT solves for all pairs of up to {LARGEST:,}")
        share = np.bincount(log.item[positions], minlength=size) / len(positions)
        self.popularity = torch.from_numpy(share).float()
        asked = positions[log.history_length(positions) > 0]
        before, after = self._histories(log, asked), self._following(log, asked)
        gram = torch.from_numpy((before.T @ before).toarray())
        gram.diagonal().add_(config.regularisation)
        weight = torch.from_numpy((before.T @ after).toarray())
        weight = torch.cholesky_solve(weight, torch.linalg.cholesky(gram))
        kept = weight.abs().topk(min(config.kept, size), dim=1).indices
        self.leads_to, self.weight = kept, weight.gather(1, kept)
        self.weight[0] = 0

    def _histories(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> sparse.csr_array:
        """A row a position: the items before it, weighed by age."""
        length = np.minimum(log.history_length(positions), self.config.length)
        row = np.repeat(np.arange(len(positions)), length)
        age = np.arange(len(row)) - np.repeat(length.cumsum() - length, length)
        item = log.item[positions[row] - 1 - age]
        values = np.exp(-age / self.config.decay).astype(np.float32)
        return sparse.csr_array((values, (row, item)), (len(positions), log.num_items + 1))

    def _following(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> sparse.csr_array:
        """A row a position: its item and those after it that are training positions too."""
        learned = np.zeros(len(log) + self.config.ahead, dtype=bool)
        learned[positions] = True
        user, rows, items, values = log.user_of(positions), [], [], []
        for step in range(self.config.ahead):
            there = learned[positions + step]
            there[there] = log.user_of(positions[there] + step) == user[there]
            rows.append(np.flatnonzero(there))
            items.append(log.item[positions[there] + step])
            values.append(np.full(there.sum(), np.exp(-step / self.config.decay_ahead)))
        parts = (np.concatenate(values).astype(np.float32), (*map(np.concatenate, (rows, items)),))
        return sparse.csr_array(parts, (len(positions), log.num_items + 1))

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        steps = torch.arange(batch.item.shape[1], device=batch.item.device)
        age = (batch.length[:, None] - 1 - steps).clamp(min=0)
        weigh = torch.exp(-age / self.config.decay) * (age < self.config.length) * batch.real
        # by popularity where nothing is known of a history
        scores = 1e-4 * self.popularity.repeat(len(batch.item), 1)
        given = self.weight[batch.item] * weigh[..., None]
        scores.scatter_add_(1, self.leads_to[batch.item].flatten(1), given.flatten(1))
        scores /= self.config.temperature
        scores[:, 0] = -torch.inf
        return scores
