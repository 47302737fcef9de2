"""Means over a population of test positions, by user.

A population says how much each position counts, its *weight*: 1 everywhere for a mean over
events, 1 over the number of its user's positions for a mean over users, 0 outside. Positions of
one user are alike, so intervals take a user with all of them as one value.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Real


def per_user(
    values: Real[np.ndarray, "S P"], weights: Real[np.ndarray, "P"], users: Int[np.ndarray, "P"]
) -> Float[np.ndarray, "S U"]:
    """A value a user whose plain mean is the weighted mean of ``values``, by seed.

    The weighted mean m = sum(w v) / sum(w) is a ratio of two sums over users. Its linear form
    gives user u the value m + U (sum_u(w v) - m sum_u(w)) / sum(w), of U users. Their interval
    (:func:`~seqrec_lib.statistics.intervals.over_seeds`) is that of other users with all their
    positions (delta method: Deng et al., 2018, arXiv:1803.06336). Columns are the distinct
    ``users``, ascending; one whose positions weigh nothing has the mean, and is best left out:
    he would be counted among the U. Raises ``ValueError`` if a weight is negative or all are 0.

    >>> per_user(np.array([[1, 0, 0]]), np.array([1, 1, 1]), np.array([7, 7, 8]))
    array([[0.55555556, 0.11111111]])
    """
    if not len(weights) == len(users) == values.shape[1]:
        raise ValueError(
            f"{values.shape[1]} values, {len(weights)} weights, {len(users)} users: one a position"
        )
    if not (weights >= 0).all() or not weights.any():  # so written, it is true of NaN
        raise ValueError("weights are 0 or more, and not all 0: is the population empty?")
    there = np.bincount(users) > 0
    weight = np.bincount(users, weights)[there]
    gain = np.stack([np.bincount(users, weights * row)[there] for row in values])
    total = weight.sum()
    mean = gain.sum(1, keepdims=True) / total
    return mean + len(weight) * (gain - mean * weight) / total
