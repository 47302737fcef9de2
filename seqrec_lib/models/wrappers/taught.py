"""A taught encoder: it learns from the next item and from what trained models expected there
(knowledge distillation; Hinton et al., 2015, arXiv:1503.02531).

The teachers are asked once a run, after every training history. Of each answer the few hundred
likeliest items are kept, and all others as one mass. What is learned is the encoder alone: it
scores at its own cost, and its model file holds no teacher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import Recommender, SequenceEncoder, from_config
from seqrec_lib.models.chunked_cells import ChunkedCells
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import Objective, Softmax
from seqrec_lib.models.wrappers.memory import Memory


@dataclass(frozen=True)
class Lesson:
    """The objective of one batch: (1 - share) x the encoder's own + share x KL(teachers || pupil).

    The divergence is over the cells of :class:`~seqrec_lib.models.chunked_cells.ChunkedCells`. It
    asks for the pupil's probability of every item, whatever the encoder's own objective samples.
    """

    objective: Objective
    items: Int[Tensor, "P K"]
    chances: Float[Tensor, "P K"]
    share: float

    @property
    def contrasts_batch(self) -> bool:
        return self.objective.contrasts_batch

    def __call__(self, states, targets, vectors, bias, frequency, cosine=False, sparse=False):
        if isinstance(self.objective, Softmax):  # the same probabilities: one sweep for both
            return self._swept(states, targets, vectors, bias, cosine, self.share)
        own = self.objective(states, targets, vectors, bias, frequency, cosine, sparse)
        taught = self._swept(states, targets, vectors, bias, cosine, 1.0)
        return (1 - self.share) * own + self.share * taught

    def _swept(self, states, targets, vectors, bias, cosine, share):
        if cosine:
            vectors = F.normalize(vectors, dim=-1)
        kind = states.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        cells = (self.items, self.chances, share, Softmax().chunk, dtype)
        with torch.autocast(kind, enabled=False):
            return ChunkedCells.apply(states.float(), targets, vectors.float(), bias, *cells)


class Taught(Recommender):
    @dataclass(frozen=True)
    class Config:
        encoder: Any = SASRec.Config()  # of a SequenceEncoder that learns the next item
        share: float = 0.5  # of the loss: what the teachers expected; the rest is the encoder's own
        kept: int = 256  # items of each answer that are kept by name

    def __init__(self, catalogue: Catalogue, config: Config):
        if not 0 <= config.share <= 1 or config.kept < 1:
            raise ValueError(f"share must be from 0 to 1 and kept 1 or more: {config}")
        super().__init__(catalogue)
        self.config = config
        self.encoder: SequenceEncoder = from_config(catalogue, config.encoder)  # type: ignore[assignment]
        kind = type(self.encoder)
        if (
            not self.encoder.causal
            or kind.training_batches is not Recommender.training_batches
            or kind.next_item_loss is not SequenceEncoder.next_item_loss
        ):
            raise ValueError(
                f"{kind.__name__} does not learn the next item of every step, which is what "
                "teachers are asked; teach another encoder, such as SASRec or GRU"
            )
        self.max_len, self.reads = self.encoder.max_len, self.encoder.reads
        self.mid_pass, self.averages = self.encoder.mid_pass, self.encoder.averages
        # not modules of this one: neither its weights nor its file are theirs
        self._teachers: tuple[Recommender, ...] = ()
        self._asked: Int[np.ndarray, "P"] = np.zeros(0, dtype=np.int64)
        self._asked_of: tuple[EventLog, int] | None = None  # the log, and how much of a history
        self._answers: tuple[Int[Tensor, "P K"], Float[Tensor, "P K"]] | None = None

    @property
    def needs_one_process(self) -> str:
        return self.encoder.needs_one_process

    def start_from(self, *teachers: Recommender) -> None:
        """Be taught by these: by the mean of their log-probabilities, as an ensemble's.

        They must have learned from the training positions and nothing else. Raises ``ValueError``
        for one of other items, or with a memory of the training histories.
        """
        for teacher in teachers:
            name = type(teacher).__name__
            if teacher.num_items != self.num_items:
                raise ValueError(
                    f"{name} knows {teacher.num_items} items, its pupil {self.num_items}: "
                    "train both on the same data"
                )
            if any(isinstance(part, Memory) for part in teacher.modules()):
                raise ValueError(
                    f"{name} looks up training histories, and asked about one it finds that one "
                    "and its answer; be taught by its encoder"
                )
        self._teachers, self._answers = teachers, None

    # --- the teachers' answers -------------------------------------------------------------

    @torch.no_grad()
    def answers(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int
    ) -> tuple[Int[Tensor, "P K"], Float[Tensor, "P K"]]:
        """The likeliest items before each position and their probabilities, in half precision.

        A pure function of the teachers: a run taken up again is taught the same.
        """
        device = self.encoder.items.weight.device
        kept = min(self.config.kept, self.num_items)
        items = torch.empty(len(positions), kept, dtype=torch.int32, device=device)
        chances = torch.empty(len(positions), kept, dtype=torch.float16, device=device)
        teachers = [teacher.to(device).eval() for teacher in self._teachers]
        # of similar length together, and as many as their scores stay in cache
        order = np.argsort(np.minimum(log.history_length(positions), length), kind="stable")
        size = int(np.clip(2**22 // self.num_items, 16, 256))
        for begin in range(0, len(order), size):
            rows = order[begin : begin + size]
            total = torch.zeros(len(rows), self.num_items + 1, device=device)
            for teacher in teachers:
                longest = min(length, teacher.max_len or length)
                total += teacher.log_chances(
                    teacher.batch(log, positions[rows], longest).to(device)
                )
            chance, item = (total[:, 1:] / len(teachers)).softmax(1).topk(kept, sorted=False)
            place = torch.from_numpy(rows).to(device)
            items[place], chances[place] = (item + 1).int(), chance.half()
        return items, chances

    # --- learning --------------------------------------------------------------------------

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        """Ask the teachers, once; raises ``ValueError`` if nobody teaches."""
        self.encoder.begin_pass(log, positions, length)
        asked = np.sort(positions[log.history_length(positions) > 0])
        if not self.config.share or (self._answers and self._same(log, asked, length)):
            return
        if not self._teachers:
            raise ValueError("nobody teaches: call start_from with trained models, or use share=0")
        self._asked, self._answers = asked, self.answers(log, asked, length)
        self._asked_of = log, length

    def _same(self, log: EventLog, asked: Int[np.ndarray, "P"], length: int) -> bool:
        """Are these the questions that the answers at hand were given to?"""
        of, read = self._asked_of or (None, 0)
        return of is log and read == length and np.array_equal(asked, self._asked)

    def begin_scoring(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        self.encoder.begin_scoring(log, positions, length)

    def batch(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int | Int[np.ndarray, "P"]
    ) -> Batch:
        return self.encoder.batch(log, positions, length)

    def training_batch(self, log: EventLog, windows: Int[np.ndarray, "W 2"]) -> Batch:
        return self.encoder.training_batch(log, windows)

    def windows(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int
    ) -> Int[np.ndarray, "W 2"]:
        return self.encoder.windows(log, positions, length)

    def num_targets(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> int:
        self.encoder.every_step = self.every_step
        return self.encoder.num_targets(log, positions, length)

    def prepared(
        self, batch: Batch, log: EventLog, windows: Int[np.ndarray, "B 2"], rng: np.random.Generator
    ) -> Batch:
        batch = self.encoder.prepared(batch, log, windows, rng)
        if self.config.share:
            step = np.arange(batch.item.shape[1])
            asked = np.minimum(windows[:, :1] + step, windows[:, 1:])
            batch.extra["answer"] = torch.from_numpy(np.searchsorted(self._asked, asked))
        return batch

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The encoder's loss, its objective that of the lesson; without a share its own."""
        if not self.config.share:
            return self.encoder.loss(batch)
        learned = batch.extra["answer"][batch.target > 0]  # type: ignore[operator]
        items, chances = (part[learned] for part in self._answers)  # type: ignore[union-attr]
        own = self.encoder.objective
        self.encoder.objective = Lesson(own, items, chances, self.config.share)
        try:
            return self.encoder.loss(batch)
        finally:
            self.encoder.objective = own

    # --- scoring: the encoder's own ---------------------------------------------------------

    def score(self, batch: Batch, candidates: Int[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        return self.encoder.score(batch, candidates)

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        return self.encoder.score_all(batch)
