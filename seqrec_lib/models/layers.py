"""Blocks used by two models or more."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.log import EventLog


class Users(nn.Module):
    """A vector a user, numbered from 1; of who is not known from training, zeros.

    Who was there is kept with the weights: the vector of a user without a target would say nothing
    but how the table was drawn.
    """

    known: Tensor

    def __init__(self, num_users: int, width: int):
        super().__init__()
        self.vectors = nn.Embedding(num_users + 1, width)
        nn.init.normal_(self.vectors.weight, std=0.02)
        self.register_buffer("known", torch.zeros(num_users + 1, dtype=torch.bool))

    def meet(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> None:
        """These positions are learned from: their users are known, where they have a history."""
        user = log.user_of(positions[log.history_length(positions) > 0]) + 1
        self.known[torch.from_numpy(np.unique(user)).to(self.known.device)] = True

    def forward(self, user: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        return self.vectors(user) * self.known[user, None]


class Dropout(nn.Module):
    """Dropout that spends one random byte an element on a CPU, where drawing is what it costs.

    ``chance`` is rounded to a multiple of 1/256 there; on other devices it is torch's own dropout.
    """

    def __init__(self, chance: float):
        super().__init__()
        if not 0 <= chance < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {chance}")
        self.chance = chance

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        if not self.training or self.chance == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.chance)
        dropped = round(self.chance * 256)
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
        return x * (keep * (256 / (256 - dropped)))


# the first processors with units for it; elsewhere torch multiplies bfloat16 in a plain loop
_BF16_UNITS = torch.backends.cpu.get_cpu_capability().startswith(("AVX512", "SVE"))


def product(
    a: Float[Tensor, "M K"],
    b: Float[Tensor, "K N"],
    shift: Float[Tensor, "N"] | None = None,
    out: Float[Tensor, "M N"] | None = None,
) -> Float[Tensor, "M N"]:
    """``a @ b``, plus ``shift`` on every row, in their data type; written into ``out``, if given.

    Products of bfloat16 are summed in single precision and rounded once. A CPU without units for
    them gets there by single precision: the same numbers but for the order of the sums, and many
    times sooner than by torch's own loop.
    """
    if a.dtype == torch.bfloat16 and a.device.type == "cpu" and not _BF16_UNITS:
        wide = None if shift is None else shift.float()
        found = product(a.float(), b.float(), wide)
        return found.to(a.dtype) if out is None else out.copy_(found)
    return torch.mm(a, b, out=out) if shift is None else torch.addmm(shift, a, b, out=out)


def time_buckets(elapsed: Int[Tensor, ...], largest: int) -> Int[Tensor, ...]:
    """Seconds on a scale of ln / .301, from 0 (a second and less) to ``largest``.

    The scale of HSTU's released code: a bucket more is a third longer.
    """
    return (elapsed.clamp(min=1).double().log() / 0.301).long().clamp(0, largest)
