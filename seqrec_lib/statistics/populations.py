"""Means over a population of test positions, and intervals that resample users.

A population says how much each position counts, its *weight*: 1 everywhere for a mean over
events, 1 over the number of its user's positions for a mean over users, 0 outside. Positions of
one user are alike, so what is resampled is always the user with all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Real

from seqrec_lib.statistics.intervals import Interval

CHUNK = 2**22  # resampled counts of users held at once


def per_user(
    values: Real[np.ndarray, "S P"], weights: Real[np.ndarray, "P"], users: Int[np.ndarray, "P"]
) -> Float[np.ndarray, "S U"]:
    """A value a user whose plain mean is the weighted mean of ``values``, by seed.

    The weighted mean m = sum(w v) / sum(w) is a ratio of two sums over users. Its linear form
    gives user u the value m + U (sum_u(w v) - m sum_u(w)) / sum(w), of U users. A bootstrap of
    these (:func:`intervals`, :func:`~seqrec_lib.statistics.intervals.over_seeds`) is the one that
    draws users with all their positions (delta method: Deng et al., 2018, arXiv:1803.06336).
    Columns are the distinct ``users``, ascending; one whose positions weigh nothing has the mean
    and leaves the interval as it is. Raises ``ValueError`` if a weight is negative or all are 0.

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


def intervals(
    values: Sequence[Float[np.ndarray, "_ U"]],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Interval]:
    """The interval of each of many figures of the same users: ``over_seeds``, the draws shared.

    Each figure has a row a seed, and as many as it likes. ``over_seeds`` is quick where values
    are few; linear forms are nearly all distinct, and here one sample of users serves all
    figures, so that a draw is a product of matrices. Raises ``ValueError`` for fewer than two
    users and for a value that is not finite.
    """
    if not len(values):
        return []
    rows = np.concatenate(values)
    users = rows.shape[1]
    if users < 2 or not np.isfinite(rows).all():
        raise ValueError(f"{users} users or values not finite; an interval needs two users or more")
    rng = np.random.default_rng(seed)
    mixes = {
        count: rng.multinomial(count, np.full(count, 1 / count), size=draws) / count
        for count in sorted({len(figure) for figure in values})
    }
    means = np.empty((draws, len(rows)))
    step = max(1, CHUNK // users)
    for begin in range(0, draws, step):
        here = range(begin, min(begin + step, draws))
        drawn = [np.bincount(rng.integers(users, size=users), minlength=users) for _ in here]
        means[here.start : here.stop] = np.stack(drawn) @ rows.T / users
    found, begin = [], 0
    for figure in values:
        own = (means[:, begin : begin + len(figure)] * mixes[len(figure)]).sum(1)
        low, high = np.quantile(own, [(1 - level) / 2, (1 + level) / 2])
        found.append(Interval(float(figure.mean()), float(low), float(high)))
        begin += len(figure)
    return found
