"""FPMC: factorised personalised Markov chains (Rendle et al., 2010).

How an item goes with the user and how it goes with the item before, by vectors that are learned
apart. Written as one inner product, it learns by any objective and scores like other encoders.
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
from seqrec_lib.models.losses import Objective, Softmax


class FPMC(SequenceEncoder):
    """score(u, l, i) = <user u, item i> + <last l, next i>; the term of user and last item is the
    same for all items and left out, as in the paper. ``items`` are the vectors of last items;
    without these it is matrix factorisation, and they are what users are compared with."""

    reads: tuple[str, ...] = ("user",)

    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        user: bool = True  # who asks; without: factorised transitions alone
        last: bool = True  # the item before; without: matrix factorisation
        dropout: float = 0.0
        objective: Objective = Softmax()  # paper: one sampled negative (S-BPR)

    def __init__(self, catalogue: Catalogue, config: Config):
        if not (config.user or config.last):
            raise ValueError("FPMC without user and last item knows nothing; use one of them")
        super().__init__(catalogue, config.embed_dim, config.objective)
        self.config = config
        self.reads = ("user",) if config.user else ()
        self.dropout = Dropout(config.dropout)
        rows = catalogue.num_items + 1
        self.next = nn.Embedding(rows, config.embed_dim) if config.last else None
        self.users = Users(catalogue.num_users, config.embed_dim) if config.user else None
        both = config.user and config.last
        self.liked = nn.Embedding(rows, config.embed_dim) if both else None
        for table in (self.items, self.liked, self.next):
            if table is not None:
                nn.init.normal_(table.weight, std=0.02)
        nn.init.zeros_(self.items.weight[0])

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        if self.users is not None:
            self.users.meet(log, positions)

    def encode(self, batch: Batch) -> Float[Tensor, "B T E"]:
        found = []
        if self.users is not None:
            who = self.users(batch.user)[:, None]
            found.append(who.expand(-1, batch.item.shape[1], -1))
        if self.next is not None:
            found.append(self.items(batch.item))
        return self.dropout(torch.cat(found, -1))

    def item_vectors(self) -> tuple[Float[Tensor, "N E"], None]:
        if self.next is None:
            return self.items.weight, None
        if self.liked is None:
            return self.next.weight, None
        return torch.cat([self.liked.weight, self.next.weight], -1), None
