"""The loop of rating models: squared error, stopped where validation is best."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from seqrec_lib.data.ratings import Ratings
from seqrec_lib.models.ratings.bias import Biases


class Diverged(ValueError):
    """Learning that goes astray, so that nothing is learned."""


@dataclass(frozen=True)
class RatingTraining:
    passes: int = 60  # at most, or, without validation, exactly
    patience: int = 10  # passes without a better validation
    batch_size: int = 2048  # ratings, about; by SGD no item should have many of them
    learning_rate: float = 0.01
    optimizer: Literal["sgd", "adam"] = "sgd"
    seed: int = 0


def fit(
    model: Biases,
    known: Ratings,
    valid: Ratings | None,
    training: RatingTraining = RatingTraining(),
) -> pd.DataFrame:
    """Learn from ``known``; leave the model as it was after the pass that was best on ``valid``.

    By SGD a batch moves the weights as far as its ratings would one by one, were they to follow
    each other at once: who has more ratings moves further, which is what keeps the rare from being
    learned by heart. Adam moves all alike.

    A row a pass, before any as number 0: ``pass``, ``loss``, ``valid`` (RMSE; nan without
    validation), and the ``seconds`` since the start. Where no pass helps, the model stays as it
    came. Raises ``ValueError`` where there is nothing to learn from, and :class:`Diverged`.
    """
    if not len(known):
        raise ValueError("no known rating: nothing to learn from")
    chance = torch.Generator().manual_seed(training.seed)
    model.read(known)
    kind = torch.optim.SGD if training.optimizer == "sgd" else torch.optim.Adam
    optimizer = kind(model.parameters(), lr=training.learning_rate)
    rows, began = [], time.monotonic()
    best, since, kept = math.inf, 0, model.state_dict()
    for number in range(training.passes + 1):
        loss = _learn(model, optimizer, training.batch_size, chance) if number else math.nan
        if number and not math.isfinite(loss):
            raise Diverged(
                f"the loss of {type(model).__name__} is {loss} in pass {number}. Use a "
                f"learning_rate below {training.learning_rate}, or more decay"
            )
        found = math.nan if valid is None else rmse(model, valid)
        row = {"pass": number, "loss": loss, "valid": found}
        rows.append(row | {"seconds": time.monotonic() - began})
        if found < best:
            best, since, kept = found, number, copy.deepcopy(model.state_dict())
        if valid is not None and number - since >= training.patience:
            break
    model.load_state_dict(kept)
    return pd.DataFrame(rows)


def _learn(
    model: Biases, optimizer: torch.optim.Optimizer, size: int, chance: torch.Generator
) -> float:
    """One pass; the mean loss."""
    model.train()
    total, count = 0.0, 0
    for part in model.parts:
        model.begin(part)
        for batch in batches(model.known, part, size, chance):
            optimizer.zero_grad()
            loss = model.loss(batch, part)
            (loss * len(batch) / 2).backward()  # of the sum, and of half a square, as by hand
            optimizer.step()
            total, count = total + loss.item() * len(batch), count + len(batch)
    return total / count


def rmse(model: Biases, asked: Ratings) -> float:
    """The root of the mean squared error of a model's answers."""
    return float(((model.predict(asked) - asked.rating) ** 2).mean().sqrt())


def batches(
    known: Ratings, part: str, size: int, chance: torch.Generator
) -> Iterator[Int[Tensor, "B"]]:
    """Row numbers of about ``size`` ratings each, all of them once, in random order.

    By ``user`` or ``item`` all ratings of one stand in one batch; by ``rating`` they are mixed.
    """
    owner = torch.arange(len(known)) if part == "rating" else getattr(known, part)
    place = torch.randperm(int(owner.max()) + 1, generator=chance)[owner]
    order = torch.argsort(place, stable=True)
    last = torch.ones(len(order), dtype=torch.bool)
    last[:-1] = place[order][1:] != place[order][:-1]
    ends = (torch.nonzero(last)[:, 0] + 1).tolist()  # a batch ends with an owner
    begin = 0
    for end in ends:
        if end - begin >= size or end == len(order):
            yield order[begin:end]
            begin = end
