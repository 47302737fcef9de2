"""WEARec: a filter of frequencies that depends on the history, and Haar wavelets; no attention.

Each layer mixes two views of the history, padded on the left to 50 events of which padding is a
part: frequencies, scaled and shifted by what a net makes of the mean event, and pairs of
neighbours, their differences scaled.
"""

import torch
import torch.nn.functional as F
from published.base import LENGTH, Published
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue

NAMES = {
    "item_embeddings": "items",
    "position_embeddings": "places",
    "item_encoder.blocks": "layer",
    ".layer.": ".mix.",
    "feed_forward": "feed",
    "LayerNorm": "norm",
}


class WEARec(Published):
    """``share`` is that of the frequencies; the wavelets have the rest."""

    def __init__(self, catalogue: Catalogue, weights: dict[str, Tensor], share: float):
        super().__init__(catalogue, weights, NAMES)
        self.share = share
        self.layers = sum(name.endswith("base_filter") for name in weights)

    def state(self, batch: Batch) -> Tensor:
        left = torch.arange(LENGTH) - LENGTH + batch.length[:, None]
        item = batch.item.gather(1, left.clamp(min=0)).masked_fill(left < 0, 0)
        x = self.norm(self.items_weight[item] + self.places_weight, "norm")
        for number in range(self.layers):
            layer = f"layer_{number}"
            x = self.norm(x + self._mixed(x, f"{layer}_mix"), f"{layer}_mix_norm")
            x = self.fed(x, layer)
        return x[:, -1]

    def _mixed(self, x: Tensor, name: str) -> Tensor:
        part = {one: getattr(self, f"{name}_{one}") for one in _PARTS}
        heads, bins, _ = part["base_filter"].shape
        asked = F.gelu(self.linear(x.mean(1), f"{name}_adaptive_mlp_0"))
        moved = self.linear(asked, f"{name}_adaptive_mlp_2").view(len(x), heads, bins, 2)
        scale = part["base_filter"] * (1 + moved[..., :1])
        shift = part["base_bias"] + moved[..., 1:]
        by_head = x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (B, H, T, d)
        waves = torch.fft.rfft(by_head, dim=2, norm="ortho") * scale + shift
        smooth = torch.fft.irfft(waves, dim=2, n=LENGTH, norm="ortho")
        even, odd = by_head[:, :, 0::2], by_head[:, :, 1::2]
        mean, half = (even + odd) / 2, (even - odd) / 2 * part["complex_weight"]
        local = torch.stack([mean + half, mean - half], 3).flatten(2, 3)
        mixed = self.share * smooth + (1 - self.share) * local
        return mixed.transpose(1, 2).flatten(2)


_PARTS = ("base_filter", "base_bias", "complex_weight")
