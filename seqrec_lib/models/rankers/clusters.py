"""Vectors grouped by likeness, finer and finer: hierarchical k-means (Si et al., 2024,
arXiv:2407.16357, algorithm 1).

All groups of all histories are split side by side, with no chance in it: of the same vectors the
same clusters come, whatever else is computed beside them.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ROUNDS = 10  # of k-means
PIECE = 512  # vectors at a time, so that their differences to all centres stay in a cache


def clusters(
    vectors: Float[Tensor, "M D"],
    group: Int[Tensor, "M"],
    largest: int,
    item: Int[Tensor, "M"] | None = None,
) -> Int[Tensor, "M"]:
    """The cluster of each vector, numbered from 0, group by group.

    A group of n vectors is split into floor(n ** 0.3) clusters, at least 2, and each of these in
    turn, until none has more than ``largest``. One whose vectors are all the same is cut by order.
    Vectors of one ``item``, if given, are the same: placed once in each group, they weigh as many.
    """
    if largest < 1:
        raise ValueError(f"largest is {largest}; use 1 or more")
    if not len(group):
        return group
    label = group.unique(return_inverse=True)[1]
    every = torch.arange(len(label), device=label.device)
    item = every if item is None else item
    kind = label * (int(item.max()) + 1) + item
    kind, weight = kind.unique(return_inverse=True, return_counts=True)[1:]
    one = torch.zeros_like(weight).scatter_(0, kind, every)
    label = _grown(vectors[one], label[one], weight, largest)[kind]
    piece = _number(label) // largest
    return (label * len(label) + piece).unique(return_inverse=True)[1]


def _grown(
    vectors: Float[Tensor, "M D"], label: Int[Tensor, "M"], weight: Int[Tensor, "M"], largest: int
) -> Int[Tensor, "M"]:
    """Labels after all splits; a cluster of more than ``largest`` is of vectors that are alike."""
    unfinished = torch.ones_like(label, dtype=torch.bool)
    while (unfinished := unfinished & (_total(label, weight)[label] > largest)).any():
        part = label[unfinished].unique(return_inverse=True)[1]
        # paper: floor(n ** 0.3), which is 1 for ten vectors and fewer
        size = _total(part, weight[unfinished])
        wanted = (size.double() ** 0.3 + 1e-9).floor().long().clamp(min=2)
        found = _means(vectors[unfinished], part, wanted, weight[unfinished])
        lowest, highest = (
            torch.full_like(size, start).scatter_reduce(0, part, found, how)
            for how, start in (("amin", len(label)), ("amax", -1))
        )
        alike = lowest == highest  # one cluster holds the whole group
        within = torch.zeros_like(label).masked_scatter(unfinished, found)
        unfinished = unfinished.masked_scatter(unfinished, ~alike[part])
        label = (label * int(wanted.max()) + within).unique(return_inverse=True)[1]
    return label


def _total(label: Int[Tensor, "M"], weight: Int[Tensor, "M"], count: int = 0) -> Int[Tensor, "K"]:
    """The weight of each label, of ``count`` labels at least."""
    return weight.new_zeros(max(count, int(label.max()) + 1)).index_add_(0, label, weight)


def _number(label: Int[Tensor, "M"]) -> Int[Tensor, "M"]:
    """How many before each have its label."""
    order = label.argsort(stable=True)
    size = label.bincount()
    number = torch.arange(len(label), device=label.device) - (size.cumsum(0) - size)[label[order]]
    return torch.empty_like(label).scatter_(0, order, number)


def _means(
    x: Float[Tensor, "M D"],
    group: Int[Tensor, "M"],
    wanted: Int[Tensor, "G"],
    weight: Int[Tensor, "M"],
) -> Int[Tensor, "M"]:
    """k-means in each group: the number within its group of the centre nearest to each vector."""
    many, count = int(wanted.max()), len(wanted)
    there = torch.arange(many, device=x.device) < wanted[:, None]
    centres = x.new_zeros(count, many, x.shape[1])
    # each next centre is the vector farthest from those before it, the first from the mean, so that
    # no two are the same while the vectors are not
    centre = far = _average(x, group, weight, count).index_select(0, group)
    for number in range(many):
        distance = (x - centre).square().sum(1)
        far = distance if number < 2 else torch.minimum(far, distance)
        centres[:, number] = x[_farthest(far, group, count)]
        centre = centres[:, number].index_select(0, group)
    nearest = _nearest(x, group, centres, there)
    left = torch.arange(len(x), device=x.device)  # of groups in which a vector has moved
    for _ in range(ROUNDS):
        of, place = group[left], group[left] * many + nearest[left]
        vectors = x.index_select(0, left)  # faster than x[left]
        means = _average(vectors, place, weight[left], count * many).view_as(centres)
        full = torch.zeros(count * many, dtype=torch.bool, device=x.device)
        full[place] = True
        found = _nearest(vectors, of, means, full.view(count, many))
        moving = torch.zeros(count, dtype=torch.bool, device=x.device)
        moving[of[found != nearest[left]]] = True
        nearest[left] = found
        left = left[moving[of]]
        if not len(left):
            break
    return nearest


def _average(
    x: Float[Tensor, "M D"], place: Int[Tensor, "M"], weight: Int[Tensor, "M"], count: int
) -> Float[Tensor, "K D"]:
    total = x.new_zeros(count, x.shape[1]).index_add_(0, place, x * weight[:, None])
    return total / _total(place, weight, count).clamp(min=1)[:, None]


def _farthest(
    distance: Float[Tensor, "M"], group: Int[Tensor, "M"], count: int
) -> Int[Tensor, "G"]:
    """The first vector of each group at the largest distance."""
    most = distance.new_zeros(count).scatter_reduce(0, group, distance, "amax")
    number = torch.arange(len(distance), device=distance.device)
    number = number.masked_fill(distance < most[group], len(distance))
    return number.new_full((count,), len(distance)).scatter_reduce(0, group, number, "amin")


def _nearest(
    x: Float[Tensor, "M D"],
    group: Int[Tensor, "M"],
    centres: Float[Tensor, "G K D"],
    there: Bool[Tensor, "G K"],
) -> Int[Tensor, "M"]:
    found = []
    for part, of in zip(x.split(PIECE), group.split(PIECE), strict=True):
        apart = centres.index_select(0, of).sub_(part[:, None])
        distance = apart.square_().sum(-1)
        found.append(distance.masked_fill(~there[of], torch.inf).argmin(1))
    return torch.cat(found)
