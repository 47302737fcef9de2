"""ETA: the events whose hash is nearest to the candidate's, then target attention (Chen et al.,
2021, arXiv:2108.04468).

SimHash (Charikar, 2002) keeps of a vector on which side of random planes it lies. Two vectors at an
angle theta agree in a bit with probability 1 - theta / pi, so that the number of bits that differ
tells angles, not lengths. Codes follow the vectors as they learn; the planes stay as drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.rankers import words
from seqrec_lib.models.rankers.search import Asked, Events, Search, places
from seqrec_lib.models.rankers.target_attention import TargetAttention


class SimHash(Search):
    """Nearest by bits that differ; of those alike, the latest first."""

    planes: Tensor

    def __init__(self, embed_dim: int, bits: int):
        super().__init__()
        if bits < 1:
            raise ValueError(f"bits is {bits}; use 1 or more, best a multiple of {words.SIZE}")
        # kept with the weights: other planes would find other events
        self.register_buffer("planes", torch.randn(embed_dim, bits))

    def of_events(
        self, item: Int[Tensor, "B T"], vectors: Float[Tensor, "B T D"]
    ) -> Int[Tensor, "B T W"]:
        with torch.autocast(vectors.device.type, enabled=False):
            return words.packed(vectors.float() @ self.planes.float() > 0)

    def relevance(self, events: Events, asked: Asked) -> Float[Tensor, "B 1 C T"]:
        differ = words.hamming(asked.kept[:, :, None], events.kept[:, None])  # type: ignore[index]
        steps, bits = events.item.shape[1], self.planes.shape[1]
        exact = torch.float32 if (bits + 1) * steps < 2**24 else torch.float64  # holds both numbers
        return (places(events) - differ.to(exact) * steps)[:, None]


class ETA(TargetAttention):
    @dataclass(frozen=True)
    class Config(TargetAttention.Config):
        k: int | None = 50
        bits: int = 64  # of a code: one machine word

    def __init__(self, catalogue: Catalogue, config: Config):
        super().__init__(catalogue, config)
        self.search = SimHash(config.embed_dim, config.bits)
