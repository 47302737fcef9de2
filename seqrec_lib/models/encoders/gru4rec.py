"""GRU4Rec: a recurrent net trained on many sessions side by side (Hidasi et al., 2016,
arXiv:1511.06939; losses of Hidasi & Karatzoglou, 2018, arXiv:1706.03847).

A batch holds one step of ``batch_size`` sessions. Their hidden states are carried to the next batch
and start anew where a session ended and another took its slot; gradients stay within the step. The
other sessions' targets, and items sampled by popularity, are the negatives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.losses import Objective, SampledSoftmax


class GRU4Rec(SequenceEncoder):
    @dataclass(frozen=True)
    class Config:
        hidden_dim: int = 100  # also of the items: one constrained (tied) table
        num_layers: int = 1
        dropout_embed: float = 0.0
        dropout_hidden: float = 0.0
        objective: Objective = SampledSoftmax(2048, alpha=0.5, in_batch=True, logq=True)

    def __init__(self, catalogue: Catalogue, config: Config):
        super().__init__(catalogue, config.hidden_dim, config.objective)
        self.config = config
        # paper: biases start at 0 (official code); at PyTorch's uniform here
        self.gru = nn.GRU(config.hidden_dim, config.hidden_dim, config.num_layers, batch_first=True)
        self.bias = nn.Parameter(torch.zeros(catalogue.num_items + 1))
        self.embed_dropout = Dropout(config.dropout_embed)
        self.hidden_dropout = Dropout(config.dropout_hidden)
        for weight in self.parameters():
            # paper: the official code draws each gate by its own fans, the three as one here
            if weight.ndim > 1:
                bound = math.sqrt(6 / sum(weight.shape))
                nn.init.uniform_(weight, -bound, bound)
        nn.init.zeros_(self.items.weight[0])
        self.carried: Tensor | None = None  # (layers, B, hidden) after the last training batch

    @property
    def needs_one_process(self) -> str:
        return "its rows go on from states of the batch before"

    def encode(self, batch: Batch) -> Float[Tensor, "B T D"]:
        start = self._continued(batch) if batch.previous is not None else None
        states, last = self.gru(self.embed_dropout(self.items(batch.item)), start)
        if batch.previous is not None:
            # paper: the official code drops out what is carried, and between layers
            self.carried = last.detach()  # one step of back-propagation, no further
        return self.hidden_dropout(states)

    def item_vectors(self) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N"]]:
        return self.items.weight, self.bias

    def _continued(self, batch: Batch) -> Float[Tensor, "L B D"]:
        """The states to go on from; zero where a session begins."""
        start = self.items.weight.new_zeros(
            self.config.num_layers, len(batch.item), self.config.hidden_dim
        )
        going_on = batch.previous >= 0  # type: ignore[operator]
        if going_on.any():  # type: ignore[union-attr]
            start[:, going_on] = self.carried[:, batch.previous[going_on]].to(start.dtype)  # type: ignore[index]
        return start

    def training_batches(self, log, positions, batch_size, length, rng) -> Iterator[Batch]:
        """Sessions in random order, ``batch_size`` at a time, one step of each in every batch.

        A session is a user's whole training history: ``length`` does not cut it. Towards the end,
        when no session is left to fill a slot, batches get smaller.
        """
        if log.context is not None:
            raise ValueError("GRU4Rec learns from every event; it can have no context: use gru")
        # paper: in order of time, and the loss divided by the rows asked for (official code)
        sessions = rng.permutation(log.windows(positions, len(log)))
        place, last = sessions[:batch_size].T.copy()
        waiting, previous = len(place), np.full(len(place), -1)
        while len(place):
            item, target = (
                torch.from_numpy(log.item[p].astype(np.int64))[:, None] for p in (place - 1, place)
            )
            yield Batch(item, target, previous=torch.from_numpy(previous))
            previous, place = np.arange(len(place)), place + 1
            ended = np.flatnonzero(place > last)
            fresh = sessions[waiting : waiting + len(ended)]
            waiting += len(fresh)
            filled, empty = ended[: len(fresh)], ended[len(fresh) :]
            place[filled], last[filled], previous[filled] = fresh[:, 0], fresh[:, 1], -1
            place, last, previous = (np.delete(a, empty) for a in (place, last, previous))

    def get_extra_state(self) -> dict[str, Tensor | None]:
        return {"carried": self.carried}

    def set_extra_state(self, state: dict[str, Tensor | None]) -> None:
        carried = state["carried"]  # no buffer: nobody else moves it to where it is used
        self.carried = None if carried is None else carried.to(self.items.weight.device)
