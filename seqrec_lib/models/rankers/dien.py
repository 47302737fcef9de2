"""DIEN, the deep interest evolution network: a GRU reads a history, a second one follows in it what
a candidate asks about (Zhou et al., 2019, arXiv:1809.03672).

The states of the first GRU are held to telling the next event from a random item (the auxiliary
loss). Attention between states and candidate decides what each state may change in the second one
(``seqrec_lib.models.rankers.augru``), so that the order of what matters is kept, and the rest
passes by. Attention sums to one over a history: the longer it is, the smaller each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.layers import Dropout, PReLU
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, SampledSoftmax, other_items
from seqrec_lib.models.rankers.augru import AUGRU
from seqrec_lib.models.rankers.base import NEVER, CandidateRanker, checked
from seqrec_lib.models.rankers.pooling import Tower

EVOLUTIONS = ("augru", "agru", "aigru")
AUXILIARY = ("product", "mlp")


class Read(NamedTuple):
    """The interest after each event, and what a candidate is compared with."""

    states: Float[Tensor, "B T D"]
    asked: Float[Tensor, "B T D"]
    real: Bool[Tensor, "B T"]


class Concatenation(nn.Module):
    """How well an item follows a state: an MLP on the two."""

    # released code: sigmoids in layers of 100 and 50, behind a batch norm
    def __init__(self, width: int):
        super().__init__()
        layers = (nn.Linear(2 * width, width), PReLU(init=0.1), nn.Linear(width, 1))
        self.layers = nn.Sequential(*layers)

    def forward(
        self, state: Float[Tensor, "... D"], item: Float[Tensor, "... D"]
    ) -> Float[Tensor, "..."]:
        return self.layers(torch.cat([state, item], -1)).squeeze(-1)


# paper: clicks among impressions, fields of user and context; it reads the last 50 events
class DIEN(CandidateRanker):
    every_step = False  # the second GRU would run through T histories for each candidate
    chunk = 64

    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        alpha: float = 1.0  # weight of the auxiliary loss
        # score of the auxiliary loss: "product", or "mlp" on the concatenation (released code)
        auxiliary: str = "product"
        # attention scales the gate of the second GRU ("augru"), is the gate ("agru"), or scales
        # what a GRU reads ("aigru")
        evolution: str = "augru"
        gate: str = "paper"  # of "augru": scales what is taken, or, "released", what is kept
        share: float = 0.2  # of the positions that a pass learns from
        hidden: tuple[int, ...] = (64, 32)  # paper: 200 and 80
        dropout: float = 0.2  # of item vectors, and between the layers
        objective: Objective = SampledSoftmax(32)  # paper: cross-entropy of clicks

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.evolution not in EVOLUTIONS:
            raise ValueError(
                f"evolution is {config.evolution!r}; use one of {', '.join(EVOLUTIONS)}"
            )
        if config.auxiliary not in AUXILIARY:
            raise ValueError(f"auxiliary is {config.auxiliary!r}; use 'product' or 'mlp'")
        if config.gate not in ("paper", "released"):
            raise ValueError(f"gate is {config.gate!r}; use 'paper' or 'released'")
        if config.alpha < 0:
            raise ValueError(f"alpha is {config.alpha}; use 0 (no auxiliary loss) or more")
        at_least(1, config, "embed_dim")
        super().__init__(catalogue, config.objective)
        self.config, self.share, width = config, checked(config.share), config.embed_dim
        self.items = nn.Embedding(catalogue.num_items + 1, width, padding_idx=0)
        nn.init.normal_(self.items.weight[1:], std=width**-0.5)
        self.dropout = Dropout(config.dropout)
        self.extract = nn.GRU(width, width, batch_first=True)
        self.relevance = nn.Linear(width, width, bias=False)  # released code: DIN's unit
        self.evolve = AUGRU(width, width, "replaced" if config.evolution == "agru" else config.gate)
        # released code: reads the sum of a history's item vectors too
        self.tower = Tower(width, config.hidden, config.dropout)
        learned = config.auxiliary == "mlp" and config.alpha > 0
        self.follows = Concatenation(width) if learned else None

    def read(self, batch: Batch) -> Read:
        states, _ = self.extract(self.dropout(self.items(batch.item)))
        return Read(states, self.relevance(states), batch.real)

    def match(
        self, read: Read, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        """As of every ranker, but for ``step``: a shorter history has to be read by itself."""
        if step is not None:
            raise ValueError("attention shares itself out over a whole history: read it by itself")
        item = self.items(candidates)
        return self.tower(self.evolved(read, self.attention(read, item)), item)

    def attention(self, read: Read, item: Float[Tensor, "B C D"]) -> Float[Tensor, "B C T"]:
        """How much each state has to do with each candidate (equation 6); sums to 1."""
        logits = item @ read.asked.mT
        real = read.real[:, None]
        return logits.masked_fill(~real, NEVER).softmax(-1) * real

    def evolved(self, read: Read, attention: Float[Tensor, "B C T"]) -> Float[Tensor, "B C D"]:
        """The last state of the second GRU, for each candidate."""
        states, real = read.states[:, None], read.real[:, None]
        if self.config.evolution == "aigru":
            ordinary = torch.full_like(attention, 1.0 if self.config.gate == "paper" else 0.0)
            return self.evolve(states * attention[..., None], ordinary, real)
        return self.evolve(states, attention, real)

    def auxiliary_loss(
        self,
        states: Float[Tensor, "B T D"],
        item: Int[Tensor, "B T"],
        other: Int[Tensor, "B T"],
    ) -> Float[Tensor, "B"]:
        """How badly the states of each history tell the event after them from another item
        (equation 1, without the mean over histories).

        ``other[b, t]`` stands against ``item[b, t]``; nothing has to be told of the first event.
        """
        # paper: summed over steps; in a mean long histories weigh as short ones do
        state, after = states[:, :-1], item[:, 1:] > 0
        one, another = (self.items(of[:, 1:]) for of in (item, other))
        if self.follows is None:
            own, drawn = (state * one).sum(-1), (state * another).sum(-1)
        else:
            own, drawn = self.follows(state, one), self.follows(state, another)
        lost = (F.softplus(-own) + F.softplus(drawn)) * after
        return lost.sum(1) / after.sum(1).clamp(min=1)

    def _loss(self, batch: Batch, target: Int[Tensor, "B 1"]) -> Float[Tensor, ""]:
        read = self.read(batch)
        lost = self._lost(read, target)
        if self.config.alpha == 0:
            return lost
        other = other_items(batch.item.flatten().clamp(min=1), 1, self.num_items + 1)
        told = self.auxiliary_loss(read.states, batch.item, other.view_as(batch.item))
        return lost + self.config.alpha * told[target[:, 0] > 0].mean()
