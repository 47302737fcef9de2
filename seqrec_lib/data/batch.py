"""Batch: the one structure that travels from the data to the models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass
class Batch:
    """Histories of ``B`` users, oldest event first, padded with 0 on the right to ``T`` steps.

    ``target[b, t]`` is the item to predict after step ``t``, 0 where there is nothing to learn.
    ``previous[b]`` names the row of the batch before this one that row ``b`` continues (-1: a new
    history); only recurrent models trained step by step are given it. ``extra`` has what a model's
    own ``prepared`` adds, a row a history.

    The rest is there for models that read it (``Recommender.reads``): what the log has of each
    event (:class:`seqrec_lib.data.log.EventLog`), ``user`` the number of whose history it is, from
    1 (0: nobody's that the log knows), ``asked_at[b, t]`` the time in seconds at which the question
    after step ``t`` is asked, and ``asked_basket[b, t]`` the basket that it belongs to. Those are
    time and basket of the event to predict, which other models are not told.
    """

    item: Int[Tensor, "B T"]
    target: Int[Tensor, "B T"] | None = None
    previous: Int[Tensor, "B"] | None = None
    user: Int[Tensor, "B"] | None = None
    time: Int[Tensor, "B T"] | None = None
    action: Int[Tensor, "B T"] | None = None
    channel: Int[Tensor, "B T"] | None = None
    basket: Int[Tensor, "B T"] | None = None
    rating: Float[Tensor, "B T"] | None = None
    known: Int[Tensor, "B T"] | None = None
    asked_at: Int[Tensor, "B T"] | None = None
    asked_basket: Int[Tensor, "B T"] | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)

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
        return self._each(lambda values: values.to(device, non_blocking=True))

    def rows(self, chosen: slice) -> Batch:
        """Some of its histories."""
        return self._each(lambda values: values[chosen])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        changed: dict[str, Any] = {}
        for name in (part.name for part in fields(self)):
            part = getattr(self, name)
            if isinstance(part, dict):
                changed[name] = {key: change(values) for key, values in part.items()}
            else:
                changed[name] = None if part is None else change(part)
        return Batch(**changed)
