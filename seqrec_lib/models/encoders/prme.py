"""PRME: personalised ranking metric embedding (Feng et al., 2015).

As FPMC, by squared distances in two spaces in place of inner products: near is likely. A distance
is an inner product too, once the lengths of both vectors stand beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.layers import Dropout, Users
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, Softmax


class PRME(SequenceEncoder):
    """``score(u, l, i) = -(share |x_u - x_i|^2 + (1 - share) |y_l - y_i|^2)``, and the first
    distance alone where more than ``gap_s`` lies between the last item and the question."""

    reads: tuple[str, ...] = ("user",)

    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        share: float = 0.2  # of the distance to the user
        gap_s: int | None = None  # seconds; None: the last item always counts
        dropout: float = 0.0
        objective: Objective = Softmax()  # paper: one sampled negative

    def __init__(self, catalogue: Catalogue, config: Config):
        if not 0 <= config.share <= 1:
            raise ValueError(f"share is {config.share}; use 0 to 1")
        at_least(0, config, "gap_s")
        super().__init__(catalogue, config.embed_dim, config.objective)
        self.config = config
        if config.gap_s is not None:  # when it is asked is told to this model, and not to others
            self.reads = ("user", "time", "asked_at")
        self.dropout = Dropout(config.dropout)
        # y is ``items``: last and next item lie in one space
        self.users = Users(catalogue.num_users, config.embed_dim)
        self.liked = nn.Embedding(catalogue.num_items + 1, config.embed_dim)
        for table in (self.items, self.liked):
            nn.init.normal_(table.weight, std=0.02)

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        self.users.meet(log, positions)

    def encode(self, batch: Batch) -> Float[Tensor, "B T E"]:
        """2 share x_u, 2 (1 - share) y_l, and both shares: the lengths of an item's vectors stand
        in ``item_vectors`` at their places; those of user and last item are the same for all."""
        last = self.items(batch.item)
        who = self.users(batch.user)[:, None].expand_as(last)
        share = torch.full_like(last[..., :1], self.config.share)
        if self.config.gap_s is not None:
            far = (batch.asked_at - batch.time) > self.config.gap_s  # type: ignore[operator]
            share = torch.where(far[..., None], 1.0, share)
        who, last = self.dropout(who), self.dropout(last)
        return torch.cat([2 * share * who, 2 * (1 - share) * last, share, 1 - share], -1)

    def item_vectors(self) -> tuple[Float[Tensor, "N E"], None]:
        liked, near = self.liked.weight, self.items.weight
        lengths = [-(table.square().sum(1, keepdim=True)) for table in (liked, near)]
        return torch.cat([liked, near, *lengths], -1), None
