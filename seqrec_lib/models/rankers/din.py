"""DIN, the deep interest network: target attention over a history (Zhou et al., 2018,
arXiv:1706.06978).

How much each event says about a candidate is a small network's answer on the pair of items, so that
a history is another vector for every candidate. The weights are not normalised: many events of a
kind weigh more than one.
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
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.rankers.base import NEVER, in_blocks, seen_after, seen_by
from seqrec_lib.models.rankers.dice import activation
from seqrec_lib.models.rankers.pooling import Pooling, Read, up_to

LARGEST = 2**29  # pairs of items whose weights are kept while scoring: 2 GB


class Table(NamedTuple):
    """Weights by event and candidate, for the events ``known``, and what they were made from."""

    made_from: list[Tensor]
    weights: Float[Tensor, "N N"]
    known: Bool[Tensor, "N"]


# paper: the outer product, PReLU or Dice; released code: two layers of sigmoids on what is here
class ActivationUnit(nn.Module):
    """A weight for a pair of items: an MLP on [item, event, item - event, item * event].

    The first layer is the sum of what each item gives alone and a part for the product; the
    difference is within the first two.
    """

    def __init__(self, embed_dim: int, hidden_dim: int, bend: str = "prelu"):
        super().__init__()
        self.item = nn.Linear(embed_dim, hidden_dim)
        self.event, self.both = (nn.Linear(embed_dim, hidden_dim, bias=False) for _ in range(2))
        self.out = nn.Sequential(activation(bend, hidden_dim), nn.Linear(hidden_dim, 1))

    def forward(
        self, item: Float[Tensor, "... D"], event: Float[Tensor, "... D"]
    ) -> Float[Tensor, "..."]:
        first = self.both(item * event) + self.item(item) + self.event(event)
        return self.out(first).squeeze(-1)

    def table(
        self, item: Float[Tensor, "K D"], event: Float[Tensor, "N D"]
    ) -> Float[Tensor, "N K"]:
        """The same for every item and every event: a matrix an item, without the products."""
        of_item = (item[:, None] * self.both.weight + self.event.weight).flatten(0, 1)
        first = F.linear(event, of_item, self.item(item).flatten())
        return self.out(first.unflatten(1, (len(item), -1))).squeeze(-1)


# paper: clicks among impressions, sides of user and item, L2 on what a batch touches
class DIN(Pooling):
    @dataclass(frozen=True)
    class Config(Pooling.Config):
        pooling: str = "sum"  # paper; "mean": weights over the number of events
        unit_dim: int = 36
        normalised: bool = False  # weights through a softmax; released code: over the root of width

    config: Config

    def __init__(self, catalogue: Catalogue, config: Config):
        at_least(1, config, "unit_dim")
        super().__init__(catalogue, config)
        self.unit = ActivationUnit(config.embed_dim, config.unit_dim, config.activation)
        self._table: Table | None = None

    def interest(
        self, read: Read, item: Float[Tensor, "B C D"], step: Int[Tensor, "B C"] | None
    ) -> Float[Tensor, "B C D"]:
        # a history at a time: the pairs of all of them together would be a gigabyte
        tables = [self.unit.table(*one).mT for one in zip(item, read.keys, strict=True)]
        return self._taken(torch.stack(tables), read, step)

    def _taken(
        self, weights: Float[Tensor, "B C T"], read: Read, step: Int[Tensor, "B C"] | None
    ) -> Float[Tensor, "B C D"]:
        seen = seen_by(read.real, step)
        if self.config.normalised:
            # an empty history has nothing to take: all weights 0, as without a softmax
            weights = weights.masked_fill(~seen, NEVER).softmax(-1)
        weights = weights * seen
        if self.config.pooling == "mean":
            weights = weights / seen.sum(-1, keepdim=True).clamp(min=1)
        return weights @ read.keys

    def match_each(
        self, read: Read, candidates: Int[Tensor, "K"], steps: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "M K"]:
        item = self.items(candidates)

        def weighed(known: Bool[Tensor, "B T"]) -> Float[Tensor, "N K D"]:
            keys = read.keys[known]
            return self.unit.table(item, keys)[..., None] * keys[:, None]

        if self.config.normalised:
            taken = self._averages(read, item, steps)
        else:
            taken = up_to(steps, read.real, weighed)
        if self.config.pooling == "mean":
            taken = taken / read.real.cumsum(1)[steps].clamp(min=1)[:, None, None]
        return self.tower.table(taken, item)

    def _averages(
        self, read: Read, item: Float[Tensor, "K D"], steps: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "M K D"]:
        """A softmax divides by the events before it, so that an event weighs less and less."""
        weights = self.unit.table(item, read.keys.flatten(0, 1)).unflatten(0, steps.shape).mT

        def after(rows: Int[Tensor, "R"], begin: int, end: int) -> Float[Tensor, "R S K D"]:
            keys, real = read.upto(rows, end)
            added = torch.where(seen_after(real, begin), 0.0, NEVER)[:, :, None]
            return (weights[rows, None, :, :end] + added).softmax(-1) @ keys[:, None]

        return in_blocks(steps, after)

    def train(self, mode: bool = True) -> DIN:
        self._table = self._table if not mode else None  # no copy of a model in training has it
        return super().train(mode)

    # --- the whole catalogue: weights of pairs of items, each computed once ------------------

    def interest_in_all(self, batch: Batch, read: Read) -> Callable[[slice], Tensor]:
        if self.training or torch.is_grad_enabled() or (self.num_items + 1) ** 2 > LARGEST:
            size, every = len(batch.item), self.items.weight
            return lambda part: self.interest(read, every[part].expand(size, -1, -1), None)
        weights = self._weights(batch)
        return lambda part: self._taken(weights[:, part][batch.item].mT, read, None)

    def _weights(self, batch: Batch) -> Float[Tensor, "N N"]:
        """The table of weights with the rows of all events of the batch."""
        if self._table is None or not all(map(_same, self._table.made_from, self._parts())):
            self._table = self._empty()
        _, weights, known = self._table
        missing, size = batch.item[~known[batch.item]].unique(), max(1, 2**14 // self.num_items)
        for begin in range(0, len(missing), size):
            part = missing[begin : begin + size]
            with torch.autocast(weights.device.type, enabled=False):
                weights[part] = self.unit(self.items.weight, self.items(part)[:, None])
        known[missing] = True
        return weights

    def _empty(self) -> Table:
        size, made_from = self.num_items + 1, self._parts()
        with torch.inference_mode(False):  # or only that mode could write to it
            weights = made_from[0].new_empty(size, size, requires_grad=False)
            known = torch.zeros(size, dtype=torch.bool, device=weights.device)
            weights[0], known[0] = 0, True
        return Table([part.clone() for part in made_from], weights, known)

    def _parts(self) -> list[Tensor]:
        unit = (*self.unit.parameters(), *self.unit.buffers())
        return [self.items.weight.detach(), *(part.detach() for part in unit)]


def _same(a: Tensor, b: Tensor) -> bool:
    """Compared by value: torch counts no change by ``.data`` or a fused optimizer."""
    return (a.dtype, a.device) == (b.dtype, b.device) and a.equal(b)
