"""Profile: items like those of the history by their attributes, such as genres; of items alike the
popular first. What it scores high needs no model of items: the floor of searches by category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.counts.popular import Popular


class Profile(Popular):
    """A score is how many attributes a candidate has in common with the events of the history,
    summed over these; popularity, a fraction, orders equal ones."""

    reads_attributes = True
    table: Tensor

    @dataclass(frozen=True)
    class Config:
        half_life_days: float | None = None  # of the popularity

    def __init__(self, catalogue: Catalogue, config: Config):
        super().__init__(catalogue, config)  # type: ignore[arg-type]
        # its width comes from the data, and with a model file from there
        table = torch.zeros(catalogue.num_items + 1, 0)
        if catalogue.attributes is not None:
            number = torch.from_numpy(catalogue.attributes.astype(np.int64))
            table = torch.zeros(len(number), int(number.max()) + 1).scatter_(1, number, 1.0)[:, 1:]
        self.register_buffer("table", table)

    log_chances = Recommender.log_chances  # its scores are no counts

    def count(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> None:
        """Counts popularity; raises ``ValueError`` if the items have no attributes."""
        if not self.table.shape[1]:
            raise ValueError("a profile is of attributes of items, and this catalogue has none")
        super().count(log, positions)

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        scores = super().score_all(batch) / (1 + self.popularity.max())
        return scores + self.table[batch.item].sum(1) @ self.table.T
