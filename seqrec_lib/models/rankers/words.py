"""Bits packed into machine words: what two sets share and where two codes differ, 64 at a time."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

SIZE = 64


def packed(bits: Bool[Tensor, "... M"]) -> Int[Tensor, "... W"]:
    """Bit m of a row as bit m % 64 of its word m // 64; what is left of the last word is 0.

    >>> packed(torch.tensor([True, False, True])).tolist()
    [5]
    """
    bits = torch.nn.functional.pad(bits, (0, -bits.shape[-1] % SIZE))
    place = torch.arange(SIZE, device=bits.device)
    return (bits.unflatten(-1, (-1, SIZE)).long() << place).sum(-1)


def ones(words: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """How many bits of each word are set.

    >>> ones(torch.tensor([5, 0, -1])).tolist()
    [2, 0, 64]
    """
    if words.device.type == "cpu":  # NumPy has the processor's instruction, forty times sooner
        counted = np.bitwise_count(words.detach().numpy().view(np.uint64))
        return torch.from_numpy(np.asarray(counted, dtype=np.int16))
    return added(words)


def added(words: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """As :func:`ones`, for devices whose torch has no such instruction."""
    # sums of neighbouring bits, pairs and nibbles, side by side in one word; shifts of negative
    # words bring ones that the masks take off
    words = words - ((words >> 1) & 0x5555_5555_5555_5555)
    words = (words & 0x3333_3333_3333_3333) + ((words >> 2) & 0x3333_3333_3333_3333)
    words = (words + (words >> 4)) & 0x0F0F_0F0F_0F0F_0F0F
    for shift in (8, 16, 32):
        words = words + (words >> shift)
    return (words & 0x7F).short()


def hamming(a: Int[Tensor, "... W"], b: Int[Tensor, "... W"]) -> Int[Tensor, "..."]:
    """In how many bits two codes differ."""
    return sum(ones(one ^ other) for one, other in zip(a.unbind(-1), b.unbind(-1), strict=True))  # type: ignore[return-value]


def share(a: Int[Tensor, "... W"], b: Int[Tensor, "... W"]) -> Bool[Tensor, "..."]:
    """Do two sets have a bit in common?"""
    both = [(one & other) != 0 for one, other in zip(a.unbind(-1), b.unbind(-1), strict=True)]
    return torch.stack(both).any(0)
