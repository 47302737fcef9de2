"""The first stage of a long history: which events deserve an exact look, found cheaply.

A general search unit (Pi et al., 2020, arXiv:2006.05639) says of every event how relevant it is to
a candidate; the most relevant go on to the second stage. Any of them can stand before any second
stage: what a search finds can be compared while all else stays as it is.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Events(NamedTuple):
    """What is read of histories, whatever is asked: (B, T, ...), by heads (B, H, T, ...)."""

    item: Tensor
    real: Tensor
    vectors: Tensor
    keys: Tensor
    values: Tensor
    bias: Tensor | None  # of the logits, (B, H, T)
    kept: Tensor | None  # what the search keeps of each event

    def upto(self, rows: Int[Tensor, "R"], end: int) -> Events:
        """The first ``end`` events of some of the histories."""
        item, real, vectors = (one[rows, :end] for one in self[:3])
        keys, values = self.keys[rows, :, :end], self.values[rows, :, :end]
        bias = None if self.bias is None else self.bias[rows, :, :end]
        kept = None if self.kept is None else self.kept[rows, :end]
        return Events(item, real, vectors, keys, values, bias, kept)


class Asked(NamedTuple):
    """Candidates of each history, (B, C, ...), by heads (B, H, C, ...); B = 1: the same of all."""

    item: Tensor
    vectors: Tensor
    queries: Tensor
    kept: Tensor | None  # what the search compares with that

    def columns(self, part: slice) -> Asked:
        """Some of the candidates."""
        kept = None if self.kept is None else self.kept[:, part]
        item, vectors = self.item[:, part], self.vectors[:, part]
        return Asked(item, vectors, self.queries[:, :, part], kept)


class Search(nn.Module):
    """How relevant each event is to each candidate. A subclass writes ``relevance``."""

    rules_out = False  # is the relevance of an event ever -inf?

    def of_events(self, item: Int[Tensor, "B T"], vectors: Float[Tensor, "B T D"]) -> Tensor | None:
        """What is kept of each event, made once a history."""
        return None

    def of_candidates(
        self, item: Int[Tensor, "B C"], vectors: Float[Tensor, "B C D"]
    ) -> Tensor | None:
        """What of each candidate is compared with it; as of an event, unless a subclass differs."""
        return self.of_events(item, vectors)

    def relevance(self, events: Events, asked: Asked) -> Float[Tensor, "B G C T"]:
        """Higher is taken first, -inf never; of each head (G = H), or of all alike (G = 1).

        Axes on which nothing depends may be 1. Where ties matter, they are for the search to break.
        """
        raise NotImplementedError

    def given(
        self, found: Float[Tensor, "B H C T"], events: Events, asked: Asked
    ) -> Float[Tensor, "_ _ _ _"]:
        """The relevance where the logits of the second stage are at hand."""
        return self.relevance(events, asked)


def places(events: Events) -> Int[Tensor, "T"]:
    """The place of each event in its history, the oldest at 0."""
    return torch.arange(events.item.shape[1], device=events.item.device)


class Recent(Search):
    """The latest first, whatever is asked."""

    def relevance(self, events: Events, asked: Asked) -> Float[Tensor, "1 1 1 T"]:
        return places(events).float()[None, None, None]


class Random(Search):
    """In an order drawn for each history, whatever is asked: the floor of every search.

    An event's number is a hash of ``seed`` and of the items up to it, so that a history is always
    drawn alike.
    """

    def __init__(self, seed: int = 0):
        super().__init__()
        self.seed = seed

    def relevance(self, events: Events, asked: Asked) -> Float[Tensor, "B 1 1 T"]:
        before = mixed(events.item + (self.seed << 32)).cumsum(1)
        return mixed(before + places(events)).double()[:, None, None]


def mixed(number: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """A hash below 2**31: multiplication carries what differs up, shifts carry it down."""
    for _ in range(3):
        number = (number ^ (number >> 15)) * 2_654_435_761 & 0x7FFF_FFFF
    return number


class Own(Search):
    """By the logits of the second stage itself: nothing that it would weigh high is missed.

    TWIN's search, and the best that any search can do for a given second stage. Each head takes its
    own events, or, without ``each_head``, all take those of the highest mean.
    """

    def __init__(self, each_head: bool = True):
        super().__init__()
        self.each_head = each_head

    def relevance(self, events: Events, asked: Asked) -> Float[Tensor, "B G C T"]:
        return self.given(logits(events, asked), events, asked)

    def given(
        self, found: Float[Tensor, "B H C T"], events: Events, asked: Asked
    ) -> Float[Tensor, "B G C T"]:
        return found if self.each_head else found.mean(1, keepdim=True)


def logits(events: Events, asked: Asked) -> Float[Tensor, "B H C T"]:
    """Scaled inner products of queries and keys, and the bias of each event."""
    found = asked.queries @ events.keys.mT * asked.queries.shape[-1] ** -0.5
    return found if events.bias is None else found + events.bias[:, :, None]
