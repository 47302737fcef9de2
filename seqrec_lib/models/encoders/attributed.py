"""SASRec whose items are also what they are: categories and brands beside the number.

An item's vector is its own plus the mean of those of its attributes, where the network reads it
and where it is scored, so that a rare item borrows from its kind. S3-Rec (Zhou et al., 2020,
arXiv:2008.07873) published the attributes and learns to predict them before it trains; here they
are there from the first step on, as in FDSA (Zhang et al., 2019), with one network in place of two.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.encoders.sasrec import SASRec


class AttributedSASRec(SASRec):
    """Of a catalogue without attributes it is SASRec."""

    reads_attributes = True

    @dataclass(frozen=True)
    class Config(SASRec.Config):
        pass

    def __init__(self, catalogue: Catalogue, config: Config):
        if not config.tied:
            raise ValueError("attributes belong to one table: use tied=True")
        super().__init__(catalogue, config)
        table = torch.zeros(catalogue.num_items + 1, 1, dtype=torch.long, device="cpu")
        if catalogue.attributes is not None:
            table = torch.from_numpy(catalogue.attributes).long()
        count = (table > 0).sum(1)
        self._take(table[table > 0], count.cumsum(0) - count)
        self.attributes: Tensor  # of all items, one after the other
        self.begins: Tensor  # where those of an item begin
        self._vectors: Tensor | None = None  # of the update under way

    def _take(self, attributes: Int[Tensor, "M"], begins: Int[Tensor, "N"]) -> None:
        device = self.items.weight.device
        self.register_buffer("attributes", attributes.to(device))
        self.register_buffer("begins", begins.to(device))
        count = int(attributes.max()) if len(attributes) else 0
        self.attribute_vectors = nn.Embedding(
            count + 1, self.config.embed_dim, padding_idx=0, device=device
        )
        nn.init.normal_(self.attribute_vectors.weight[1:], std=0.04)  # a mean of four: as an item
        nn.init.zeros_(self.attribute_vectors.weight[0])

    def learn_sparsely(self) -> list[nn.Parameter]:
        return Recommender.learn_sparsely(self)  # attributes move the vectors of all items

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        self._vectors = self.item_vectors()[0]  # once, for what is read and what is scored
        try:
            return super().loss(batch)
        finally:
            self._vectors = None

    def item_vectors(self) -> tuple[Float[Tensor, "N D"], None]:
        if self._vectors is not None:
            return self._vectors, None
        kinds = self.attribute_vectors.weight
        of_kind = F.embedding_bag(self.attributes, kinds, self.begins, mode="mean")
        return self.items.weight + of_kind, None

    def embedded(self, item: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        return F.embedding(item, self.item_vectors()[0])

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """A model file brings its own attributes: make room for their vectors before loading."""
        stored = [state_dict.get(prefix + n, getattr(self, n)) for n in ("attributes", "begins")]
        # where they are the same, the optimiser has their vectors; without memory nothing is known
        if self.attributes.is_meta or not torch.equal(stored[0].cpu(), self.attributes.cpu()):
            self._take(*stored)
        super()._load_from_state_dict(state_dict, prefix, *args)
