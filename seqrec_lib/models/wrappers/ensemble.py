"""Several trained models as one: their mean or mixture, and who repeats counted.

Models that err differently correct each other. The mean of log-probabilities lets each object; a
mixture lets each name what the others do not know, in its share of the chance. Whether an
item comes back is a question of its own (RepeatNet; Ren et al., 2019, arXiv:1812.02646): here the
share of training targets seen before in their history, counted, splits the probability between
items seen and not seen, and the models split it further within the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import Recommender, from_config
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.limits import narrowest
from seqrec_lib.models.wrappers.batches import plain


class Ensemble(Recommender):
    @dataclass(frozen=True)
    class Config:
        members: tuple[Any, ...] = (SASRec.Config(),)  # of any models that give chances
        repeats: bool = False  # split between seen and not seen as counted in training
        shares: tuple[float, ...] = ()  # of each member in a mixture; none: the mean of logs

    def __init__(self, catalogue: Catalogue, config: Config):
        super().__init__(catalogue)
        shares, count = config.shares, len(config.members)
        if shares and (len(shares) != count or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6):
            raise ValueError(f"shares must be {count}, each above 0, and sum to 1, not {shares}")
        self.config = config
        self.members = nn.ModuleList(from_config(catalogue, member) for member in config.members)
        self.max_len = narrowest(m.max_len for m in self.members)  # type: ignore[misc]
        self.steps_at_once = narrowest(m.steps_at_once for m in self.members)  # type: ignore[misc]
        self.reads = tuple(sorted({name for m in self.members for name in m.reads}))  # type: ignore[union-attr]
        self.register_buffer("repeat_share", torch.tensor(0.5))
        self.repeat_share: Tensor

    @property
    def needs_one_process(self) -> str:
        reasons = [member.needs_one_process for member in self.members]
        return next((reason for reason in reasons if reason), "")  # type: ignore[return-value]

    def start_from(self, *sources: Recommender) -> None:
        """Take the trained members, in the order of the settings."""
        for member, source in zip(self.members, sources, strict=True):
            member.load_state_dict(source.state_dict())

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        """Count how many targets stood in the ``length`` events before them."""
        asked = positions[log.history_length(positions) > 0]
        repeats = 0
        for part in np.array_split(asked, 1 + len(asked) // 4096):
            history = log.histories(part, length).item.numpy()
            repeats += int((history == log.item[part, None]).any(1).sum())
        self.repeat_share.fill_((repeats + 1) / (len(asked) + 2))  # rule of succession

    def training_batches(
        self,
        log: EventLog,
        positions: Int[np.ndarray, "P"],
        batch_size: int,
        length: int,
        rng: np.random.Generator,
    ) -> Iterator[Batch]:
        """Batches for all; raises ``ValueError`` for a member that makes its own."""
        for member in self.members:
            plain(member)  # type: ignore[arg-type]
            member.begin_pass(log, positions, length)  # type: ignore[operator]
        yield from super().training_batches(log, positions, batch_size, length, rng)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Mean of the members' losses: trained together, each learns as it would alone."""
        return torch.stack([member.loss(batch) for member in self.members]).mean()  # type: ignore[operator]

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        parts = torch.stack([member.log_chances(batch) for member in self.members])  # type: ignore[operator]
        if self.config.shares:
            share = torch.tensor(self.config.shares, device=parts.device)[:, None, None]
            scores = (parts + share.log()).logsumexp(0)
        else:
            scores = parts.mean(0)
        if self.config.repeats:
            seen = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, batch.item, True)
            seen[:, 0] = False
            scores = torch.where(seen, _within(scores, seen), _within(scores, ~seen))
            share = self.repeat_share
            scores += torch.where(seen, share.log(), (-share).log1p())
        scores[:, 0] = -torch.inf
        return scores


def _within(scores: Float[Tensor, "B N"], part: Bool[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """Log-probabilities given that the item is one of ``part``."""
    return scores.masked_fill(~part, -torch.inf).log_softmax(1)
