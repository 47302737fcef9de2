"""Do two measures put models in the same order? Kendall's tau, and how sure it is."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Real

from seqrec_lib.statistics.intervals import Interval


def kendall(a: Real[np.ndarray, "*D M"], b: Real[np.ndarray, "*D M"]) -> Float[np.ndarray, "*D"]:
    """Of all pairs of models, the share ordered alike less the share ordered otherwise (Kendall,
    1938, doi:10.2307/2332226); a pair that ties in either is neither.

    >>> kendall(np.array([[1, 2, 3], [1, 2, 3]]), np.array([[1, 3, 2], [3, 2, 1]])).round(3)
    array([ 0.333, -1.   ])
    """
    if (models := a.shape[-1]) < 2 or b.shape[-1] != models:
        raise ValueError(f"{models} and {b.shape[-1]} models; an order takes the same two or more")
    first, second = np.triu_indices(models, 1)
    signs = [np.sign(one[..., first] - one[..., second]) for one in (a, b)]
    return np.asarray((signs[0] * signs[1]).mean(-1))


def agreement(
    a: Real[np.ndarray, "M U"],
    b: Real[np.ndarray, "M U"],
    weight: Real[np.ndarray, "U"],
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Kendall's tau of models by the means of two measures, and its percentile bootstrap interval.

    Row m holds a model's values, column u those of the same user throughout, who counts as much as
    the ``weight``, such as the number of questions. Users are drawn again, for both measures and
    all models together. It covers other users, not other trainings; tau of drawn users is lower in
    the mean than that of all, as models that are close change places. Raises ``ValueError`` for
    fewer than two users, or tables of unlike shape.
    """
    if a.shape != b.shape or a.shape[1] != len(weight) or len(weight) < 2:
        raise ValueError(f"values {a.shape} and {b.shape}, {len(weight)} weights: use the same "
                         "models and users, two or more")  # fmt: skip
    rng = np.random.default_rng(seed)
    often = rng.multinomial(len(weight), np.full(len(weight), 1 / len(weight)), size=draws) * weight
    drawn = kendall(*((often @ one.T) / often.sum(1, keepdims=True) for one in (a, b)))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    tau = kendall(*(one @ weight / weight.sum() for one in (a, b)))
    return Interval(float(tau), float(low), float(high))
