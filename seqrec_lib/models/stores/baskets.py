"""Steps that are sets: SASRec over baskets, each the mean of its items (the base of seed 000's
encoders of store transactions).

The log stays flat, and targets stay single events. An event's state reads the baskets that were
closed before it, one step each, and as much of its own as was there by then; in which order the
items of a closed basket stood changes nothing. Where every basket has one item, this is SASRec.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.sasrec import SASRec


class BasketSASRec(SASRec):
    reads = ("basket",)

    @dataclass(frozen=True)
    class Config(SASRec.Config):
        pooling: str = "mean"  # or "sum"

    config: Config

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.pooling not in ("mean", "sum"):
            raise ValueError(f"pooling is {config.pooling!r}; use 'mean' or 'sum'")
        super().__init__(catalogue, config)

    def pooled(
        self, vectors: Float[Tensor, "B T D"], first: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        """Each event's basket as far as it is there; ``first`` says where one begins."""
        place = torch.arange(first.shape[1], device=first.device)
        start = torch.where(first, place, 0).cummax(1).values[..., None]
        total = torch.nn.functional.pad(vectors.cumsum(1), (0, 0, 1, 0))  # before each event
        pooled = total[:, 1:] - total.gather(1, start.expand_as(vectors))
        return pooled / (place[:, None] - start + 1) if self.config.pooling == "mean" else pooled

    def placed(self, vectors: Float[Tensor, "B T D"], batch: Batch) -> Float[Tensor, "B T D"]:
        return super().placed(self.pooled(vectors, _first(batch)), batch)

    def steps(self, batch: Batch) -> Int[Tensor, "B T"]:
        return _first(batch).cumsum(1) - 1

    def seen(self, batch: Batch) -> Bool[Tensor, "B T T"]:
        first = _first(batch)
        closed = torch.nn.functional.pad(first[:, 1:], (0, 1))  # the next event is of another one
        own = torch.eye(first.shape[1], dtype=torch.bool, device=first.device)
        before = own.logical_not().tril()
        return (closed[:, None] & before) | own


def _first(batch: Batch) -> Bool[Tensor, "B T"]:
    """Is the event the first one of its basket?"""
    basket: Tensor = batch.basket  # type: ignore[assignment]
    return torch.nn.functional.pad(basket[:, 1:] != basket[:, :-1], (1, 0), value=True)
