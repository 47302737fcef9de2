"""SASRec: self-attention over the history (Kang & McAuley, 2018, arXiv:1808.09781).

Each step looks back over the steps before it and itself, and the state after the last step is
compared with every item. Trained here on a softmax over the catalogue rather than on one sampled
negative: the loss, not the architecture, is what separates weak from strong SASRec figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.limits import at_least
from seqrec_lib.models.losses import Objective, Softmax

PLACES = ("none", "absolute", "back", "sinusoid")


def waves(step: Int[Tensor, "T"], width: int) -> Float[Tensor, "T D"]:
    """Sines and cosines of steps, of wavelengths from 2 pi to 10,000 times that (Vaswani et al.,
    2017, arXiv:1706.03762, section 3.5): how two steps agree depends on how far apart they are.
    """
    rate = 10_000 ** (-torch.arange(0, width, 2, device=step.device) / width)
    angle = step[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :width]


class Attention(nn.Module):
    """Multi-head attention of each step over itself and what came before.

    With ``seen``, over what that says instead: may row b's step s look at step t? One row of it is
    for all steps.
    """

    # paper: drops attention weights too; slower on a CPU, and no better here
    def __init__(self, embed_dim: int, num_heads: int):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"num_heads is {num_heads}; it must divide the width, {embed_dim}")
        self.num_heads = num_heads
        self.project = nn.Linear(embed_dim, 3 * embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)

    def heads(self, x: Float[Tensor, "B T D"]) -> list[Float[Tensor, "B H T d"]]:
        """Query, key and value of each head."""
        parts = self.project(x).chunk(3, dim=-1)
        return [part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in parts]

    def weights(
        self, x: Float[Tensor, "B T D"], seen: Bool[Tensor, "B T T"] | None = None
    ) -> Float[Tensor, "B H T T"]:
        """How much each step takes from each: rows sum to one and hold nothing unseen."""
        query, key, _ = self.heads(x)
        logits = query @ key.mT / query.shape[-1] ** 0.5
        if seen is None:
            seen = torch.ones_like(logits[:, 0], dtype=torch.bool).tril()
        return logits.masked_fill(~seen[:, None], -torch.inf).softmax(-1)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        weights: Float[Tensor, "B H T T"] | None = None,
        seen: Bool[Tensor, "B #T T"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        query, key, value = self.heads(x)
        if weights is not None:  # written out, or changed by who asks
            mixed = weights @ value
        elif seen is not None:
            mixed = F.scaled_dot_product_attention(query, key, value, seen[:, None])
        else:  # padding stands on the right: looking back never meets it
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a position-wise feed-forward net; normalised before, added after."""

    def __init__(self, embed_dim: int, hidden_dim: int, num_heads: int, dropout: float):
        super().__init__()
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.attention = Attention(embed_dim, num_heads)
        self.feed_norm = nn.LayerNorm(embed_dim)
        self.feed = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim),
            nn.GELU(),  # paper: ReLU, and dropout after it
            nn.Linear(hidden_dim, embed_dim),
        )
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        weights: Float[Tensor, "B H T T"] | None = None,
        seen: Bool[Tensor, "B T T"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        # paper: the released code normalises queries alone, and adds to the normalised input
        x = x + self.dropout(self.attention(self.attention_norm(x), weights, seen))
        return x + self.dropout(self.feed(self.feed_norm(x)))


class SASRec(SequenceEncoder):
    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64  # paper: 50
        hidden_dim: int = 256  # paper: as wide as the embedding
        num_layers: int = 2
        num_heads: int = 2  # paper: 1
        max_len: int = 50
        dropout: float = 0.5
        drop_events: float = 0.0  # share of whole events of a history that are hidden in training
        tied: bool = True  # one item table for input and output; False adds a second and a bias
        temperature: float | None = None  # cosine scores over this; None: inner products
        objective: Objective = Softmax()  # paper: BCE()
        # learned: "back", counted from the newest event, or "absolute", from the oldest; fixed:
        # "sinusoid", from the oldest; or "none"
        places: str = "back"

    def __init__(self, catalogue: Catalogue, config: Config):
        if config.places not in PLACES:
            raise ValueError(f"places is {config.places!r}; use one of {', '.join(PLACES)}")
        at_least(1, config, "hidden_dim", "num_heads", "max_len")
        at_least(0, config, "num_layers")
        super().__init__(catalogue, config.embed_dim, config.objective, config.temperature)
        self.config = config
        self.max_len = config.max_len
        learned = config.places in ("absolute", "back")
        self.positions = nn.Embedding(config.max_len, config.embed_dim) if learned else None
        self.dropout = Dropout(config.dropout)
        self.drop_events = Dropout(config.drop_events)
        self.blocks = nn.ModuleList(
            Block(config.embed_dim, config.hidden_dim, config.num_heads, config.dropout)
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.embed_dim)
        if not config.tied:
            self.output = nn.Linear(config.embed_dim, catalogue.num_items + 1)
        self.apply(_initialise)

    def run(
        self, vectors: Float[Tensor, "B T D"], real: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        x, seen = self._placed(vectors, real), self.seen(real)
        for block in self.blocks:
            x = block(x, seen=seen)
        return self.norm(x)

    def seen(self, real: Bool[Tensor, "B T"]) -> Bool[Tensor, "B T T"] | None:
        """Which steps each step looks at; None: itself and what came before."""
        return None

    def attended(
        self, batch: Batch, change: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "L B H T T"]]:
        """The states of ``encode`` and each layer's attention weights, written out.

        ``change`` turns the weights (B, H, T, T) of a layer into those used in their place. A row
        is a step that looks, a column one that is looked at.
        """
        x, seen = self._placed(self.embedded(batch.item), batch.real), self.seen(batch.real)
        found = []
        for block in self.blocks:
            weights = block.attention.weights(block.attention_norm(x), seen)  # type: ignore[operator, union-attr]
            found.append(weights if change is None else change(weights))
            x = block(x, found[-1])
        return self.norm(x), torch.stack(found)

    def _placed(
        self, vectors: Float[Tensor, "B T D"], real: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        """What the blocks read: the vectors of steps plus those of their places."""
        # paper: item vectors times the root of embed_dim (released code)
        if self.training and self.config.drop_events:
            vectors = vectors * self.drop_events(torch.ones_like(vectors[..., :1]))
        if self.config.places == "none":
            return self.dropout(vectors)
        step = torch.arange(real.shape[1], device=real.device)
        if self.positions is None:
            # as small beside the items as in the paper, whose items are larger
            return self.dropout(vectors + 0.02 * waves(step, vectors.shape[-1]))
        if self.config.places == "back":
            # from the newest step, so that "just now" has one place whatever the length
            step = (real.sum(1, keepdim=True) - 1).clamp(min=0) - step
        return self.dropout(vectors + self.positions(step.clamp(0, self.config.max_len - 1)))


def _initialise(module: nn.Module) -> None:
    """Normal with standard deviation 0.02, as BERT; biases and the padding row zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        nn.init.zeros_(module.weight[module.padding_idx])
