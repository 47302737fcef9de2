"""AUC: how often something true is scored above something false, over all pairs or by user.

An AUC says nothing without the law of its negatives: the same scores give a high one against items
drawn uniformly and a low one against items drawn by popularity.
"""

import numpy as np
from jaxtyping import Bool, Float, Real, Shaped


def auc(true: Bool[np.ndarray, "P"], score: Real[np.ndarray, "P"]) -> float:
    """Chance that a true row has a higher score than a false one; ties count half.

    Raises ``ValueError`` without a row of each kind, or for a score that is not a number.

    >>> auc(np.array([True, False, False, True]), np.array([3.0, 1.0, 2.0, 2.0]))
    0.875
    """
    areas, _ = _by_group(true, score, np.zeros(len(true), dtype=int))
    if not len(areas):
        raise ValueError("an AUC needs a true row and a false one")
    return float(areas[0])


def auc_by_group(
    true: Bool[np.ndarray, "P"], score: Real[np.ndarray, "P"], group: Shaped[np.ndarray, "P"]
) -> Float[np.ndarray, "G"]:
    """A value a group, ascending, whose plain mean is the AUC of all rows together.

    A group such as a user brings how much of all false scores its true ones are above, and how many
    of all true ones are above its false ones. The values vary with groups as the AUC does (DeLong
    et al., 1988, doi:10.2307/2531595; groups: Obuchowski, 1997, doi:10.2307/2533958). Raises as
    :func:`auc` does.

    >>> true, score = np.array([True, False, False, True]), np.array([3.0, 1.0, 2.0, 2.0])
    >>> auc_by_group(true, score, np.array([0, 0, 1, 1])).tolist()
    [1.125, 0.625]
    """
    whole = auc(true, score)
    part = np.empty(len(true))
    part[true] = (below(score[true], score[~true]) - whole) / true.sum()
    part[~true] = (1 - below(score[~true], score[true]) - whole) / (~true).sum()
    groups, code = np.unique(group, return_inverse=True)
    return whole + len(groups) * np.bincount(code, part)


def below(scores: Real[np.ndarray, "P"], among: Real[np.ndarray, "N"]) -> Float[np.ndarray, "P"]:
    """The share of ``among`` that is below each score; equal ones count half."""
    ordered = np.sort(among)
    sides = [np.searchsorted(ordered, scores, side) for side in ("left", "right")]
    return (sides[0] + sides[1]) / (2 * len(ordered))


def gauc(
    true: Bool[np.ndarray, "P"], score: Real[np.ndarray, "P"], group: Shaped[np.ndarray, "P"]
) -> float:
    """Mean of the AUCs within each group, such as a user, weighted by its true rows.

    Groups without a row of each kind are left out (Zhou et al., 2018, arXiv:1706.06978, eq. 6,
    whose weights are impressions). Raises ``ValueError`` if all are, or for a score that is not a
    number.
    """
    areas, weight = _by_group(true, score, np.unique(group, return_inverse=True)[1])
    if not len(areas):
        raise ValueError("no group has a true row and a false one")
    return float(areas @ weight / weight.sum())


def _by_group(true, score, group) -> tuple[Float[np.ndarray, "G"], Float[np.ndarray, "G"]]:
    """The area of each group with rows of both kinds, and its number of true rows."""
    if np.isnan(score).any():
        raise ValueError("a score is not a number")
    order = np.lexsort((score, group))
    true, score, group = true[order], score[order], group[order]
    # middle ranks within the group: the mean place of equal scores
    place = np.arange(len(true), dtype=float)
    tied = np.flatnonzero(
        np.r_[True, (group[1:] != group[:-1]) | (score[1:] != score[:-1])][: len(true)]
    )
    count = np.diff(np.r_[tied, len(true)])
    rank = np.repeat(place[tied] + (count - 1) / 2, count)
    first = np.flatnonzero(np.r_[True, group[1:] != group[:-1]][: len(true)])
    size = np.diff(np.r_[first, len(true)])
    rank -= np.repeat(first, size)
    kinds = np.repeat(np.arange(len(first)), size)
    positive = np.bincount(kinds[true], minlength=len(first)).astype(float)
    total = np.bincount(kinds[true], rank[true], minlength=len(first))
    negative = size - positive
    both = (positive > 0) & (negative > 0)
    below = total - positive * (positive - 1) / 2  # false rows below each true one, ties half
    return below[both] / (positive * negative)[both], positive[both]
