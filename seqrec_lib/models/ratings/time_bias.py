"""Biases that move: those of items by bins of time and by the season, those of users along a curve
(Koren, 2009, "Collaborative filtering with temporal dynamics", equations 6 to 12); with factors,
timeSVD.

Factors stay where they are, and a user has no bias of single days: days of the test are others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.ratings import DAY_S, YEAR_S, Ratings
from seqrec_lib.models.ratings.mf import BiasedMF


class TimeBias(BiasedMF):
    @dataclass(frozen=True)
    class Config(BiasedMF.Config):
        embed_dim: int = 0  # biases alone
        bins: int = 30  # of equal width between the first known rating and the last
        seasons: int = 0  # parts of the year in which an item has a bias of its own

    def __init__(self, num_users: int, num_items: int, config: Config):
        super().__init__(num_users, num_items, config)
        self.bins = config.bins
        self.seasons = config.seasons
        self.in_bin = nn.Embedding((num_items + 1) * config.bins, 1)
        self.in_season = nn.Embedding((num_items + 1) * max(config.seasons, 1), 1)
        self.drift = nn.Embedding(num_users, 1)
        for table in (self.in_bin, self.in_season, self.drift):
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

    def season(self, asked: Ratings) -> Int[Tensor, "B"]:
        """The row of each item in the part of the year of its time; years have 365.25 days."""
        share = (asked.time % YEAR_S).double() / YEAR_S
        return asked.item * self.seasons + (share * self.seasons).long()

    def moving(self, asked: Ratings) -> list[Float[Tensor, "B"]]:
        """What is learned of the time: by bin, by season if seasons are told apart, and a drift."""
        found = [self.in_bin(self.bin(asked)), self.drift(asked.user)]
        if self.seasons:
            found.append(self.in_season(self.season(asked)))
        return [one[:, 0] for one in found]

    def deviation(self, asked: Ratings) -> Float[Tensor, "B"]:
        """sign(t - t_u) |t - t_u|^0.4, with t_u the user's mean time (equation 7); the longest that
        is known is 1, so that one learning rate serves this bias and the others."""
        days = (asked.time - self.middle[asked.user]) / DAY_S
        return (days.sign() * days.abs() ** 0.4).float() / self.longest

    def forward(self, asked: Ratings) -> Float[Tensor, "B"]:
        in_bin, drift, *in_season = self.moving(asked)
        return super().forward(asked) + sum(in_season, in_bin + drift * self.deviation(asked))

    def penalty(self, asked: Ratings) -> Float[Tensor, "B"]:
        return super().penalty(asked) + sum(one**2 for one in self.moving(asked))
