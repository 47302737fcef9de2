"""GRU-CE: a plain recurrent encoder, trained like any other encoder on whole padded histories.

What many libraries ship under the name GRU4Rec. It lacks what makes GRU4Rec (gru4rec.py): sessions
in parallel, popularity-sampled negatives, ranking losses, Adagrad. Untied, with a GRU wider than
the embedding, it is also the network of the T-ECD report, section 5. With another ``cell`` it is
what GRUs are compared with: the LSTM (Hochreiter & Schmidhuber, 1997) or the plain recurrent net
(Elman, 1990), which has no gates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.losses import Objective, Softmax

WHOLE = 8_192  # steps that are run and kept at once on a CPU
CELLS: dict[str, type[nn.GRU] | type[nn.LSTM] | type[nn.RNN]] = {
    "gru": nn.GRU,
    "lstm": nn.LSTM,
    "rnn": nn.RNN,
}


class GRU(SequenceEncoder):
    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        hidden_dim: int = 128
        num_layers: int = 1
        dropout: float = 0.3
        tied: bool = True  # states are projected back to the embedding; False: own output table
        temperature: float | None = None  # cosine scores over this; None: inner products
        objective: Objective = Softmax()
        cell: str = "gru"  # or "lstm", or "rnn": a tanh, no gates

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.cell not in CELLS:
            raise ValueError(f"cell is {config.cell!r}; use one of {', '.join(CELLS)}")
        super().__init__(catalogue, config.embed_dim, config.objective, config.temperature)
        self.config = config
        self.dropout = Dropout(config.dropout)
        between = config.dropout if config.num_layers > 1 else 0.0
        # stored models name it so, whatever its cell
        self.gru = CELLS[config.cell](
            config.embed_dim,
            config.hidden_dim,
            config.num_layers,
            batch_first=True,
            dropout=between,
        )
        width = config.hidden_dim
        self.project = nn.Linear(width, config.embed_dim) if config.tied else None
        if not config.tied:
            self.output = nn.Linear(width, catalogue.num_items + 1)
        nn.init.normal_(self.items.weight, std=0.02)
        nn.init.zeros_(self.items.weight[0])

    def run(
        self, vectors: Float[Tensor, "B T E"], real: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        states = self._hidden(self.dropout(vectors))
        return states if self.project is None else self.project(self.dropout(states))

    def _hidden(self, x: Float[Tensor, "B T E"]) -> Float[Tensor, "B T H"]:
        """The hidden state after each step."""
        rows = max(1, WHOLE // x.shape[1])
        if x.device.type != "cpu" or len(x) <= rows or not torch.is_grad_enabled():
            return self.gru(x)[0]
        # a CPU keeps every gate of every step for the way back: here of a few rows at a time
        parts = (checkpoint(self.gru, part, use_reentrant=False) for part in x.split(rows))
        return torch.cat([states for states, _ in parts])
