"""Recency: what the user touched last comes first. Strong wherever people return to items,
worthless where they never do, and so a measure of how much a data set repeats itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.counts.popular import Popular


class Recency(Popular):
    @dataclass(frozen=True)
    class Config:
        popularity: bool = True  # order the items never touched by popularity; False: all equal
        half_life_days: float | None = None  # of the popularity

    def __init__(self, catalogue: Catalogue, config: Config):
        super().__init__(catalogue, config)  # type: ignore[arg-type]

    log_chances = Recommender.log_chances  # its scores are no counts

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        scores = super().score_all(batch)
        scores = scores / (1 + self.popularity.max()) if self.config.popularity else scores * 0  # type: ignore[attr-defined]
        steps = torch.arange(1, batch.item.shape[1] + 1, device=scores.device)
        place = steps.expand_as(batch.item).to(scores.dtype)  # 1 = oldest; above any popularity
        # the newest touch of an item counts, so repeats keep their largest place
        scores = scores.scatter_reduce(1, batch.item, place, "amax")
        scores[:, 0] = -torch.inf
        return scores
