"""How item vectors lie: near their partners, spread over the sphere, among their own kind.

``vectors`` has a row a thing; rows are made unit vectors first, so that only directions count, and
a row of zeros raises ``ValueError``. Search is exact, in chunks of rows.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import betaincinv

CHUNK = 2**24  # cosines held at once

Vectors = Float[np.ndarray, "N D"]


def alignment(vectors: Vectors, pairs: Int[np.ndarray, "P 2"]) -> float:
    """Mean squared distance of the two rows of a pair, 0 (equal) to 4 (opposite).

    Wang & Isola (2020, arXiv:2005.10242, section 4.1.1), with alpha = 2; two unit vectors at
    random are 2 apart.

    >>> alignment(np.array([[1.0, 0], [0, 2], [3, 0]]), np.array([[0, 1], [0, 2]]))
    1.0
    """
    a, b = (_unit(vectors[side]) for side in np.asarray(pairs).T)
    return float((a - b).square().sum(1).mean())


def uniformity(vectors: Vectors) -> float:
    """Log of the mean of exp(-2 squared distance) over all pairs of different rows; low is even.

    Wang & Isola (2020, section 4.1.2), with t = 2. It is 0 where all rows are equal; rows spread
    evenly over a sphere of many dimensions come near -4.

    >>> round(uniformity(np.array([[1.0, 0], [-1, 0]])), 6)
    -8.0
    """
    unit = _unit(vectors)
    if len(unit) < 2:
        raise ValueError("uniformity is about pairs: give two rows or more")
    total = 0.0
    for _, cosine in _cosines(unit, np.arange(len(unit))):
        # squared distance of unit vectors: 2 - 2 cosine; a row with itself gives exp(0)
        total += float(cosine.mul_(4).sub_(4).exp_().double().sum()) - len(cosine)
    return float(np.log(total / (len(unit) * (len(unit) - 1))))


def nearest(
    vectors: Vectors, k: int, rows: Int[np.ndarray, "Q"] | None = None
) -> tuple[Int[np.ndarray, "Q K"], Float[np.ndarray, "Q K"]]:
    """The ``k`` rows of highest cosine with each of ``rows`` (all of them if None), nearest first.

    Returns row numbers and cosines; a row is no neighbour of its own.

    >>> nearest(np.array([[1.0, 0], [3, 4], [0, 1]]), k=2, rows=np.array([0]))
    (array([[1, 2]]), array([[0.6, 0. ]]))
    """
    unit = _unit(vectors)
    rows = np.arange(len(unit)) if rows is None else np.array(rows)  # a copy: torch writes
    if not 1 <= k < len(unit):
        raise ValueError(f"k is {k}; {len(unit)} rows have 1 to {len(unit) - 1} neighbours")
    found, nearness = np.empty((len(rows), k), np.int64), np.empty((len(rows), k))
    for part, cosine in _cosines(unit, rows):
        cosine[torch.arange(len(cosine)), torch.from_numpy(rows[part])] = -torch.inf
        best = cosine.topk(k)
        found[part], nearness[part] = best.indices.numpy(), best.values.numpy()
    return found, nearness


def purity(
    found: Int[np.ndarray, "Q K"], label: np.ndarray, rows: Int[np.ndarray, "Q"] | None = None
) -> Float[np.ndarray, "Q"]:
    """Share of each row's neighbours that have its own label (a category, a domain).

    ``found`` is from :func:`nearest`, for the same ``rows``.

    >>> purity(np.array([[1, 2], [0, 2], [0, 1]]), np.array(["pen", "pen", "ink"]))
    array([0.5, 0.5, 0. ])
    """
    own = label if rows is None else label[rows]
    return (label[found] == own[:, None]).mean(1)


def chance_purity(label: np.ndarray, rows: Int[np.ndarray, "Q"] | None = None) -> float:
    """What :func:`purity` is on average if neighbours are drawn at random from the other rows.

    >>> round(chance_purity(np.array(["pen", "pen", "ink"])), 6)
    0.333333
    """
    _, kind, count = np.unique(label, return_inverse=True, return_counts=True)
    own = kind if rows is None else kind[rows]
    return float(((count[own] - 1) / (len(label) - 1)).mean())


def chance_nearest(count: int, dim: int) -> float:
    """How near the nearest of ``count`` random directions is: the median of its cosine.

    A direction at random has a cosine above c with chance half the regularised incomplete beta
    function at 1 - c^2, of (dim - 1) / 2 and 1/2; the nearest of n is above c with 1 - (1 - p)^n.
    Raises ``ValueError`` without at least one direction and two dimensions.

    >>> round(chance_nearest(1, 8), 6)
    0.0
    >>> round(chance_nearest(327_145, 128), 2)
    0.39
    """
    if count < 1 or dim < 2:
        raise ValueError(f"{count} directions in {dim} dimensions; at least 1 in 2")
    chance = -np.expm1(np.log(0.5) / count)  # of one direction to be above the median
    return float(np.sqrt(1 - betaincinv((dim - 1) / 2, 0.5, min(1.0, 2 * chance))))


def _unit(vectors: Float[np.ndarray, "N D"]) -> torch.Tensor:
    rows = torch.from_numpy(np.asarray(vectors))
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    if not (length > 0).all():  # so written, it is true of NaN
        raise ValueError(
            f"{int((~(length > 0)).sum())} rows are zero or not numbers: they have no direction. "
            "Is the padding row among them?"
        )
    return rows / length


def _cosines(
    unit: torch.Tensor, rows: Int[np.ndarray, "Q"]
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Cosines of ``rows`` with every row, in chunks that may be written over."""
    step = max(1, CHUNK // len(unit))
    for begin in range(0, len(rows), step):
        part = slice(begin, begin + step)
        yield part, unit[torch.from_numpy(rows[part])] @ unit.T
