"""Steps that are sets: a sequence encoder over receipts, each pooled into one vector (the in-store
paper).

The log stays flat, and targets stay single events. Events of one ``basket`` that stand together are
a step; an event alone is read as the item that it is, whatever the pool, so that where every
basket has one event, unmarked, this is the encoder inside. The question after an event is answered
by the state after its step.

What stands in the target's own basket is no history unless ``own`` is set: lines of a receipt have
no order, and which of them stand before the target is a matter of the file. The state is then that
of the step before, and a target without one is not learned. With ``own`` the lines before the
target are the last step of its history, unfinished. Every such target needs a run of the encoder
of its own in training, since what it reads last is no part of what later targets read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import Recommender, SequenceEncoder, from_config
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.stores.pools import Attention, DeepSets, Mean, SetTransformer, pool_of


class StoreEncoder(SequenceEncoder):
    @dataclass(frozen=True)
    class Config:
        encoder: Any = SASRec.Config()  # of any causal encoder that is run on vectors
        pool: Mean.Config | Attention.Config | DeepSets.Config | SetTransformer.Config | None = (
            Attention.Config()  # None: each event is a step of its own
        )
        marked: bool = False  # are events marked by their channel? paper: left open
        own: bool = False  # are other events of the target's basket that precede it history?

    def __init__(self, catalogue: Catalogue, config: Config):
        # the table, the objective and the scale are the encoder's
        Recommender.__init__(self, catalogue)
        inner: Any = from_config(catalogue, config.encoder)
        if not (isinstance(inner, SequenceEncoder) and inner.causal and _runs(inner)):
            raise ValueError(
                f"{type(inner).__name__} cannot be run over steps that are vectors; "
                "use SASRec.Config() or GRU.Config()"
            )
        self.config = config
        self.encoder = inner
        width = inner.items.embedding_dim
        self.pool = pool_of(width, config.pool or Mean.Config())
        self.mark = None
        if config.marked:
            self.mark = torch.nn.Embedding(len(catalogue.names.get("channel", ())) + 1, width)
            torch.nn.init.normal_(self.mark.weight, std=0.02)  # as items begin
        self.objective, self.temperature = inner.objective, inner.temperature
        self.max_len = inner.max_len
        self.reads = ("basket",) if config.own else ("basket", "asked_basket")
        self.reads += ("channel",) * config.marked
        self.register_buffer("frequency", inner.frequency, persistent=False)  # type: ignore[arg-type]

    @property
    def items(self) -> torch.nn.Embedding:  # type: ignore[override]
        return self.encoder.items

    def item_vectors(self) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N"] | None]:
        return self.encoder.item_vectors()

    def encode(self, batch: Batch) -> Float[Tensor, "B T D"]:
        """The state that answers the question after each event; zero where there is none."""
        events, vectors = self._events(batch), self._read(batch)
        steps = self.pooled(vectors, events.member)
        states = self._run(steps, events.member)
        at = events.answered[..., None].clamp(min=0).expand(-1, -1, states.shape[-1])
        states = states.gather(1, at).masked_fill((events.answered < 0)[..., None], 0)
        if self.config.own:
            row, place = events.within.nonzero(as_tuple=True)
            if len(row):
                found = self._unfinished(vectors, steps, events, row, place)
                states = states.index_put((row, place), found.to(states.dtype))
        return states

    def state(self, batch: Batch) -> Float[Tensor, "B D"]:
        member = self._events(batch).member
        states = self._run(self.pooled(self._read(batch), member), member)
        last = (member.any(-1).sum(1) - 1).clamp(min=0)
        return states[torch.arange(len(last), device=last.device), last]

    def pooled(
        self, vectors: Float[Tensor, "B T E"], member: Bool[Tensor, "B S T"]
    ) -> Float[Tensor, "B S E"]:
        """What the encoder reads of each step."""
        # sums of single precision: an event alone stays exactly what it is
        with torch.autocast(vectors.device.type, enabled=False):
            vectors = vectors.float()
            pooled = self.pool(vectors, member)
            alone = member.sum(-1, keepdim=True) < 2  # or nothing: zero, as padding is
            return torch.where(alone, member.to(vectors) @ vectors, pooled)

    def weights(self, batch: Batch) -> Float[Tensor, "B S T"]:
        """How much each step of a history takes of each event.

        Raises ``ValueError`` if the pool is no weighted sum of the events.
        """
        if not isinstance(self.pool, Mean):
            raise ValueError(
                f"{type(self.pool).__name__} is no weighted sum; use Attention or Mean"
            )
        member = self._events(batch).member
        return self.pool.weights(self._read(batch), member) * member

    def training_batch(self, log: EventLog, windows: Int[np.ndarray, "W 2"]) -> Batch:
        batch = super().training_batch(log, windows)
        answered = self._events(batch).answered >= 0
        batch.target = batch.target * answered  # type: ignore[operator]
        return batch

    def windows(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int
    ) -> Int[np.ndarray, "W 2"]:
        """Those with a target to learn: one that has a step before its own.

        Raises ``ValueError`` if there are none.
        """
        windows = super().windows(log, positions, length)
        windows = windows[self._first_learned(log, windows) <= windows[:, 1]]
        if not len(windows):
            raise ValueError(
                "no target has an event of another basket before it; use own=True to learn from "
                "the events of its own"
            )
        return windows

    def num_targets(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> int:
        windows = self.windows(log, positions, length)
        if not self.every_step:
            return len(windows)
        asked, first = log.questions, self._first_learned(log, windows)
        until = np.searchsorted(asked, windows[:, 1], side="right")
        return int((until - np.searchsorted(asked, first)).sum())

    def _first_learned(
        self, log: EventLog, windows: Int[np.ndarray, "W 2"]
    ) -> Int[np.ndarray, "W"]:
        """The first target of each window that can be learned; behind it if there is none."""
        if self.config.own or log.basket is None:  # without one, cutting the batch says so
            return windows[:, 0]
        step = np.r_[0, (log.basket[1:] != log.basket[:-1]).cumsum()]
        return np.searchsorted(step, step[windows[:, 0] - 1], side="right")

    def _read(self, batch: Batch) -> Float[Tensor, "B T D"]:
        """What is pooled: the vectors of items, and marks of their channels."""
        vectors = self.encoder.embedded(batch.item)
        return vectors if self.mark is None else vectors + self.mark(batch.channel)

    def _events(self, batch: Batch) -> _Events:
        return _Events.of(batch, self.config.own, apart=self.config.pool is None)

    def _run(
        self, steps: Float[Tensor, "B S E"], member: Bool[Tensor, "B S T"]
    ) -> Float[Tensor, "B S D"]:
        return self.encoder.run(steps, member.any(-1))

    def _unfinished(
        self,
        vectors: Float[Tensor, "B T E"],
        steps: Float[Tensor, "B S E"],
        events: _Events,
        row: Int[Tensor, "R"],
        place: Int[Tensor, "R"],
    ) -> Float[Tensor, "R D"]:
        """The states after the steps that were closed and an open one that ends with an event."""
        member, step = events.member[row], events.step[row, place]
        own = member[torch.arange(len(row), device=row.device), step]
        begin = own.int().argmax(1)
        until = torch.arange(int((place - begin).max()) + 1, device=row.device)
        there = until <= (place - begin)[:, None]
        of = (begin[:, None] + until).clamp(max=vectors.shape[1] - 1)
        open_one = self.pooled(vectors[row[:, None], of], there[:, None])
        order = torch.arange(steps.shape[1], device=row.device)
        newest = (order == step[:, None])[..., None]
        states = self.encoder.run(torch.where(newest, open_one, steps[row]), order <= step[:, None])
        return states[torch.arange(len(row), device=row.device), step]


@dataclass(frozen=True)
class _Events:
    """Which step each event is of, and which step's state answers the question after it."""

    step: Int[Tensor, "B T"]
    member: Bool[Tensor, "B S T"]  # of the steps that are history of some question
    answered: Int[Tensor, "B T"]  # -1: no step comes before the question's own
    within: Bool[Tensor, "B T"]  # the event after it, in the batch, is of its step

    @classmethod
    def of(cls, batch: Batch, own: bool, apart: bool) -> _Events:
        """``apart``: each event is a step of its own, and baskets say what is history alone."""
        real = batch.real
        basket: Tensor = batch.basket  # type: ignore[assignment]
        goes_on = (basket[:, 1:] == basket[:, :-1]) & real[:, 1:]
        within = torch.nn.functional.pad(goes_on & (not apart), (0, 1))
        first = real & ~torch.nn.functional.pad(goes_on, (1, 0))
        step = (real if apart else first).cumsum(1) - 1
        answered, read = step, real
        if not own:
            inside = real & (basket == batch.asked_basket)
            begin = step.masked_fill(~first, -1).cummax(1).values  # the first step of its basket
            answered = torch.where(inside, begin - 1, step)
            # of a step in which the last question is asked nobody reads
            read = real & (step <= answered.gather(1, (batch.length[:, None] - 1).clamp(min=0)))
        count = max(1, int(step.masked_fill(~read, -1).max()) + 1)
        order = torch.arange(count, device=step.device)
        member = (step[:, None] == order[:, None]) & read[:, None]
        return cls(step, member, answered.clamp(max=count - 1), within)


def _runs(encoder: SequenceEncoder) -> bool:
    return type(encoder).run is not SequenceEncoder.run
