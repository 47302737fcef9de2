"""AUGRU: a GRU whose update gate is scaled by attention (Zhou et al., 2019, arXiv:1809.03672).

How much a step changes the state is for the step to say (the gate) and for whoever asks (the
attention): what is of no interest to the question passes without a trace. The code released with
that paper, and others after it, scale the part of the old state that is *kept* instead: there a
step of no interest is an ordinary step, and one of full interest writes over the state. In AGRU
attention takes the place of the gate.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

GATES = ("paper", "released", "replaced")


class AUGRU(nn.Module):
    """The last state over the steps of a row, each with an attention between 0 and 1.

    With ``u`` the share of the candidate state that the GRU would take, a step of attention ``a``
    takes ``a u`` of it (``gate="paper"``: 0 freezes the state, 1 is a GRU), ``a + (1 - a) u``
    (``"released"``: 0 is a GRU, 1 keeps nothing), or ``a`` (``"replaced"``: AGRU; 0 freezes the
    state, 1 keeps nothing). Weights have order and meaning of ``nn.GRU``.
    Raises ``ValueError`` for another gate.
    """

    def __init__(self, input_dim: int, hidden_dim: int, gate: str = "paper"):
        super().__init__()
        if gate not in GATES:
            raise ValueError(f"gate is {gate!r}; use {' or '.join(map(repr, GATES))}")
        self.gate = gate
        self.input = nn.Linear(input_dim, 3 * hidden_dim)  # reset, keep, candidate
        self.state = nn.Linear(hidden_dim, 3 * hidden_dim)
        for weight in self.parameters():
            nn.init.uniform_(weight, -(hidden_dim**-0.5), hidden_dim**-0.5)

    def forward(
        self,
        x: Float[Tensor, "... T D"],
        attention: Float[Tensor, "... T"],
        real: Bool[Tensor, "... T"] | None = None,
    ) -> Float[Tensor, "... H"]:
        """The state after the last step, from zeros; what is not ``real`` is passed by."""
        # autocast halves products, and not always attention; lerp takes one precision
        read = self.input(x).float()
        state = read.new_zeros(*read.shape[:-2], self.state.in_features)
        for t in range(x.shape[-2]):
            reset, keep, candidate = read[..., t, :].chunk(3, -1)
            own_reset, own_keep, own = self.state(state).chunk(3, -1)
            taken = torch.sigmoid(-(keep + own_keep))  # one minus what is kept
            new = torch.tanh(candidate + torch.sigmoid(reset + own_reset) * own)
            scale = attention[..., t, None].float()
            if self.gate == "paper":
                taken = scale * taken
            else:
                taken = scale if self.gate == "replaced" else scale + (1 - scale) * taken
            if real is not None:
                taken = taken * real[..., t, None]
            state = torch.lerp(state, new, taken)
        return state
