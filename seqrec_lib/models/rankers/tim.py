"""TIM, the temporal interest module: target attention that knows when (Pan et al., 2024,
arXiv:2403.00793; as TIN: Zhou et al., 2024, arXiv:2308.08487).

Each event carries a code of how long before the question it was, in steps or in time; the question
has one too. The two of an event and a candidate decide how much the event weighs, and, multiplied
element by element, what it says. The candidate is the same for all events of a sum, so that the
products can wait: the sum of a (e * v) is v times the sum of a e. Networks behind a pooled history
that read [history, candidate, history * candidate] have the product anyway; the one here reads
[history, candidate].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.layers import Dropout, time_buckets
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, SampledSoftmax
from seqrec_lib.models.rankers.base import NEVER, CandidateRanker, in_blocks, seen_by
from seqrec_lib.models.rankers.pooling import Tower

BUCKETS = 70  # the last begins at 45 years
TIMES = ("positions", "intervals", "none")
COMBINE = ("sum", "concatenation")


class Read(NamedTuple):
    """The events of a history, and what tells how long before a question they were."""

    keys: Float[Tensor, "B T D"]
    real: Bool[Tensor, "B T"]
    time: Int[Tensor, "B T"] | None
    asked_at: Int[Tensor, "B T"] | None

    def upto(self, rows: Int[Tensor, "R"], end: int) -> Read:
        time, asked_at = (
            None if one is None else one[rows, :end] for one in (self.time, self.asked_at)
        )
        return Read(self.keys[rows, :end], self.real[rows, :end], time, asked_at)


# paper: one module among others that read fields of user, item and context
class TIM(CandidateRanker):
    chunk = 64

    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        # "positions": how many steps before the question; "intervals": how much time, which takes
        # the time of the question, that other models are not told; or "none"
        time: str = "positions"
        max_len: int = 50  # positions that are told apart
        combine: str = "sum"  # of a vector and its code; or "concatenation"
        product: bool = True  # an event says event * candidate; False: event
        hidden: tuple[int, ...] = (64, 32)
        dropout: float = 0.2  # of item vectors, and between the layers
        objective: Objective = SampledSoftmax(64)  # paper: cross-entropy of clicks

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.time not in TIMES:
            raise ValueError(f"time is {config.time!r}; use one of {', '.join(TIMES)}")
        if config.combine not in COMBINE:
            raise ValueError(f"combine is {config.combine!r}; use one of {', '.join(COMBINE)}")
        if config.time == "positions" and config.max_len < 1:
            raise ValueError(f"max_len is {config.max_len}; use 1 or more, or time='none'")
        at_least(1, config, "embed_dim")
        super().__init__(catalogue, config.objective)
        self.config = config
        self.reads = ("time", "asked_at") if config.time == "intervals" else ()
        self.max_len = config.max_len if config.time == "positions" else None
        self.items = nn.Embedding(catalogue.num_items + 1, config.embed_dim, padding_idx=0)
        count = {"positions": config.max_len, "intervals": BUCKETS + 1, "none": 0}[config.time]
        self.codes = nn.Embedding(count + 1, config.embed_dim) if count else None  # 0: the question
        for table in (self.items, self.codes):
            if table is not None:
                nn.init.normal_(table.weight, std=config.embed_dim**-0.5)
        nn.init.zeros_(self.items.weight[0])
        self.dropout = Dropout(config.dropout)
        width = config.embed_dim
        if self.codes is not None and config.combine == "concatenation":
            width *= 2
        # released code: batch norm and a layer before the product, sigmoids, a bias for each item
        self.tower = Tower(width, config.hidden, config.dropout, product=False)

    def read(self, batch: Batch) -> Read:
        vectors = self.dropout(self.items(batch.item))
        return Read(vectors, batch.real, batch.time, batch.asked_at)

    def match(
        self, read: Read, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        item = self.asked(candidates)
        if step is None:
            last = (read.real.sum(1, keepdim=True) - 1).clamp(min=0)
            interest = self._interest(read, last, item[:, None])[:, 0]
        else:
            interest = self._interest(read, step, item[:, :, None])[:, :, 0]
        return self.tower(interest, item)

    def match_each(
        self, read: Read, candidates: Int[Tensor, "K"], steps: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "M K"]:
        item = self.asked(candidates)

        def interest(rows: Int[Tensor, "R"], begin: int, end: int) -> Float[Tensor, "R S K E"]:
            step = torch.arange(begin, end, device=rows.device).expand(len(rows), -1)
            return self._interest(read.upto(rows, end), step, item)

        return in_blocks(steps, interest, lambda found: self.tower(found, item))

    def asked(self, candidates: Int[Tensor, "..."]) -> Float[Tensor, "... E"]:
        """Candidates with the code of the question."""
        item = self.items(candidates)
        return self._coded(item, torch.zeros_like(candidates))

    def events(self, read: Read, step: Int[Tensor, "B S"]) -> Float[Tensor, "B S T E"]:
        """Events with their codes, as a question after each ``step`` sees them."""
        keys = read.keys[:, None].expand(-1, step.shape[1], -1, -1)
        if self.config.time == "intervals":
            asked_at = read.asked_at.gather(1, step)  # type: ignore[union-attr]
            elapsed = asked_at[..., None] - read.time[:, None]  # type: ignore[index]
            return self._coded(keys, 1 + time_buckets(elapsed, BUCKETS))
        back = step[..., None] + 1 - torch.arange(keys.shape[2], device=step.device)
        return self._coded(keys, back.clamp(0, self.config.max_len))

    def _coded(
        self, vectors: Float[Tensor, "... D"], code: Int[Tensor, "..."]
    ) -> Float[Tensor, "... E"]:
        if self.codes is None:
            return vectors
        if self.config.combine == "sum":
            return vectors + self.codes(code)
        return torch.cat([vectors, self.codes(code)], -1)

    def _interest(
        self, read: Read, step: Int[Tensor, "B S"], item: Float[Tensor, "*#BSG E"]
    ) -> Float[Tensor, "B S G E"]:
        """What the events up to each step say of each of a group of candidates."""
        keys = self.events(read, step)
        seen = seen_by(read.real, step)[:, :, None]
        # paper: names no form; this is the released code's
        logits = item @ keys.mT * keys.shape[-1] ** -0.5
        # added, not masked: several times as fast on a processor
        weights = (logits + torch.where(seen, 0.0, NEVER)).softmax(-1)
        # an empty history has nothing to say
        taken = weights @ keys * seen.any(-1, keepdim=True)
        return taken * item if self.config.product else taken
