"""TransAct: a transformer over the latest events, each beside the candidate (Xia et al., 2023,
arXiv:2306.00248).

The candidate stands beside every event before the first layer (early fusion), so that all layers
can compare: dear, since a history is read anew for each. Layers look both ways and are told no
places; order is in which states are handed on: the latest ones, and the largest value of each entry
over all. In training what happened just before the question is hidden at random, so that the model
does not learn to answer with the last minutes alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.encoders.sasrec import Attention
from seqrec_lib.models.layers import Dropout, PReLU
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, SampledSoftmax
from seqrec_lib.models.rankers.base import CandidateRanker, checked


class Read(NamedTuple):
    """The events of a history, items beside actions."""

    events: Float[Tensor, "B T E"]
    real: Bool[Tensor, "B T"]


class Layer(nn.Module):
    """Attention among all events, then a net of each; added first, normalised after."""

    # paper: drops attention weights and what is inside the net, too
    def __init__(self, width: int, hidden_dim: int, num_heads: int, dropout: float):
        super().__init__()
        self.attention = Attention(width, num_heads)
        self.attention_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, hidden_dim), nn.ReLU(inplace=True), nn.Linear(hidden_dim, width)
        )
        self.feed_norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B T W"], seen: Bool[Tensor, "B 1 T"]
    ) -> Float[Tensor, "B T W"]:
        x = self.attention_norm(x + self.dropout(self.attention(x, seen=seen)))
        return self.feed_norm(x + self.dropout(self.feed(x)))


# paper: vectors of another model for items; several actions to predict, each with a loss; it reads
# the last 100 events
class TransAct(CandidateRanker):
    every_step = False  # layers look both ways: a shorter history has other states
    chunk = 16
    steps_at_once = 400

    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 32
        action_dim: int = 32  # of a log with actions
        hidden_dim: int = 32
        num_layers: int = 2
        num_heads: int = 2
        latest: int = 10  # states that are handed on one by one
        # longest time before a question that is hidden in training, drawn from 0 up for each
        # history; 0: nothing is hidden
        window_s: float = 3600.0
        share: float = 0.2  # of the positions that a pass learns from
        hidden: tuple[int, ...] = (64, 32)
        dropout: float = 0.1
        objective: Objective = SampledSoftmax(32)  # paper: cross-entropy of each action

    def __init__(self, catalogue: Catalogue, config: Config):
        actions = catalogue.names.get("action")
        width = 2 * config.embed_dim + (0 if actions is None else config.action_dim)
        if config.num_heads < 1 or width % config.num_heads:
            raise ValueError(
                f"num_heads is {config.num_heads}: it does not divide the width, {width}, "
                "of event, candidate and action"
            )
        if config.latest < 0 or config.window_s < 0:
            raise ValueError(
                f"latest is {config.latest} and window_s {config.window_s}; use 0 (none) or more"
            )
        at_least(1, config, "embed_dim", "action_dim", "hidden_dim", "hidden")
        at_least(0, config, "num_layers")
        super().__init__(catalogue, config.objective)
        self.config, self.share = config, checked(config.share)
        self.reads = () if actions is None else ("action",)
        self.items = nn.Embedding(catalogue.num_items + 1, config.embed_dim, padding_idx=0)
        nn.init.normal_(self.items.weight[1:], std=config.embed_dim**-0.5)
        self.actions = None
        if actions is not None:
            self.actions = nn.Embedding(len(actions) + 1, config.action_dim, padding_idx=0)
            nn.init.normal_(self.actions.weight[1:], std=config.action_dim**-0.5)
        self.layers = nn.ModuleList(
            Layer(width, config.hidden_dim, config.num_heads, config.dropout)
            for _ in range(config.num_layers)
        )
        self.pool = nn.Linear(width, width)
        layers: list[nn.Module] = []
        wide = (config.latest + 1) * width + config.embed_dim
        for narrow in config.hidden:
            layers += [nn.Linear(wide, narrow), PReLU(init=0.1), Dropout(config.dropout)]
            wide = narrow
        self.predict = nn.Sequential(*layers, nn.Linear(wide, 1))

    @property
    def reads_times(self) -> bool:
        return self.config.window_s > 0  # of what is hidden

    def read(self, batch: Batch) -> Read:
        events = self.items(batch.item)
        if self.actions is not None:
            events = torch.cat([events, self.actions(batch.action)], -1)
        return Read(events, batch.real)

    def match(
        self, read: Read, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        """As of every ranker, but for ``step``: a shorter history has to be read by itself."""
        if step is not None:
            raise ValueError("the states of a shorter history are others: read it by itself")
        item = self.items(candidates)
        states, real = self.states(read, item), read.real[:, None, :, None]
        # paper: what is hidden or padding is masked as a key, but its own state is handed on
        largest = states.masked_fill(~real, -torch.inf).amax(2)
        largest = self.pool(largest.masked_fill(largest == -torch.inf, 0))  # no event, no state
        newest = read.real.sum(1, keepdim=True) - 1
        place = newest - torch.arange(self.config.latest, device=newest.device)
        row = torch.arange(len(place), device=place.device)[:, None]
        latest = states.transpose(1, 2)[row, place.clamp(min=0)] * (place >= 0)[..., None, None]
        latest = latest.transpose(1, 2).flatten(2)
        return self.predict(torch.cat([latest, largest, item], -1)).squeeze(-1)

    def states(self, read: Read, item: Float[Tensor, "B C D"]) -> Float[Tensor, "B C T W"]:
        """The state of each event for each candidate."""
        size, count, steps = len(item), item.shape[1], read.events.shape[1]
        events = read.events[:, None].expand(-1, count, -1, -1)
        x = torch.cat([events, item[:, :, None].expand(-1, -1, steps, -1)], -1).flatten(0, 1)
        seen = read.real.clone()
        seen[:, 0] = True  # else an empty history would have nothing to look at
        seen = seen.repeat_interleave(count, 0)[:, None]
        for layer in self.layers:
            x = layer(x, seen)
        return x.unflatten(0, (size, count))

    def prepared(
        self, batch: Batch, log: EventLog, windows: Int[np.ndarray, "B 2"], rng: np.random.Generator
    ) -> Batch:
        """Without the latest events, but for one, of a random time before each question."""
        if not self.config.window_s:
            return batch
        first, last = windows.T
        before = torch.from_numpy(log.time[last])[:, None] - log.cut("time", first - 1, last)
        window = torch.from_numpy(rng.uniform(0, self.config.window_s, (len(windows), 1)))
        recent = before < window
        # paper: one window for a batch; and the newest event always stays, not the oldest
        recent[:, 0] = False
        hidden = recent.cummax(1).values  # by what was known when, time may run backwards
        batch.item = batch.item.masked_fill(hidden, 0)
        if batch.action is not None:
            batch.action = batch.action.masked_fill(hidden, 0)
        return batch
