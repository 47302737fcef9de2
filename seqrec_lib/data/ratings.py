"""Ratings: who gave which item how much, and when; what a rating model learns from or is asked."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqrec_lib.data.log import EventLog

DAY_S = 86_400
YEAR_S = 31_557_600  # 365.25 days


@dataclass(frozen=True)
class Ratings:
    """A row a rating: the user (from 0), the item (from 1), the time in seconds, the rating."""

    user: Int[Tensor, "R"]
    item: Int[Tensor, "R"]
    time: Int[Tensor, "R"]
    rating: Float[Tensor, "R"]

    @classmethod
    def of(cls, log: EventLog, positions: Int[np.ndarray, "P"]) -> Ratings:
        """Those at some positions of a log. Raises ``ValueError`` if it has no ratings."""
        if log.rating is None:
            raise ValueError(
                "this log has no ratings: give its table a column 'rating' (movielens_small has)"
            )
        columns = (log.user_of(positions), log.item[positions], log.time[positions])
        user, item, time = (torch.from_numpy(np.asarray(one, np.int64)) for one in columns)
        return cls(
            user, item, time, torch.from_numpy(np.asarray(log.rating[positions], np.float32))
        )

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: Int[Tensor, "B"]) -> Ratings:
        return Ratings(*(getattr(self, part.name)[rows] for part in fields(self)))


def long_span(log: EventLog, days: float = 30) -> Bool[np.ndarray, "U"]:
    """Whose first and last event are more than so many days apart?"""
    time = np.asarray(log.time)
    return time[log.offsets[1:] - 1] - time[log.offsets[:-1]] > days * DAY_S
