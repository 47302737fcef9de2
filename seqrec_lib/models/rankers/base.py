"""CandidateRanker: a history is read once and matched with many candidates.

What a network takes from a history may depend on the item in question (target attention). ``read``
does all that no candidate changes, ``match`` the rest: where the two part is where cost is
measured, and what can be cached (TWIN; Chang et al., 2023, arXiv:2302.02352).
"""

from __future__ import annotations

import math
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models import losses
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.losses import BCE, Objective, SampledSoftmax


@runtime_checkable  # the shape checks of the tests ask for it
class Matcher(Protocol):
    """What gives scores of candidates: a ranker, or a part of one that learns by a loss beside."""

    def match(
        self, read: Any, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]: ...

    def match_each(
        self, read: Any, candidates: Int[Tensor, "K"], shape: tuple[int, int]
    ) -> Float[Tensor, "B T K"]: ...


class CandidateRanker(Recommender):
    """Scores each candidate by a network of its own. A subclass writes ``read`` and ``match``.

    All steps of a window learn in one call: the candidates of step t see the events up to t. Where
    what is read of a prefix is no part of what is read of the whole, a subclass is not
    ``every_step``: each position is then a window of its own, and matched without ``step``. As that
    is dear, a pass may learn from a ``share`` of them, drawn anew for each.
    """

    chunk = 1024  # candidates at a time when the whole catalogue is scored
    share = 1.0

    def __init__(self, catalogue: Catalogue, objective: Objective):
        if not isinstance(objective, BCE | SampledSoftmax) or objective.contrasts_batch:
            raise ValueError(
                f"a ranker cannot learn by {objective}; use SampledSoftmax without in_batch, or BCE"
            )
        super().__init__(catalogue)
        self.objective = objective
        self.register_buffer("frequency", torch.from_numpy(catalogue.frequency).float(), False)
        self.frequency: Tensor

    def read(self, batch: Batch) -> Any:
        """All that no candidate changes: keys, states, codes, clusters."""
        raise NotImplementedError

    def match(
        self, read: Any, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        """Scores of each history's candidates, each after the events up to its ``step``.

        Without ``step``, after the whole history.
        """
        raise NotImplementedError

    def match_each(
        self, read: Any, candidates: Int[Tensor, "K"], shape: tuple[int, int]
    ) -> Float[Tensor, "B T K"]:
        """Scores of the same candidates after every step of histories of ``shape`` (B, T)."""
        rows, steps = shape
        step = torch.arange(steps, device=candidates.device).repeat_interleave(len(candidates))
        every = candidates.repeat(steps)
        found = self.match(read, every.expand(rows, -1), step.expand(rows, -1))
        return found.unflatten(1, (steps, -1))

    def score(self, batch: Batch, candidates: Int[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        return self.match(self.read(batch), candidates)

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        read, size = self.read(batch), len(batch.item)
        every = torch.arange(1, self.num_items + 1, device=batch.item.device)
        parts = [self.match(read, part.expand(size, -1)) for part in every.split(self.chunk)]
        padding = parts[0].new_full((size, 1), -torch.inf)
        return torch.cat([padding, *parts], 1)

    def windows(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int
    ) -> Int[np.ndarray, "W 2"]:
        """Of a ranker that learns from the last step of a window alone, a window a position."""
        if self.every_step:
            return super().windows(log, positions, length)
        last = log.windows(positions, 1)[:, 1]
        first = np.maximum(log.offsets[log.user_of(last)] + 1, last - length + 1)
        return np.stack([first, last], 1)

    def drawn(
        self, windows: Int[np.ndarray, "W 2"], rng: np.random.Generator
    ) -> Int[np.ndarray, "V 2"]:
        if self.every_step or self.share == 1:
            return windows
        count = self._count(len(windows))
        return windows[np.sort(rng.choice(len(windows), count, replace=False))]

    def num_targets(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> int:
        every = super().num_targets(log, positions, length)
        return every if self.every_step else self._count(every)

    def _count(self, windows: int) -> int:
        """How many of the windows a pass learns from."""
        return math.ceil(self.share * windows)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        target: Tensor = batch.target  # type: ignore[assignment]
        if not self.every_step:  # then only the last step has one
            target = target.amax(1, keepdim=True)
        with torch.autocast("cpu", enabled=False):  # as in SequenceEncoder.loss
            return self._loss(batch, target)

    def _loss(self, batch: Batch, target: Int[Tensor, "B S"]) -> Float[Tensor, ""]:
        return self._lost(self.read(batch), target)

    def _lost(
        self, read: Any, target: Int[Tensor, "B S"], by: Matcher | None = None
    ) -> Float[Tensor, ""]:
        """The objective, given what was read and the items to find after each step, or at the end.

        Without ``every_step`` there is one item a history. Scores are the model's own unless there
        is something else to match ``by``.
        """
        by, learn = by or self, target > 0
        step = torch.arange(target.shape[1], device=target.device).expand_as(target)
        asked = step if self.every_step else None
        own = by.match(read, target, asked)[learn]
        if isinstance(self.objective, SampledSoftmax):
            items, chance = losses.sampled_items(
                self.objective.num_negatives, self.objective.alpha, self.frequency
            )
            if self.every_step:
                other = by.match_each(read, items, tuple(target.shape))  # type: ignore[arg-type]
            else:
                other = by.match(read, items.expand(len(target), -1))[:, None]
            return self.objective.lost(own, other[learn], items, target[learn], chance)
        count = self.objective.num_negatives
        items = losses.other_items(target.flatten(), count, self.num_items + 1)
        items = items.unflatten(0, target.shape).flatten(1)
        asked = step.repeat_interleave(count, 1) if self.every_step else None
        other = by.match(read, items, asked)
        other = other.unflatten(1, (-1, count))[learn]
        return ((F.softplus(-own) + F.softplus(other).sum(1)) / (1 + count)).mean()
