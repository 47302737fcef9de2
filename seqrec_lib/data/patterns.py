"""Frequent sequential patterns of training histories (seq2pat; Wang et al., 2022)."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
from jaxtyping import Int

from seqrec_lib.data.log import EventLog

SPAN, SUPPORT = 5, 2  # DR4SR (Yin et al., 2024, arXiv:2405.17795), section 3.2


def histories(log: EventLog, positions: Int[np.ndarray, "P"]) -> list[np.ndarray]:
    """Each user's items at these positions."""
    user = log.user_of(positions)
    return np.split(log.item[positions], np.flatnonzero(np.diff(user)) + 1)


def mine(
    log: EventLog, positions: Int[np.ndarray, "P"], span: int = SPAN, support: int = SUPPORT
) -> list[list[int]]:
    """Patterns in the users' histories at these positions: items in order, then their support.

    A pattern is two items or more that stand in this order, others perhaps between them, within
    ``span`` events of at least ``support`` users. Raises ``ValueError`` if there is none.
    """
    from sequential.seq2pat import Seq2Pat  # here: a GPU machine that only trains does without

    # one job, the whole at once: its batches lose patterns that are frequent only over all of them
    miner = Seq2Pat([one.tolist() for one in histories(log, positions)], max_span=span, n_jobs=1)
    found = miner.get_patterns(min_frequency=support)
    if not found:
        raise ValueError(f"no pattern within {span} events is shared by {support} users")
    return found


def mined(
    log: EventLog, positions: Int[np.ndarray, "P"], span: int = SPAN, support: int = SUPPORT
) -> tuple[EventLog, Int[np.ndarray, "N S"]]:
    """The patterns as histories of a log of their own, each once, time being the order.

    Beside each are the users without any of whom it would not be one, -1 for nobody. A sequence
    written from a user's history is that user's too.
    """
    found = mine(log, positions, span, support)
    had: dict[tuple[int, ...], Counter[int]] = {tuple(row[:-1]): Counter() for row in found}
    firsts = positions[np.unique(log.user_of(positions), return_index=True)[1]]
    for user, history in zip(log.source_of(firsts), histories(log, positions), strict=True):
        for pattern in _within(history.tolist(), span) & had.keys():
            had[pattern][int(user)] += 1
    owners = np.full((len(found), support), -1)  # of support occurrences each is one, at most
    for row, counts in zip(owners, had.values(), strict=True):
        needed = [user for user, own in counts.items() if counts.total() - own < support]
        row[: len(needed)] = needed
    return as_log([np.array(row[:-1]) for row in found], log), owners


def _within(history: list[int], span: int) -> set[tuple[int, ...]]:
    """All that stand in this order within ``span`` events, two items or more."""
    return {
        (item, *rest)
        for start, item in enumerate(history)
        for size in range(1, span)
        for rest in combinations(history[start + 1 : start + span], size)
    }


def as_log(parts: list[np.ndarray], log: EventLog) -> EventLog:
    """Histories of items of ``log`` that belong to nobody; a step takes a second."""
    lengths = np.array([len(part) for part in parts])
    offsets = np.r_[0, lengths.cumsum()]
    return EventLog(
        item=np.concatenate(parts).astype(np.int32),
        time=np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths),
        offsets=offsets,
        users=-1 - np.arange(len(parts)),
        items=log.items,
    )
