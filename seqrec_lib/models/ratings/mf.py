"""Biased matrix factorisation: biases and an inner product of factors (Koren, Bell & Volinsky,
2009, "Matrix factorization techniques for recommender systems", equation 5). It is known as SVD,
though nothing is decomposed.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from seqrec_lib.data.ratings import Ratings
from seqrec_lib.models.ratings.bias import Biases, factors, silence


class BiasedMF(Biases):
    @dataclass(frozen=True)
    class Config(Biases.Config):
        decay: float = 0.05
        embed_dim: int = 50

    def __init__(self, num_users: int, num_items: int, config: Config):
        super().__init__(num_users, num_items, config)
        self.user_factors = factors(num_users, config.embed_dim)
        self.item_factors = factors(num_items + 1, config.embed_dim)

    def read(self, known: Ratings) -> None:
        super().read(known)
        silence(self.user_factors, known.user)
        silence(self.item_factors, known.item)

    def of_user(self, asked: Ratings) -> Float[Tensor, "B D"]:
        """What each user is in the inner product."""
        return self.user_factors(asked.user)

    def forward(self, asked: Ratings) -> Float[Tensor, "B"]:
        inner = (self.of_user(asked) * self.item_factors(asked.item)).sum(-1)
        return super().forward(asked) + inner

    def penalty(self, asked: Ratings) -> Float[Tensor, "B"]:
        squares = self.user_factors(asked.user) ** 2 + self.item_factors(asked.item) ** 2
        return super().penalty(asked) + squares.sum(-1)
