"""DuoRec: SASRec with two views of a history pulled together (Qiu et al., 2022, arXiv:2110.05730).

One view is the history under another draw of dropout, the other another training history that led
to the same item. Each is told from the other histories of the batch by InfoNCE, beside the loss
on the next item. The paper sees every prefix of a history as a sample of its own; here a batch has
whole windows, and in each of them one step, drawn anew in every pass, is contrasted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.limits import above_zero, at_least


class SameTarget:
    """Training positions by their item, linear in their number.

    The published index compares all pairs of samples; it and this one hold training positions
    only, and only those with a history.
    """

    def __init__(self, log: EventLog, positions: Int[np.ndarray, "P"]):
        with_history = positions[log.history_length(positions) > 0]
        self.in_order = with_history[np.argsort(log.item[with_history], kind="stable")]
        count = np.bincount(log.item[with_history], minlength=log.num_items + 1)
        self.first = np.r_[0, count.cumsum()]
        self.item = log.item

    def draw(
        self, positions: Int[np.ndarray, "B"], rng: np.random.Generator
    ) -> Int[np.ndarray, "B"]:
        """For each position another one with the same item, uniform; itself if there is none."""
        first, end = self.first[self.item[positions]], self.first[self.item[positions] + 1]
        chosen = first + (rng.random(len(positions)) * (end - first - 1)).astype(np.int64)
        # the last one stands in for the position itself: uniform over the others
        found = self.in_order[chosen]
        return np.where(found == positions, self.in_order[end - 1], found)


def contrast(
    one: Float[Tensor, "B D"],
    other: Float[Tensor, "B D"],
    same: Bool[Tensor, "B B"] | None = None,
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE of row i of one view and row i of the other among all 2 B (eq. 10).

    Scores are inner products over ``temperature``. Rows that ``same`` names are no negatives.
    """
    size = len(one)
    views = torch.cat([one, other])
    scores = views @ views.T / temperature
    out = torch.eye(2 * size, dtype=torch.bool, device=scores.device)  # a view and itself
    if same is not None:
        out = out | (same.repeat(2, 2) & ~out.roll(size, 0))
    partner = torch.arange(2 * size, device=scores.device).roll(size)
    return F.cross_entropy(scores.masked_fill(out, -torch.inf), partner)


# paper: norms after the sublayers and on the embeddings, attention dropout, places from the start
# (released code); negatives are rows of a random batch, here of one of similar lengths
class DuoRec(SASRec):
    @dataclass(frozen=True)
    class Config(SASRec.Config):
        views: str = "dropout-target"  # or "both": state-dropout and state-target, two terms
        weight: float = 0.1  # of each contrastive term
        contrast_temperature: float = 1.0
        cosine: bool = False  # contrast cosines; paper: inner products
        mask_same: bool = True  # histories that led to the same item are no negatives; paper: are

    config: Config

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.views not in ("dropout-target", "both"):
            raise ValueError(f"views is {config.views!r}; use 'dropout-target' or 'both'")
        at_least(0, config, "weight")
        above_zero(config, "contrast_temperature")
        super().__init__(catalogue, config)
        self._same_target: SameTarget | None = None

    @property
    def needs_one_process(self) -> str:
        return "a history is told from the others of its batch"

    def begin_pass(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> None:
        self._same_target, self._length = SameTarget(log, positions), length

    def prepared(
        self, batch: Batch, log: EventLog, windows: Int[np.ndarray, "B 2"], rng: np.random.Generator
    ) -> Batch:
        step = (rng.random(len(windows)) * (windows[:, 1] - windows[:, 0] + 1)).astype(np.int64)
        like = self._same_target.draw(windows[:, 0] + step, rng)  # type: ignore[union-attr]
        batch.extra["step"] = torch.from_numpy(step)
        batch.extra["like"] = log.histories(like, self._length).item
        return batch

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        row, step = torch.arange(len(batch.item), device=batch.item.device), batch.extra["step"]
        with torch.autocast("cpu", enabled=False):  # as in SequenceEncoder.loss
            states = self.encode(batch)
            own, like = states[row, step], self._last_states(batch.extra["like"])
            target = batch.target[row, step]  # type: ignore[index]
            # paper: encodes the history once more; this state has its draw of dropout already
            pairs = [(own, like)]
            if self.config.views == "both":
                pairs.append((own, self.encode(batch)[row, step]))
            found = sum(self._contrast(one, other, target) for one, other in pairs)
        return self.next_item_loss(states, batch) + self.config.weight * found

    def _last_states(self, item: Int[Tensor, "B T"]) -> Float[Tensor, "B D"]:
        """The states after whole histories, encoded in groups of similar length.

        Windows of a batch are of a length; the histories that led to the same items are not, and
        padded to the longest they would cost more than all the rest.
        """
        length = (item > 0).sum(1)
        size = length.float().log2().ceil()  # 1, 2, 3 and 4, 5 to 8, ...
        groups = [(size == one).nonzero()[:, 0] for one in size.unique()]
        states = [self.state(Batch(item[rows, : int(length[rows].max())])) for rows in groups]
        return torch.cat(states)[torch.cat(groups).argsort()]

    def _contrast(
        self, one: Float[Tensor, "B D"], other: Float[Tensor, "B D"], target: Int[Tensor, "B"]
    ) -> Float[Tensor, ""]:
        if self.config.cosine:
            one, other = F.normalize(one, dim=-1), F.normalize(other, dim=-1)
        same = target[:, None] == target if self.config.mask_same else None
        return contrast(one, other, same, self.config.contrast_temperature)
