"""Pooling and a network: the mean or sum of a history's item vectors beside the candidate's, scored
by an MLP (Covington et al., 2016; the base model of Zhou et al., 2018, arXiv:1706.06978, figure 2).

No order, no time, and one vector for every question: what target attention is measured against.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.layers import Dropout, running_sums
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, SampledSoftmax
from seqrec_lib.models.rankers.base import CandidateRanker
from seqrec_lib.models.rankers.dice import activation


class Tower(nn.Module):
    """An MLP on [user, item, user * item], a number a pair.

    The first layer is written as the sum of its three parts, so that what is the same for many
    pairs is computed once: both arguments may be broadcast. Without ``product`` it reads
    [user, item].
    """

    def __init__(
        self,
        embed_dim: int,
        hidden: tuple[int, ...],
        dropout: float,
        product: bool = True,
        bend: str = "prelu",
    ):
        if not hidden or min(hidden) < 1:
            raise ValueError(f"hidden is {hidden}; use one width or more, each above 0")
        super().__init__()
        self.user = nn.Linear(embed_dim, hidden[0])
        self.item = nn.Linear(embed_dim, hidden[0], bias=False)
        self.both = nn.Linear(embed_dim, hidden[0], bias=False) if product else None
        layers: list[nn.Module] = []
        for width, wider in zip((*hidden[1:], 1), hidden, strict=True):
            layers += [activation(bend, wider), Dropout(dropout), nn.Linear(wider, width)]
        self.layers = nn.Sequential(*layers)

    def forward(
        self, user: Float[Tensor, "... D"], item: Float[Tensor, "... D"]
    ) -> Float[Tensor, "..."]:
        first = self.user(user)
        if self.both is not None:
            first = self.both(user * item) + first
        first = first + self.item(item)
        return self.layers(first).squeeze(-1)

    def table(
        self, user: Float[Tensor, "B *C D"], item: Float[Tensor, "C D"]
    ) -> Float[Tensor, "B C"]:
        """The same for candidates that all rows share: a matrix a candidate, half the products.

        A row has a vector for each candidate, or one for all.
        """
        of_item = self.user.weight.expand(len(item), -1, -1)
        if self.both is not None:
            of_item = of_item + item[:, None] * self.both.weight
        shift = self.item(item) + self.user.bias
        if user.ndim == 2:
            first = F.linear(user, of_item.flatten(0, 1), shift.flatten())
            return self.layers(first.unflatten(1, shift.shape)).squeeze(-1)
        first = torch.baddbmm(shift[:, None], user.transpose(0, 1), of_item.mT)
        return self.layers(first).squeeze(-1).T


class Read(NamedTuple):
    """A history's item vectors, and which of them are events."""

    keys: Float[Tensor, "B T D"]
    real: Bool[Tensor, "B T"]

    def upto(self, rows: Int[Tensor, "R"], end: int) -> Read:
        return Read(self.keys[rows, :end], self.real[rows, :end])


def up_to(
    steps: Bool[Tensor, "B T"],
    real: Bool[Tensor, "B T"],
    of_events: Callable[[Bool[Tensor, "B T"]], Float[Tensor, "N ..."]],
) -> Float[Tensor, "M ..."]:
    """Sums of what ``of_events`` says of the events it is given, up to each of ``steps``.

    For models in which an event says the same after every step: it is asked about each once, and
    about no padding.
    """
    place = torch.arange(1, steps.shape[1] + 1, device=steps.device)
    last = torch.where(steps, place, 0).amax(1, keepdim=True)
    known = real & (place <= last)
    sums = running_sums(of_events(known), known.sum(1).tolist())
    asked = steps[known]
    return sums if asked.all() else sums[asked]


class Pooling(CandidateRanker):
    chunk = 64  # what a chunk's pairs hold stays in cache

    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        pooling: str = "mean"  # or "sum"
        hidden: tuple[int, ...] = (64, 32)
        dropout: float = 0.2  # of item vectors, and between the layers
        objective: Objective = SampledSoftmax(64)
        activation: str = "prelu"  # or "dice"

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.pooling not in ("mean", "sum"):
            raise ValueError(f"pooling is {config.pooling!r}; use 'mean' or 'sum'")
        at_least(1, config, "embed_dim")
        super().__init__(catalogue, config.objective)
        self.config = config
        self.items = nn.Embedding(catalogue.num_items + 1, config.embed_dim, padding_idx=0)
        nn.init.normal_(self.items.weight[1:], std=config.embed_dim**-0.5)
        self.dropout = Dropout(config.dropout)
        self.tower = Tower(config.embed_dim, config.hidden, config.dropout, bend=config.activation)
        self.averages = config.activation != "dice"  # running means are no weights

    @property
    def needs_one_process(self) -> str:
        dice = self.config.activation == "dice"
        return "Dice keeps running means of the rows it meets" if dice else ""

    def read(self, batch: Batch) -> Read:
        return Read(self.dropout(self.items(batch.item)), batch.real)

    def match(
        self, read: Read, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        item = self.items(candidates)
        return self.tower(self.interest(read, item, step), item)

    def match_each(
        self, read: Read, candidates: Int[Tensor, "K"], steps: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "M K"]:
        return self.tower.table(self._pooled(read)[steps], self.items(candidates))

    def interest(
        self, read: Read, item: Float[Tensor, "B C D"], step: Int[Tensor, "B C"] | None
    ) -> Float[Tensor, "B C D"]:
        """What the history says of each candidate: here the same of all."""
        pooled = self._pooled(read)
        if step is None:
            step = (read.real.sum(1, keepdim=True) - 1).clamp(min=0)
        found = pooled.gather(1, step[..., None].expand(-1, -1, pooled.shape[2]))
        return found.expand_as(item)

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        read = self.read(batch)
        taken = self.interest_in_all(batch, read)
        scores = read.keys.new_full((len(batch.item), self.num_items + 1), -torch.inf)
        for begin in range(1, self.num_items + 1, self.chunk):
            columns = slice(begin, min(begin + self.chunk, self.num_items + 1))
            scores[:, columns] = self.tower.table(taken(columns), self.items.weight[columns])
        return scores

    def interest_in_all(self, batch: Batch, read: Read) -> Callable[[slice], Tensor]:
        """What the histories say of each item of a slice of the catalogue, (B, C, D); or of all of
        them alike, (B, D)."""
        taken = self.interest(read, self.items.weight[:1].expand(len(batch.item), -1, -1), None)
        return lambda part: taken[:, 0]

    def _pooled(self, read: Read) -> Float[Tensor, "B T D"]:
        """The mean or sum of the events up to each step."""
        total = (read.keys * read.real[..., None]).cumsum(1)
        if self.config.pooling == "sum":
            return total
        return total / read.real.cumsum(1).clamp(min=1)[..., None]
