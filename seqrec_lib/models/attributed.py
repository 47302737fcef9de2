"""SASRec whose items are also what they are: categories and brands beside the number.

An item's vector is its own plus the mean of those of its attributes, where the network reads it
and where it is scored, so that a rare item borrows from its kind. S3-Rec (Zhou et al., 2020,
arXiv:2008.07873) published the attributes and learns to predict them before it trains; here they
are there from the first step on, as in FDSA (Zhang et al., 2019), with one network in place of two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.sasrec import SASRec


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
        attributes = catalogue.attributes
        if attributes is None:
            attributes = np.zeros((catalogue.num_items + 1, 1), dtype=np.int32)
        self._take(torch.from_numpy(attributes))
        self.attributes: Tensor

    def _take(self, attributes: Int[Tensor, "N A"]) -> None:
        device = self.items.weight.device
        self.register_buffer("attributes", attributes.to(device))
        self.attribute_vectors = nn.Embedding(
            int(attributes.max()) + 1, self.config.embed_dim, padding_idx=0, device=device
        )
        nn.init.normal_(self.attribute_vectors.weight[1:], std=0.04)  # a mean of four: as an item
        nn.init.zeros_(self.attribute_vectors.weight[0])

    def item_vectors(self) -> tuple[Float[Tensor, "N D"], None]:
        kind = F.embedding_bag(
            self.attributes, self.attribute_vectors.weight, mode="mean", padding_idx=0
        )
        return self.items.weight + kind, None

    def embedded(self, item: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        return F.embedding(item, self.item_vectors()[0])

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """A model file brings its own attributes: make room for their vectors before loading."""
        stored = state_dict[prefix + "attributes"]
        if not torch.equal(stored.cpu(), self.attributes.cpu()):  # else the optimiser knows them
            self._take(stored)
        super()._load_from_state_dict(state_dict, prefix, *args)
