"""TWIN-V2: target attention over clusters of a life's history (Si et al., 2024, arXiv:2407.16357).

Events with like items become one virtual item, their mean, made offline from vectors that have
stopped changing. A cluster of n events weighs n times as much as one event would: ln n is added to
its logit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.rankers.base import checked
from seqrec_lib.models.rankers.clusters import clusters
from seqrec_lib.models.rankers.search import Events
from seqrec_lib.models.rankers.twin import TWIN


# paper: events are first grouped by how much of a video was played
class TWINV2(TWIN):
    every_step = False  # the clusters of a shorter history are no part of those of a longer one
    mid_pass = False  # a pass asks for the vectors that it began with

    @dataclass(frozen=True)
    class Config(TWIN.Config):
        k: int | None = 100  # clusters
        largest: int = 20  # events of a cluster; paper
        counted: bool = True  # False: a cluster weighs as much as one event
        share: float = 0.2  # of the positions that a pass learns from

    config: Config
    frozen: Tensor

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.largest < 1:
            raise ValueError(f"largest is {config.largest}; use 1 or more events a cluster")
        super().__init__(catalogue, config)
        self.share = checked(config.share)
        self.register_buffer("frozen", self.items.weight.detach().clone())

    def freeze(self) -> None:
        """Cluster by the vectors as they are now, until the next time."""
        self.frozen.copy_(self.items.weight.detach())

    # paper: every two weeks
    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        self.freeze()

    def begin_scoring(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        self.freeze()

    def read(self, batch: Batch) -> Events:
        """The clusters of each history, as if each were an event."""
        row, step = batch.real.nonzero(as_tuple=True)
        item = batch.item[row, step]
        label = clusters(self.frozen[item], row, self.config.largest, item)
        size = label.bincount()
        of_row = size.new_zeros(len(size)).scatter_(0, label, row)
        many = of_row.bincount(minlength=len(batch.item))
        place = torch.arange(len(size), device=row.device) - (many.cumsum(0) - many)[of_row]
        shape = (len(batch.item), max(1, int(many.max())))

        def laid_out(x: Tensor) -> Tensor:
            """Of each cluster, a row a history."""
            return x.new_zeros(*shape, *x.shape[1:]).index_put((of_row, place), x)

        def mean(x: Tensor) -> Tensor:
            """The virtual item: the mean over each cluster's events."""
            total = x.new_zeros(len(size), x.shape[1]).index_add(0, label, x)
            return laid_out(total / size[:, None])

        # paper: what cannot be averaged is that of the event nearest to the mean; here no more than
        # the number of an item, which no part of this model reads
        latest = torch.zeros_like(size).scatter_reduce(
            0, label, torch.arange(len(item), device=row.device), "amax"
        )
        count = laid_out(size)
        cross = None if self.cross is None else mean(self.cross(batch)[row, step])
        vectors = mean(self.items(item))
        events = self._with(cross, laid_out(item[latest]), count > 0, vectors)
        if not self.config.counted:
            return events
        louder = count.clamp(min=1).log()[:, None].expand(-1, self.config.num_heads, -1)
        return events._replace(bias=louder if events.bias is None else events.bias + louder)

    def match(
        self, read: Events, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        """As of every ranker, but for ``step``: a shorter history has to be read by itself."""
        if step is not None:
            raise ValueError("a shorter history has other clusters: read it by itself")
        return super().match(read, candidates)
