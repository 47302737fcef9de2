"""Parts of the test positions, their means, and how far two of them are apart.

A *part* is a mask over the positions. ``values`` have a row a seed and a column a position,
``users`` name each position's user. Positions of one user are alike, so every interval is over
users with all their positions (:mod:`seqrec_lib.statistics.populations`), and over seeds. A part
without positions has no mean, and nothing to compare: its interval is of three nan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Real, Shaped

from seqrec_lib.statistics.intervals import Interval, over_seeds
from seqrec_lib.statistics.populations import per_user

Part = Bool[np.ndarray, "P"]
NOTHING = Interval(np.nan, np.nan, np.nan)


def between(
    values: Real[np.ndarray, "P"], edges: Sequence[float | int], names: Sequence[str] | None = None
) -> dict[str, Part]:
    """Parts by value, called ``names``: part i holds ``edges[i] <= value < edges[i + 1]``.

    Without names, whole numbers are expected. Empty parts are left out.

    >>> for name, part in between(np.array([1, 7, 2]), (1, 2, 5, np.inf)).items():
    ...     print(name, part)
    1 [ True False False]
    2–4 [False False  True]
    5+ [False  True False]
    """
    ends = list(zip(edges, edges[1:], strict=False))
    names = names or [part_name(low, high) for low, high in ends]
    found = {
        name: (low <= values) & (values < high)
        for name, (low, high) in zip(names, ends, strict=True)
    }
    return {name: part for name, part in found.items() if part.any()}


def part_name(low: float | int, high: float | int) -> str:
    if np.isinf(high):
        return f"{low:g}+"
    return f"{low:g}" if high - low == 1 else f"{low:g}–{high - 1:g}"


def means(
    values: Mapping[str, Real[np.ndarray, "_ P"]],
    users: Int[np.ndarray, "P"],
    parts: Mapping[str, Part],
    counters: Collection[str] = (),
) -> pd.DataFrame:
    """Mean of each part's positions with its 95 % interval over users and seeds.

    A row a part; a column of :class:`~seqrec_lib.statistics.intervals.Interval` for each name in
    ``values``, then how many ``events`` and ``users`` the part has. ``counters`` are the names of
    what learns nothing: their one seed is all there is.
    """
    rows = []
    for part in parts.values():
        inside, ones = users[part], np.ones(part.sum())
        row = {
            name: over_seeds(per_user(one[:, part], ones, inside), learned=name not in counters)
            if part.any()
            else NOTHING
            for name, one in values.items()
        }
        rows.append(row | {"events": len(inside), "users": len(np.unique(inside))})
    return pd.DataFrame(rows, index=list(parts))


def difference(
    values: Real[np.ndarray, "S P"],
    users: Int[np.ndarray, "P"],
    a: Real[np.ndarray, "P"] | Part,
    b: Real[np.ndarray, "P"] | Part,
    relative: bool = False,
    learned: bool = True,
) -> Interval:
    """Mean over ``a`` minus mean over ``b``, with its 95 % interval over users and seeds.

    ``a`` and ``b`` are parts, or weights of the positions. A user in both is one value, so that
    what makes a user easy cancels as far as it does. ``relative``: as a share of the mean over
    ``b``, by the linear form of the ratio; ``ValueError`` where that mean is 0. ``learned``: are
    the values of a model that another seed would change?
    """
    if not a.any() or not b.any():
        return NOTHING
    inside = (a != 0) | (b != 0)
    first, second = (
        per_user(values[:, inside], one[inside].astype(float), users[inside]) for one in (a, b)
    )
    if not relative:
        return over_seeds(first - second, learned=learned)
    base = second.mean(1, keepdims=True)
    if not base.all():
        raise ValueError("the mean over b is 0: nothing is a share of it")
    ratio = first.mean(1, keepdims=True) / base
    return over_seeds(ratio - 1 + (first - ratio * second) / base, learned=learned)


def quarters(
    values: Real[np.ndarray, "P"], group: Int[np.ndarray, "P"]
) -> tuple[Bool[np.ndarray, "P"], Bool[np.ndarray, "P"]]:
    """The quarter of the positions with the largest values in each group, and with the smallest.

    >>> high, low = quarters(np.array([1, 2, 3, 4, 50, 60, 70, 80]), np.repeat([0, 1], 4))
    >>> np.flatnonzero(high).tolist(), np.flatnonzero(low).tolist()
    ([3, 7], [0, 4])
    """
    place = pd.Series(values).groupby(group).rank(pct=True).to_numpy()
    return place > 0.75, place <= 0.25


def matched(
    a: Part, b: Part, group: Shaped[np.ndarray, "P"]
) -> tuple[Float[np.ndarray, "P"], Float[np.ndarray, "P"]]:
    """Weights that give ``b`` the make-up of ``a``: in every group it weighs as much as ``a`` does.

    With users as groups, each user's positions in ``a`` are compared with the same user's in
    ``b``. Groups that lack either weigh nothing.

    >>> a = np.array([True, True, False, False, False])
    >>> weights = matched(a, ~a, np.array([1, 2, 1, 1, 3]))
    >>> [one.tolist() for one in weights]
    [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5, 0.0]]
    """
    _, of = np.unique(group, return_inverse=True)
    sizes_a, sizes_b = (np.bincount(of, part) for part in (a, b))
    both = (sizes_a > 0) & (sizes_b > 0)
    share = np.divide(sizes_a, sizes_b, out=np.zeros_like(sizes_a), where=both)
    return a * both[of].astype(float), b * share[of]
