"""Objectives: how the states of any encoder learn from the items that came next.

Each is a frozen dataclass called with

* ``states``  (P, D): one row per position to learn from,
* ``targets`` (P,): the item that came next, 1..num_items,
* ``vectors`` (N, D) and ``bias`` (N,) or ``None``: the output table, row 0 is padding,
* ``frequency`` (N,): training counts, for objectives that sample by popularity,
* ``cosine``: rows of the table are divided by their lengths before they are compared,
* ``sparse``: the gradient of the table holds the rows that were compared and no others; only for
  objectives that compare a sample,

and returns the mean loss over the positions. Padding is never a candidate. It says by
``contrasts_batch`` whether the loss of a position depends on which others are in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.models import limits
from seqrec_lib.models.chunked_softmax import ChunkedSoftmax


@runtime_checkable  # the shape checks of the tests ask for it
class Objective(Protocol):
    @property
    def contrasts_batch(self) -> bool: ...

    def __call__(
        self,
        states: Float[Tensor, "P D"],
        targets: Int[Tensor, "P"],
        vectors: Float[Tensor, "N D"],
        bias: Float[Tensor, "N"] | None,
        frequency: Float[Tensor, "N"],
        cosine: bool = False,
        sparse: bool = False,
    ) -> Float[Tensor, ""]: ...


@dataclass(frozen=True)
class Softmax:
    """Cross-entropy over the whole catalogue, exact, in chunks of ``chunk`` positions.

    Under ``torch.autocast`` the sum over the catalogue runs in its data type (bfloat16).
    """

    contrasts_batch: ClassVar[bool] = False
    chunk: int = 256

    def __call__(self, states, targets, vectors, bias, frequency, cosine=False, sparse=False):
        if sparse:
            raise ValueError("a softmax over the catalogue moves every row: no sparse gradient")
        if cosine:
            vectors = F.normalize(vectors, dim=-1)
        kind = states.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        with torch.autocast(kind, enabled=False):
            return ChunkedSoftmax.apply(
                states.float(), targets, vectors.float(), bias, self.chunk, dtype
            )


def counted(total: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The sum of what was counted; raises ``ValueError`` for nothing, as in a model of a file."""
    if not total > 0:
        raise ValueError("no item was counted in training: build the model from Catalogue.learned")
    return total


def sampled_items(
    count: int, alpha: float, frequency: Float[Tensor, "N"]
) -> tuple[Int[Tensor, "K"], Float[Tensor, "N"]]:
    """``count`` items drawn with replacement in proportion to ``frequency ** alpha``; every chance.

    ``alpha = 0`` draws uniformly over the catalogue, items never seen in training included; else
    raises as :func:`counted`.
    """
    weight = frequency.double().pow(alpha) if alpha else torch.ones_like(frequency).double()
    weight[0] = 0  # padding
    ladder = weight.cumsum(0)
    whole = counted(ladder[-1])
    draw = torch.rand(count, device=weight.device, dtype=torch.double) * whole
    item = torch.searchsorted(ladder, draw, right=True).clamp(1, len(weight) - 1)
    return item, (weight / whole).float()


def _told_apart(objective: Any, in_batch: bool = False) -> None:
    """Raise ``ValueError`` for an objective without negatives: from nothing nothing is learned."""
    limits.at_least(0 if in_batch else 1, objective, "num_negatives")


@dataclass(frozen=True)
class _Table:
    """The output table, of which a few rows are looked up; see the module's docstring."""

    vectors: Float[Tensor, "N D"]
    bias: Float[Tensor, "N"] | None
    cosine: bool
    sparse: bool

    def rows(self, items: Int[Tensor, "..."]) -> Float[Tensor, "... D"]:
        found = F.embedding(items, self.vectors, sparse=self.sparse)
        return F.normalize(found, dim=-1) if self.cosine else found

    def score(self, states, items):
        """Scores of shared candidates: (P, D) x (K,) -> (P, K)."""
        with torch.autocast("cpu", enabled=False):  # as in SequenceEncoder.loss
            scores = states @ self.rows(items).T
        return scores if self.bias is None else scores + self.bias[items]

    def own_score(self, states, targets):
        """Score of each position's own target, (P,)."""
        scores = (states * self.rows(targets)).sum(-1)
        return scores if self.bias is None else scores + self.bias[targets]


def _shared_negatives(states, targets, table, frequency, count, alpha, in_batch, owner=None):
    """Scores (P, K) of negatives shared by all positions, and the log of how often each is
    expected among them.

    Sampled items first, then, with ``in_batch``, the other positions' targets. A position's own
    target among the negatives is no negative: it gets -inf, as do targets of the same ``owner``.
    """
    items, chance = sampled_items(count, alpha, frequency)
    expected = count * chance
    if in_batch:
        items = torch.cat([items, targets])
        expected = expected + len(targets) * frequency / frequency.sum()
    scores = table.score(states, items)
    # paper: GRU4Rec's official code counts an own target among the negatives
    hit = items[None, :] == targets[:, None]
    if in_batch and owner is not None:
        hit[:, count:] |= owner[:, None] == owner
    return scores.masked_fill(hit, -torch.inf), expected[items].log()


def _among(own: Float[Tensor, "P"], scores: Float[Tensor, "P K"]) -> Float[Tensor, ""]:
    return (torch.logsumexp(torch.cat([own[:, None], scores], 1), 1) - own).mean()


