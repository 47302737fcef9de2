"""What a stream of answers is worth: accuracy, calibration, response times, drift.

Events of one user are no independent trials: intervals count users.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Real
from scipy.special import ndtri

from seqrec_lib.data.log import EventLog
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.serving.served import TopK
from seqrec_lib.statistics.intervals import Interval

BINS = 10
FEWEST = {0.5: 1, 0.95: 100, 0.99: 1000}  # answers below which a percentile says nothing


def rank_shown(shown: TopK, item: Any, k: int, left: int) -> int:
    """The rank of ``item`` as :func:`seqrec_lib.training.evaluation.ranks` counts it, ties at
    mid-rank, if it is k or better; else k + 1.

    ``shown`` is a list of the best ``2 * k`` (:func:`seqrec_lib.serving.served.Served.answer`), or
    of all whose score is finite, of ``left`` items that it might show. So many suffice: items that
    tie reach a mid-rank of k only if their last one is before place 2k.
    """
    count = len(shown.items)
    if item in shown.items:
        score = np.array(shown.scores)
        own = score[shown.items.index(item)]
        rank = 1 + int((score > own).sum()) + int((score == own).sum()) // 2
        if count >= 2 * k and own == score[-1]:
            rank = k + 1  # more may tie than are shown
    elif count >= 2 * k:
        rank = k + 1
    else:
        rank = 1 + count + (left - count) // 2  # all the others tie at minus infinity
    return min(rank, k + 1)


class Decided:
    """What was decided of one model under one protocol: the latest ``window`` events, or all."""

    COLUMNS = ("position", "user", "history_length", "rank", "chance", "first")

    def __init__(self, k: int = 10, window: int | None = None):
        self.k = k
        self._rows: deque[tuple[Any, ...]] = deque(maxlen=window)

    def add(
        self, position: int, user: int, history_length: int, rank: int, chance: float, first: bool
    ) -> None:
        """``rank`` is k + 1 for all beyond k; ``chance`` that of the first item, ``first``: was it
        the one that came?"""
        self._rows.append((position, user, history_length, rank, chance, first))

    def __len__(self) -> int:
        return len(self._rows)

    def latest(self, count: int) -> pd.DataFrame:
        """The ``count`` events that were decided last, a row each, in the order of positions."""
        begin = max(0, len(self._rows) - count)
        rows = pd.DataFrame(islice(self._rows, begin, None), columns=list(self.COLUMNS))
        return rows.sort_values("position", ignore_index=True)


def accuracy(decided: pd.DataFrame, k: int = 10) -> dict[str, Interval]:
    """HR@k and NDCG@k of a table of decided events, with intervals over users."""
    rank, user = decided["rank"].to_numpy(), decided["user"].to_numpy()
    metrics = {"HR": hr, "NDCG": ndcg}
    return {f"{name}@{k}": over_users(of(rank, k), user) for name, of in metrics.items()}


def over_users(
    values: Real[np.ndarray, "E"], user: Int[np.ndarray, "E"], level: float = 0.95
) -> Interval:
    """Mean of values in [0, 1] and an interval that covers the choice of users.

    Wilson's (1927, doi:10.1080/01621459.1927.10502953) for as many independent events as would vary
    as much: users vary by the linearised variance of a ratio of their sums and counts (Kish, 1965,
    §6). With one event a user it is Wilson's for that many users. Raises ``ValueError``
    without values.

    >>> print(over_users(np.array([1.0, 0.0] * 50), np.arange(100)))
    0.5000 [0.4034, 0.5966]
    """
    if not len(values):
        raise ValueError("nothing was decided yet")
    _, number = np.unique(user, return_inverse=True)
    total, count = np.bincount(number, values), np.bincount(number)
    mean, users = float(np.mean(values)), len(count)
    enough = float(users)
    if users > 1 and 0 < mean < 1:
        spread = ((total - mean * count) ** 2).sum() * users / (users - 1) / len(values) ** 2
        if spread > 0:
            enough = mean * (1 - mean) / spread
    z = float(ndtri((1 + level) / 2))
    middle = (mean + z**2 / (2 * enough)) / (1 + z**2 / enough)
    half = z * np.sqrt(mean * (1 - mean) / enough + z**2 / (4 * enough**2)) / (1 + z**2 / enough)
    return Interval(mean, max(0.0, float(middle - half)), min(1.0, float(middle + half)))


def calibration(decided: pd.DataFrame, bins: int = BINS) -> list[dict[str, Any]]:
    """How often the first item came, by the chance that it was given: bins of equally many events.

    A row a bin: ``chance`` (the mean given), ``came`` (an interval over users), ``events``. Events
    without a chance are left out.
    """
    known = decided[np.isfinite(decided["chance"].astype(float))].sort_values("chance")
    found = []
    for part in np.array_split(np.arange(len(known)), min(bins, len(known)) or 1):
        if len(part):
            rows = known.iloc[part]
            came = over_users(rows["first"].to_numpy(float), rows["user"].to_numpy())
            chance = float(rows["chance"].mean())
            found.append({"chance": chance, "came": came, "events": len(part)})
    return found


def calibration_error(bins: list[dict[str, Any]]) -> float:
    """Mean distance of the two over events (ECE; Naeini et al., 2015, AAAI); nan without any."""
    events = sum(one["events"] for one in bins)
    apart = sum(one["events"] * abs(one["chance"] - one["came"].mean) for one in bins)
    return apart / events if events else float("nan")


# --- time ---------------------------------------------------------------------------------------


class Latency:
    """Exact percentiles of the latest ``size`` response times, in seconds."""

    def __init__(self, size: int = 10_000):
        self._seconds: deque[float] = deque(maxlen=size)

    def add(self, seconds: float) -> None:
        self._seconds.append(seconds)

    def summary(self) -> dict[str, Any]:
        """``n`` and milliseconds by percentile; None where too few came to tell (``FEWEST``)."""
        found: dict[str, Any] = {"n": len(self._seconds)}
        seconds = np.array(self._seconds)
        for share, fewest in FEWEST.items():
            enough = len(seconds) >= fewest
            # the smallest that so many do not exceed: one that was measured
            value = np.quantile(seconds, share, method="inverted_cdf") * 1000 if enough else None
            found[f"p{share * 100:.0f}"] = None if value is None else float(value)
        return found


class Rate:
    """Events a second over the latest ``seconds``."""

    def __init__(self, seconds: float = 10, clock: Callable[[], float] = monotonic):
        self._at: deque[float] = deque(maxlen=100_000)
        self.seconds, self._clock = seconds, clock
        self._begun = clock()

    def add(self) -> None:
        self._at.append(self._clock())

    def value(self) -> float:
        now = self._clock()
        while self._at and self._at[0] < now - self.seconds:
            self._at.popleft()
        return len(self._at) / max(min(self.seconds, now - self._begun), 1e-9)


# --- drift --------------------------------------------------------------------------------------


def popularity_bands(
    log: EventLog, train: Int[np.ndarray, "P"], bands: int = 10
) -> Int[np.ndarray, "N"]:
    """The band of each item (index 0 is padding): 0 for those training never saw, then 1 for the
    most popular to ``bands`` for the least, each band with about as many training events."""
    count = np.bincount(log.item[train], minlength=log.num_items + 1)
    order = np.argsort(-count, kind="stable")
    before = np.cumsum(count[order]) - count[order]
    band = np.empty(len(count), dtype=np.int64)
    band[order] = 1 + before * bands // max(1, count.sum())
    return np.where(count > 0, band, 0)


def psi(expected: Real[np.ndarray, "B"], found: Real[np.ndarray, "B"]) -> float:
    """Population stability index of two tables of counts: the sum of (q - p) ln(q / p), p and q
    shares with half an event added to each band; 0 where they agree. By custom above 0.1 is a
    shift, above 0.25 a large one (Siddiqi, 2006); few events give some by chance.

    >>> round(psi(np.array([50, 50]), np.array([90, 10])), 3)
    0.853
    """
    p, q = ((one + 0.5) / (one + 0.5).sum() for one in (np.asarray(expected), np.asarray(found)))
    return float(((q - p) * np.log(q / p)).sum())


def by_history(decided: pd.DataFrame, k: int = 10) -> dict[str, Interval]:
    """HR@k of users of whom little is known: after 1, 2, 3 to 5, and more events."""
    length, rank = decided["history_length"], decided["rank"].to_numpy()
    found = {}
    for name, low, high in (("1", 1, 1), ("2", 2, 2), ("3-5", 3, 5), ("6+", 6, np.inf)):
        rows: Bool[np.ndarray, "E"] = ((length >= low) & (length <= high)).to_numpy()
        if rows.any():
            found[name] = over_users(hr(rank[rows], k), decided["user"].to_numpy()[rows])
    return found
