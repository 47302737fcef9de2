"""Where a model looks: the attention weights of its last state over the events of a history.

A weight says how much of an event's value was mixed in. It is no explanation of a list (Jain and
Wallace, 2019, arXiv:1902.10186): other weights may give the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.serving.served import Served


@dataclass(frozen=True)
class Attention:
    """``places``: of the events that were read, in the history, from 0, oldest first. ``layers``:
    a weight for each of these, by layer, means over heads; a layer's sum to one."""

    places: list[int]
    layers: list[list[float]]


def lacks(served: Served) -> str:
    """Why the model has no weights to show; empty if it has."""
    model = served.model
    if not isinstance(model, SASRec):
        return "This model has no attention over the history."
    if not model.causal:
        return "This model looks from a mask behind the history, both ways: not shown."
    return ""


def attention(served: Served, history: Sequence[Any]) -> Attention:
    """Of the state after the last event that the model knows; of an empty history, nothing.

    Raises ``ValueError`` in words for a model without weights (:func:`lacks`).
    """
    if words := lacks(served):
        raise ValueError(words)
    model = served.model
    assert isinstance(model, SASRec)
    number = served.number
    places = [place for place, item in enumerate(history) if str(item) in number]
    places = places[-served.length :]
    if not places:
        return Attention([], [])
    ids = [number[str(history[place])] for place in places]
    log, asked = served.log_of([ids])
    with torch.no_grad():
        batch = model.batch(log, asked, served.length).to(next(model.parameters()).device)
        _, weights = model.attended(batch)
    return Attention(places, of_last(weights, len(places)).tolist())


def of_last(weights: Float[Tensor, "L 1 H T T"], length: int) -> Float[Tensor, "L S"]:
    """The row of the last real step, by layer, the mean over heads."""
    return weights[:, 0, :, length - 1, :length].mean(1)
