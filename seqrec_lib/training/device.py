"""Which device to train on: the one place where its name is read."""

from __future__ import annotations

import torch

from seqrec_lib.data.refusals import Said


class DeviceError(Said, ValueError):
    """A device that this machine lacks, or no name of one."""


def device(name: str = "auto") -> str:
    """``cpu``, ``cuda`` or ``cuda:1`` as it is, if it is there; ``auto`` is a GPU if there is one.

    Raises ``DeviceError`` for a name that is none, and for a GPU that is not there.
    """
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    known = ["auto", "cpu", *(["cuda"] if there else []), *(f"cuda:{i}" for i in range(there))]
    if name == "auto":
        return "cuda" if there else "cpu"
    if name in known:
        return name
    gpus = f"{there} GPU{'s' * (there != 1)}" if there else "no GPU that torch can use"
    raise DeviceError(f"device is {name!r}; this machine has {gpus}: use {', '.join(known)}")
