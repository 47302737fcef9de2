"""Optimizers by name, and what they share: decay for matrices alone, one step for all parts."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from seqrec_lib.models.base import Recommender

NAMES = ("adamw", "adagrad", "sparse-adam")


def optimizer(
    model: Recommender, name: str, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer | Together:
    """AdamW, Adagrad, or Adam that leaves alone the rows of an item table no batch touched.

    Weight decay is for matrices; norms, biases and other vectors have none. With ``sparse-adam``
    gradient and step of the item tables cost what the batch touches, not what the catalogue holds,
    and the tables have no decay (Adam's moments rest too where a row is not touched).
    Raises ``ValueError`` for another name, for a model whose tables have dense gradients with
    ``sparse-adam``, and for a decay with ``adagrad``.
    """
    if name not in NAMES:
        raise ValueError(f"optimizer {name!r} is not known; use one of {', '.join(NAMES)}")
    if name == "adagrad" and weight_decay:
        # torch's adds it to the gradient, whose size Adagrad divides out: all entries would move
        # by the learning rate, small and large alike
        raise ValueError(
            f"weight_decay is {weight_decay}: adagrad has no decoupled decay; use adamw, or 0"
        )
    tables: list[nn.Parameter] = []
    if name == "sparse-adam":
        tables = model.learn_sparsely()
    rest = [p for p in model.parameters() if all(p is not table for table in tables)]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if name == "adagrad":
        # paper: GRU4Rec's official code adds 1e-6 inside the root, torch 1e-10 outside
        # torch fuses Adagrad's step on processors alone
        on_cpu = all(p.device.type == "cpu" for p in rest)
        return torch.optim.Adagrad(groups, lr=learning_rate, fused=on_cpu)
    dense = torch.optim.AdamW(groups, lr=learning_rate, fused=True) if groups else None
    if not tables:
        assert dense is not None
        return dense
    sparse = torch.optim.SparseAdam(tables, lr=learning_rate)
    return Together(*(part for part in (dense, sparse) if part is not None))


class Together:
    """Several optimizers, each of its own weights, that step as one."""

    def __init__(self, *parts: torch.optim.Optimizer):
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, stored in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(stored)
