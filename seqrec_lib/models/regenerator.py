"""DR4SR's regenerator: histories rewritten as the patterns in them (Yin et al., 2024,
arXiv:2405.17795).

A transformer reads a history; K projections of what it read are K ways to tell it again; a decoder
writes a pattern from one of them. In training the pattern itself says which of the K is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqrec_lib.models.losses import Objective

LONGEST = 25  # items of a sequence written (the released code)


class Regenerator(nn.Module):
    """Tokens are items 1..num_items, 0 padding, then START and END."""

    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 64
        hidden_dim: int = 256
        num_layers: int = 2
        num_heads: int = 2
        dropout: float = 0.5
        ways: int = 5  # K, section 3.3
        max_len: int = 50
        diversity: float = 1.0  # weight of the entropy of the choice among the ways

    def __init__(self, num_items: int, config: Config):
        super().__init__()
        self.frequency: Tensor
        self.config, self.num_items = config, num_items
        self.start, self.end = num_items + 1, num_items + 2
        width = config.embed_dim
        self.items = nn.Embedding(num_items + 3, width, padding_idx=0)
        self.positions = nn.Embedding(config.max_len + 2, width)
        self.dropout = nn.Dropout(config.dropout)
        shape = (width, config.num_heads, config.hidden_dim, config.dropout, "gelu")
        how: dict[str, Any] = {"batch_first": True, "norm_first": True}
        self.reader = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(*shape, **how), config.num_layers, enable_nested_tensor=False
        )
        self.writer = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(*shape, **how), config.num_layers, nn.LayerNorm(width)
        )
        self.chooser = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(*shape, **how), config.num_layers, enable_nested_tensor=False
        )
        self.tell = _network(width, config.ways * width)
        self.choose = _network(width, config.ways)
        # for objectives that sample by frequency: the one used here does not
        self.register_buffer("frequency", torch.zeros(num_items + 3), persistent=False)
        for table in (self.items, self.positions):
            nn.init.normal_(table.weight, std=0.02)
        nn.init.zeros_(self.items.weight[0])

    def start_from(self, vectors: Float[Tensor, "N D"]) -> None:
        """Begin with these item vectors, row 0 being padding."""
        with torch.no_grad():
            self.items.weight[: len(vectors)] = vectors
            self.items.weight[0] = 0

    def read(self, history: Int[Tensor, "B S"]) -> Float[Tensor, "B K S D"]:
        """The K memories of each history."""
        read = self.reader(self._placed(history), src_key_padding_mask=history == 0)
        return self.tell(read).unflatten(-1, (self.config.ways, -1)).transpose(1, 2)

    def write(
        self,
        memory: Float[Tensor, "B S D"],
        absent: Bool[Tensor, "B S"],
        written: Int[Tensor, "B T"],
    ) -> Float[Tensor, "B T D"]:
        """The state after each token written so far; ``absent`` marks padding of the memory."""
        length = written.shape[1]
        ahead = torch.ones(length, length, dtype=torch.bool, device=written.device).triu(1)
        return self.writer(
            self._placed(written), memory, tgt_mask=ahead, memory_key_padding_mask=absent
        )

    def scores(self, states: Float[Tensor, "... D"]) -> Float[Tensor, "... V"]:
        """Of every token; padding and START are never written."""
        scores = states @ self.items.weight.T
        scores[..., 0] = scores[..., self.start] = -torch.inf
        return scores

    def chance(
        self, pattern: Int[Tensor, "B T"], temperature: float
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, ""]]:
        """Which way each pattern was told, softly, by Gumbel-softmax; and the mean entropy."""
        real = (pattern > 0).float()[..., None]
        seen = self.chooser(self._placed(pattern), src_key_padding_mask=pattern == 0)
        logits = self.choose((seen * real).sum(1) / real.sum(1))
        share = logits.softmax(-1)
        entropy = -(share * share.clamp(min=1e-9).log()).sum(-1).mean()
        return F.gumbel_softmax(logits, tau=temperature), entropy

    def loss(
        self,
        history: Int[Tensor, "B S"],
        pattern: Int[Tensor, "B T"],
        temperature: float,
        objective: Objective,
    ) -> tuple[Float[Tensor, ""], int]:
        """Mean cross-entropy of the patterns' tokens plus the entropy; how many tokens.

        ``objective`` is called as those of ``models.losses``: with states, targets, table.
        """
        chance, entropy = self.chance(pattern, temperature)
        memory = torch.einsum("bk,bksd->bsd", chance, self.read(history))
        begin = torch.full_like(pattern[:, :1], self.start)
        states = self.write(memory, history == 0, torch.cat([begin, pattern], 1))
        length = (pattern > 0).sum(1)
        target = F.pad(pattern, (0, 1)).scatter(1, length[:, None], self.end)
        learn = target > 0
        # the START row takes part in the sum as one more token that is never written
        lost = objective(states[learn], target[learn], self.items.weight, None, self.frequency)
        return lost + self.config.diversity * entropy, int(learn.sum())

    @torch.no_grad()
    def rewrite(
        self,
        history: Int[Tensor, "B S"],
        gamma: float = 0.5,
        longest: int = LONGEST,
        generator: torch.Generator | None = None,
    ) -> tuple[Int[Tensor, "B K T"], Float[Tensor, "B K"]]:
        """Hybrid inference (section 3.4): each history told in K ways, and their log-chances.

        At each step a token is taken greedily: with chance ``gamma`` from the whole catalogue
        (generative), else from the history's own items (restrictive); never an item twice, nor
        END before two items. Rows end with zeros; START and END are left out.
        """
        size, ways = len(history), self.config.ways
        memory = self.read(history).flatten(0, 1)
        source = history.repeat_interleave(ways, 0)
        rows = torch.arange(len(source), device=history.device)
        barred = torch.zeros(len(source), self.num_items + 3, dtype=torch.bool, device=rows.device)
        own = torch.zeros_like(barred).scatter_(1, source, True)
        own[:, self.end] = True
        written = torch.full((len(source), 1), self.start, device=history.device)
        chance = torch.zeros(len(source), device=history.device)
        going = torch.ones(len(source), dtype=torch.bool, device=history.device)
        for length in range(longest):
            barred[:, self.end] = length < 2  # a pattern has two items at least
            states = self.write(memory[going], source[going] == 0, written[going])[:, -1]
            scores = self.scores(states).masked_fill(barred[going], -torch.inf)
            log_chance = scores.log_softmax(-1)
            free = torch.rand(int(going.sum()), generator=generator) < gamma
            allowed = own[going] | free.to(rows.device)[:, None]
            best, token = log_chance.masked_fill(~allowed, -torch.inf).max(-1)
            chance[going] += best
            step = torch.zeros_like(written[:, 0])
            step[going] = torch.where(token == self.end, 0, token)
            written = torch.cat([written, step[:, None]], 1)
            barred[rows[going], token] = True
            barred[:, 0] = False
            going = step > 0
            if not going.any():
                break
        return written[:, 1:].view(size, ways, -1), chance.view(size, ways)

    # paper: item vectors are not multiplied; the reader sees START and END, the chooser only the
    # past; ReLU (released code)
    def _placed(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        place = torch.arange(tokens.shape[1], device=tokens.device)
        return self.dropout(self.items(tokens) * self.config.embed_dim**0.5 + self.positions(place))


def _network(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, out), nn.GELU(), nn.Linear(out, out))
