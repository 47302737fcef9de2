"""BERT4Rec: a history with items blanked out, filled in from both sides (Sun et al., 2019,
arXiv:1904.06690).

Learning is a cloze: a share of a history's items is masked, and each is predicted from what stands
before and after it. To recommend, a mask is put behind the history: the state there is the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog, bucketed
from seqrec_lib.models.encoders.sasrec import SASRec


# paper: norms after the sublayers, attention dropout, a bias for each item in the output; one draw
# of masks for each of ten copies of the data, here anew in every pass
class BERT4Rec(SASRec):
    causal = False

    @dataclass(frozen=True)
    class Config(SASRec.Config):
        mask_share: float = 0.2  # of a history's items, and one at least
        last: bool = True  # learn once more from each history with its last item masked, no other
        prefixes: bool = False  # that history ends anywhere, anew in every pass
        head: bool = True  # a layer between the state and the comparison with items

    config: Config

    def __init__(self, catalogue: Catalogue, config: Config):
        if not 0 < config.mask_share < 1:
            raise ValueError(f"mask_share is {config.mask_share}; use a share between 0 and 1")
        if config.max_len < 2:
            raise ValueError(f"max_len is {config.max_len}; a mask and an item need 2")
        super().__init__(catalogue, config)
        width = config.embed_dim
        self.mask = nn.Parameter(torch.randn(width) * 0.02)  # no row of the table: no candidate
        self.head = (
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
            if config.head
            else nn.Identity()
        )

    @property
    def masked(self) -> int:
        """Stands for a masked item in a batch."""
        return self.num_items + 1

    def encode(self, batch: Batch) -> Float[Tensor, "B T D"]:
        return self.head(super().encode(batch))

    def attended(self, batch, change=None):
        states, weights = super().attended(batch, change)
        return self.head(states), weights

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Of masked items; ``ValueError`` if a target is the next item, which is in plain sight."""
        if ((batch.target > 0) & (batch.item != self.masked)).any():  # type: ignore[operator]
            raise ValueError("BERT4Rec learns what is masked, not what comes next; train it alone")
        return super().loss(batch)

    def embedded(self, item: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        masked = item == self.masked
        return torch.where(masked[..., None], self.mask, self.items(item.masked_fill(masked, 0)))

    def seen(self, real: Bool[Tensor, "B T"]) -> Bool[Tensor, "B T T"]:
        return real[:, None].expand(-1, real.shape[1], -1)

    def state(self, batch: Batch) -> Float[Tensor, "B D"]:
        """The state at a mask behind each history, which gives way by its oldest items."""
        over = (batch.length + 1 - self.config.max_len).clamp(min=0)
        room = min(batch.item.shape[1] + 1, self.config.max_len)
        place = torch.arange(room, device=over.device) + over[:, None]
        item = F.pad(batch.item, (0, 1)).gather(1, place)
        row, last = torch.arange(len(over), device=over.device), batch.length - over
        item[row, last] = self.masked
        return self.encode(Batch(item))[row, last]

    def training_batches(self, log, positions, batch_size, length, rng) -> Iterator[Batch]:
        """One pass over the training histories, each masked at random, then at its end alone.

        What is masked are training events and no others.
        """
        self.begin_pass(log, positions, length)
        known = np.zeros(len(log), dtype=bool)
        known[positions] = True
        windows, at_end = self._windows(log, positions, length)
        if self.config.prefixes:
            targets = np.sort(positions)
            first, last = windows[at_end].T
            ends = rng.integers(*np.searchsorted(targets, [first, last + 1]))
            windows[at_end, 1] = targets[ends]
        for rows in bucketed(windows[:, 1] - windows[:, 0] + 2, batch_size, rng):
            # with the event before the first target: it may be masked like any other
            first, last = windows[rows, 0] - 1, windows[rows, 1]
            item = log.cut("item", first, last + 1)
            place = first[:, None] + np.arange(item.shape[1])
            lot = np.where((place <= last[:, None]) & known[np.minimum(place, len(log) - 1)],
                           rng.random(place.shape), np.inf)  # fmt: skip
            lot[at_end[rows]] = np.inf
            lot[at_end[rows], (last - first)[at_end[rows]]] = 0
            count = self._masks(last - first + 1, np.isfinite(lot).sum(1))
            masked = torch.from_numpy(lot.argsort(1).argsort(1) < count[:, None])
            batch = Batch(item.masked_fill(masked, self.masked), item.masked_fill(~masked, 0))
            yield self.prepared(batch, log, windows[rows], rng)

    def num_targets(self, log: EventLog, positions: Int[np.ndarray, "P"], length: int) -> int:
        windows, at_end = self._windows(log, positions, length)
        first, last = windows[~at_end].T
        known = last - first + 1 + np.isin(first - 1, positions)
        return int(at_end.sum() + self._masks(last - first + 2, known).sum())

    def _windows(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int
    ) -> tuple[Int[np.ndarray, "W 2"], Bool[np.ndarray, "W"]]:
        """Windows of targets, and of which the last one alone is masked."""
        windows = log.windows(positions, max(1, length - 1))
        random, end = self.every_step, self.config.last or not self.every_step
        return np.concatenate([windows] * (random + end)), np.repeat(
            [False] * random + [True] * end, len(windows)
        )

    def _masks(
        self, lengths: Int[np.ndarray, "W"], most: Int[np.ndarray, "W"]
    ) -> Int[np.ndarray, "W"]:
        wanted = np.round(self.config.mask_share * lengths).astype(int)
        return np.minimum(np.maximum(1, wanted), most)
