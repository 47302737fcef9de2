"""SURGE: a history as a graph of interests, fused and pooled with a view to the candidate (Chang et
al., 2021, arXiv:2106.14226).

Steps with like items are joined and the weakest edges pruned, since they are likely accidents.
Nodes hear of their neighbours, more of those that matter to the question; clusters of nodes become
the steps of a shorter history, which a GRU with attentional gates reads. The released code has
another pooling (the highest ranked nodes of a history, in their order) and none of the three losses
below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, SampledSoftmax
from seqrec_lib.models.rankers import interest_graph as graph
from seqrec_lib.models.rankers.augru import AUGRU
from seqrec_lib.models.rankers.base import NEVER, CandidateRanker
from seqrec_lib.models.rankers.pooling import Tower

HOPS = 2  # how far the cluster around a node reaches


class Read(NamedTuple):
    """The graph of a history, and what of its nodes no candidate changes."""

    nodes: Float[Tensor, "B T D"]
    real: Bool[Tensor, "B T"]
    edges: Bool[Tensor, "B T T"]
    adjacency: Float[Tensor, "B T T"]
    averaged: Float[Tensor, "B T T"]  # takes nodes to the mean of their neighbours
    central: Float[Tensor, "B T"]  # is the node the middle of its cluster?
    heard: Float[Tensor, "B T D"]  # what neighbours hear of it
    asked: Float[Tensor, "B T D"]  # what the question is compared with


class Pooled(NamedTuple):
    """What is left of a graph for each candidate."""

    clusters: Float[Tensor, "B C M D"]
    weight: Float[Tensor, "B C M"]  # of a cluster in what is asked
    readout: Float[Tensor, "B C D"]  # the whole graph
    assigned: Float[Tensor, "B C T M"]


class SURGE(CandidateRanker):
    every_step = False  # the graph of a shorter history is no part of that of a longer one
    chunk = 32

    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64  # paper: 40
        num_heads: int = 1  # of the likeness
        share: float = 0.5  # of all pairs of steps; the edges that are kept
        pruned: bool = True  # False: all edges
        weighted: bool = True  # edges weigh by likeness; False, as in the released code: 1
        query_aware: bool = True  # False: what is asked plays no part before the last layers
        clusters: int = 5  # paper: 30 of 50 steps
        placed: bool = True  # clusters know the order of a history; paper: False
        attention_dim: int = 16
        hidden: tuple[int, ...] = (64, 32)
        dropout: float = 0.1
        regularisation: float = 0.1  # weight of the three losses of the assignment
        objective: Objective = SampledSoftmax(32)  # paper: cross-entropy of clicks

    def __init__(self, catalogue: Catalogue, config: Config):
        if not 0 < config.share <= 1:
            raise ValueError(f"share is {config.share}; use a share of all edges, above 0, up to 1")
        at_least(1, config, "embed_dim", "num_heads", "clusters", "attention_dim", "hidden")
        at_least(0, config, "regularisation")
        super().__init__(catalogue, config.objective)
        self.config = config
        width = config.embed_dim
        self.items = nn.Embedding(catalogue.num_items + 1, width, padding_idx=0)
        nn.init.normal_(self.items.weight[1:], std=width**-0.5)
        self.dropout = Dropout(config.dropout)
        self.likeness = graph.Likeness(width, config.num_heads)
        # edges that are there or not pass no gradient on, and likeness stays as it was drawn
        self.likeness.requires_grad_(config.weighted)
        self.of_cluster, self.fuse = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.cluster = Tower(width, (config.attention_dim,), 0.0)
        self.of_query = nn.Linear(width, width, bias=False) if config.query_aware else None
        self.query = Tower(width, (config.attention_dim,), 0.0) if config.query_aware else None
        self.assign = graph.Assignment(width, config.clusters, config.placed)
        self.evolve = AUGRU(width, width)
        layers: list[nn.Module] = []
        for wide, narrow in zip((4 * width, *config.hidden), (*config.hidden, 1), strict=True):
            layers += [nn.Linear(wide, narrow), nn.PReLU(init=0.1), Dropout(config.dropout)]
        self.predict = nn.Sequential(*layers[:-2])

    # --- of a history, whatever is asked ---------------------------------------------------------

    def edges(self, batch: Batch) -> Bool[Tensor, "B T T"]:
        """Which steps of each history are joined after pruning, each step with itself."""
        return self._edges(self.likeness(self.items(batch.item)), batch.real)

    def _edges(
        self, likeness: Float[Tensor, "B T T"], real: Bool[Tensor, "B T"]
    ) -> Bool[Tensor, "B T T"]:
        share = self.config.share if self.config.pruned else 1.0
        return graph.kept_edges(likeness.detach(), real, share)

    def read(self, batch: Batch) -> Read:
        vectors, real = self.items(batch.item), batch.real
        likeness = self.likeness(vectors)  # before dropout: which edges stay is not drawn
        edges = self._edges(likeness, real)
        strength = (1 + likeness) / 2 if self.config.weighted else torch.ones_like(likeness)
        adjacency = strength * edges
        averaged = graph.averaging(adjacency)
        nodes = around = self.dropout(vectors)
        for _ in range(HOPS):
            around = averaged @ around
        central = self.cluster(self.of_cluster(nodes), around)
        asked = nodes if self.of_query is None else self.of_query(nodes)
        heard = self.fuse(nodes)
        return Read(nodes, real, edges, adjacency, averaged, central, heard, asked)

    # --- with a view to candidates ---------------------------------------------------------------

    def match(
        self, read: Read, candidates: Int[Tensor, "B C"], step: Int[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B C"]:
        """As of every ranker, but for ``step``: a shorter history has to be read by itself."""
        if step is not None:
            raise ValueError("the graph of a shorter history is another one: read it by itself")
        item = self.items(candidates)
        pooled = self.pooled(read, item)
        interest = self.evolve(pooled.clusters, pooled.weight)
        readout = pooled.readout.expand_as(item)
        interest = interest.expand_as(item)
        return self.predict(torch.cat([interest, readout, item, readout * item], -1)).squeeze(-1)

    def pooled(self, read: Read, item: Float[Tensor, "B C D"]) -> Pooled:
        """The graph fused and pooled for each candidate; for all alike, C = 1, if none is asked."""
        if self.query is None:
            relevant = read.central[:, None]
        else:
            relevant = self.query(read.asked[:, None], item[:, :, None])
        hears = graph.attention(read.central[:, None], relevant, read.edges[:, None])
        taken = torch.einsum("bcts,bsd->bctd", hears, read.heard)
        nodes = F.leaky_relu(taken + read.nodes[:, None], graph.SLOPE)
        real = read.real[:, None]
        weight = relevant.masked_fill(~real, NEVER).softmax(-1) * real
        assigned = self.assign(nodes, read.averaged, read.real)
        clusters = assigned.mT @ nodes
        of_cluster = (assigned.mT @ weight[..., None]).squeeze(-1)
        readout = (weight[..., None, :] @ nodes).squeeze(-2)
        return Pooled(clusters, of_cluster, readout, assigned)

    def _loss(self, batch: Batch, target: Int[Tensor, "B 1"]) -> Float[Tensor, ""]:
        read = self.read(batch)
        assigned = self.pooled(read, self.items(target)).assigned[:, 0]
        held_to = (
            graph.same_mapping(assigned, read.adjacency, read.real)
            + graph.single_affiliation(assigned, read.real)
            + graph.relative_position(assigned, read.real)
        )[target[:, 0] > 0]
        return self._lost(read, target) + self.config.regularisation * held_to.mean()
