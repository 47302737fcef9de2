"""SVD++: which items a user rated says who they are, beside how (Koren, 2008, "Factorization meets
the neighborhood", equation 15): q_i (p_u + |N(u)|^-1/2 sum of y_j over N(u)).

N(u) are the items that ``read`` was shown. Koren's also had those of the test ratings.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from seqrec_lib.data.ratings import Ratings
from seqrec_lib.models.ratings.bias import factors, silence
from seqrec_lib.models.ratings.mf import BiasedMF
from seqrec_lib.models.ratings.steps import spelled


class SVDpp(BiasedMF):
    def __init__(self, num_users: int, num_items: int, config: BiasedMF.Config):
        super().__init__(num_users, num_items, config)
        self.implicit = factors(num_items + 1, config.embed_dim)

    def read(self, known: Ratings) -> None:
        super().read(known)
        silence(self.implicit, known.item)
        order = torch.argsort(known.user, stable=True)
        self.rated = known.item[order]
        counts = torch.bincount(known.user, minlength=len(self.user_bias.weight))
        self.start = F.pad(counts.cumsum(0), (1, 0))

    def of_user(self, asked: Ratings) -> Float[Tensor, "B D"]:
        return super().of_user(asked) + self._sums(asked, squared=False)

    def penalty(self, asked: Ratings) -> Float[Tensor, "B"]:
        return super().penalty(asked) + self._sums(asked, squared=True).sum(-1)

    def _sums(self, asked: Ratings, squared: bool) -> Float[Tensor, "B D"]:
        """Of y over the items of each user by the root of their number; or of its squares."""
        user, back = asked.user.unique(return_inverse=True)
        places, first = spelled(self.start[user], self.start[user + 1])
        count = (self.start[user + 1] - self.start[user]).clamp(min=1)[:, None]
        table = self.implicit.weight
        if squared:
            return F.embedding_bag(self.rated[places], table**2, first, mode="sum")[back]
        return (F.embedding_bag(self.rated[places], table, first, mode="sum") / count**0.5)[back]
