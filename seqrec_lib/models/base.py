"""The one interface: how do these candidates score after this history?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog, bucketed
from seqrec_lib.models.losses import Objective

_MODEL_OF: dict[type, type[Recommender]] = {}  # by the class of its settings


class Recommender(nn.Module):
    """Scores candidates after a history. A model overrides as little as its paper asks for.

    ``N`` counts the items and padding (row 0); padding scores -inf in ``score_all``.
    """

    every_step = True  # learn from every step of a window, or from its last one
    causal = True  # the state after step t ignores everything later
    reads: tuple[str, ...] = ()  # of a history beside its items: fields of Batch by name
    reads_attributes = False  # of the items
    mid_pass = True  # can be taken up in the middle of a pass; else only between two
    averages = True  # a running mean of its weights is a model that can score
    max_len: int | None = None  # longest history whose places it tells apart; None: any
    steps_at_once: int | None = None  # of histories scored together on a processor; None: any

    def __init_subclass__(cls, **rest: Any):
        super().__init_subclass__(**rest)
        if "Config" in vars(cls):
            _MODEL_OF[cls.Config] = cls  # type: ignore[attr-defined]

    def __init__(self, catalogue: Catalogue):
        super().__init__()
        self.num_items = catalogue.num_items
        self.num_users = catalogue.num_users
        self.names = catalogue.names

    @property
    def reads_times(self) -> bool:
        """Does it learn from when events were, and not from their order alone?"""
        return "time" in self.reads

    @property
    def needs_one_process(self) -> str:
        """Why its batches cannot be spread over processes; empty if they can.

        They can where the loss of a row is the same whatever other rows the batch has.
        """
        return ""

    def learn_sparsely(self) -> list[nn.Parameter]:
        """Give item tables gradients of the rows touched alone, and return these tables.

        Raises ``ValueError`` if it cannot.
        """
        raise ValueError(
            f"the item tables of {type(self).__name__} have dense gradients; use adamw"
        )

    def batch(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int | Int[np.ndarray, "P"]
    ) -> Batch:
        """What the model reads of the ``length`` events before each position, and nothing later.

        Training and scoring alike cut their batches here.
        """
        return log.histories(positions, length, self.reads)

    def training_batch(self, log: EventLog, windows: Int[np.ndarray, "W 2"]) -> Batch:
        """The inputs of windows ``[first, last]`` of targets, each one step before its target."""
        batch = self.batch(log, windows[:, 1], windows[:, 1] - windows[:, 0] + 1)
        batch.target = log.targets(windows)
        return batch

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Mean loss over the batch's targets."""
        raise NotImplementedError

    def score(self, batch: Batch, candidates: Int[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        """Scores of each history's own candidates; higher is better."""
        return self.score_all(batch).gather(1, candidates)

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        """Scores of the whole catalogue."""
        raise NotImplementedError

    def log_chances(self, batch: Batch) -> Float[Tensor, "B N"]:
        """Log-probability of every item, the scores being logits unless a model says otherwise."""
        return self.score_all(batch).float().log_softmax(1)

    def forward(self, batch: Batch) -> Float[Tensor, ""]:
        """The loss, so that wrappers such as DistributedDataParallel work."""
        return self.loss(batch)

    def training_batches(
        self,
        log: EventLog,
        positions: Int[np.ndarray, "P"],
        batch_size: int,
        length: int,
        rng: np.random.Generator,
    ) -> Iterator[Batch]:
        """One pass over the training positions: the next item at each step of a window.

        Every position with a history is a target exactly once, unless ``drawn`` leaves some out.
        """
        self.begin_pass(log, positions, length)
        windows = self.drawn(self.windows(log, positions, length), rng)
        for rows in bucketed(windows[:, 1] - windows[:, 0] + 1, batch_size, rng):
            batch = self.training_batch(log, windows[rows])
            if not self.every_step:
                last = torch.arange(batch.item.shape[1]) == batch.length[:, None] - 1
                batch.target = torch.where(last, batch.target, 0)  # type: ignore[arg-type]
            yield self.prepared(batch, log, windows[rows], rng)

    def windows(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int
    ) -> Int[np.ndarray, "W 2"]:
        """The windows ``[first, last]`` of targets that a pass learns from."""
        return log.windows(positions, length)

    def drawn(
        self, windows: Int[np.ndarray, "W 2"], rng: np.random.Generator
    ) -> Int[np.ndarray, "V 2"]:
        """Those of the windows that this pass learns from: all."""
        return windows

    def num_targets(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> int:
        """How many targets a pass has. Overridden with ``training_batches`` if they are others."""
        if self.every_step:
            return int((log.history_length(positions) > 0).sum())
        return len(self.windows(log, positions, length))

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        """Get ready for a pass over the training positions, with histories of ``length`` at most.

        Called before each pass; of a run without epochs once, so that a model may look at the data
        without learning from them by gradients.
        """

    def begin_scoring(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        """Get ready to score with the weights as they are now, having learned from ``positions``.

        Called before each validation and when training has ended.
        """

    def prepared(
        self, batch: Batch, log: EventLog, windows: Int[np.ndarray, "B 2"], rng: np.random.Generator
    ) -> Batch:
        """A training batch with what else the model learns from; ``windows`` are its targets."""
        return batch


def from_config(catalogue: Catalogue, config: Any) -> Recommender:
    """The model that ``config`` is the settings of; raises ``ValueError`` if it is of none."""
    kind = _MODEL_OF.get(type(config))
    if kind is None:
        raise ValueError(f"{config!r} is the settings of no model")
    return kind(catalogue, config)  # type: ignore[call-arg]


class CountModel(Recommender):
    """A model that learns by counting, without gradients. Its counts are buffers."""

    def count(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> None:
        """Learn from these positions and nothing else."""
        raise NotImplementedError

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """Counts have the size that the data gave them: take the stored size before loading."""
        for name, value in self.named_buffers(recurse=False):
            stored = state_dict.get(prefix + name, value)
            setattr(self, name, torch.empty_like(stored, device=value.device))
        super()._load_from_state_dict(state_dict, prefix, *args)


class SequenceEncoder(Recommender):
    """Turns a history into a state a step; items score by inner product with the state.

    A subclass writes ``run``, or ``encode`` if it reads more than vectors. The output table is the
    input table (tied) unless the subclass sets ``output`` or overrides ``item_vectors``. With a
    ``temperature``, scores are cosines divided by it, so that no item scores high by the length of
    its vector alone.
    """

    _frozen: Tensor | None = None  # item vectors of length one

    def __init__(
        self,
        catalogue: Catalogue,
        embed_dim: int,
        objective: Objective,
        temperature: float | None = None,
    ):
        super().__init__(catalogue)
        if embed_dim < 1:
            raise ValueError(f"the width of item vectors is {embed_dim}; use 1 or more")
        if temperature is not None and not temperature > 0:
            raise ValueError(f"temperature is {temperature}; use more than 0, or None for products")
        self.items = nn.Embedding(catalogue.num_items + 1, embed_dim, padding_idx=0)
        self.output: nn.Linear | None = None  # an output table of its own, with a bias
        self.objective = objective
        self.temperature = temperature
        frequency = torch.from_numpy(np.asarray(catalogue.frequency, dtype=np.float32))
        self.register_buffer("frequency", frequency, persistent=False)

    @property
    def needs_one_process(self) -> str:
        if self.objective.contrasts_batch:
            return "the targets of a batch are each other's negatives"
        if self.items.sparse and self.item_vectors()[0] is not self.items.weight:
            # DistributedDataParallel expects sparse gradients of embeddings that say so, alone
            return "an output table of its own has a sparse gradient"
        return ""

    def learn_sparsely(self) -> list[nn.Parameter]:
        self.items.sparse = True
        # input and output table: the same one, unless there is one of its own to compare with
        found = (self.items.weight, self.item_vectors()[0])
        return list({id(t): t for t in found if isinstance(t, nn.Parameter)}.values())

    def encode(self, batch: Batch) -> Float[Tensor, "B T D"]:
        """The state after each step."""
        return self.run(self.embedded(batch.item), batch.real)

    def embedded(self, item: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """What the network reads of each item."""
        return self.items(item)

    def run(
        self, vectors: Float[Tensor, "B T E"], real: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        """The state after each step, given what is read there; what is not ``real`` is padding."""
        raise NotImplementedError

    def item_vectors(self) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N"] | None]:
        """The output table and its bias."""
        if self.output is None:
            return self.items.weight, None
        return self.output.weight, self.output.bias

    def compared(
        self, states: Float[Tensor, "... D"]
    ) -> tuple[Float[Tensor, "... D"], Float[Tensor, "N D"], Float[Tensor, "N"] | None]:
        """States, output table and bias, ready for inner products."""
        vectors, bias = self.item_vectors()
        if self.temperature is not None:
            vectors = F.normalize(vectors, dim=-1) if self._frozen is None else self._frozen
        return self._scaled(states), vectors, bias

    def freeze(self) -> None:
        """Make unit vectors once, not for each question: of a large catalogue they take longer than
        the scores. For weights that change no more; training, or other weights, end it."""
        if self.temperature is not None:
            with torch.no_grad():
                self._frozen = F.normalize(self.item_vectors()[0], dim=-1)

    def train(self, mode: bool = True) -> SequenceEncoder:
        self._frozen = None if mode else self._frozen
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any) -> None:
        self._frozen = None
        super()._load_from_state_dict(*args)

    def _scaled(self, states: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        return (
            states if self.temperature is None else F.normalize(states, dim=-1) / self.temperature
        )

    def start_from(self, source: Recommender) -> None:
        """Begin with another model's item vectors, scaled to the mean length of the table now.

        Raises ``ValueError`` if they are not as many and as wide as the table.
        """
        vectors, table = torch.from_numpy(source.vectors()), self.items.weight.data  # type: ignore[operator]
        if vectors.shape != table.shape:
            raise ValueError(
                f"item vectors are {tuple(vectors.shape)}, the table is {tuple(table.shape)}: "
                "both need the same items and the same embed_dim"
            )
        length = table[1:].norm(dim=1).mean() / vectors[1:].norm(dim=1).mean()
        table.copy_(vectors * length)
        table[0] = 0

    def state(self, batch: Batch) -> Float[Tensor, "B D"]:
        """The state after each user's last event."""
        states = self.encode(batch)
        last = (batch.length - 1).clamp(min=0)
        return states[torch.arange(len(last), device=last.device), last]

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        # in single precision on a CPU: shapes vary, and oneDNN builds a bfloat16 kernel for each
        with torch.autocast("cpu", enabled=False):
            states = self.encode(batch)
        return self.next_item_loss(states, batch)

    def next_item_loss(self, states: Float[Tensor, "B T D"], batch: Batch) -> Float[Tensor, ""]:
        """The objective, given the state after each step."""
        learn = batch.target > 0  # type: ignore[operator]
        states = self._scaled(states[learn])  # only real positions reach the objective
        vectors, bias = self.item_vectors()
        cosine, sparse = self.temperature is not None, self.items.sparse
        target = batch.target[learn]  # type: ignore[index]
        return self.objective(states, target, vectors, bias, self.frequency, cosine, sparse)  # type: ignore[arg-type]

    def score(self, batch: Batch, candidates: Int[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        states, vectors, bias = self.compared(self.state(batch))
        scores = torch.einsum("bd,bcd->bc", states, vectors[candidates])
        return scores if bias is None else scores + bias[candidates]

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        return self.scores(self.state(batch))

    def scores(self, states: Float[Tensor, "B D"]) -> Float[Tensor, "B N"]:
        """Every item's score after these states."""
        states, vectors, bias = self.compared(states)
        scores = states @ vectors.T
        if bias is not None:
            scores += bias
        scores[:, 0] = -torch.inf
        return scores
