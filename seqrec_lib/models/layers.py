"""Blocks used by two models or more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqrec_lib.data.log import EventLog

TRIANGLE = 32  # rows that are summed up at a time


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
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape).float()
        # 1 from ``dropped`` on and 0 below; comparing bytes takes several times as long
        kept.sub_(dropped - 1).clamp_(0, 1).mul_(256 / (256 - dropped))
        return x * kept


# the first processors with units for it; elsewhere torch multiplies bfloat16 in a plain loop
_BF16_UNITS = torch.backends.cpu.get_cpu_capability().startswith(("AVX512", "SVE"))


class PReLU(nn.PReLU):
    """``nn.PReLU`` with one slope, which learns several times as fast on a processor."""

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        if x.device.type == "cpu" and x.dtype == self.weight.dtype and self.num_parameters == 1:
            return _Bent.apply(x, self.weight)
        return super().forward(x)


class _Bent(torch.autograd.Function):
    """PyTorch's own backward writes a gradient of the slope for every element and sums them, one
    at a time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return F.prelu(x, slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        of_x = torch.ops.aten.leaky_relu_backward(gradient, x, slope.item(), False)
        return of_x, (gradient * x.clamp(max=0)).sum()[None]


def running_sums(values: Float[Tensor, "N ..."], counts: Sequence[int]) -> Float[Tensor, "N ..."]:
    """Sums of the first 1, 2, ... rows of each group; so many rows are a group, in their order.

    By products with triangles of ones, which a processor does several times as fast as adding
    columns one number at a time.
    """
    found = []
    ones = values.new_ones(TRIANGLE, TRIANGLE).tril()
    for group in values.flatten(1).split([count for count in counts if count]):
        before = None
        for part in group.split(TRIANGLE):
            sums = ones[: len(part), : len(part)] @ part
            found.append(sums if before is None else sums + before)
            before = found[-1][-1]
    return torch.cat(found).view_as(values)


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
