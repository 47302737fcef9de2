"""The encoder of S3-Rec's descendants and of RecBole: causal attention, normalised after each part.

Item and place vectors are added and normalised; then, layer by layer, attention and a net, each
added to what it read and the sum normalised. It is not SASRec as published, which normalises
before.
"""

import torch
import torch.nn.functional as F
from published.base import LENGTH, Published
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue

HEADS = 2
NAMES = {
    "item_embeddings": "items",
    "item_embedding": "items",
    "position_embeddings": "places",
    "position_embedding": "places",
    "item_encoder.layer": "layer",
    "trm_encoder.layer": "layer",
    "multi_head_attention": "attention",
    "intermediate": "feed",
    "feed_forward": "feed",
    "LayerNorm": "norm",
}


class Attention(Published):
    """``newest_last``: the last of 50 places is the newest event's, as where histories are padded
    on the left; else the first place is the oldest's, as where they are padded on the right.
    """

    def __init__(self, catalogue: Catalogue, weights: dict[str, Tensor], newest_last: bool):
        super().__init__(catalogue, weights, NAMES)
        self.newest_last = newest_last
        self.layers = sum(name.endswith("attention.query.weight") for name in weights)

    def state(self, batch: Batch) -> Tensor:
        step = torch.arange(batch.item.shape[1])[None]
        if self.newest_last:
            step = (step + LENGTH - batch.length[:, None]).clamp(max=LENGTH - 1)
        x = self.norm(self.items_weight[batch.item] + self.places_weight[step], "norm")
        for number in range(self.layers):
            layer = f"layer_{number}"
            x = self.norm(x + self._attended(x, f"{layer}_attention"), f"{layer}_attention_norm")
            x = self.fed(x, layer)
        return x[torch.arange(len(x)), batch.length - 1]

    def _attended(self, x: Tensor, name: str) -> Tensor:
        """Padding stands on the right, where a causal look never meets it."""
        parts = [
            self.linear(x, f"{name}_{part}").unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        ]
        mixed = F.scaled_dot_product_attention(*parts, is_causal=True)
        return self.linear(mixed.transpose(1, 2).flatten(2), f"{name}_dense")
