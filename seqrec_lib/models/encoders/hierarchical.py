"""HRNN: one recurrent net reads a session, another goes from session to session (Quadrana et al.,
2017, arXiv:1706.04148).

When a session begins, the user's state takes in what the session before it ended with, and is where
the new one starts from; with ``fed`` it is read at every step as well (the paper's HRNN-All). A
session ends with a pause, or with a basket. That it has ended is known from the event after it: the
question after its last event is answered by its own state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, Softmax


# paper: states go on through a user's whole history, gradients through one step of it; sessions
# train in parallel, on TOP1, and the first event of a session is no target. Here a window is read
# whole, from a user state of zero, and gradients go through it
class HRNN(SequenceEncoder):
    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64  # paper: none, an item has its own weights in the gates
        hidden_dim: int = 128  # of both nets; paper: 100
        gap_s: int | None = 1800  # a longer pause begins a session; None: a basket is one
        fed: bool = False  # the user's state is read at every step, too
        actions: bool = False  # is an event read with what was done: clicked, bought, ...
        dropout: float = 0.3
        temperature: float | None = None  # cosine scores over this; None: inner products
        objective: Objective = Softmax()

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.gap_s is not None and config.gap_s < 0:
            raise ValueError(f"gap_s is {config.gap_s}; use 0 seconds or more, or None for baskets")
        at_least(1, config, "hidden_dim")
        super().__init__(catalogue, config.embed_dim, config.objective, config.temperature)
        self.config = config
        self.reads = ("basket",) if config.gap_s is None else ("time",)
        self.reads += ("action",) * config.actions
        width = config.hidden_dim
        self.session = nn.GRUCell(config.embed_dim, width)
        self.user = nn.GRUCell(width, width)
        self.start = nn.Linear(width, width)
        self.feed = nn.Linear(width, 3 * width, bias=False) if config.fed else None
        self.project = nn.Linear(width, config.embed_dim)
        self.dropout = Dropout(config.dropout)
        count = len(catalogue.names.get("action", ()))
        self.actions = None
        if config.actions:
            self.actions = nn.Embedding(count + 1, config.embed_dim, padding_idx=0)
            nn.init.normal_(self.actions.weight[1:], std=0.02)  # as items begin
        nn.init.normal_(self.items.weight, std=0.02)
        nn.init.zeros_(self.items.weight[0])

    def encode(self, batch: Batch) -> Float[Tensor, "B T D"]:
        x = self.items(batch.item)
        if self.actions is not None:
            x = x + self.actions(batch.action)
        return self.project(self.dropout(self._hidden(self.dropout(x), self.begins(batch))))

    def begins(self, batch: Batch) -> Bool[Tensor, "B T"]:
        """Does a session begin with this event, other than a history's first one?"""
        if self.config.gap_s is None:
            basket: Tensor = batch.basket  # type: ignore[assignment]
            new = basket[:, 1:] != basket[:, :-1]
        else:
            new = batch.time.diff() > self.config.gap_s  # type: ignore[union-attr]
        return F.pad(new & batch.real[:, 1:], (1, 0))

    def _hidden(
        self, x: Float[Tensor, "B T E"], begins: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T H"]:
        """The session's state after each step."""
        # what is read does not depend on states: one product for all steps
        gates = F.linear(x, self.session.weight_ih, self.session.bias_ih)
        rows = begins.T.nonzero()[:, 1].split(begins.sum(0).tolist())
        hidden = user = x.new_zeros(len(x), self.config.hidden_dim)
        fed = torch.zeros_like(gates[:, 0])
        states = []
        # step by step: where a session begins depends on the row
        for gate, new in zip(gates.unbind(1), rows, strict=True):
            if len(new):
                told = self.user(hidden[new], user[new])
                user = _replaced(user, new, told)
                hidden = _replaced(hidden, new, self.dropout(torch.tanh(self.start(told))))
                if self.feed is not None:
                    fed = _replaced(fed, new, self.feed(told))
            hidden = self._step(gate if self.feed is None else gate + fed, hidden)
            states.append(hidden)
        return torch.stack(states, 1)

    def _step(
        self, gate: Float[Tensor, "B G"], hidden: Float[Tensor, "B H"]
    ) -> Float[Tensor, "B H"]:
        """A step of the session's GRU, given its product with what is read."""
        kept = F.linear(hidden, self.session.weight_hh, self.session.bias_hh)
        width = hidden.shape[1]
        reset, update = torch.sigmoid(gate[:, : 2 * width] + kept[:, : 2 * width]).chunk(2, 1)
        new = torch.tanh(gate[:, 2 * width :] + reset * kept[:, 2 * width :])
        return new + update * (hidden - new)


def _replaced(
    states: Float[Tensor, "B H"], rows: Tensor, values: Float[Tensor, "R H"]
) -> Float[Tensor, "B H"]:
    return states.index_copy(0, rows, values.to(states.dtype))
