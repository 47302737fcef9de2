"""Memory: states remembered with the item that followed each; search by cosine."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

CHUNK = 1024  # queries whose scores are held at once on a GPU
KEPT = 512  # answers kept: validation asks the same after every epoch
KEPT_BYTES = 2**27  # of them together


class Memory(nn.Module):
    """Unit keys, the item each led to, and whose and when it was.

    ``owners`` are users, one an entry or several in a row of it (-1: nobody), ``positions`` those
    of the log, which tell before from after.
    """

    keys: Tensor
    items: Tensor
    owners: Tensor
    positions: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("keys", torch.zeros(0, width))
        self.register_buffer("items", torch.zeros(0, dtype=torch.long))
        self.register_buffer("owners", torch.zeros(0, dtype=torch.long))
        self.register_buffer("positions", torch.zeros(0, dtype=torch.long))
        self.index, self.settings = "Flat", ""  # as use() has it
        self._index: Any = None
        self._answers: dict[tuple[bytes, int], Int[Tensor, "B K"]] = {}

    def use(self, index: str, settings: str = "") -> None:
        """Search by this index from now on, in FAISS's words: "HNSW32,Flat" and "efSearch=64".

        "Flat" is exact and needs nothing beside the keys. Others miss some neighbours, answer a
        large memory sooner, and are made when first asked. Not kept with the weights; on a GPU
        search is always exact.
        """
        if (index, settings) != (self.index, self.settings):
            self._index = None
        self.index, self.settings = index, settings
        self._answers.clear()

    def __len__(self) -> int:
        return len(self.items)

    def fill(
        self,
        keys: Float[Tensor, "M D"],
        items: Int[np.ndarray, "M"],
        owners: Int[np.ndarray, "M *S"],
        positions: Int[np.ndarray, "M"],
    ) -> None:
        """Remember these and nothing else."""
        self.keys, self._index = keys, None
        self._answers.clear()
        for name, values in (("items", items), ("owners", owners), ("positions", positions)):
            setattr(self, name, torch.from_numpy(values.astype(np.int64)).to(keys.device))

    def nearest(self, queries: Float[Tensor, "B D"], count: int) -> Int[Tensor, "B K"]:
        """The most similar entries of each unit query, best first.

        Raises ``ValueError`` if the memory holds fewer, or an index that is not exact finds fewer.
        """
        if count > len(self):
            raise ValueError(
                f"{count} neighbours asked of a memory of {len(self)}; fill it, or ask for fewer"
            )
        if queries.device.type != "cpu":
            chunks = [(part @ self.keys.T).topk(count).indices for part in queries.split(CHUNK)]
            return torch.cat(chunks)
        asked = queries.detach().contiguous().numpy()
        key = hashlib.blake2b(asked.tobytes()).digest(), count
        found = self._answers.get(key)
        if found is None:
            found = torch.from_numpy(self._searched(asked, count))
            size = sum(answer.nbytes for answer in (*self._answers.values(), found))
            if len(asked) <= CHUNK and len(self._answers) < KEPT and size <= KEPT_BYTES:
                self._answers[key] = found
        return found

    def _searched(self, asked: Float[np.ndarray, "B D"], count: int) -> Int[np.ndarray, "B K"]:
        import faiss  # here: not needed where a GPU searches

        index = self.indexed()
        if index is None:
            # always products of matrices: FAISS's own choice (1.15.1) takes them from 2,000 queries
            # of 64 numbers on, and for a batch of fewer up to ten times as long without them
            faiss.cvar.distance_compute_blas_threshold = 0
            keys = self.keys.contiguous().numpy()
            return faiss.knn(asked, keys, count, faiss.METRIC_INNER_PRODUCT)[1]
        found = index.search(asked, count)[1]
        if (found < 0).any():
            raise ValueError(
                f"{self.index} {self.settings} found no {count} neighbours for all; let it look at "
                "more (a larger nprobe, say)"
            )
        return found

    def indexed(self) -> Any:
        """FAISS's index of the keys, made when first asked for; none where search is exact."""
        if self._index is None and self.index != "Flat":
            import faiss

            keys = self.keys.contiguous().numpy()
            index = faiss.index_factory(keys.shape[1], self.index, faiss.METRIC_INNER_PRODUCT)
            told: Any = self.settings  # FAISS's stubs know another form only
            faiss.ParameterSpace().set_index_parameters(index, told)
            index.train(keys)
            index.add(keys)
            self._index = index
        return self._index

    def nearest_allowed(
        self,
        queries: Float[Tensor, "P D"],
        count: int,
        owners: Int[np.ndarray, "P"],
        positions: Int[np.ndarray, "P"],
        starts: Int[np.ndarray, "P"],
    ) -> Int[np.ndarray, "P K"]:
        """The most similar entries of each query that could not know what it is asked for.

        Of its owner's entries a query at a position is given those from its history's start to
        before the position, and no others: they are its present and future, or were made of them.
        Raises ``ValueError`` if fewer than ``count`` are left.
        """
        mine = self.owners.cpu().numpy().reshape(len(self), -1)
        when = self.positions.cpu().numpy()
        # entries of the same owner outside of the history: so many more are asked for
        span = 1 + max(when.max(initial=0), positions.max(initial=0))
        entries = np.sort((mine * span + when[:, None]).ravel())
        edges = (
            (owners + place) * span + at
            for place, at in ((0, 0), (0, starts), (0, positions), (1, 0))
        )
        first, start, here, end = (np.searchsorted(entries, edge) for edge in edges)
        barred = end - here + start - first
        found = np.empty((len(queries), count), dtype=np.int64)
        # in groups that need about as many
        size = 2 ** np.ceil(np.log2(np.maximum(barred, 1))).astype(int)
        for more in np.unique(size):
            rows = np.flatnonzero(size == more)
            # each once: of a regenerated data set half of the histories have one item
            asked, place = queries[torch.from_numpy(rows)].unique(dim=0, return_inverse=True)
            wide = self.nearest(asked, min(len(self), count + int(more)))[place].cpu().numpy()
            own = (mine[wide] == owners[rows, None, None]).any(-1)
            fair = (when[wide] >= starts[rows, None]) & (when[wide] < positions[rows, None])
            out = own & ~fair
            if (wide.shape[1] - out.sum(1)).min() < count:
                raise ValueError(f"a memory of {len(self)} has no {count} neighbours for all")
            keep = np.argsort(out, axis=1, kind="stable")[:, :count]
            found[rows] = np.take_along_axis(wide, keep, axis=1)
        return found

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """Take the stored size before loading; keys must be as wide as they are here."""
        keys = state_dict.get(prefix + "keys", self.keys)
        if keys.shape[1:] != self.keys.shape[1:]:
            args[-1].append(
                f"{prefix}keys: shape {tuple(keys.shape)}, not {self.keys.shape[1]} wide"
            )
        for name, value in self.named_buffers(recurse=False):
            stored = state_dict.get(prefix + name, value)
            setattr(self, name, torch.empty_like(stored, device=value.device))
        self._index = None
        self._answers.clear()
        super()._load_from_state_dict(state_dict, prefix, *args)