@dataclass(frozen=True)
class SampledSoftmax:
    """Cross-entropy against negatives shared by the batch (Jean et al., 2015, arXiv:1412.2007).

    ``num_negatives`` are drawn in proportion to frequency ** ``alpha``; with ``in_batch`` the
    targets of the other positions serve too (Hidasi et al., 2016, arXiv:1511.06939). With
    ``logq`` each negative's score is lowered by the log of how often it is expected among them,
    which makes the sum an unbiased estimate of the sum over the catalogue. Targets of positions of
    one ``owner`` are no negatives of each other.
    """

    num_negatives: int = 256
    alpha: float = 0.0
    in_batch: bool = False
    logq: bool = True

    def __post_init__(self):
        _told_apart(self, self.in_batch)

    @property
    def contrasts_batch(self) -> bool:
        return self.in_batch

    def __call__(
        self, states, targets, vectors, bias, frequency, cosine=False, sparse=False, owner=None
    ):
        table = _Table(vectors, bias, cosine, sparse)
        own = table.own_score(states, targets)
        count, alpha = self.num_negatives, self.alpha
        scores, log_expected = _shared_negatives(
            states, targets, table, frequency, count, alpha, self.in_batch, owner
        )
        if self.logq:
            scores = scores - log_expected
        return _among(own, scores)

    def lost(
        self,
        own: Float[Tensor, "P"],
        scores: Float[Tensor, "P K"],
        items: Int[Tensor, "K"],
        targets: Int[Tensor, "P"],
        chance: Float[Tensor, "N"],
    ) -> Float[Tensor, ""]:
        """The mean loss of scores that others computed, of targets and of :func:`sampled_items`."""
        scores = scores.masked_fill(items == targets[:, None], -torch.inf)
        if self.logq:
            scores = scores - (self.num_negatives * chance[items]).log()
        return _among(own, scores)


@dataclass(frozen=True)
class BPRMax:
    """BPR against softmax-weighted negatives (Hidasi & Karatzoglou, 2018, arXiv:1706.03847).

    ``regularisation`` pulls the negatives' scores to zero, weighted like the loss itself.
    """

    num_negatives: int = 2048
    alpha: float = 0.5
    in_batch: bool = True
    # paper: the official code passes scores through an ELU
    regularisation: float = 1.0

    def __post_init__(self):
        _told_apart(self, self.in_batch)

    @property
    def contrasts_batch(self) -> bool:
        return self.in_batch

    def __call__(self, states, targets, vectors, bias, frequency, cosine=False, sparse=False):
        table = _Table(vectors, bias, cosine, sparse)
        own = table.own_score(states, targets)
        scores, _ = _shared_negatives(
            states, targets, table, frequency, self.num_negatives, self.alpha, self.in_batch
        )
        alone = (scores == -torch.inf).all(1)  # all that was drawn is the target: no negative
        weight = torch.softmax(scores.masked_fill(alone[:, None], 0.0), 1)
        real = scores.masked_fill(scores == -torch.inf, 0.0)  # -inf * 0 is not a number
        won = (weight * torch.sigmoid(own[:, None] - real)).sum(1)
        penalty = (weight * real.square()).sum(1)
        lost = self.regularisation * penalty - (won + 1e-24).log()
        return lost.masked_fill(alone, 0.0).mean()  # with nothing to be above of, nothing to learn


def other_items(targets, count, num_rows):
    """``count`` uniform items for each position, never its target."""
    if num_rows < 3:
        raise ValueError("a catalogue of one item has no other one to compare a target with")
    draw = torch.randint(1, num_rows - 1, (len(targets), count), device=targets.device)
    return draw + (draw >= targets[:, None])  # skip the target: uniform over the others


@dataclass(frozen=True)
class BCE:
    """Binary cross-entropy, one uniform negative a position (Kang & McAuley, 2018, eq. 7).

    ``num_negatives`` above one is not gBCE: nothing corrects for how many there are.
    """

    # paper: negatives avoid the whole history; here they avoid the target only (deviations.md)
    contrasts_batch: ClassVar[bool] = False
    num_negatives: int = 1

    def __post_init__(self):
        _told_apart(self)

    def __call__(self, states, targets, vectors, bias, frequency, cosine=False, sparse=False):
        general = GBCE(self.num_negatives, t=0.0)
        return general(states, targets, vectors, bias, frequency, cosine, sparse)


@dataclass(frozen=True)
class GBCE:
    """Generalised BCE (Petrov & Macdonald, 2023, arXiv:2308.07192, eq. 12): the positive's chance
    is raised to the power beta, which undoes the overconfidence that sampling negatives brings.

    ``t`` runs from 0 (beta = 1, plain BCE) to 1 (beta = sampling rate: scores as from softmax).
    """

    contrasts_batch: ClassVar[bool] = False
    num_negatives: int = 256
    t: float = 0.75

    def __post_init__(self):
        _told_apart(self)
        limits.shares(self, "t")

    def beta(self, num_items: int) -> float:
        rate = min(1.0, self.num_negatives / (num_items - 1))
        return rate * (self.t * (1 - 1 / rate) + 1 / rate)

    def __call__(self, states, targets, vectors, bias, frequency, cosine=False, sparse=False):
        table = _Table(vectors, bias, cosine, sparse)
        own = table.own_score(states, targets)
        items = other_items(targets, self.num_negatives, len(vectors))
        with torch.autocast("cpu", enabled=False):  # as in SequenceEncoder.loss
            other = torch.einsum("pd,pkd->pk", states, table.rows(items))
        if bias is not None:
            other = other + bias[items]
        beta = self.beta(len(vectors) - 1)
        positive, negative = beta * F.softplus(-own), F.softplus(other).sum(1)
        return ((positive + negative) / (1 + self.num_negatives)).mean()
