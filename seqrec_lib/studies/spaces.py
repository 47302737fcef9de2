"""Random search: the settings of a trial, drawn from a declared space (Bergstra & Bengio, 2012)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def drawn(space: Mapping[str, tuple[Any, ...]], trial: int) -> dict[str, Any]:
    """The settings of a trial, each uniform over its values.

    Each trial is drawn from its own number: one more changes none before it.
    """
    rng = np.random.default_rng(trial)
    return {key: values[rng.integers(len(values))] for key, values in space.items()}
