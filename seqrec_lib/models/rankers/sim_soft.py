"""SIM with soft search: the events of highest projected inner product with the candidate, then
target attention (Pi et al., 2020, arXiv:2006.05639).

No gradient passes through the choice of the k events, so that the search learns by a loss of its
own: all events, weighed by their products, predict the item beside the second stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.rankers.base import seen_by
from seqrec_lib.models.rankers.pooling import Tower, up_to
from seqrec_lib.models.rankers.search import Asked, Events, Search
from seqrec_lib.models.rankers.target_attention import TargetAttention


class InnerProduct(Search):
    """Relevance is (W_b e_event) · (W_a e_candidate)."""

    def __init__(self, embed_dim: int):
        super().__init__()
        self.event, self.candidate = (nn.Linear(embed_dim, embed_dim, bias=False) for _ in range(2))

    def of_events(
        self, item: Int[Tensor, "B T"], vectors: Float[Tensor, "B T D"]
    ) -> Float[Tensor, "B T D"]:
        return self.event(vectors)

    def of_candidates(
        self, item: Int[Tensor, "B C"], vectors: Float[Tensor, "B C D"]
    ) -> Float[Tensor, "B C D"]:
        return self.candidate(vectors)

    # paper: found by an approximate index (ALSH); here all products are computed
    def relevance(self, events: Events, asked: Asked) -> Float[Tensor, "B 1 C T"]:
        return (asked.kept @ events.kept.mT)[:, None]  # type: ignore[operator,union-attr]


class Guess(NamedTuple):
    """What the search alone predicts: a network on the candidate and sum_t r_t e_t."""

    model: SIMSoft

    def match(
        self, read: Events, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        item, search = self.model.items(candidates), self.model.search
        weights = search.candidate(item) @ search.event(read.vectors).mT
        return self.model.guess((weights * seen_by(read.real, step)) @ read.vectors, item)

    def match_each(
        self, read: Events, candidates: Int[Tensor, "K"], steps: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "M K"]:
        item, search = self.model.items(candidates), self.model.search

        def weighed(known: Bool[Tensor, "B T"]) -> Float[Tensor, "N K D"]:
            events = read.vectors[known]
            weights = search.event(events) @ search.candidate(item).T
            return weights[..., None] * events[:, None]

        return self.model.guess.table(up_to(steps, read.real, weighed), item)


class SIMSoft(TargetAttention):
    @dataclass(frozen=True)
    class Config(TargetAttention.Config):
        k: int | None = 50
        alpha: float = 1.0  # weight of the loss of the search; 0: it stays as it was drawn
        beta: float = 1.0  # of that of the second stage

    config: Config

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.alpha < 0 or config.beta <= 0:
            raise ValueError(
                f"alpha is {config.alpha} and beta {config.beta}; use 0 or more, and above 0"
            )
        super().__init__(catalogue, config)
        self.search: InnerProduct = InnerProduct(config.embed_dim)
        self.guess = Tower(config.embed_dim, config.hidden, config.dropout)
        for part in (self.search, self.guess):  # else several processes wait for its gradient
            part.requires_grad_(config.alpha > 0)

    def _loss(self, batch: Batch, target: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
        read = self.read(batch)
        lost = self.config.beta * self._lost(read, target)
        if self.config.alpha == 0:
            return lost
        return lost + self.config.alpha * self._lost(read, target, Guess(self))
