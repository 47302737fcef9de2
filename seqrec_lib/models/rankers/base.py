"""CandidateRanker: a history is read once and matched with many candidates.

What a network takes from a history may depend on the item in question (target attention). ``read``
does all that no candidate changes, ``match`` the rest: where the two part is where cost is
measured, and what can be cached (TWIN; Chang et al., 2023, arXiv:2302.02352).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models import losses
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.losses import BCE, Objective, SampledSoftmax

SHORTEST, LONGEST = 8, 32  # steps of a block: short where histories end that are short
NEVER = -1e9  # a logit without weight; a row of nothing but these has a softmax too


@runtime_checkable  # the shape checks of the tests ask for it
class Matcher(Protocol):
    """What gives scores of candidates: a ranker, or a part of one that learns by a loss beside."""

    def match(
        self, read: Any, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]: ...

    def match_each(
        self, read: Any, candidates: Int[Tensor, "K"], steps: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "M K"]: ...


def checked(share: float) -> float:
    """A share of the positions; raises ``ValueError`` if it is none."""
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; use a share of the positions above 0")
    return share


def in_blocks(
    steps: Bool[Tensor, "B T"],
    after: Callable[[Int[Tensor, "R"], int, int], Float[Tensor, "R S ..."]],
    then: Callable[[Tensor], Tensor] = lambda found: found,
) -> Float[Tensor, "M ..."]:
    """What is found after each of the M steps that are asked about, in their order.

    Steps are taken in blocks: ``after(rows, begin, end)`` finds it for steps ``begin`` to ``end``
    of the rows that have any there or later, and may leave out all events from ``end`` on. So the
    work is that of the pairs of event and later step, not that of a square with its padding.
    ``then`` makes something else of what was found, a row a step.
    """
    place = torch.arange(steps.shape[1], device=steps.device)
    last = torch.where(steps, place + 1, 0).amax(1)
    number = steps.flatten().cumsum(0).view_as(steps)
    found, order, begin, until = [], [], 0, int(last.max())
    while begin < until:
        end = min(begin + min(max(begin, SHORTEST), LONGEST), until)
        rows = (last > begin).nonzero()[:, 0]
        asked = steps[rows, begin:end]
        found.append(then(after(rows, begin, end)[asked]))
        order.append(number[rows, begin:end][asked])
        begin = end
    return torch.cat(found)[torch.cat(order).argsort()]


def seen_by(real: Bool[Tensor, "B T"], step: Int[Tensor, "B C"] | None) -> Bool[Tensor, "B #C T"]:
    """Which events each candidate's own step sees, those up to it; without steps all, C = 1."""
    if step is None:
        return real[:, None]
    return real[:, None] & (torch.arange(real.shape[1], device=step.device) <= step[..., None])


def seen_after(real: Bool[Tensor, "R T"], begin: int) -> Bool[Tensor, "R S T"]:
    """Which events are seen after each step from ``begin`` on: those up to it."""
    place = torch.arange(real.shape[1], device=real.device)
    return real[:, None] & (place <= place[begin:, None])


class CandidateRanker(Recommender):
    """Scores each candidate by a network of its own. A subclass writes ``read`` and ``match``.

    All steps of a window learn in one call: the candidates of step t see the events up to t. Where
    what is read of a prefix is no part of what is read of the whole, a subclass is not
    ``every_step``: each position is then a window of its own, and matched without ``step``. As that
    is dear, a pass may learn from a ``share`` of them, drawn anew for each.
    """

    chunk = 1024  # candidates at a time when many are scored
    # what pairs of them with a chunk hold stays in cache: up to ten times as fast (DIN, MovieLens)
    steps_at_once = 2400
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
        """All that no candidate changes: keys, states, codes, clusters.

        Of a model that learns after ``every_step`` it has ``upto(rows, end)``: the first ``end``
        events of some of the histories.
        """
        raise NotImplementedError

    def match(
        self, read: Any, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        """Scores of each history's candidates, each after the events up to its ``step``.

        Without ``step``, after the whole history.
        """
        raise NotImplementedError

    def match_each(
        self, read: Any, candidates: Int[Tensor, "K"], steps: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "M K"]:
        """Scores of the same candidates after each of ``steps``, in their order."""

        def scores(rows: Int[Tensor, "R"], begin: int, end: int) -> Float[Tensor, "R S K"]:
            every = candidates.expand(len(rows), end - begin, -1)
            return _after(self, read, every, rows, begin, end)

        return in_blocks(steps, scores)

    def score(self, batch: Batch, candidates: Int[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        read = self.read(batch)
        parts = [self.match(read, part) for part in candidates.split(self.chunk, 1)]
        return torch.cat(parts, 1)

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        every = torch.arange(1, self.num_items + 1, device=batch.item.device)
        found = self.score(batch, every.expand(len(batch.item), -1))
        return torch.cat([found.new_full((len(found), 1), -torch.inf), found], 1)

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
        if not (target > 0).any():
            raise ValueError("this batch has no item to learn: give it a target above 0")
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

        def matched(items: Int[Tensor, "B S C"]) -> Float[Tensor, "M C"]:
            if not self.every_step:
                return by.match(read, items[:, 0])[learn[:, 0]]
            return in_blocks(
                learn, lambda rows, *ends: _after(by, read, items[rows, slice(*ends)], rows, *ends)
            )

        own, count = matched(target[..., None])[:, 0], self.objective.num_negatives
        if isinstance(self.objective, SampledSoftmax):
            items, chance = losses.sampled_items(count, self.objective.alpha, self.frequency)
            if self.every_step:
                other = by.match_each(read, items, learn)
            else:
                other = matched(items.expand(len(target), 1, -1))
            return self.objective.lost(own, other, items, target[learn], chance)
        items = losses.other_items(target.flatten(), count, self.num_items + 1)
        other = matched(items.unflatten(0, target.shape))
        return ((F.softplus(-own) + F.softplus(other).sum(1)) / (1 + count)).mean()


def _after(
    by: Matcher,
    read: Any,
    items: Int[Tensor, "R S C"],
    rows: Int[Tensor, "R"],
    begin: int,
    end: int,
) -> Float[Tensor, "R S C"]:
    """Scores of each step's own candidates after it."""
    count = items.shape[2]
    step = torch.arange(begin, end, device=items.device).repeat_interleave(count)
    found = by.match(read.upto(rows, end), items.flatten(1), step.expand(len(rows), -1))
    return found.unflatten(1, (-1, count))
