"""DR4SR+: each training history is kept with a learned chance (Yin et al., 2024, arXiv:2405.17795).

A small net looks at the mean of a history's items and says how likely it is to be of use. It learns
from histories that the encoder does not: how the loss on them would change if the encoder had
learned with other chances. That second-order gradient is implicit, its inverse Hessian a short
Neumann series (section 3.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import Recommender, SequenceEncoder, from_config
from seqrec_lib.models.encoders.duorec import DuoRec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.limits import above_zero, at_least, shares

LEVEL = 3.0  # log-odds of a history worth what most are: 95 % are kept


def hypergradient(
    learned: Float[Tensor, ""],
    held_out: Float[Tensor, ""],
    weights: Sequence[Tensor],
    chances: Sequence[Tensor],
    terms: int,
    rate: float,
) -> list[Tensor]:
    """The gradient of ``held_out`` with respect to ``chances``, through ``weights`` alone.

    ``weights`` are taken to minimise the loss ``learned``, which depends on both; ``held_out``
    depends on the weights. The inverse of the Hessian H of ``learned`` stands as
    rate x sum over j = 0..terms of (1 - rate x H)^j, which converges where rate x H < 2.
    """
    vector = torch.autograd.grad(held_out, weights, retain_graph=True, materialize_grads=True)
    slope = torch.autograd.grad(learned, weights, create_graph=True, materialize_grads=True)
    total = [part.clone() for part in vector]
    for _ in range(terms):
        bent = torch.autograd.grad(
            slope, weights, vector, retain_graph=True, materialize_grads=True
        )
        # padding is a vector of zeros: normalising it has no second derivative, nor is it asked for
        vector = tuple(
            v - rate * b.masked_fill(b.isnan() & (v == 0), 0.0)
            for v, b in zip(vector, bent, strict=True)
        )
        total = [t + v for t, v in zip(total, vector, strict=True)]
    found = torch.autograd.grad(slope, chances, [-rate * t for t in total])
    return list(found)


class Personalised(Recommender):
    @dataclass(frozen=True)
    class Config:
        encoder: Any = SASRec.Config()  # of a SequenceEncoder that learns from targets alone
        held_out: float = 0.05  # share of users whose histories only the chances learn from
        every: int = 10  # batches between two steps of the chances; released code: 30 epochs
        warm_up: int = 1000  # batches before the first one, the encoder being random until then
        learning_rate: float = 0.003  # length of a step of the chances; ten times as long was worse
        drawn: int = 128  # histories that such a step weighs, and as many that judge it
        terms: int = 3
        rate: float = 1e-2  # of the Neumann series

    def __init__(self, catalogue: Catalogue, config: Config):
        at_least(1, config, "every", "drawn")
        at_least(0, config, "warm_up", "terms")
        above_zero(config, "held_out", "learning_rate", "rate")
        shares(config, "held_out")
        super().__init__(catalogue)
        self.config = config
        self.encoder: SequenceEncoder = from_config(catalogue, config.encoder)  # type: ignore[assignment]
        if isinstance(self.encoder, DuoRec):
            raise ValueError(
                "DuoRec's contrast learns from histories that are left out; use SASRec or GRU"
            )
        width = self.encoder.items.weight.shape[1]
        last = nn.Linear(width, 1, bias=False)  # a bias would be a level, and the level is given
        nn.init.zeros_(last.weight)
        self.worth = nn.Sequential(nn.Linear(width, width), nn.GELU(), last)
        self.register_buffer("mean_worth", torch.zeros(()))  # of the histories weighed last
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        self.max_len, self.reads = self.encoder.max_len, self.encoder.reads
        self.mean_worth: Tensor
        self.batches: Tensor

    @property
    def needs_one_process(self) -> str:
        return "each process would learn chances of its own"

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        """Hold out users, the same in every pass.

        Only those of whom more follows than is learned from, if there are any: what a regenerator
        wrote judges nothing. What it wrote from those held out is learned from.
        """
        real = ~np.isin(log.offsets[1:] - 1, positions)
        lot = np.random.default_rng(0).random(log.num_users)
        self._held_out = (lot < self.config.held_out) & (real if real.any() else True)
        windows = log.windows(positions, length)
        judging = self._held_out[log.user_of(windows[:, 0])]
        self._log, self._learned, self._judging = log, windows[~judging], windows[judging]
        self.encoder.begin_pass(log, positions, length)

    def prepared(
        self, batch: Batch, log: EventLog, windows: Int[np.ndarray, "B 2"], rng: np.random.Generator
    ) -> Batch:
        held_out = self._held_out[log.user_of(windows[:, 0])]
        batch.extra["held_out"] = torch.from_numpy(held_out)
        return self.encoder.prepared(batch, log, windows, rng)

    # paper: rows of patterns always weigh 1, each step by itself (released code)
    def chance(self, batch: Batch) -> Float[Tensor, "B"]:
        """How likely each history is to be learned from."""
        return (LEVEL + self._worth_of(batch) - self.mean_worth).sigmoid()

    def _worth_of(self, batch: Batch) -> Float[Tensor, "B"]:
        real = batch.real.float()[..., None]
        with torch.no_grad():
            mean = (self.encoder.items(batch.item) * real).sum(1) / real.sum(1)
        return self.worth(F.normalize(mean, dim=-1)).squeeze(-1)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The encoder's, over histories drawn with their chances."""
        open_to_learn = ~batch.extra["held_out"]
        if not open_to_learn.any():
            open_to_learn = torch.ones_like(open_to_learn)
        with torch.no_grad():
            drawn = torch.rand(len(open_to_learn), device=open_to_learn.device)
            kept = open_to_learn & (drawn < self.chance(batch))
            if not kept.any():
                kept = open_to_learn
        if self.training:
            self.batches += 1
            due = self.batches > self.config.warm_up and self.batches % self.config.every == 0
            if due and len(self._judging) and len(self._learned):
                self._learn_chances(self._drawn(self._learned), self._drawn(self._judging))
        target = torch.where(kept[:, None], batch.target, 0)  # type: ignore[arg-type]
        return self.encoder.loss(replace(batch, target=target))

    def _drawn(self, windows: Int[np.ndarray, "W 2"]) -> Batch:
        """Histories of any length, where those of a batch are alike.

        The draw depends on the count of batches alone, so that a resumed run goes on as it would.
        """
        rng = np.random.default_rng(int(self.batches))
        rows = rng.integers(len(windows), size=self.config.drawn)
        return self.training_batch(self._log, windows[rows]).to(self.batches.device)

    def _learn_chances(self, batch: Batch, judges: Batch) -> None:
        """One step. The mean of their logits stays: a loss on others falls with less learning when
        the encoder is too sure of itself, and all chances would go down together.
        """
        weights = [w for w in self.encoder.parameters() if w.requires_grad]
        with (
            torch.enable_grad(),
            torch.autocast(batch.item.device.type, enabled=False),
            # the fused kernels have no second derivative
            sdpa_kernel(SDPBackend.MATH),
            torch.backends.cudnn.flags(enabled=False),
        ):
            worth, each = self._worth_of(batch), self._loss_of_each(batch)
            self.encoder.eval()  # as it will be asked
            judged = self._loss_of_each(judges).sum()
            self.encoder.train(self.training)
            found = hypergradient(
                (LEVEL + worth - worth.mean()).sigmoid() @ each,
                judged,
                weights,
                list(self.worth.parameters()),
                self.config.terms,
                self.config.rate,
            )
        # a step of one length: how steep the chances are hangs on the rate and on the batch's size
        length = torch.cat([slope.flatten() for slope in found]).norm().clamp(min=1e-12)
        with torch.no_grad():
            for weight, slope in zip(self.worth.parameters(), found, strict=True):
                weight.sub_(self.config.learning_rate * slope / length)
            self.mean_worth.copy_(self._worth_of(batch).mean())

    def _loss_of_each(self, batch: Batch) -> Float[Tensor, "B"]:
        """What each history adds to the mean cross-entropy of all steps; derivable twice."""
        target: Tensor = batch.target  # type: ignore[assignment]
        learn = target > 0
        states, vectors, bias = self.encoder.compared(self.encoder.encode(batch)[learn])
        scores = states @ vectors[1:].T if bias is None else states @ vectors[1:].T + bias[1:]
        lost = F.cross_entropy(scores, target[learn] - 1, reduction="none")
        total = torch.zeros(len(learn), device=lost.device)
        return total.index_add(0, learn.nonzero()[:, 0], lost / len(lost))

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        return self.encoder.score_all(batch)
