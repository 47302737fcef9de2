"""The interest graph of a history: steps are nodes, and steps with like items are joined.

What SURGE is made of (Chang et al., 2021, arXiv:2106.14226), a function or module for each idea:
likeness, pruning, averages over neighbours, fusion, pooling, and what pooling is held to.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seqrec_lib.models.rankers.base import NEVER

TIED = 1e-5  # likenesses so near are equal: of the same pair, they differ in how sums were ordered
SLOPE = 0.2


class Likeness(nn.Module):
    """Cosine of vectors, their axes stretched by weights; the mean over heads: metric learning."""

    def __init__(self, embed_dim: int, num_heads: int):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(num_heads, embed_dim) + 0.5)

    def forward(self, vectors: Float[Tensor, "B T D"]) -> Float[Tensor, "B T T"]:
        stretched = F.normalize(vectors[:, None] * self.weight[:, None], dim=-1)
        found = (stretched @ stretched.mT).mean(1)
        return (found + found.mT) / 2  # to the last bit alike in both directions, as ranks need it


# paper: ties and a share that is no whole number are left open. released code: likeness is moved to
# 0..1 row by row first, so that an edge may be kept in one direction only
def kept_edges(
    likeness: Float[Tensor, "B T T"], real: Bool[Tensor, "B T"], share: float
) -> Bool[Tensor, "B T T"]:
    """The edges of a graph of n nodes that are as like as the ``share`` n² most like pairs.

    Both directions of an edge count, and so does each node with itself, which ranks first
    (ε-sparseness); the number is rounded up. All that tie with the last one stay, nodes stay
    joined with themselves, and what is not ``real`` neither ranks nor stays.
    """
    pair = real[:, :, None] & real[:, None]
    own = torch.eye(real.shape[1], dtype=torch.bool, device=real.device)
    ranked = likeness.masked_fill(own, torch.inf).masked_fill(~pair, -torch.inf)
    count = (share * pair.sum((1, 2)).double() - 1e-9).ceil().long()
    ladder = ranked.flatten(1).sort(1, descending=True).values
    least = ladder.gather(1, (count - 1).clamp(min=0)[:, None])[..., None]
    return pair & ((ranked >= least - TIED) | own)


def averaging(adjacency: Float[Tensor, "B T T"]) -> Float[Tensor, "B T T"]:
    """The matrix that takes each node to the mean of its neighbours, weighted by their edges."""
    return adjacency / adjacency.sum(-1, keepdim=True).clamp(min=1e-9)


def attention(
    to: Float[Tensor, "... T"], of: Float[Tensor, "... T"], edges: Bool[Tensor, "... T T"]
) -> Float[Tensor, "... T T"]:
    """How much each node hears of each neighbour, given scores of who hears and who is heard.

    A softmax over the neighbours. Within it ``to``, which is the same for all of a
    node's neighbours, would cancel; the bend before it, as in graph attention networks (Veličković
    et al., 2018, arXiv:1710.10903), gives it a say.
    """
    # paper: no bend, so that one of the two attentions has no effect. released code: the bend is
    # applied to shares, all positive, and does nothing; there the question is what cancels
    score = F.leaky_relu(to[..., :, None] + of[..., None, :], SLOPE)
    return score.masked_fill(~edges, NEVER).softmax(-1)


class Assignment(nn.Module):
    """In which cluster each node is, as shares that sum to one.

    By what its neighbours say on average and, with ``placed``, by where in the history it stands,
    which begins as ``clusters`` stretches of equal length. Without, nothing that is computed here
    or later knows of the order of a history.
    """

    def __init__(self, embed_dim: int, clusters: int, placed: bool):
        super().__init__()
        self.content = nn.Linear(embed_dim, clusters, bias=False)
        self.place = nn.Linear(1, clusters) if placed else None  # paper: none
        if self.place is not None:
            middle, sharp = places(torch.ones(clusters)), 2.0 * clusters**2
            with torch.no_grad():  # - sharp (place - middle)², but for what all clusters share
                self.place.weight.copy_(2 * sharp * middle[:, None])
                self.place.bias.copy_(-sharp * middle**2)

    def forward(
        self,
        nodes: Float[Tensor, "B C T D"],
        averaged: Float[Tensor, "B T T"],
        real: Bool[Tensor, "B T"],
    ) -> Float[Tensor, "B C T M"]:
        # paper: the sum over neighbours, of whom a long history has many
        logits = torch.einsum("bts,bcsm->bctm", averaged, self.content(nodes))
        if self.place is not None:
            logits = logits + self.place(places(real)[..., None])[:, None]
        return logits.softmax(-1) * real[:, None, :, None]


def places(real: Tensor) -> Float[Tensor, "..."]:
    """The middle of each step's part of a history that reaches from 0 to 1."""
    count = real.float().cumsum(-1)
    return (count - 0.5) / count[..., -1:].clamp(min=1)


# --- what assignments are held to, a number a graph ----------------------------------------------


def same_mapping(
    assigned: Float[Tensor, "... T M"],
    adjacency: Float[Tensor, "... T T"],
    real: Bool[Tensor, "... T"],
) -> Float[Tensor, "..."]:
    """Nodes are joined as far as they share a cluster: mean square of the difference.

    0 for a graph of cliques each of which is a cluster. The paper has the root of the sum.
    """
    away = (adjacency - assigned @ assigned.mT).square().sum((-2, -1))
    return away / real.sum(-1).clamp(min=1) ** 2


def single_affiliation(
    assigned: Float[Tensor, "... T M"], real: Bool[Tensor, "... T"]
) -> Float[Tensor, "..."]:
    """Mean entropy of the shares: 0 if each node is in one cluster."""
    entropy = torch.special.entr(assigned.clamp(min=1e-9)).sum(-1) * real
    return entropy.sum(-1) / real.sum(-1).clamp(min=1)


def relative_position(
    assigned: Float[Tensor, "... T M"], real: Bool[Tensor, "... T"]
) -> Float[Tensor, "..."]:
    """Early nodes are in the first clusters: mean square of how far clusters lie from their place.

    A cluster lies at the mean place of its nodes. 0 for stretches of one length, in their order.
    """
    # paper: the sum of the positions of a cluster's nodes against the cluster's number. With more
    # nodes than clusters no assignment has such sums, and of one share for all the loss is within
    # the spread of the numbers 1..M of its least value, whatever the order
    mass = assigned.sum(-2)
    lies = (places(real)[..., None] * assigned).sum(-2) / mass.clamp(min=1e-6)
    return (lies - places(torch.ones_like(mass))).square().mean(-1)
