"""TWIN: one target attention finds the events and weighs them (Chang et al., 2023,
arXiv:2302.02352).

What a search of another kind finds is not what the second stage would have looked at. So both use
the same logits: an item's key is the same for everybody and can be kept, and what is particular to
a user's event (cross features) is a bias. ``read`` has both, so that a candidate costs a product an
event.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.rankers.cross_features import READS, WIDTH, CrossFeatures
from seqrec_lib.models.rankers.search import Asked, Events, Own, Search, places
from seqrec_lib.models.rankers.target_attention import TargetAttention


class Elsewhere(Search):
    """Target attention by projections that are not those of the second stage, and do not learn."""

    query: Tensor
    key: Tensor

    def __init__(self, embed_dim: int):
        super().__init__()
        for name in ("query", "key"):
            self.register_buffer(name, torch.randn(embed_dim, embed_dim) * embed_dim**-0.5)

    def of_events(
        self, item: Int[Tensor, "B T"], vectors: Float[Tensor, "B T D"]
    ) -> Float[Tensor, "B T D"]:
        return vectors.double() @ self.key.double()

    def of_candidates(
        self, item: Int[Tensor, "B C"], vectors: Float[Tensor, "B C D"]
    ) -> Float[Tensor, "B C D"]:
        return vectors.double() @ self.query.double()

    def relevance(self, events: Events, asked: Asked) -> Float[Tensor, "B 1 C T"]:
        found = (asked.kept @ events.kept.mT)[:, None]  # type: ignore[operator,union-attr]
        # of the same item the latest first: a step is below what single precision can tell
        found = found.float().double()
        return found + found.abs() * places(events) * 2.0**-45


class TWIN(TargetAttention):
    @dataclass(frozen=True)
    class Config(TargetAttention.Config):
        k: int | None = 100  # paper
        num_heads: int = 4  # paper
        cross: tuple[str, ...] = ("gap", "count")  # (): an item's own features alone
        consistent: bool = True  # False: the search has projections of its own, as drawn
        each_head: bool = True  # finds its own events; False: all read those of the highest mean

    config: Config

    def __init__(self, catalogue: Catalogue, config: Config):
        super().__init__(catalogue, config)
        width, wide = config.embed_dim, WIDTH * len(config.cross)
        self.search = Own(config.each_head) if config.consistent else Elsewhere(width)
        self.cross = CrossFeatures(config.cross) if config.cross else None
        self.reads = tuple({name for one in config.cross for name in READS[one]})
        if self.cross is not None:
            # paper: a number a feature and, in each head, a weight of it; their product is one here
            self.bias = nn.Linear(wide, config.num_heads, bias=False)
            self.cross_value = nn.Linear(wide, width, bias=False)

    def read(self, batch: Batch) -> Events:
        cross = None if self.cross is None else self.cross(batch)
        return self._with(cross, batch.item, batch.real, self.items(batch.item))

    def _with(
        self,
        cross: Float[Tensor, "B T F"] | None,
        item: Int[Tensor, "B T"],
        real: Bool[Tensor, "B T"],
        vectors: Float[Tensor, "B T D"],
    ) -> Events:
        """What is read of events of these vectors, with their cross features."""
        events = self._read(item, real, vectors)
        if cross is None:
            return events
        values = events.values + self.heads(self.cross_value(cross))
        return events._replace(values=values, bias=self.bias(cross).transpose(1, 2))
