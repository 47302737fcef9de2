"""Ways to attend to a long history: all of it, a part that a search finds, or a summary.

A way does once for a history what no candidate changes (``prepare``), and the rest for each
question (``answer``). The output that is wanted is that of target attention, softmax(q K) V, whose
values are the vectors of the events and whose keys a projection of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

DIM, TOPICS = 64, 200
OWN = 0.5  # share of an item's variance that is its topic's
TOP = 50  # events that a search finds
CLUSTERS, MEMBERS = 400, 20  # clusters at most; events of one at least, in the mean
FEATURES = 256
SHORT = 16  # numbers of a key by which a soft search compares
MIX = 2  # operations on a word for each pair of words: exclusive or, and counting its bits


class History(NamedTuple):
    """The vectors and topics of events, oldest first, and the ``projection`` that makes keys."""

    events: Float32[np.ndarray, "L D"]
    topic: Int[np.ndarray, "L"]
    projection: Float32[np.ndarray, "D D"]


class Asked(NamedTuple):
    """Candidates: queries, such that a query times a key is a logit, and topics."""

    queries: Float32[np.ndarray, "B D"]
    topic: Int[np.ndarray, "B"]


class Answer(NamedTuple):
    """What attention gives each candidate, and the events it was given; None: not single ones."""

    pooled: Float[np.ndarray, "B D"]
    chosen: Sequence[Int[np.ndarray, "K"]] | None


class Cost(NamedTuple):
    """Of all questions together."""

    flops: float  # a product and a sum are two
    word_ops: float = 0.0  # on words of 64 bits at most


@dataclass(frozen=True)
class Way:
    prepare: Callable[[History, np.random.Generator], tuple[np.ndarray, ...]]
    answer: Callable[[tuple[np.ndarray, ...], Asked], Answer]
    cost: Callable[[int, int, float], Cost]  # of events, candidates, keys that each of them reads


def drawn(
    length: int, asked: int, sharpness: float, rng: np.random.Generator
) -> tuple[History, Asked]:
    """A history and candidates; the topic of each is drawn in proportion to 1, 1/2, 1/3, ...

    Logits of pairs without a common topic have about ``sharpness`` as their standard deviation.
    """
    share = 1 / np.arange(1, TOPICS + 1)
    centre = rng.normal(scale=OWN**0.5, size=(TOPICS, DIM))
    topic = rng.choice(TOPICS, length + asked, p=share / share.sum())
    vector = centre[topic] + rng.normal(scale=(1 - OWN) ** 0.5, size=(len(topic), DIM))
    # a rotation: logits are those of the vectors themselves, and any hash of keys one of these
    projection = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0].astype(np.float32)
    queries = (vector[length:] @ projection * (sharpness / DIM**0.5)).astype(np.float32)
    history = History(vector[:length].astype(np.float32), topic[:length], projection)
    return history, Asked(queries, topic[length:])


def attention(logits: Float[np.ndarray, "B K"]) -> Float[np.ndarray, "B K"]:
    """Softmax of each row."""
    weight = np.exp(logits - logits.max(1, keepdims=True))
    return weight / weight.sum(1, keepdims=True)


def highest(scores: np.ndarray, count: int = TOP) -> Int[np.ndarray, "B K"]:
    """The places of the highest scores of each row, in no order."""
    count = min(count, scores.shape[1])
    return np.argpartition(scores, -count, axis=1)[:, -count:]


def _read(keys: np.ndarray, values: np.ndarray, chosen: np.ndarray, asked: Asked) -> Answer:
    """Attention to the chosen events of each candidate."""
    logits = np.einsum("bkd,bd->bk", keys[chosen], asked.queries)
    pooled = np.einsum("bk,bkd->bd", attention(logits), values[chosen])
    return Answer(pooled, list(chosen))


def _keys(history: History, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return history.events @ history.projection, history.events


def _all(keys: np.ndarray, values: np.ndarray, asked: Asked) -> Answer:
    return Answer(attention(asked.queries @ keys.T) @ values, None)


def _pairs(length: int, asked: int, read: float) -> Cost:
    return Cost(4 * asked * read * DIM)


# --- all of it ----------------------------------------------------------------------------------

FULL = Way(
    lambda history, rng: (history.events, history.projection),
    lambda cache, asked: _all(cache[0] @ cache[1], cache[0], asked),
    lambda length, asked, read: Cost(2 * length * DIM**2 + 4 * asked * length * DIM),
)
CACHED = Way(_keys, lambda cache, asked: _all(cache[0], cache[1], asked), _pairs)

# --- a part that a search finds -----------------------------------------------------------------

ORACLE = Way(
    _keys,
    lambda cache, asked: _read(cache[0], cache[1], highest(asked.queries @ cache[0].T), asked),
    lambda length, asked, read: Cost(2 * asked * length * DIM + 4 * asked * read * DIM),
)


def _soft(history: History, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    planes = rng.normal(size=(DIM, SHORT)).astype(np.float32)
    keys, values = _keys(history, rng)
    return keys, values, planes, keys @ planes


def _softly(cache: tuple[np.ndarray, ...], asked: Asked) -> Answer:
    keys, values, planes, short = cache
    return _read(keys, values, highest(asked.queries @ planes @ short.T), asked)


# a search by products of its own, fewer than those of attention, as SIM's soft search has (Pi et
# al., 2020, arXiv:2006.05639); drawn, where SIM learns them
SOFT = Way(
    _soft,
    _softly,
    lambda length, asked, read: Cost(
        2 * asked * DIM * SHORT + 2 * asked * length * SHORT + 4 * asked * read * DIM
    ),
)


def _fixed(which: Callable[[int, np.random.Generator], np.ndarray]) -> Way:
    """The same events for every candidate, whatever was asked."""

    def prepare(history: History, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        chosen = which(len(history.events), rng)
        return *(part[chosen] for part in _keys(history, rng)), chosen

    def answer(cache: tuple[np.ndarray, ...], asked: Asked) -> Answer:
        keys, values, chosen = cache
        return Answer(_all(keys, values, asked).pooled, [chosen] * len(asked.queries))

    return Way(prepare, answer, _pairs)


RECENT = _fixed(lambda length, rng: np.arange(length)[-TOP:])
RANDOM = _fixed(lambda length, rng: rng.permutation(length)[:TOP])


def _buckets(history: History, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    order = np.argsort(history.topic, kind="stable")
    first = np.searchsorted(history.topic[order], np.arange(TOPICS + 1))
    return *(part[order] for part in _keys(history, rng)), order, first


def _bucket(cache: tuple[np.ndarray, ...], asked: Asked) -> Answer:
    keys, values, order, first = cache
    pooled, chosen = np.zeros_like(asked.queries), []
    for row, topic in enumerate(asked.topic):
        part = slice(first[topic], first[topic + 1])
        chosen.append(order[part])
        if len(chosen[-1]):  # of a topic never met there is nothing to take
            one = Asked(asked.queries[row : row + 1], asked.topic[row : row + 1])
            pooled[row] = _all(keys[part], values[part], one).pooled[0]
    return Answer(pooled, chosen)


def _codes(vectors: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """The sides of planes that vectors lie on, as words of 64 bits, or of 32: (words, rows)."""
    packed = np.packbits(vectors @ planes > 0, axis=1)
    words = packed.view(np.uint32 if packed.shape[1] == 4 else np.uint64)
    return np.ascontiguousarray(words.T)


def _hashed(bits: int) -> Way:
    """SimHash (Charikar, 2002, doi:10.1145/509907.509965), as ETA searches (Chen et al., 2021,
    arXiv:2108.04468)."""

    def prepare(history: History, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        keys, values = _keys(history, rng)
        planes = rng.normal(size=(DIM, bits)).astype(np.float32)
        return keys, values, planes, _codes(keys, planes)

    def answer(cache: tuple[np.ndarray, ...], asked: Asked) -> Answer:
        keys, values, planes, codes = cache
        own = _codes(asked.queries, planes)
        # of words of 32 bits the highest are found five times as fast as of shorter ones
        alike = np.zeros((own.shape[1], codes.shape[1]), dtype=np.int32)
        for mine, its in zip(own, codes, strict=True):
            alike -= np.bitwise_count(mine[:, None] ^ its)
        return _read(keys, values, highest(alike), asked)

    def cost(length: int, asked: int, read: float) -> Cost:
        words = -(-bits // 64)
        flops = 2 * asked * DIM * bits + 4 * asked * read * DIM
        return Cost(flops, MIX * asked * length * words)

    return Way(prepare, answer, cost)


# --- a summary ----------------------------------------------------------------------------------


def _clusters(history: History, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Means of keys and of values, and the logarithm of how many events each stands for."""
    import faiss  # here: none but this way needs it

    keys, values = _keys(history, rng)
    means = faiss.Kmeans(
        DIM, max(1, min(CLUSTERS, len(keys) // MEMBERS)), niter=10, min_points_per_centroid=1,
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    means.train(keys)
    of = means.index.search(keys, 1)[1][:, 0]
    order = np.argsort(of, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(of[order]) > 0])
    count = np.diff(np.r_[first, len(of)]).astype(np.float32)
    mean = [np.add.reduceat(part[order], first) / count[:, None] for part in (keys, values)]
    return *mean, np.log(count)


def _clustered(weighted: bool) -> Way:
    """Each cluster as one event, or as the ``weighted`` number that it is (TWIN-V2; Si et al.,
    2024, arXiv:2407.16357)."""

    def answer(cache: tuple[np.ndarray, ...], asked: Asked) -> Answer:
        keys, values, count = cache
        return Answer(attention(asked.queries @ keys.T + weighted * count) @ values, None)

    return Way(_clusters, answer, _pairs)


def _state(history: History, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Sums over events of features times values (Choromanski et al., 2021, arXiv:2009.14794): what
    a recurrent net could keep, its size that of no history."""
    keys, values = _keys(history, rng)
    planes = rng.normal(size=(DIM, FEATURES)).astype(np.float32)
    logarithm = keys / DIM**0.25 @ planes - (keys**2).sum(1, keepdims=True) / (2 * DIM**0.5)
    feature = np.exp(logarithm - logarithm.max())  # a common factor, which the quotient loses
    return feature.T @ values, feature.sum(0), planes


def _recurrent(cache: tuple[np.ndarray, ...], asked: Asked) -> Answer:
    total, number, planes = cache
    logarithm = asked.queries * DIM**0.25 @ planes  # what is the same for all features is lost too
    feature = np.exp(logarithm - logarithm.max(1, keepdims=True))
    return Answer(feature @ total / (feature @ number)[:, None], None)


STATE = Way(
    _state,
    _recurrent,
    lambda length, asked, read: Cost(asked * FEATURES * (4 * DIM + 2)),
)

WAYS: dict[str, Way] = {
    "full": FULL,
    "cached keys": CACHED,
    "exact top": ORACLE,
    "recent": RECENT,
    "random": RANDOM,
    "soft": SOFT,
    "bucket": Way(_buckets, _bucket, _pairs),
    "SimHash 32": _hashed(32),
    "SimHash 64": _hashed(64),
    "SimHash 256": _hashed(256),
    "clusters": _clustered(weighted=True),
    "clusters, unweighted": _clustered(weighted=False),
    "state": STATE,
}


def bytes_of(cache: tuple[Any, ...]) -> int:
    """What is kept of a history between two questions."""
    return sum(part.nbytes for part in cache)
