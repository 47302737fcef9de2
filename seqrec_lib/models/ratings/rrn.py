"""RRN, the Recurrent Recommender Network: users and items have states that follow their ratings
(Wu, Ahmed, Beutel, Smola & Jing, WSDM 2017, doi:10.1145/3018661.3018689).

rating = <u~_t, m~_t> + <u, m> + biases: what moves, and what stays. A state is a function of the
known ratings in *earlier* bins of the wall clock and of how long ago the last one was, so that it
can be asked for at any later time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.ratings import DAY_S, Ratings
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.ratings.bias import factors
from seqrec_lib.models.ratings.mf import BiasedMF
from seqrec_lib.models.ratings.steps import BINS, Steps, spelled

OTHER = {"user": "item", "item": "user"}


class Trajectory(nn.Module):
    """States of users, or of items, at any time: a recurrent cell over their steps.

    The input at a time is what the step before it holds (a sum of vectors of whom it is of, by how
    far each rating is above the usual), how long ago it was, and whether there was none.
    """

    def __init__(
        self,
        num_others: int,
        embed_dim: int,
        hidden_dim: int,
        state_dim: int,
        cell: Literal["lstm", "gru"],
        dropout: float,
    ):
        super().__init__()
        self.others = factors(num_others, embed_dim)
        self.hidden_dim, self.memory = hidden_dim, cell == "lstm"
        # beside the sum: mean of the step, its size, the gap, newcomer
        kind = nn.LSTMCell if self.memory else nn.GRUCell
        self.cell = kind(embed_dim + 4, hidden_dim)
        self.dropout = Dropout(dropout)
        self.emit = nn.Linear(hidden_dim, state_dim)

    def read(self, steps: Steps) -> None:
        self.steps = steps

    def forward(
        self, owner: Int[Tensor, "B"], time: Int[Tensor, "B"]
    ) -> Float[Tensor, "B state_dim"]:
        steps = self.steps
        key, back = steps.asked(owner, time).unique(return_inverse=True)
        before = steps.before(key)
        who, row = (key // BINS).unique(return_inverse=True)
        need = torch.zeros_like(who).scatter_reduce(0, row, before, "amax")
        # the longest first, so that those that go on stand together
        order = torch.argsort(need, descending=True, stable=True)
        row, who, need = torch.argsort(order)[row], who[order], need[order]
        level, at = torch.nonzero(torch.arange(int(need.max()))[:, None] < need, as_tuple=True)
        step = steps.first[who[at]] + level
        held = self._held(step)
        alive = torch.bincount(level)
        start = F.pad(alive.cumsum(0), (1, 0))  # of each level
        state, states = held.new_zeros(len(who), self._width), [held.new_zeros(1, self._width)]
        for depth, count in enumerate(alive.tolist()):
            now = step[start[depth] : start[depth + 1]]
            if depth:
                x = self._input(
                    held[start[depth - 1] : start[depth - 1] + count], now - 1, steps.key[now]
                )
            else:
                x = self._newcomer(count)
            state = self._next(x, state[:count])
            states.append(state)
        # each question: one step more, from the state at the owner's last step before it
        old = before > 0
        place = torch.where(old, start[(before - 1).clamp(min=0)] + row, -1)
        past = torch.cat(states)[place + 1]
        last = steps.first[who[row]] + before - 1
        x = self._newcomer(len(key))
        x[old] = self._input(held[place[old]], last[old], key[old])
        found = self._next(x, past)[:, : self.hidden_dim]
        return self.emit(self.dropout(found))[back]

    @property
    def _width(self) -> int:
        return self.hidden_dim * (1 + self.memory)

    def _next(self, x: Float[Tensor, "M X"], state: Float[Tensor, "M W"]) -> Float[Tensor, "M W"]:
        if self.memory:
            return torch.cat(self.cell(x, state.split(self.hidden_dim, 1)), 1)
        return self.cell(x, state)

    def _held(self, step: Int[Tensor, "M"]) -> Float[Tensor, "M H"]:
        """What steps hold: the sum of vectors by the root of its size, the mean, the size."""
        steps = self.steps
        places, first = spelled(steps.start[step], steps.start[step + 1])
        count = (steps.start[step + 1] - steps.start[step])[:, None].float()
        value = steps.value[places]
        # paper: a sum; it would grow with the number of ratings that a bin happens to have
        vectors, whom = self.others.weight, steps.other[places]
        total = F.embedding_bag(whom, vectors, first, mode="sum", per_sample_weights=value)
        which = torch.repeat_interleave(torch.arange(len(step)), count[:, 0].long())
        mean = torch.zeros_like(count).index_add(0, which, value[:, None]) / count
        return torch.cat([self.dropout(total) / count**0.5, mean, count.log1p()], 1)

    def _input(
        self, held: Float[Tensor, "M H"], step: Int[Tensor, "M"], key: Int[Tensor, "M"]
    ) -> Float[Tensor, "M X"]:
        gap = self.steps.gap_days(step, key)[:, None].log1p()
        return torch.cat([held, gap, torch.zeros_like(gap)], 1)

    def _newcomer(self, count: int) -> Float[Tensor, "M X"]:
        x = self.others.weight.new_zeros(count, self.others.embedding_dim + 4)
        x[:, -1] = 1
        return x


class Constant(nn.Module):
    """In the place of states that move: a vector each, beside one that all share."""

    def __init__(self, num_owners: int, state_dim: int):
        super().__init__()
        self.own, self.shared = factors(num_owners, state_dim), factors(1, state_dim)

    def forward(
        self, owner: Int[Tensor, "B"], time: Int[Tensor, "B"]
    ) -> Float[Tensor, "B state_dim"]:
        return self.own(owner) + self.shared.weight


class RRN(BiasedMF):
    parts = ("user", "item")  # one side learns while the other stays, as in the paper

    @dataclass(frozen=True)
    class Config(BiasedMF.Config):
        embed_dim: int = 20  # of what stays; 0: nothing does
        input_dim: int = 20
        hidden_dim: int = 40
        state_dim: int = 20
        user_days: float = 1.0  # width of a bin
        item_days: float = 30.0
        cell: Literal["lstm", "gru"] = "lstm"
        dropout: float = 0.1
        users_move: bool = True  # False: a constant vector in the place of the state
        items_move: bool = True

    def __init__(self, num_users: int, num_items: int, config: Config):
        super().__init__(num_users, num_items, config)
        self.widths = {"user": config.user_days, "item": config.item_days}
        rows = {"user": num_users, "item": num_items + 1}
        moves = {"user": config.users_move, "item": config.items_move}
        sizes = (config.input_dim, config.hidden_dim, config.state_dim)
        self.states = nn.ModuleDict()
        for side, other in OTHER.items():
            if moves[side]:
                self.states[side] = Trajectory(rows[other], *sizes, config.cell, config.dropout)
            else:
                self.states[side] = Constant(rows[side], config.state_dim)

    def read(self, known: Ratings) -> None:
        super().read(known)
        usual = {side: above(known, side, len(self._bias(side).weight)) for side in OTHER}
        for side, other in OTHER.items():
            if isinstance(trajectory := self.states[side], Trajectory):
                # paper: ratings as they are. The owner's own bias is not taken off: it would tell
                # of the very ratings that are to be predicted
                value = known.rating - self.mean - usual[other]
                count, width = len(self._bias(side).weight), int(self.widths[side] * DAY_S)
                who, whom = owner(known, side), owner(known, other)
                trajectory.read(Steps.of(who, whom, known.time, value, count, width))

    @torch.no_grad()
    def start_from(self, trained: BiasedMF) -> None:
        """Take over the biases and factors of a trained factorisation, as the paper does: answers
        are its answers at first, what moves adds nothing. Factors are left where there are none.

        Raises ``ValueError`` for factors of another width.
        """
        width = trained.config.embed_dim
        if self.config.embed_dim not in (0, width):
            raise ValueError(f"embed_dim is {self.config.embed_dim}; the factors have {width}")
        names = ["user_bias", "item_bias"]
        if self.config.embed_dim:
            names += ["user_factors", "item_factors"]
        for name in names:
            getattr(self, name).weight.copy_(getattr(trained, name).weight)
        item = self.states["item"]
        for weight in item.emit.parameters() if isinstance(item, Trajectory) else item.parameters():
            weight.zero_()

    @torch.no_grad()
    def begin(self, part: str) -> None:
        """The states of the other side are worked out once, without dropout, and stay."""
        self.eval()
        self.fixed = self._state(OTHER[part], self.known)
        self.train()

    def forward(self, asked: Ratings) -> Float[Tensor, "B"]:
        moving = self._state("user", asked) * self._state("item", asked)
        return super().forward(asked) + moving.sum(-1)

    def loss(self, rows: Int[Tensor, "B"], part: str = "user") -> Float[Tensor, ""]:
        """Squared error and decay of known ratings, by the weights of one side alone."""
        asked, other = self.known[rows], OTHER[part]
        own = self._state(part, asked)
        stay, away = self._stationary(part, asked), self._stationary(other, asked).detach()
        bias, rest = (self._bias(side)(owner(asked, side))[:, 0] for side in (part, other))
        inner = (own * self.fixed[rows]).sum(-1) + (stay * away).sum(-1)
        predicted = self.mean + bias + rest.detach() + inner
        squares = bias**2 + (stay**2).sum(-1) + (own**2).sum(-1)
        return ((asked.rating - predicted) ** 2 + self.config.decay * squares).mean()

    def _state(self, side: str, asked: Ratings) -> Float[Tensor, "B state_dim"]:
        return self.states[side](owner(asked, side), asked.time)

    def _stationary(self, side: str, asked: Ratings) -> Float[Tensor, "B D"]:
        table = self.user_factors if side == "user" else self.item_factors
        return table(owner(asked, side))

    def _bias(self, side: str) -> nn.Embedding:
        return self.user_bias if side == "user" else self.item_bias


def owner(asked: Ratings, side: str) -> Int[Tensor, "B"]:
    """The user or the item of each."""
    return asked.user if side == "user" else asked.item


def above(known: Ratings, side: str, count: int, damping: float = 10) -> Float[Tensor, "R"]:
    """How far the ratings of each user (or item) are above the mean, drawn towards 0 where they are
    few; a value a rating."""
    who = owner(known, side)
    total = torch.zeros(count).index_add(0, who, known.rating - known.rating.mean())
    return (total / (torch.bincount(who, minlength=count) + damping))[who]
