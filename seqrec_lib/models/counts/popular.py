"""Popularity: the same list for everyone, the floor under every table."""

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
from seqrec_lib.models.limits import above_zero


class Popular(CountModel):
    @dataclass(frozen=True)
    class Config:
        half_life_days: float | None = None  # an event counts half after so many days; None: fully

    def __init__(self, catalogue: Catalogue, config: Config):
        above_zero(config, "half_life_days")
        super().__init__(catalogue)
        self.config = config
        self.register_buffer("popularity", torch.zeros(catalogue.num_items + 1))

    def count(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> None:
        weight = None
        if self.config.half_life_days is not None:
            age_days = (log.time[positions].max() - log.time[positions]) / 86_400
            weight = 0.5 ** (age_days / self.config.half_life_days)
        counts = np.bincount(log.item[positions], weight, minlength=log.num_items + 1)
        self.popularity = torch.from_numpy(counts).float().to(self.popularity.device)  # type: ignore[has-type]

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        scores = self.popularity.repeat(len(batch.item), 1)
        scores[:, 0] = -torch.inf
        return scores

    def log_chances(self, batch: Batch) -> Float[Tensor, "B N"]:
        return (self.popularity / self.popularity.sum()).log().repeat(len(batch.item), 1)
