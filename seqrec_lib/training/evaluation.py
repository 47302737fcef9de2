"""The only scoring loop: one streaming pass gives every test example's rank under both protocols.

The rank of the true item among the whole catalogue, best = 1, is counted twice from the same
scores: once with the user's earlier items left in (``rank_unmasked``, U) and once with them taken
out (``rank_masked``, M). Ties count half, rounded up, so equal scores earn nothing by luck.
Infinite scores are scores: items at minus infinity tie at the end of the list, those at infinity at
its top. Padding is no item, and never counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import Recommender

PROTOCOLS = ("masked", "unmasked")
LONGEST = 100  # lists are no longer: an item that a list cannot have stands behind all of them
Lists = dict[str, tuple[Int[np.ndarray, "B K"], Float[np.ndarray, "B K"]]]


def last(num_items: int) -> int:
    """The rank of an item that a list cannot have: the last of the catalogue, and in a catalogue
    no longer than a list behind that."""
    return max(num_items, LONGEST + 1)


def ranks(
    model: Recommender,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    length: int = 50,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Rank the true item of every position among all items of the catalogue.

    Returns a row per position, in the order given: ``user`` (0-based), ``item``,
    ``history_length``, ``repeat`` (is the item in the user's earlier events?), ``rank_masked``,
    ``rank_unmasked``, ``first`` (the item at the top, earlier items left in). A repeat cannot be
    found where earlier items are masked: its ``rank_masked`` is that of ``last``. Raises
    ``FloatingPointError`` on a score that is not a number, ``ValueError`` if the model scores
    another number of items than the log has, or padding (column 0, which must be minus infinity).
    """
    return ranks_and_exposure(model, log, positions, None, length, batch_size=batch_size)[0]


