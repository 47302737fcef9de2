"""How to train: the settings of a run of :func:`seqrec_lib.training.loop.fit`."""

from __future__ import annotations

import math
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from seqrec_lib.training.optimizers import NAMES


@dataclass(frozen=True)
class Training:
    """How to train. Selection is on validation NDCG@10 under the protocol ``select``.

    Raises ``ValueError`` for a setting that is none.
    """

    epochs: int = 100
    batch_size: int = 256  # windows of average length
    max_len: int = 50
    optimizer: str = "adamw"  # or "adagrad", "sparse-adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0  # decoupled, on every weight but norms and biases
    cosine: bool = False  # let the learning rate fall to zero over the epochs
    plateau: int = 0  # divide it by ten after so many epochs without a gain; 0: never
    averaging: float = 0.0  # decay of a running mean of the weights; 0: none
    patience: int = 10  # epochs without a better validation before stopping
    precision: str = "bf16"  # autocast of the loss and, on a GPU, the encoder; or "fp32"
    select: str = "masked"  # earlier items left out when validating; or "unmasked"
    validate: str = "full"  # against the catalogue; "sampled": against 100 others, the same
    test_users: int = 0  # a fixed sample of so many is ranked; 0: all
    questions: int = 0  # of each user so many select and test, at most, by a hash; 0: all
    seed: int = 0

    def __post_init__(self):
        if self.optimizer not in NAMES:
            raise ValueError(
                f"optimizer {self.optimizer!r} is not known; use one of {', '.join(NAMES)}"
            )
        words = {
            "precision": ("bf16", "fp32"),
            "select": ("masked", "unmasked"),
            "validate": ("full", "sampled"),
        }
        for name, known in words.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; use {' or '.join(map(repr, known))}"
                )
        least = {"epochs": 0, "batch_size": 1, "max_len": 1, "plateau": 0, "patience": 0}
        least |= {"test_users": 0, "questions": 0, "seed": 0}
        for name, bound in least.items():
            if not getattr(self, name) >= bound:
                raise ValueError(f"{name} is {getattr(self, name)}; use {bound} or more")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}; use a number above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay is {self.weight_decay}; use 0 or a number above it")
        if not 0 <= self.averaging < 1:
            raise ValueError(f"averaging is {self.averaging}; use 0 or a decay below 1")


def chosen(settings: Any) -> dict[str, Any]:
    """The settings that are not at their default, as nested plain values with class names.

    By these a run is told from another: a setting that came later, at the default that says what
    was done before it, changes nothing.
    """
    moved = {
        field.name: _chosen(value)
        for field in fields(settings)
        if (value := getattr(settings, field.name)) != _default(field)
    }
    return {"class": type(settings).__qualname__} | moved


def _default(field: Field) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _chosen(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_chosen(part) for part in value]
    return chosen(value) if is_dataclass(value) else value
