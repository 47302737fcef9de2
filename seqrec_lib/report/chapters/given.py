"""What the data give away, or hold back, before any model is asked: candidates that are easily told
from the true one, and histories of which a model that hides the latest hours learns nothing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from seqrec_lib.data import candidates
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split, asked_about
from seqrec_lib.records.rankers import QUESTIONS
from seqrec_lib.training.evaluation import masked_out


def hidden(log: EventLog, positions: Int[np.ndarray, "P"], length: int, window_s: float) -> float:
    """Share of the histories before ``positions`` whose latest ``length`` events all lie within a
    time before the question that is drawn from 0 to ``window_s``: TransAct hides them in training.
    """
    read = np.minimum(log.history_length(positions), length)
    age = (log.time[positions] - log.time[positions - read])[read > 0]
    return float((1 - age / window_s).clip(0, 1).mean())


def strangers(log: EventLog, split: Split) -> dict[str, float]:
    """Of the shared candidates beside the true one, the shares that are easily told from it:
    ``untrained``, of uniform ones, that no training event has; ``had``, of those drawn by
    popularity, that the user had before."""
    asked = asked_about(log, split, QUESTIONS)
    uniform, popular = (
        candidates.shared(log, asked.train, asked.test, law)[:, 1:] for law in candidates.LAWS
    )
    row, item = (part.numpy() for part in masked_out(log, asked.test, "cpu"))
    before, wide = row * (log.num_items + 1) + item, np.arange(len(popular))[:, None]
    return {
        "untrained": float(np.isin(uniform, log.item[asked.train], invert=True).mean()),
        "had": float(np.isin(wide * (log.num_items + 1) + popular, before).mean()),
    }