@torch.inference_mode()
def ranks_and_exposure(
    model: Recommender,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    every: int | None = 1,
    length: int = 50,
    k: int = 10,
    batch_size: int | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """:func:`ranks`, and :func:`exposure` over every so manieth position (None: no list), from the
    same scores: those of a ranker may take seconds a position."""
    masked, unmasked, first = np.empty((3, len(positions)), dtype=np.int32)
    repeat = np.empty(len(positions), dtype=bool)
    counts = {protocol: np.zeros(log.num_items + 1, dtype=np.int32) for protocol in PROTOCOLS}
    with evaluating(model):
        for rows, _, scores in scored(model, log, positions, length, batch_size):
            unmasked[rows], masked[rows], repeat[rows], first[rows] = _count(
                scores, log, positions[rows]
            )
            if every is not None and (listed := np.flatnonzero(rows % every == 0)).size:
                lists = _top(scores[listed], log, positions[rows[listed]], k, PROTOCOLS)
                for protocol, (item, _) in lists.items():
                    counts[protocol] += np.bincount(item[item > 0], minlength=log.num_items + 1)
    table = pd.DataFrame(
        {
            "user": log.user_of(positions).astype(np.int32),
            "item": log.item[positions],
            "history_length": log.history_length(positions).astype(np.int32),
            "repeat": repeat,
            "rank_masked": masked,
            "rank_unmasked": unmasked,
            "first": first,
        }
    )
    item = np.arange(1, log.num_items + 1, dtype=np.int32)
    return table, pd.DataFrame({"item": item} | {name: one[1:] for name, one in counts.items()})


def exposure(
    model: Recommender,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    k: int = 10,
    length: int = 50,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """How many of the positions' top-k lists show each item, earlier items masked and not.

    A row per item 1..num_items with columns ``item``, ``masked``, ``unmasked``. A list is shorter
    than k where fewer items are left: none shows an item that is masked, or scored minus infinity.
    Raises as :func:`ranks` does.
    """
    return ranks_and_exposure(model, log, positions, 1, length, k, batch_size)[1]


def best(
    model: Recommender,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    k: int = 10,
    length: int = 50,
    batch_size: int | None = None,
    protocols: Collection[str] = PROTOCOLS,
) -> Iterator[tuple[Int[np.ndarray, "B"], Lists]]:
    """The k items at the top before each position, chunk by chunk: row numbers, and by protocol
    the items (0 where fewer than k are left) and their scores. Raises as :func:`ranks` does.
    """
    with evaluating(model):
        for rows, _, scores in scored(model, log, positions, length, batch_size):
            yield rows, _top(scores, log, positions[rows], k, protocols)


def _top(
    scores: Float[Tensor, "B N"],
    log: EventLog,
    positions: Int[np.ndarray, "B"],
    k: int,
    protocols: Collection[str],
) -> Lists:
    """The lists of :func:`best` from scores, which are masked in place."""
    lists = {}
    for protocol in sorted(protocols, reverse=True):  # masked last: masking overwrites
        if protocol == "masked":
            scores[masked_out(log, positions, scores.device)] = -torch.inf
        top = scores.topk(min(k, log.num_items))
        refuse_nan(top.values)
        score, item = top.values.cpu().numpy(), top.indices.cpu().numpy()
        lists[protocol] = np.where(score > -np.inf, item, 0), score
    return lists


def scored(
    model: Recommender,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    length: int = 50,
    batch_size: int | None = None,
) -> Iterator[tuple[Int[np.ndarray, "B"], Batch, Float[Tensor, "B N"]]]:
    """Chunk by chunk: row numbers of positions, what the model reads before them, and its scores.

    The model is to be in evaluation mode. Raises as :func:`ranks` does, but for scores that are
    not a number.
    """
    if batch_size is None:  # scores that stay in cache while they are counted
        batch_size = int(np.clip(2**22 // log.num_items, 16, 256))
    for rows, batch in chunks(model, log, positions, length, batch_size):
        with torch.no_grad():  # not inference mode: who asks may write to the scores outside of it
            scores = model.score_all(batch).float()
        if scores.shape != (len(rows), log.num_items + 1):
            raise ValueError(
                f"scores of shape {tuple(scores.shape)} for {len(rows)} histories and "
                f"{log.num_items} items: give a column for padding and one for each item"
            )
        if (scores[:, 0] > -torch.inf).any():
            raise ValueError("padding is scored: column 0 must be minus infinity")
        yield rows, batch, scores


def chunks(model, log, positions, length, batch_size):
    """Row numbers of chunks of positions and what the model reads before them."""
    if not len(positions):
        raise ValueError("no positions to score")
    device = next(itertools.chain(model.parameters(), model.buffers())).device
    steps = model.steps_at_once if device.type == "cpu" else None
    # histories of similar length together, so that padding is nearly absent
    lengths = np.minimum(log.history_length(positions), length)
    order, begin = np.argsort(lengths, kind="stable"), 0
    while begin < len(order):
        rows = order[begin : begin + batch_size]
        if steps is not None:
            padded = lengths[rows] * np.arange(1, len(rows) + 1)  # of the first 1, 2, ... of them
            rows = rows[: max(1, np.searchsorted(padded, steps, "right"))]
        yield rows, model.batch(log, positions[rows], length).to(device)
        begin += len(rows)


@contextmanager
def evaluating(model: Recommender) -> Iterator[None]:
    """The model in evaluation mode; afterwards, or after an error, in the mode it was in."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def refuse_nan(best: Tensor) -> None:
    """``best`` is a maximum of scores, which is not a number if one of them is none."""
    if best.isnan().any():
        raise FloatingPointError("a score is not a number; ranks would be meaningless")


def masked_out(
    log: EventLog, positions: Int[np.ndarray, "P"], device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """What masking takes out: (row, item) of every distinct item before each position."""
    start = log.offsets[log.user_of(positions)]
    count = positions - start
    row = np.repeat(np.arange(len(positions)), count)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - start, count)
    if log.context is not None:  # what was bought in a store is not masked: with it or without it
        row, place = (values[~log.context[place]] for values in (row, place))  # masks are the same
    pair = np.unique(row * (log.num_items + 1) + log.item[place])
    row, item = np.divmod(pair, log.num_items + 1)
    return torch.from_numpy(row).to(device), torch.from_numpy(item).to(device)


def _count(scores: Tensor, log: EventLog, chunk: np.ndarray):
    """Ranks without and with masking, whether the target repeats, and the top, of one chunk."""
    target = torch.from_numpy(log.item[chunk].astype(np.int64)).to(scores.device)
    own = scores.gather(1, target[:, None])
    best, first = scores.max(1)
    refuse_nan(best)
    first = first.clamp(min=1)  # padding comes first where nothing is above minus infinity
    flag = torch.empty_like(scores)  # comparing into one float buffer beats counting booleans
    higher = torch.gt(scores, own, out=flag).sum(1).long()
    tied = torch.eq(scores, own, out=flag).sum(1).long() - 1
    tied -= (own[:, 0] == -torch.inf).long()  # padding is
    row, item = masked_out(log, chunk, scores.device)
    repeat = torch.zeros(len(chunk), dtype=torch.bool, device=scores.device)
    repeat[row[item == target[row]]] = True
    row, item = row[item != target[row]], item[item != target[row]]
    seen, true = scores[row, item], own[row, 0]
    size = len(chunk)
    seen_higher = torch.bincount(row[seen > true], minlength=size)
    seen_tied = torch.bincount(row[seen == true], minlength=size)
    unmasked = 1 + higher + (tied + 1) // 2
    masked = 1 + higher - seen_higher + (tied - seen_tied + 1) // 2
    masked[repeat] = last(log.num_items)
    return tuple(values.cpu().numpy() for values in (unmasked, masked, repeat, first))
