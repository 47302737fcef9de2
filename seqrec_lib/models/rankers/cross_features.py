"""What an event is to its user, beside the item: TWIN's cross features (Chang et al., 2023,
arXiv:2302.02352).

An item's own part of attention can be computed once for everybody. What a user did with it cannot:
so each feature is no more than a number added to the logit, of each head.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch

WIDTH = 8  # of a feature's vector, as in the paper
BUCKETS = {"gap": 33, "count": 17}
READS: dict[str, tuple[str, ...]] = {"gap": ("time",), "count": ()}


def gap(time: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """How long before each event the one before it was: 1 + floor(log2(1 + seconds)), at most 32.

    0 for the first event of a history.
    """
    since = time.diff(dim=1).clamp(min=0)
    buckets = 1 + (1 + since.double()).log2().floor().long().clamp(max=31)
    return nn.functional.pad(buckets, (1, 0))


def count(item: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """How often the event's item came up to it: floor(log2), at most 16; of its first time 0."""
    order = item.argsort(dim=1, stable=True)
    ordered, place = item.gather(1, order), torch.arange(item.shape[1], device=item.device)
    first = nn.functional.pad(ordered.diff(dim=1) != 0, (1, 0), value=True)
    nth = place + 1 - torch.where(first, place, 0).cummax(1).values
    nth = torch.zeros_like(item).scatter(1, order, nth)
    return nth.double().log2().floor().long().clamp(max=BUCKETS["count"] - 1)


# paper: page, play time, time of the click, interplay with the author; here what any log has
class CrossFeatures(nn.Module):
    """Vectors of the features of each event, side by side; raises ``ValueError`` for others, and
    for one that is named twice."""

    def __init__(self, features: tuple[str, ...]):
        super().__init__()
        if strange := set(features) - BUCKETS.keys():
            raise ValueError(f"cross is {sorted(strange)}; use names of {', '.join(BUCKETS)}")
        if len(set(features)) < len(features):
            raise ValueError(f"cross is {features}; name each feature once")
        self.tables = nn.ModuleDict({name: nn.Embedding(BUCKETS[name], WIDTH) for name in features})
        for table in self.tables.values():
            nn.init.zeros_(table.weight)  # type: ignore[arg-type]  # of what training never saw, nothing

    def forward(self, batch: Batch) -> Float[Tensor, "B T F"]:
        found = {"gap": lambda: gap(batch.time), "count": lambda: count(batch.item)}  # type: ignore[arg-type]
        return torch.cat([table(found[name]()) for name, table in self.tables.items()], -1)
