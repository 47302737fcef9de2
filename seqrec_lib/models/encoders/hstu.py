"""HSTU: attention without a softmax, and a gate in place of a feed-forward net (Zhai et al., 2024,
arXiv:2402.17152).

Weights are SiLU(q·k + bias) over the longest length: they do not compete, so that how much of
something a history holds is not lost. The bias is learned of how many steps lie between, and, if it
reads time, of how much time does. What is gathered is normalised and multiplied by a gate that the
step itself opens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.layers import Dropout, time_buckets
from seqrec_lib.models.limits import at_least, heads
from seqrec_lib.models.losses import Objective, Softmax

BUCKETS = 128
TIMES = ("none", "events", "asked")


class Block(nn.Module):
    def __init__(self, width: int, heads: int, max_len: int, timed: bool, dropout: float):
        super().__init__()
        self.heads, self.max_len = heads, max_len
        self.norm, self.gathered_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 4 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.distance = nn.Parameter(torch.zeros(max_len))  # by steps between
        self.elapsed = nn.Parameter(torch.zeros(BUCKETS + 1)) if timed else None
        self.dropout = Dropout(dropout)

    def weights(
        self, x: Float[Tensor, "B T D"], bucket: Int[Tensor, "B T T"] | None
    ) -> Float[Tensor, "B H T T"]:
        """How much each step takes from each; nothing from later ones. Rows need not sum to one."""
        _, _, query, key = self._parts(x)
        return self._weights(query, key, bucket)

    def forward(
        self, x: Float[Tensor, "B T D"], bucket: Int[Tensor, "B T T"] | None
    ) -> Float[Tensor, "B T D"]:
        gate, value, query, key = self._parts(x)
        gathered = self._weights(query, key, bucket) @ value
        gathered = self.gathered_norm(gathered.transpose(1, 2).flatten(2))
        return x + self.dropout(self.out(gathered * gate.transpose(1, 2).flatten(2)))

    def _parts(self, x: Float[Tensor, "B T D"]) -> list[Float[Tensor, "B H T d"]]:
        parts = F.silu(self.project(self.norm(x))).chunk(4, dim=-1)
        return [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts]

    def _weights(self, query, key, bucket):
        steps = query.shape[2]
        place = torch.arange(steps, device=query.device)
        behind = (place[:, None] - place).clamp(0, self.max_len - 1)
        bias = self.distance[behind]
        if self.elapsed is not None:
            bias = bias + self.elapsed[bucket][:, None]
        # paper: divided by the longest length, not by that of the history
        weights = F.silu(query @ key.mT + bias) / self.max_len
        return weights.tril()


class HSTU(SequenceEncoder):
    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        num_layers: int = 2
        num_heads: int = 2
        max_len: int = 50
        # "none"; "events": the time between steps; "asked": from a step to when the question after
        # the last one is asked, which other models are not told
        time: str = "none"
        dropout: float = 0.5
        temperature: float | None = None  # cosine scores over this; None: inner products
        objective: Objective = Softmax()  # paper: SampledSoftmax

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.time not in TIMES:
            raise ValueError(f"time is {config.time!r}; use one of {', '.join(TIMES)}")
        at_least(1, config, "num_heads", "max_len")
        heads(config)
        at_least(0, config, "num_layers")
        super().__init__(catalogue, config.embed_dim, config.objective, config.temperature)
        self.config = config
        self.max_len = config.max_len
        self.reads = {"none": (), "events": ("time",), "asked": ("time", "asked_at")}[config.time]
        self.places = nn.Embedding(config.max_len, config.embed_dim)
        self.dropout = Dropout(config.dropout)
        timed = config.time != "none"
        self.blocks = nn.ModuleList(
            Block(config.embed_dim, config.num_heads, config.max_len, timed, config.dropout)
            for _ in range(config.num_layers)
        )
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(self.items.weight[0])

    def encode(self, batch: Batch) -> Float[Tensor, "B T D"]:
        # counted back from the newest step, as SASRec here; paper: from the oldest
        step = torch.arange(batch.item.shape[1], device=batch.item.device)
        newest = (batch.length[:, None] - 1).clamp(min=0)
        place = self.places((newest - step).clamp(0, self.config.max_len - 1))
        x, bucket = self.dropout(self.items(batch.item) + place), self._buckets(batch)
        for block in self.blocks:
            x = block(x, bucket)
        return x

    def _buckets(self, batch: Batch) -> Int[Tensor, "B T T"] | None:
        """The elapsed time between steps."""
        if self.config.time == "none":
            return None
        now = batch.time if self.config.time == "events" else batch.asked_at
        apart = now[:, :, None] - batch.time[:, None]  # type: ignore[index]
        return time_buckets(apart.abs(), BUCKETS)
