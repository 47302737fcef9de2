"""Target attention over a long history, exact on the events that a search picks.

The second stage of SIM (Pi et al., 2020, arXiv:2006.05639) and those after it, an exact search
unit: heads of scaled inner products between the candidate and k events. By itself it reads the most
recent k, or all of them, which is what a search is measured against: with k as long as the history,
every search leads to the same scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.limits import at_least, heads
from seqrec_lib.models.losses import Objective, SampledSoftmax
from seqrec_lib.models.rankers.base import NEVER, CandidateRanker, in_blocks, seen_after, seen_by
from seqrec_lib.models.rankers.pooling import Tower
from seqrec_lib.models.rankers.search import Asked, Events, Recent, Search, logits

LONG = 8  # times k: from there on events are looked up, before it the others are masked


def shift(
    relevance: Float[Tensor, "..."], seen: Bool[Tensor, "..."], k: int | None
) -> Float[Tensor, "..."]:
    """What is added to the logits of events (last axis) before a softmax: 0 for those taken.

    They are the k most relevant of those seen, all if k is None; :data:`NEVER` is for the others.
    What is not seen is never taken, nor what the search rules out, however few are left.
    """
    relevance = relevance + torch.where(seen, 0.0, -torch.inf).to(relevance.dtype)
    steps = relevance.shape[-1]
    lowest = torch.finfo(relevance.dtype).min
    left = torch.empty(relevance.shape, device=relevance.device)
    if k is None or k >= steps:
        return torch.lt(relevance, lowest, out=left).mul_(NEVER)
    if relevance.device.type != "cpu":
        best = relevance.topk(k, sorted=False)
        added = torch.where(best.values > -torch.inf, 0.0, NEVER)
        every = torch.full(relevance.shape, NEVER, device=relevance.device)
        return every.scatter_(-1, best.indices, added)
    # numpy finds the k-th largest alone, and a comparison that writes numbers needs no mask: each
    # is several times as fast on a processor as topk and where
    edge = np.partition(relevance.detach().numpy(), -k, -1)[..., [-k]]
    torch.lt(relevance, torch.from_numpy(edge).clamp(min=lowest), out=left)
    if (more := steps - left.sum(-1) > k).any():  # alike at the edge
        best = relevance[more].topk(k, sorted=False)
        left[more] = left.new_ones(len(best.indices), steps).scatter_(-1, best.indices, 0.0)
    return left.mul_(NEVER)


def looked_up(
    values: Float[Tensor, "B H T d"], index: Int[Tensor, "B H C k"]
) -> Float[Tensor, "B H C k d"]:
    """The rows of each head that ``index`` names."""
    rows, heads, steps, _ = values.shape
    begin = steps * torch.arange(rows * heads, device=index.device).view(rows, heads, 1, 1)
    return F.embedding(index + begin, values.flatten(0, 2))


# paper: heads of SIM weigh whole vectors, with the time from event to question among them; another
# network reads the latest events; clicks among impressions
class TargetAttention(CandidateRanker):
    chunk = 64

    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        num_heads: int = 2
        k: int | None = None  # events that the second stage reads; None: all
        hidden: tuple[int, ...] = (64, 32)
        dropout: float = 0.2  # of item vectors, and between the layers
        objective: Objective = SampledSoftmax(64)

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.k is not None and config.k < 1:
            raise ValueError(f"k is {config.k}; use 1 or more, or None for whole histories")
        heads(config)
        at_least(1, config, "embed_dim")
        super().__init__(catalogue, config.objective)
        self.config, width = config, config.embed_dim
        self.items = nn.Embedding(catalogue.num_items + 1, width, padding_idx=0)
        nn.init.normal_(self.items.weight[1:], std=width**-0.5)
        self.dropout = Dropout(config.dropout)
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.tower = Tower(width, config.hidden, config.dropout)
        self.search: Search = Recent()

    # --- of a history, whatever is asked ---------------------------------------------------------

    def read(self, batch: Batch) -> Events:
        return self._read(batch.item, batch.real, self.items(batch.item))

    def _read(
        self,
        item: Int[Tensor, "B T"],
        real: Bool[Tensor, "B T"],
        vectors: Float[Tensor, "B T D"],
    ) -> Events:
        with torch.no_grad():  # no gradient passes through the choice of the k
            kept = self.search.of_events(item, vectors)  # before dropout: it is not drawn
        vectors = self.dropout(vectors)
        keys, values = self.heads(self.key(vectors)), self.heads(self.value(vectors))
        return Events(item, real, vectors, keys, values, None, kept)

    def heads(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B H T d"]:
        return x.unflatten(-1, (self.config.num_heads, -1)).transpose(1, 2)

    # --- with a view to candidates ---------------------------------------------------------------

    def asked(self, item: Int[Tensor, "B C"]) -> Asked:
        vectors = self.items(item)
        with torch.no_grad():
            kept = self.search.of_candidates(item, vectors)
        return Asked(item, vectors, self.heads(self.query(vectors)), kept)

    def match(
        self, read: Events, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        asked = self.asked(candidates)
        if step is None:
            return self.tower(self.interest(read, asked), asked.vectors)
        seen = seen_by(read.real, step)[:, None]
        return self.tower(self._masked(read, asked, seen), asked.vectors)

    def match_each(
        self, read: Events, candidates: Int[Tensor, "K"], steps: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "M K"]:
        asked = self.asked(candidates[None])

        def interest(rows: Int[Tensor, "R"], begin: int, end: int) -> Float[Tensor, "R S K D"]:
            events = read.upto(rows, end)
            seen = seen_after(events.real, begin)
            return self._masked(events, asked, seen[:, None, :, None])

        return in_blocks(steps, interest, lambda found: self.tower.table(found, asked.vectors[0]))

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        read, every = self.read(batch), torch.arange(self.num_items + 1, device=batch.item.device)
        asked = self.asked(every[None])  # once for all histories
        scores = read.vectors.new_full((len(batch.item), len(every)), -torch.inf)
        for begin in range(1, len(every), self.chunk):
            columns = slice(begin, begin + self.chunk)
            interest = self.interest(read, asked.columns(columns))
            scores[:, columns] = self.tower.table(interest, self.items.weight[columns])
        return scores

    def interest(self, read: Events, asked: Asked) -> Float[Tensor, "B C D"]:
        """What the second stage makes of each history for each candidate."""
        k, steps = self.config.k, read.real.shape[1]
        if k is not None and steps >= LONG * k:
            return self._looked_up(read, asked, k)
        return self._masked(read, asked, read.real[:, None, None])

    @torch.no_grad()
    def chosen(self, read: Events, asked: Asked) -> Bool[Tensor, "B G C T"]:
        """Which events of whole histories the second stage reads for each candidate."""
        seen = read.real[:, None, None].expand(-1, -1, asked.item.shape[1], -1)
        return shift(self.search.relevance(read, asked), seen, self.config.k) == 0

    def _masked(
        self, read: Events, asked: Asked, seen: Bool[Tensor, "B 1 ... T"]
    ) -> Float[Tensor, "B ... D"]:
        """By the weights of all events, of which only those chosen are not 0."""
        found, k = logits(read, asked), self.config.k
        # the same candidates after every step: an axis more
        wider = (slice(None), slice(None), None) if seen.ndim > found.ndim else ()
        with torch.no_grad():
            if self.search.rules_out or (k is not None and seen.shape[-1] > k):
                added = shift(self.search.given(found.detach(), read, asked)[wider], seen, k)
            else:
                added = torch.where(seen, 0.0, NEVER)
            # nothing to take: all weights 0
            some = (added.amax(-1) == 0).to(found.dtype)[..., None]
        weights = (found[wider] + added).softmax(-1)
        gathered = weights.flatten(2, -2) @ read.values
        gathered = gathered.unflatten(2, weights.shape[2:-1]) * some
        return self.out(gathered.movedim(1, -2).flatten(-2))

    def _looked_up(self, read: Events, asked: Asked, k: int) -> Float[Tensor, "B C D"]:
        """By the keys and values of the events chosen alone: the work grows with k, not T."""
        with torch.no_grad():
            relevance = self.search.relevance(read, asked)
            best = torch.where(read.real[:, None, None], relevance, -torch.inf).topk(k)
            shape = (-1, self.config.num_heads, asked.item.shape[1], -1)
            index, taken = best.indices.expand(shape), (best.values > -torch.inf).expand(shape)
        keys, values = looked_up(read.keys, index), looked_up(read.values, index)
        found = (keys @ asked.queries[..., None]).squeeze(-1) * asked.queries.shape[-1] ** -0.5
        if read.bias is not None:
            found = found + looked_up(read.bias[..., None], index).squeeze(-1)
        weights = found.masked_fill(~taken, NEVER).softmax(-1) * taken
        gathered = (weights[..., None, :] @ values).squeeze(-2)
        return self.out(gathered.transpose(1, 2).flatten(2))
