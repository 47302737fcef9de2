"""Two stages: a cheap model names candidates, and a ranker orders them.

The usual way to serve a network that reads each candidate (Covington et al., 2016,
doi:10.1145/2959100.2959190): it costs the same for a catalogue of any size.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.limits import narrowest
from seqrec_lib.serving.served import Served
from seqrec_lib.training.evaluation import masked_out

CANDIDATES = 200


class Reranker(Recommender):
    """Scores by ``ranker`` the ``count`` items that ``first`` puts highest beside those of the
    history, and the history's own; all others minus infinity, as what ``first`` scores so.

    The history's own are candidates of their own account, all that masking takes out and not only
    those that are read, so that masking leaves ``count`` others.
    """

    def __init__(self, first: Recommender, ranker: Recommender, count: int = CANDIDATES):
        none = torch.zeros(first.num_items + 1, dtype=torch.long).numpy()
        super().__init__(Catalogue(first.num_items, none))
        if count < 1:
            raise ValueError(f"count is {count}; rerank one candidate or more")
        self.first, self.ranker, self.count = first, ranker, count
        self.steps_at_once = narrowest(one.steps_at_once for one in (first, ranker))
        self.reads = tuple(sorted({*first.reads, *ranker.reads}))
        self.names = {**first.names, **ranker.names}
        self.max_len = narrowest(one.max_len for one in (first, ranker))

    def batch(
        self, log: EventLog, positions: Int[np.ndarray, "P"], length: int | Int[np.ndarray, "P"]
    ) -> Batch:
        batch = super().batch(log, positions, length)
        row, item = masked_out(log, positions, "cpu")
        each = item.split(row.bincount(minlength=len(positions)).tolist())
        batch.extra["own"] = pad_sequence(list(each), batch_first=True)
        return batch

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        own, given = batch.extra["own"], self.first.score_all(batch).float()
        others = given.scatter(1, own, -torch.inf)
        best = others.topk(min(self.count, self.num_items)).indices
        candidates = torch.cat([own, best], 1)
        score = self.ranker.score(batch, candidates).float()
        score = score.masked_fill(given.gather(1, candidates) == -torch.inf, -torch.inf)
        scores = torch.full_like(given, -torch.inf).scatter(1, candidates, score)
        scores[:, 0] = -torch.inf
        return scores


def reranked(first: Served, ranker: Served, count: int = CANDIDATES) -> Served:
    """Both as one served model, which reads as much as the one that reads less.

    Raises ``ValueError`` unless both learned of the same items, and words, in the same order.
    """
    if first.items.tolist() != ranker.items.tolist():
        raise ValueError(
            f"{ranker.name} cannot rerank what {first.name} finds: they know other items; train "
            "both on one log"
        )
    words = first.model.names, ranker.model.names
    for name in set(words[0]) & set(words[1]):
        if list(words[0][name]) != list(words[1][name]):
            raise ValueError(
                f"{ranker.name} cannot rerank what {first.name} finds: they know other words of "
                f"{name}; train both on one log"
            )
    return Served(
        Reranker(first.model, ranker.model, count).eval(),
        first.items,
        min(first.length, ranker.length),
        f"{ranker.name}-of-{first.name}",
        f"{first.digest}+{ranker.digest}",
        first.about,
    )
