"""Dice: a bend that lies where a unit's values lie (Zhou et al., 2018, arXiv:1706.06978, section
5.3).

PReLU bends at zero, whatever it is given; Dice bends, softly, at the mean of what it is given.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqrec_lib.models.layers import PReLU

ACTIVATIONS = ("prelu", "dice")
LEAST = 0.01  # of what was met, this share is forgotten with each call


def activation(name: str, width: int) -> nn.Module:
    """PReLU or Dice for ``width`` units; raises ``ValueError`` for another name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation is {name!r}; use {' or '.join(map(repr, ACTIVATIONS))}")
    return PReLU(init=0.1) if name == "prelu" else Dice(width)


class Dice(nn.Module):
    """``p x + (1 - p) slope x``, with p the logistic function of x as it was standardised.

    Mean and variance of each unit are running ones, of the values that training met before.
    """

    # paper: those of the batch in training, and running ones afterwards. A target and the items it
    # is told from are scored in calls of their own here, and would be measured by different means;
    # by running ones a score is the same whoever else is in the batch, in training as afterwards.
    # Each value weighs the same, however many a call has: targets come few at a time, and often
    # Values of padding are among those met: they move the bend alone, and batches have little
    mean: Tensor
    variance: Tensor
    met: Float[Tensor, ""]

    def __init__(self, width: int):
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))
        self.register_buffer("met", torch.zeros(()))

    def forward(self, x: Float[Tensor, "... W"]) -> Float[Tensor, "... W"]:
        share = torch.sigmoid((x - self.mean) * (self.variance + 1e-8).rsqrt())
        if self.training and x.numel():  # a mean of nothing would stay
            self._meet(x.detach().flatten(0, -2).to(self.mean.dtype))
        return x * (share + (1 - share) * self.slope)

    @torch.no_grad()
    def _meet(self, values: Float[Tensor, "P W"]) -> None:
        count = len(values)
        self.met.mul_(1 - LEAST).add_(count)
        weight = count / self.met
        variance, mean = torch.var_mean(values, 0, correction=0)
        apart = mean - self.mean
        self.variance.lerp_(variance, weight).add_(weight * (1 - weight) * apart.square())
        self.mean.lerp_(mean, weight)
