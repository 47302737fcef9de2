"""Frequent sequential patterns of training histories (seq2pat; Wang et al., 2022)."""

from __future__ import annotations

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
) -> EventLog:
    """The patterns as histories of a log of their own, each once, time being the order."""
    patterns = [np.array(row[:-1]) for row in mine(log, positions, span, support)]
    return as_log(patterns, log)


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
