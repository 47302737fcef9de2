"""Caser: the last few items as a picture, read by filters (Tang & Wang, 2018, arXiv:1809.07426).

The last L items are the rows of a picture, L high and as wide as an item's vector. A horizontal
filter covers the whole width of h rows and answers wherever it finds its pattern (max-pooled over
places: a union of items, wherever it stands); a vertical one is a weighted sum of the rows (a
point: each place counts by itself). A layer joins both with who the user is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.layers import Dropout, Users
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, Softmax


class Caser(SequenceEncoder):
    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64  # paper: 50
        height: int = 5  # L: the items that the picture shows
        horizontal: int = 16  # filters of each height 1..L; 0: none
        vertical: int = 4  # filters; 0: none
        pooled: bool = True  # the highest answer of a filter over its places; False: all of them
        user: bool = True  # who asks; needs to have been there in training
        dropout: float = 0.5
        tied: bool = True  # paper: an output table of its own, twice as wide, with a bias
        rectified: bool = False  # RecBole: no state is below zero; only of a tied one
        temperature: float | None = None  # cosine scores over this; None: inner products
        objective: Objective = Softmax()  # paper: BCE(3)

    def __init__(self, catalogue: Catalogue, config: Config):
        if not config.horizontal and not config.vertical:
            raise ValueError("Caser without filters sees nothing; use horizontal or vertical ones")
        at_least(1, config, "height")
        at_least(0, config, "horizontal", "vertical")
        super().__init__(catalogue, config.embed_dim, config.objective, config.temperature)
        self.config = config
        width, high = config.embed_dim, config.height
        self.wide = nn.ModuleList(
            nn.Linear(h * width, config.horizontal) for h in range(1, high + 1) if config.horizontal
        )
        self.tall = nn.Linear(high, config.vertical, bias=False) if config.vertical else None
        answers = [1 if config.pooled else high - h for h in range(high)]
        joined = config.vertical * width + config.horizontal * sum(answers)
        self.join = nn.Linear(joined, width)
        self.users = Users(catalogue.num_users, width) if config.user else None
        self.reads = ("user",) if config.user else ()
        whole = 2 * width if config.user else width  # the picture's answer, and who asks
        # also where nobody is joined: items would else be compared with what is never below zero
        self.project = nn.Linear(whole, width) if config.tied else None
        if not config.tied:
            self.output = nn.Linear(whole, catalogue.num_items + 1)
        self.dropout = Dropout(config.dropout)
        nn.init.normal_(self.items.weight, std=0.02)
        nn.init.zeros_(self.items.weight[0])

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        if self.users is not None:
            self.users.meet(log, positions)

    def encode(self, batch: Batch) -> Float[Tensor, "B T D"]:
        vectors = self.items(batch.item)
        seen = self.join(self.dropout(self._answers(vectors)))
        states = F.relu(seen)
        if self.users is not None:
            who = self.users(batch.user)[:, None].expand(-1, states.shape[1], -1)
            states = torch.cat([states, who], -1)
        if self.project is not None:
            states = self.project(states)
        return F.relu(states) if self.config.rectified else states

    def _answers(self, vectors: Float[Tensor, "B T D"]) -> Float[Tensor, "B T F"]:
        """What all filters say of the picture that ends at each step, zeros before the first."""
        high = self.config.height
        early = F.pad(vectors, (0, 0, high - 1, 0))
        found = []
        if self.tall is not None:
            picture = early.unfold(1, high, 1)  # B T D L
            found.append(self.tall(picture).flatten(2))
        for h, filters in enumerate(self.wide, start=1):
            # the answer to h rows that end at each place, zeros before the first among them
            rows = early.unfold(1, h, 1).mT.flatten(2)  # B (T + L - h) (h D), oldest row first
            answer = F.relu(filters(rows))
            places = answer.unfold(1, high - h + 1, 1)  # B T F places
            found.append(places.amax(-1) if self.config.pooled else places.flatten(2))
        return torch.cat(found, -1)
