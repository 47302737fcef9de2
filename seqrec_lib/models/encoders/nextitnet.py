"""NextItNet: causal convolutions with holes, stacked until they see far back (Yuan et al., 2019,
arXiv:1808.05163).

A block has two convolutions of three steps, the second with holes twice as wide, and is added to
what it read. What a stack sees grows with the sum of its dilations, and not a step further.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, Softmax

KERNEL = 3


class CausalConvolution(nn.Module):
    """Step t from steps t, t - d, t - 2d: a linear map of the three side by side."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.dilation = dilation
        self.mix = nn.Linear(KERNEL * width, width)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        steps = x.shape[1]
        early = F.pad(x, (0, 0, (KERNEL - 1) * self.dilation, 0))
        taps = [early[:, i * self.dilation : i * self.dilation + steps] for i in range(KERNEL)]
        return self.mix(torch.cat(taps, -1))


class Block(nn.Module):
    def __init__(self, width: int, dilation: int, dropout: float):
        super().__init__()
        self.near, self.far = (CausalConvolution(width, d) for d in (dilation, 2 * dilation))
        self.near_norm, self.far_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(dropout)  # paper: none

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        inner = F.relu(self.near_norm(self.near(x)))
        return x + self.dropout(F.relu(self.far_norm(self.far(inner))))


class NextItNet(SequenceEncoder):
    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64  # paper: 100
        dilations: tuple[int, ...] = (1, 4, 1, 4, 1, 4)  # a block each
        dropout: float = 0.5  # paper: none
        tied: bool = True  # paper: an output table of its own
        temperature: float | None = None  # cosine scores over this; None: inner products
        objective: Objective = Softmax()

    def __init__(self, catalogue: Catalogue, config: Config):
        at_least(1, config, "dilations")
        super().__init__(catalogue, config.embed_dim, config.objective, config.temperature)
        self.config = config
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(config.embed_dim, dilation, config.dropout) for dilation in config.dilations
        )
        if not config.tied:
            self.output = nn.Linear(config.embed_dim, catalogue.num_items + 1)
        nn.init.normal_(self.items.weight, std=0.02)
        nn.init.zeros_(self.items.weight[0])

    @property
    def field(self) -> int:
        """How many steps the last state sees, itself included."""
        return 1 + sum((KERNEL - 1) * 3 * dilation for dilation in self.config.dilations)

    def run(
        self, vectors: Float[Tensor, "B T D"], real: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        x = self.dropout(vectors)
        for block in self.blocks:
            x = block(x)
        return x
