"""Biases: a rating is the mean, how kind its user is, and how well liked its item (Koren, 2009,
"Collaborative filtering with temporal dynamics", section 3). What the other rating models add to.

Rating models answer "how would this user rate this item at this time?" They are no recommenders
of the next item, and share an interface of their own: ``read`` what is known, ``loss`` of some of
it, ``predict``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.ratings import Ratings


class Biases(nn.Module):
    parts: tuple[str, ...] = ("rating",)  # what a pass goes by, one after the other

    @dataclass(frozen=True)
    class Config:
        decay: float = 0.02  # of the squares of what a rating is made of, beside its squared error

    def __init__(self, num_users: int, num_items: int, config: Config):
        super().__init__()
        self.config: Any = config  # a subclass has more settings
        self.user_bias = nn.Embedding(num_users, 1)
        self.item_bias = nn.Embedding(num_items + 1, 1)
        for table in (self.user_bias, self.item_bias):
            nn.init.zeros_(table.weight)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("ends", torch.zeros(2))

    def read(self, known: Ratings) -> None:
        """Take these as all that is known: they are learned from, and no others are looked at."""
        self.known = known
        self.mean = known.rating.mean()
        self.ends = torch.stack([known.rating.min(), known.rating.max()])

    def begin(self, part: str) -> None:
        """Called before a pass goes by ``part``."""

    def forward(self, asked: Ratings) -> Float[Tensor, "B"]:
        """What each would be rated; ``asked.rating`` is not looked at."""
        return self.mean + self.user_bias(asked.user)[:, 0] + self.item_bias(asked.item)[:, 0]

    def penalty(self, asked: Ratings) -> Float[Tensor, "B"]:
        """The squares of what each prediction is made of, summed."""
        return self.user_bias(asked.user)[:, 0] ** 2 + self.item_bias(asked.item)[:, 0] ** 2

    def loss(self, rows: Int[Tensor, "B"], part: str = "rating") -> Float[Tensor, ""]:
        """Squared error of known ratings, with ``decay`` times the penalty: the mean over them."""
        asked = self.known[rows]
        error = (asked.rating - self(asked)) ** 2
        return (error + self.config.decay * self.penalty(asked)).mean()

    @torch.no_grad()
    def predict(self, asked: Ratings) -> Float[Tensor, "B"]:
        """:meth:`forward` within the lowest and the highest rating that is known."""
        return self.eval()(asked).clamp(*self.ends.tolist())


def factors(rows: int, width: int) -> nn.Embedding:
    """A table of vectors, drawn as Koren's and everybody's are: near 0."""
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=0.1)
    return table


@torch.no_grad()
def silence(table: nn.Embedding, heard: Int[Tensor, "R"]) -> None:
    """Zeros for whom nothing is heard of: their vector would say how the table was drawn."""
    there = torch.zeros(len(table.weight), dtype=torch.bool)
    there[heard] = True
    table.weight[~there.to(table.weight.device)] = 0
