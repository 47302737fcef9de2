"""Retrieval-augmented recommendation around a trained encoder (the poster; Zhao et al., 2024,
RaSeRec, arXiv:2412.18378).

A memory holds the state of every training history beside the item that came next. A new history
looks up the K most similar states, attends to their items, and mixes what it finds into its own
state: ``h~ = alpha h + (1 - alpha) h'``. Only the attention learns, or the encoder with it. A
share of the chance may go to the items found themselves (kNN-LM; Khandelwal et al., 2020,
arXiv:1911.00172).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.patterns import mined
from seqrec_lib.models.base import Recommender, SequenceEncoder, from_config
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.limits import at_least, shares
from seqrec_lib.models.losses import Objective, Softmax
from seqrec_lib.models.wrappers.batches import plain
from seqrec_lib.models.wrappers.memory import Memory


class CrossAttention(nn.Module):
    """What a state reads from its neighbours, in several heads (the poster, MHCA).

    It starts as a plain nearest-neighbour mean, every projection the identity, and learns from
    there what to look for and what to take.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float, sharpness: float):
        super().__init__()
        self.num_heads = num_heads
        self.query, self.value, self.out = (nn.Linear(embed_dim, embed_dim) for _ in range(3))
        self.key = nn.Linear(embed_dim, embed_dim, bias=False)  # would move all neighbours alike
        self.sharpness = nn.Parameter(torch.tensor(sharpness).log())
        self.dropout = Dropout(dropout)
        for part in (self.query, self.key, self.value, self.out):
            nn.init.eye_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)

    def weights(
        self, state: Float[Tensor, "P D"], keys: Float[Tensor, "P K D"]
    ) -> Float[Tensor, "P H K"]:
        """How much each head takes of each neighbour; they sum to one."""
        # the keys' projection is moved to the one query: K times less work, the same numbers
        key = self.key.weight.unflatten(0, (self.num_heads, -1))
        query = torch.einsum("phd,hde->phe", self._heads(self.query(state)), key)
        # paper: states as they are over the root of d, temperature 1 (released code)
        # heads share what a cosine of the whole would be: their logits sum to it
        logits = query @ keys.mT * self.num_heads * self.sharpness.exp()
        return logits.softmax(-1)

    def forward(
        self,
        state: Float[Tensor, "P D"],
        keys: Float[Tensor, "P K D"],
        values: Float[Tensor, "P K D"],
    ) -> Float[Tensor, "P D"]:
        weights = self.dropout(self.weights(state, keys))
        value = self.value.weight.unflatten(0, (self.num_heads, -1))
        read = torch.einsum("phe,hde->phd", weights @ values, value)
        read = read + self._heads(self.value.bias) * weights.sum(-1, keepdim=True)
        return self.out(read.flatten(-2))

    def _heads(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... H d"]:
        return x.unflatten(-1, (self.num_heads, -1))


class Retrieval(Recommender):
    averages = False  # a mean of weights has no memory of its own

    @dataclass(frozen=True)
    class Config:
        encoder: Any = SASRec.Config()  # of any SequenceEncoder
        memory: str = "histories"  # or "patterns": frequent patterns and what completes them
        neighbours: int = 20
        alpha: float = 0.5  # share of the history's own state
        beta: float = 1.0  # share of the channel that reads items; the other one reads states
        num_heads: int = 2
        dropout: float = 0.1
        sharpness: float = 20.0  # of the first attention: neighbours weigh exp(sharpness x cosine)
        copied: float = 0.0  # share of the chance that goes to the items found, by name
        frozen: bool = True  # the encoder and its items stay as they are
        objective: Objective = Softmax()

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.memory not in ("histories", "patterns"):
            raise ValueError(f"memory is {config.memory!r}; use 'histories' or 'patterns'")
        at_least(1, config, "neighbours", "num_heads")
        at_least(0, config, "sharpness")
        shares(config, "alpha", "beta", "copied")
        super().__init__(catalogue)
        self.config = config
        self.encoder: SequenceEncoder = from_config(catalogue, config.encoder)  # type: ignore[assignment]
        if not (config.frozen or self.encoder.causal):
            raise ValueError(
                f"{type(self.encoder).__name__} sees what it would learn from; use frozen=True"
            )
        if not config.frozen:
            plain(self.encoder)
        width = self.encoder.item_vectors()[0].shape[1]
        how = (width, config.num_heads, config.dropout, config.sharpness)
        self.items_read = CrossAttention(*how)
        self.states_read = CrossAttention(*how) if config.beta < 1 else None  # else never asked
        self.memory = Memory(width)
        self.max_len, self.reads = self.encoder.max_len, self.encoder.reads
        self.mid_pass = config.frozen  # else a pass asks the encoder that it began with
        self._asked: Int[np.ndarray, "P"] = np.zeros(0, dtype=np.int64)  # learned from
        self._mined: tuple[EventLog, Int[np.ndarray, "P"], Any] | None = None
        # of every position of the log, known where it is learned from
        self._neighbours: Int[np.ndarray, "L K"] | None = None
        self._states: Float[Tensor, "L D"] | None = None

    @property
    def needs_one_process(self) -> str:
        if self.config.objective.contrasts_batch:
            return "the targets of a batch are each other's negatives"
        return ""

    def start_from(self, source: Recommender) -> None:
        """Take a trained encoder, or all of another retrieval.

        Raises ``RuntimeError`` if it is not of the same settings.
        """
        mine = self if isinstance(source, Retrieval) else self.encoder
        mine.load_state_dict(source.state_dict())
        for weight in self.encoder.parameters():
            weight.requires_grad_(not self.config.frozen)

    def train(self, mode: bool = True) -> Retrieval:
        super().train(mode)
        self.encoder.train(mode and not self.config.frozen)
        return self

    # --- the memory ------------------------------------------------------------------------

    def fill(
        self,
        log: EventLog,
        positions: Int[np.ndarray, "P"],
        length: int,
        states: Float[Tensor, "S D"] | None = None,
    ) -> None:
        """Remember these positions: the state before each and its item, or their patterns.

        ``states`` are those of the positions with a history, where they are at hand.
        """
        if self.config.memory == "patterns":
            end = len(log)  # a pattern has no time: it is as late as can be
            log, owner = self._patterns(log, positions)
            positions, states = log.offsets[1:] - 1, None
            when = np.full(len(positions), end)
        else:
            when = positions = positions[log.history_length(positions) > 0]
            owner = log.source_of(positions)
        if states is None:
            states = self.states(log, positions, length)
        self.memory.fill(F.normalize(states, dim=-1), log.item[positions], owner, when)

    def _patterns(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> Any:
        """The patterns of these positions, mined once: they hang on the data alone."""
        known = self._mined
        if known is None or known[0] is not log or not np.array_equal(known[1], positions):
            self._mined = log, positions, mined(log, positions)
        return self._mined[2]  # type: ignore[index]

    def share(self, other: Retrieval, log: EventLog) -> None:
        """Take memory, states and neighbours of one with the same frozen encoder, filled before.

        Raises ``ValueError`` if it looks for fewer neighbours.
        """
        found, needed = other.config.neighbours, self.config.neighbours
        if found < needed:
            raise ValueError(f"{found} neighbours were looked for, {needed} are needed")
        self.memory, self._asked, self._states = other.memory, other._asked, other._states
        self._neighbours = other._found(log)[:, :needed]

    @torch.no_grad()
    def states(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int, batch_size: int = 512
    ) -> Float[Tensor, "P D"]:
        """States of the encoder before each position."""
        training = self.training
        self.eval()
        order = np.argsort(np.minimum(log.history_length(positions), length), kind="stable")
        device = self.memory.keys.device
        states = torch.empty(len(positions), self.memory.keys.shape[1], device=device)
        for begin in range(0, len(order), batch_size):
            rows = order[begin : begin + batch_size]
            batch = self.batch(log, positions[rows], length).to(device)
            states[torch.from_numpy(rows).to(device)] = self.encoder.state(batch)
        self.train(training)
        return states

    # --- learning --------------------------------------------------------------------------

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        """Fill the memory; of an encoder that moves, anew for every pass."""
        if len(self._asked) and self.config.frozen:
            return
        if not self.config.frozen:
            self.encoder.begin_pass(log, positions, length)
        self._asked = positions[log.history_length(positions) > 0]
        states = self.states(log, self._asked, length)
        self.fill(log, positions, length, states)
        self._states, self._neighbours = torch.zeros(len(log), states.shape[1]), None
        self._states[torch.from_numpy(self._asked)] = states.cpu()

    def begin_scoring(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        """Fill the memory with what an encoder that has moved says now."""
        if not self.config.frozen:
            self.fill(log, positions, length)

    def _found(self, log: EventLog) -> Int[np.ndarray, "L K"]:
        """The neighbours of every position that is learned from, looked for when first needed."""
        if self._neighbours is None:
            asked = self._asked
            states = self._states[torch.from_numpy(asked)].to(self.memory.keys.device)  # type: ignore[index]
            self._neighbours = np.full((len(log), self.config.neighbours), -1, dtype=np.int32)
            self._neighbours[asked] = self.memory.nearest_allowed(
                F.normalize(states, dim=-1),
                self.config.neighbours,
                log.source_of(asked),
                asked,
                log.offsets[log.user_of(asked)],
            )
        return self._neighbours

    def prepared(
        self, batch: Batch, log: EventLog, windows: Int[np.ndarray, "B 2"], rng: np.random.Generator
    ) -> Batch:
        step = np.arange(batch.item.shape[1])
        asked = np.minimum(windows[:, :1] + step, windows[:, 1:])
        batch.extra["neighbours"] = torch.from_numpy(self._found(log)[asked]).long()
        if self.config.frozen:
            batch.extra["states"] = self._states[torch.from_numpy(asked)]  # type: ignore[index]
        return batch

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The objective over mixed states; ``ValueError`` with a share by name: it has none."""
        if self.config.copied:
            raise ValueError(
                f"copied is {self.config.copied}: a share by name is asked, not learned; "
                "train with copied=0, then set it"
            )
        learn = batch.target > 0  # type: ignore[operator]
        with torch.autocast("cpu", enabled=False):  # as in SequenceEncoder.loss
            found = batch.extra["states"] if self.config.frozen else self.encoder.encode(batch)
            states, vectors, bias = self.encoder.compared(
                self.mixed(found[learn], batch.extra["neighbours"][learn])
            )
        target, frequency = batch.target[learn], self.encoder.frequency  # type: ignore[index]
        return self.config.objective(states, target, vectors, bias, frequency)  # type: ignore[arg-type]

    def mixed(
        self, states: Float[Tensor, "P D"], neighbours: Int[Tensor, "P K"]
    ) -> Float[Tensor, "P D"]:
        """States with what their neighbours say: ``alpha h + (1 - alpha) h'``."""
        config, unit = self.config, F.normalize(states, dim=-1)
        keys = self.memory.keys[neighbours]
        vectors = self.encoder.item_vectors()[0]
        values = F.embedding(self.memory.items[neighbours], vectors)
        if self.encoder.temperature is not None:  # of states and items only directions count
            states, values = unit, F.normalize(values, dim=-1)
        read = config.beta * self.items_read(unit, keys, values)
        if self.states_read is not None:
            read = read + (1 - config.beta) * self.states_read(unit, values, keys)
        return config.alpha * states + (1 - config.alpha) * read

    # --- scoring ---------------------------------------------------------------------------

    def consulted(self, batch: Batch) -> tuple[Int[Tensor, "B K"], Float[Tensor, "B K"]]:
        """The entries that each history finds, nearest first, and what the heads take of each."""
        return self._consulted(self.encoder.state(batch))

    def _consulted(
        self, states: Float[Tensor, "B D"]
    ) -> tuple[Int[Tensor, "B K"], Float[Tensor, "B K"]]:
        unit = F.normalize(states, dim=-1)
        found = self.memory.nearest(unit, self.config.neighbours)
        return found, self.items_read.weights(unit, self.memory.keys[found]).mean(1)

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        """Scores after histories that the memory does not hold, nor anything later of theirs."""
        states = self.encoder.state(batch)
        found, weights = self._consulted(states)
        scores = self.encoder.scores(self.mixed(states, found))
        if not self.config.copied:
            return scores
        chance = scores.softmax(1) * (1 - self.config.copied)
        chance.scatter_add_(1, self.memory.items[found], self.config.copied * weights)
        return chance.log()
