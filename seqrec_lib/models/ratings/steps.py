"""Steps: the ratings of each user, or of each item, by bins of the wall clock."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

BINS = 2**24  # more than there are: an owner and a bin are one number


@dataclass(frozen=True)
class Steps:
    """A step is a bin in which an owner (user or item) has ratings, oldest first; a bin without any
    is none. Owner ``e`` has the steps ``first[e] .. first[e + 1] - 1``, step ``s`` the ratings
    ``start[s] .. start[s + 1] - 1`` of ``other`` (whom of, or what, they are) and ``value``.
    """

    width_s: int  # of a bin
    first: Int[Tensor, "E_plus_1"]
    key: Int[Tensor, "S"]  # owner and bin of each step
    start: Int[Tensor, "S_plus_1"]
    other: Int[Tensor, "R"]
    value: Float[Tensor, "R"]

    @classmethod
    def of(
        cls,
        owner: Int[Tensor, "R"],
        other: Int[Tensor, "R"],
        time: Int[Tensor, "R"],
        value: Float[Tensor, "R"],
        num_owners: int,
        width_s: int,
    ) -> Steps:
        """Raises ``ValueError`` if bins are so narrow that their numbers run out."""
        if len(time) and int(time.max()) // width_s >= BINS:
            raise ValueError(f"bins of {width_s} s are too narrow; make them wider")
        key = owner * BINS + time // width_s
        order = torch.argsort(key, stable=True)
        steps, count = key[order].unique_consecutive(return_counts=True)
        owned = torch.bincount(steps // BINS, minlength=num_owners)
        first, start = (F.pad(one.cumsum(0), (1, 0)) for one in (owned, count))
        return cls(width_s, first, steps, start, other[order], value[order])

    def asked(self, owner: Int[Tensor, "Q"], time: Int[Tensor, "Q"]) -> Int[Tensor, "Q"]:
        """The owner and the bin of each question, as one number."""
        return owner * BINS + time // self.width_s

    def before(self, key: Int[Tensor, "Q"]) -> Int[Tensor, "Q"]:
        """How many steps of each question's owner lie in earlier bins than it."""
        return torch.searchsorted(self.key, key) - self.first[key // BINS]

    def gap_days(self, step: Int[Tensor, "Q"], key: Int[Tensor, "Q"]) -> Float[Tensor, "Q"]:
        """From a step's bin to a later one of the same owner."""
        return (key - self.key[step]) * (self.width_s / 86_400)


def spelled(
    start: Int[Tensor, "N"], end: Int[Tensor, "N"]
) -> tuple[Int[Tensor, "M"], Int[Tensor, "N"]]:
    """All of ``start .. end - 1``, range after range, and where each begins among them.

    >>> spelled(torch.tensor([5, 0]), torch.tensor([7, 3]))
    (tensor([5, 6, 0, 1, 2]), tensor([0, 2]))
    """
    size = end - start
    first = size.cumsum(0) - size
    return torch.arange(int(size.sum())) + torch.repeat_interleave(start - first, size), first
