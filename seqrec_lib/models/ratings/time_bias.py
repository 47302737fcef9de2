"""Biases that move: those of items by bins of time, those of users along a curve (Koren, 2009,
"Collaborative filtering with temporal dynamics", equations 6 to 11); with factors, timeSVD.

Factors stay where they are, and a user has no bias of single days: days of the test are others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.ratings import DAY_S, Ratings
from seqrec_lib.models.ratings.mf import BiasedMF


class TimeBias(BiasedMF):
    @dataclass(frozen=True)
    class Config(BiasedMF.Config):
        embed_dim: int = 0  # biases alone
        bins: int = 30  # of equal width between the first known rating and the last

    def __init__(self, num_users: int, num_items: int, config: Config):
        super().__init__(num_users, num_items, config)
        self.bins = config.bins
        self.in_bin = nn.Embedding((num_items + 1) * config.bins, 1)
        self.drift = nn.Embedding(num_users, 1)
        for table in (self.in_bin, self.drift):
            nn.init.zeros_(table.weight)

    def read(self, known: Ratings) -> None:
        super().read(known)
        self.begins, self.ended = int(known.time.min()), int(known.time.max())
        total = torch.zeros(len(self.drift.weight), dtype=torch.float64)
        count = torch.bincount(known.user, minlength=len(total)).clamp(min=1)
        self.middle = total.index_add(0, known.user, known.time.double()) / count
        self.longest = 1.0
        self.longest = float(self.deviation(known).abs().max()) or 1.0

    def bin(self, asked: Ratings) -> Int[Tensor, "B"]:
        """The row of each item in the bin of its time; what is outside falls to the nearest bin."""
        share = (asked.time - self.begins).double() / (self.ended - self.begins + 1)
        return asked.item * self.bins + (share * self.bins).long().clamp(0, self.bins - 1)

    def deviation(self, asked: Ratings) -> Float[Tensor, "B"]:
        """sign(t - t_u) |t - t_u|^0.4, with t_u the user's mean time (equation 7); the longest that
        is known is 1, so that one learning rate serves this bias and the others."""
        days = (asked.time - self.middle[asked.user]) / DAY_S
        return (days.sign() * days.abs() ** 0.4).float() / self.longest

    def forward(self, asked: Ratings) -> Float[Tensor, "B"]:
        moved = self.drift(asked.user)[:, 0] * self.deviation(asked)
        return super().forward(asked) + self.in_bin(self.bin(asked))[:, 0] + moved

    def penalty(self, asked: Ratings) -> Float[Tensor, "B"]:
        own = self.in_bin(self.bin(asked))[:, 0] ** 2 + self.drift(asked.user)[:, 0] ** 2
        return super().penalty(asked) + own
