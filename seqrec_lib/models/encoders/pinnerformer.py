"""PinnerFormer: what a user will do in the next weeks, rather than next (Pancha et al., 2022,
arXiv:2205.04507).

Random steps of a history each predict one random event of the ``window_s`` seconds that follow
them: the dense all-action loss. What is learned is where a user is heading, which is still true
some days later, when a state that was made to name the next event is stale. The network is SASRec.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import Objective, SampledSoftmax

DAY = 86_400
LOWEST = 0.01  # of a learned temperature


class Ahead:
    """Of each training position those of its user that lie ahead, itself the first: all that happen
    in the ``window_s`` seconds after the last event before it.

    ``asked`` are the training positions with a history, sorted; those ahead of the k-th are
    numbers k to ``end[k] - 1`` of them, and none if ``end[k]`` is k.
    """

    def __init__(self, log: EventLog, positions: Int[np.ndarray, "P"], window_s: int):
        self.asked = np.sort(positions[log.history_length(positions) > 0])
        self.number = np.arange(len(self.asked))
        time, user = np.asarray(log.time), log.user_of(self.asked)
        begin, span = time.min(), int(np.ptp(time)) + 1
        # user after user on one axis; by time of becoming known, times may step back
        happened = np.maximum.accumulate(user * span + time[self.asked] - begin)
        until = np.minimum(time[self.asked - 1] - begin + window_s, span - 1)
        end = np.searchsorted(happened, user * span + until, side="right")
        self.end = np.maximum(end, self.number)

    @property
    def any(self) -> Bool[np.ndarray, "P"]:
        """Does anything lie ahead?"""
        return self.end > self.number

    def drawn(self, chance: Float[np.ndarray, "P"]) -> Float[np.ndarray, "P"]:
        """How often each position is expected as a target, if each predicts with this chance."""
        return self.spread(self.number, self.end, chance / np.maximum(self.end - self.number, 1))

    def spread(
        self,
        begin: Int[np.ndarray, "R"],
        end: Int[np.ndarray, "R"],
        value: Float[np.ndarray, "R"],
    ) -> Float[np.ndarray, "P"]:
        """The sum at each position of the values that go to numbers ``begin`` to ``end - 1``."""
        size = len(self.asked) + 1
        change = np.bincount(begin, value, size) - np.bincount(end, value, size)
        return change.cumsum()[:-1].clip(min=0)

    def within(
        self, windows: Int[np.ndarray, "W 2"]
    ) -> tuple[Int[np.ndarray, "W"], Int[np.ndarray, "W"]]:
        """The number of the first position of each window, and of the first one behind it."""
        first = np.searchsorted(self.asked, windows[:, 0])
        return first, np.searchsorted(self.asked, windows[:, 1], side="right")


# paper: items are vectors of another model, with action, surface and time beside them; a layer more
# on both sides; users of a batch weigh the same, as they nearly do here, where windows of a batch
# are of similar length
class PinnerFormer(SASRec):
    @dataclass(frozen=True)
    class Config(SASRec.Config):
        window_s: int = 28 * DAY
        num_positions: int = 32  # of a window that predict in a pass, at most
        temperature: float | None = 0.07  # of cosines; learned from there on
        learned: bool = True  # is the temperature
        # paper: 8192, and the positive's own score is lowered by its logQ too
        objective: Objective = SampledSoftmax(1024, in_batch=True)

    config: Config

    def __init__(self, catalogue: Catalogue, config: Config):
        for name in ("window_s", "num_positions"):
            if getattr(config, name) < 1:
                raise ValueError(f"{name} is {getattr(config, name)}; use 1 or more")
        if config.learned and config.temperature is None:
            raise ValueError("inner products have no temperature to learn: use learned=False")
        super().__init__(catalogue, config)
        self.log_temperature = None
        if config.learned:
            self.log_temperature = nn.Parameter(torch.tensor(math.log(config.temperature)))  # type: ignore[arg-type]
        self._ahead: Ahead | None = None

    @property
    def reads_times(self) -> bool:
        return True  # to know what lies ahead

    def windows(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int
    ) -> Int[np.ndarray, "W 2"]:
        """Those in which something lies ahead; raises ``ValueError`` if there are none."""
        ahead = Ahead(log, positions, self.config.window_s)
        return self._windows(ahead, log, positions, length)

    def _windows(
        self, ahead: Ahead, log: EventLog, positions: Int[np.ndarray, "P"], length: int
    ) -> Int[np.ndarray, "W 2"]:
        windows = super().windows(log, positions, length)
        windows = windows[self._count(ahead, windows) > 0]
        if not len(windows):
            raise ValueError(
                f"nothing happens within {self.config.window_s} s of the event before it; "
                "use a larger window_s"
            )
        return windows

    def num_targets(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> int:
        ahead = Ahead(log, positions, self.config.window_s)
        count = self._count(ahead, self._windows(ahead, log, positions, length))
        return int(np.minimum(count, self.config.num_positions).sum())

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        """Count how often each item is expected as a target, which its logQ is made of."""
        self._ahead = ahead = Ahead(log, positions, self.config.window_s)
        windows = self._windows(ahead, log, positions, length)
        share = np.minimum(1.0, self.config.num_positions / self._count(ahead, windows))
        first, until = ahead.within(windows)
        chance = ahead.spread(first if self.every_step else until - 1, until, share)
        expected = ahead.drawn(chance * ahead.any)
        found = np.bincount(log.item[ahead.asked], expected, minlength=log.num_items + 1)
        self.frequency.copy_(torch.from_numpy(found))  # type: ignore[operator]

    def prepared(
        self, batch: Batch, log: EventLog, windows: Int[np.ndarray, "B 2"], rng: np.random.Generator
    ) -> Batch:
        """The batch with targets from ahead, at random steps."""
        ahead: Ahead = self._ahead  # type: ignore[assignment]
        place = windows[:, :1] + np.arange(batch.item.shape[1])
        number = np.searchsorted(ahead.asked, place).clip(max=len(ahead.asked) - 1)
        count = ahead.end[number] - number
        may = (batch.target > 0).numpy() & (count > 0)  # type: ignore[operator, union-attr]
        lot = np.where(may, rng.random(place.shape), np.inf)
        learned = may & (lot.argsort(1).argsort(1) < self.config.num_positions)
        drawn = number + (rng.random(place.shape) * count).astype(np.int64)
        item = log.item[ahead.asked[drawn]].astype(np.int64)
        batch.target = torch.from_numpy(np.where(learned, item, 0))
        return batch

    def next_item_loss(self, states: Float[Tensor, "B T D"], batch: Batch) -> Float[Tensor, ""]:
        """The objective. What else a user does in the batch is no negative of theirs."""
        if not (isinstance(self.objective, SampledSoftmax) and self.objective.in_batch):
            return super().next_item_loss(states, batch)
        learn = batch.target > 0  # type: ignore[operator]
        vectors, bias = self.item_vectors()
        return self.objective(
            self._scaled(states[learn]),
            batch.target[learn],  # type: ignore[index]
            vectors,
            bias,
            self.frequency,
            cosine=self.temperature is not None,
            sparse=self.items.sparse,
            owner=learn.nonzero()[:, 0],  # type: ignore[union-attr]
        )

    def _scaled(self, states: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        if self.log_temperature is None:
            return super()._scaled(states)
        return F.normalize(states, dim=-1) / self.log_temperature.exp().clamp(min=LOWEST)

    def _count(self, ahead: Ahead, windows: Int[np.ndarray, "W 2"]) -> Int[np.ndarray, "W"]:
        """How many steps of each window may predict."""
        first, until = ahead.within(windows)
        total = np.r_[0, ahead.any.cumsum()]
        return total[until] - total[first if self.every_step else until - 1]
