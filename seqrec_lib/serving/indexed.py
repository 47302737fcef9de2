"""Large catalogues: an index finds the items that a state points at, without scoring them all.

An inverted file (Jégou et al., 2011, doi:10.1109/TPAMI.2010.57) reads the lists nearest to a state
alone. How many lists that takes is measured: as few as find ``recall`` of the exact best ten on
histories that are given. What it finds is scored again, so that scores are the model's own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import faiss
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.serving.ranking import Ranking
from seqrec_lib.serving.served import Served, checked
from seqrec_lib.training.evaluation import PROTOCOLS

TOP = 10  # of which recall is the share that is found
TRIED = 500  # histories that it is measured on, at most
CHUNK = 256  # histories that are answered together
POINTS = 64  # that a list's centre is learned from


@dataclass
class Indexed(Served):
    """A served encoder whose lists come from an index; ``chance`` is not known of any, as it would
    take the scores of all items."""

    index: Any = None
    recall: float = 0.0  # of the exact ten, measured when it was made
    vectors: Float[np.ndarray, "N E"] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def top(
        self,
        log: EventLog,
        positions: Int[np.ndarray, "P"],
        k: int = 10,
        protocols: Collection[str] = PROTOCOLS,
        ms: dict[str, float] | None = None,
    ) -> dict[str, Ranking]:
        checked(k, protocols)
        ms = {"score": 0.0, "select": 0.0} if ms is None else ms
        parts: dict[str, list[Any]] = {protocol: [] for protocol in protocols}
        for first in range(0, len(positions), CHUNK):
            begun = perf_counter()
            some = positions[first : first + CHUNK]
            states = self.states(log, some)
            own = [np.unique(log.item[log.offsets[log.user_of(some[i : i + 1])[0]] : p])
                   for i, p in enumerate(some)]  # fmt: skip
            count = min(k + max(map(len, own)), self.model.num_items)
            _, found = self.index.search(states, count)
            found += 1  # of items: -1, nothing more was found, becomes padding
            ms["score"] += (perf_counter() - begun) * 1000
            begun = perf_counter()
            scores = np.einsum("be,bce->bc", states, self.vectors[found])
            scores[found == 0] = -np.inf
            for protocol in protocols:
                shown = scores
                if protocol == "masked":
                    seen: Bool[np.ndarray, "B C"] = np.stack(
                        [np.isin(row, one) for row, one in zip(found, own, strict=True)]
                    )
                    shown = np.where(seen, -np.inf, scores)
                parts[protocol].append(_listed(found, shown, k, first))
            ms["select"] += (perf_counter() - begun) * 1000
        return {protocol: _joined(found, len(positions)) for protocol, found in parts.items()}

    def states(self, log: EventLog, positions: Int[np.ndarray, "P"]) -> Float[np.ndarray, "P E"]:
        """What is compared with the vectors; a 1 goes with an item's bias."""
        model = self.model
        assert isinstance(model, SequenceEncoder)
        device = model.items.weight.device
        with torch.no_grad():
            batch = model.batch(log, positions, self.length).to(device)
            states, _, bias = model.compared(model.state(batch))
            return _wide(states, None if bias is None else torch.ones(len(states)))


def indexed(
    served: Served, log: EventLog, positions: Int[np.ndarray, "P"], recall: float = 0.99
) -> Indexed:
    """``served`` by an index that finds ``recall`` of its best ten after these histories.

    Raises ``ValueError`` for a model whose scores are no inner products with a state, without
    positions, and for a log of other items.
    """
    model = served.model
    plain = isinstance(model, SequenceEncoder) and all(
        getattr(type(model), name) is getattr(SequenceEncoder, name)
        for name in ("score_all", "scores", "compared")
    )
    if not plain or not isinstance(model, SequenceEncoder):
        raise ValueError(f"{served.name}: its scores are no inner products: no index finds them")
    if not len(positions) or not 0 < recall <= 1:
        raise ValueError(f"recall is {recall} on {len(positions)} histories; use some, and up to 1")
    if served.items.astype(str).tolist() != log.items.astype(str).tolist():
        raise ValueError(f"{served.name} knows other items than the log that its index is tried on")
    with torch.no_grad():
        none = torch.zeros(1, model.items.weight.shape[1], device=model.items.weight.device)
        _, table, bias = model.compared(none)
        vectors = _wide(table, bias)
    size, width = vectors.shape
    lists = 2 ** max(0, round(np.log2(size) / 2 + 0.5)) if size > 2 * POINTS else 1
    index: Any = faiss.index_factory(width, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = POINTS, 1
    index.train(vectors[1:])
    index.add(vectors[1:])
    digest = f"{served.digest}+index"
    found = Indexed(
        model, served.items, served.length, f"{served.name}-indexed", digest, served.about,
        index, 0.0, vectors,
    )  # fmt: skip
    tried = np.random.default_rng(0).permutation(positions)[:TRIED]
    states = found.states(log, tried)
    exact = np.argsort(-(states @ vectors[1:].T), axis=1)[:, :TOP]
    index.nprobe = 1
    while True:
        near = index.search(states, TOP)[1]
        pairs = zip(exact, near, strict=True)
        found.recall = float(np.mean([np.isin(one, other).mean() for one, other in pairs]))
        if found.recall >= recall or index.nprobe >= lists:
            return found
        index.nprobe = min(2 * index.nprobe, lists)


def _wide(part: Float[Tensor, "R D"], last: Float[Tensor, "R"] | None) -> np.ndarray:
    """Rows with ``last`` behind them, and zeros up to the next sixteen: rows of any other width
    are compared by faiss number by number, which takes fifteen times as long."""
    columns = [part.float()] if last is None else [part.float(), last.to(part.device)[:, None]]
    wide = torch.cat(columns, 1)
    return torch.nn.functional.pad(wide, (0, -wide.shape[1] % 16)).cpu().numpy()


def _listed(
    item: Int[np.ndarray, "B C"], score: Float[np.ndarray, "B C"], k: int, first: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row (from ``first``), item and score of the k best of each row, in order."""
    row = np.repeat(np.arange(len(item)), item.shape[1])
    order = np.lexsort((item.ravel(), -score.ravel(), row)).reshape(item.shape)[:, :k].ravel()
    order = order[np.isfinite(score.ravel()[order])]
    return first + row[order], item.ravel()[order], score.ravel()[order].astype(np.float64)


def _joined(parts: list[tuple[np.ndarray, ...]], rows: int) -> Ranking:
    row, item, score = (np.concatenate(one) for one in zip(*parts, strict=True))
    return Ranking(row, item, score, np.full(rows, np.nan))
