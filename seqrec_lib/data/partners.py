"""Two other questions to ask of held-out pairs (:func:`seqrec_lib.data.pairs.as_log`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split


def with_partners(log: EventLog, split: Split) -> tuple[EventLog, Int[np.ndarray, "S"]]:
    """The test pairs with every training partner of the first item before it; their positions.

    In a masked ranking of these no known pair stands above the one that is looked for: a model
    does not lose by having learned what it was taught. Models of the last item are asked the same
    question as before.
    """
    anchor, target = log.item[split.test - 1], log.item[split.test]
    first, partner = log.item[split.train - 1], log.item[split.train]
    order = np.argsort(first, kind="stable")
    begin, end = (np.searchsorted(first[order], anchor, side) for side in ("left", "right"))
    count = end - begin
    offsets = np.r_[0, np.cumsum(count + 2)]
    item = np.zeros(offsets[-1], dtype=np.int32)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    item[np.repeat(offsets[:-1], count) + step] = partner[order][np.repeat(begin, count) + step]
    item[offsets[1:] - 2], item[offsets[1:] - 1] = anchor, target
    users = np.arange(len(anchor))
    return EventLog(item, np.zeros_like(item), offsets, users, log.items), offsets[1:] - 1


def mirrored(split: Split) -> Split:
    """As if directed copies had been split at random: every tested pair is trained on reversed.

    Of a pair, the two ways stand side by side in every part (:func:`seqrec_lib.data.pairs.as_log`).
    """
    train = np.sort(np.concatenate([split.train, split.test[1::2]]))
    return replace(split, train=train, test=split.test[::2])
