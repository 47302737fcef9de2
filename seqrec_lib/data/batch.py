"""Batch: the one structure that travels from the data to the models."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass
class Batch:
    """Histories of ``B`` users, oldest event first, padded with 0 on the right to ``T`` steps.

    ``target[b, t]`` is the item to predict after step ``t``, 0 where there is nothing to learn.
    ``time`` is in seconds. ``previous[b]`` names the row of the batch before this one that row
    ``b`` continues (-1: a new history); only recurrent models trained step by step are given it.
    """

    item: Int[Tensor, "B T"]
    target: Int[Tensor, "B T"] | None = None
    time: Int[Tensor, "B T"] | None = None
    previous: Int[Tensor, "B"] | None = None

    @property
    def real(self) -> Bool[Tensor, "B T"]:
        """Is it a real event, not padding?"""
        return self.item > 0

    @property
    def length(self) -> Int[Tensor, "B"]:
        """Number of real events of each user."""
        return self.real.sum(1)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        values = (getattr(self, field.name) for field in fields(self))
        return Batch(*(None if v is None else v.to(device, non_blocking=True) for v in values))  # type: ignore[arg-type]
