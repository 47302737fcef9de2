"""Pools: one vector of a set of events, in whatever order its events stand.

Each is called with the vectors of a history's events and with ``member[b, s, t]``: is event t of
row b one of its set s? It returns a vector a set; of a set without events it is of no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Mean(nn.Module):
    """The mean of the events' vectors (avgE)."""

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, embed_dim: int, config: Config):
        super().__init__()

    def weights(
        self, x: Float[Tensor, "B T D"], member: Bool[Tensor, "B S T"]
    ) -> Float[Tensor, "B S T"]:
        """How much each set takes of each event: rows sum to one."""
        return _shares(member)

    def forward(
        self, x: Float[Tensor, "B T D"], member: Bool[Tensor, "B S T"]
    ) -> Float[Tensor, "B S D"]:
        return self.weights(x, member) @ x


class Attention(Mean):
    """Each event attends to all of its set; the mean of what they take is one weighted sum (attnE).

    What is summed are the events' own vectors, so that an event alone stays what it is.
    """

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, embed_dim: int, config: Config):
        super().__init__(embed_dim, config)  # type: ignore[arg-type]
        self.norm = nn.LayerNorm(embed_dim)
        # without biases: that of a key is the same for all that an event looks at
        self.project = nn.Linear(embed_dim, 2 * embed_dim, bias=False)

    def weights(
        self, x: Float[Tensor, "B T D"], member: Bool[Tensor, "B S T"]
    ) -> Float[Tensor, "B S T"]:
        query, key = self.project(self.norm(x)).chunk(2, dim=-1)
        each = _attention(query @ key.mT / x.shape[-1] ** 0.5, _same(member))
        return _shares(member) @ each


class DeepSets(nn.Module):
    """A network of the sum of a network's outputs (Zaheer et al., 2017, arXiv:1703.06114)."""

    @dataclass(frozen=True)
    class Config:
        hidden_dim: int = 128

    def __init__(self, embed_dim: int, config: Config):
        super().__init__()
        width = config.hidden_dim
        self.norm = nn.LayerNorm(embed_dim)
        self.each = nn.Sequential(
            nn.Linear(embed_dim, width), nn.GELU(), nn.Linear(width, width), nn.GELU()
        )
        self.whole = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), _item_sized(nn.Linear(width, embed_dim))
        )

    def forward(
        self, x: Float[Tensor, "B T D"], member: Bool[Tensor, "B S T"]
    ) -> Float[Tensor, "B S D"]:
        return self.whole(member.to(x) @ self.each(self.norm(x)))


class Looking(nn.Module):
    """Attention, then a layer, each added to what looks: the block of Set Transformer (MAB)."""

    def __init__(self, embed_dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim, bias=False)  # paper: with one, of no effect
        self.value = nn.Linear(embed_dim, embed_dim)
        self.feed = nn.Linear(embed_dim, embed_dim)
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.feed_norm = nn.LayerNorm(embed_dim)

    def forward(
        self,
        looks: Float[Tensor, "B Q D"],
        at: Float[Tensor, "B T D"],
        seen: Bool[Tensor, "B Q T"],
    ) -> Float[Tensor, "B Q D"]:
        query = self.query(looks)
        heads = [self._heads(part) for part in (query, self.key(at), self.value(at))]
        # by the root of the whole width, not of a head's (released code)
        logits = heads[0] @ heads[1].mT / at.shape[-1] ** 0.5
        taken = _attention(logits, seen[:, None]) @ heads[2]
        x = self.attention_norm(query + taken.transpose(1, 2).flatten(2))
        return self.feed_norm(x + self.feed(x).relu())

    def _heads(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B H T d"]:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class SetTransformer(nn.Module):
    """Events look at each other, then a learned seed looks at them (Lee et al., 2019,
    arXiv:1810.00825): SABs and a PMA of one seed.
    """

    @dataclass(frozen=True)
    class Config:
        num_blocks: int = 1
        num_heads: int = 2

    def __init__(self, embed_dim: int, config: Config):
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.blocks = nn.ModuleList(
            Looking(embed_dim, config.num_heads) for _ in range(config.num_blocks)
        )
        self.seed = nn.Parameter(torch.randn(embed_dim) / embed_dim**0.5)
        self.gather = Looking(embed_dim, config.num_heads)
        self.out = _item_sized(nn.Linear(embed_dim, embed_dim))

    # paper: induced points (ISAB), for sets of thousands; two further blocks behind the seed
    def forward(
        self, x: Float[Tensor, "B T D"], member: Bool[Tensor, "B S T"]
    ) -> Float[Tensor, "B S D"]:
        x, same = self.norm(x), _same(member)
        for block in self.blocks:
            x = block(x, x, same)
        seeds = self.seed.expand(*member.shape[:2], -1)
        return self.out(self.gather(seeds, x, member))


POOLS: tuple[type[nn.Module], ...] = (Mean, Attention, DeepSets, SetTransformer)


def pool_of(embed_dim: int, config: Any) -> nn.Module:
    """The pool that ``config`` is the settings of; raises ``ValueError`` if it is of none."""
    for kind in POOLS:
        if type(config) is kind.Config:  # type: ignore[attr-defined]
            return kind(embed_dim, config)
    names = ", ".join(f"{kind.__name__}.Config()" for kind in POOLS)
    raise ValueError(f"{config!r} is the settings of no pool; use one of {names}")


def _item_sized(layer: nn.Linear) -> nn.Linear:
    """Outputs begin about as long as item vectors do, which stand beside them."""
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


def _shares(member: Bool[Tensor, "B S T"]) -> Float[Tensor, "B S T"]:
    return member / member.sum(-1, keepdim=True).clamp(min=1)


def _same(member: Bool[Tensor, "B S T"]) -> Bool[Tensor, "B T T"]:
    """Are two events of one set?"""
    given = member.float()
    return (given.mT @ given) > 0


def _attention(
    logits: Float[Tensor, "... T"], seen: Bool[Tensor, "... T"]
) -> Float[Tensor, "... T"]:
    """Softmax over what is seen; who sees nothing is padding, and gets numbers of no meaning."""
    return logits.masked_fill(~seen, torch.finfo(logits.dtype).min).softmax(-1)
