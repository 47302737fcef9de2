"""EventLog: every history in flat arrays, user after user, read through memory maps when large.

A *position* is an index into these arrays. It stands for one question: "what is ``item[p]``, given
the same user's earlier events?" Splits, batches and evaluation all speak in positions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Vocabulary
from seqrec_lib.data.files import written_aside

Positions = Int[np.ndarray, "P"]


@dataclass(frozen=True)
class EventLog:
    """Histories of all users, one after the other, each oldest event first.

    User ``u`` (0-based) owns the positions ``offsets[u] .. offsets[u + 1] - 1``. ``item`` holds
    ids 1..num_items, ``time`` seconds; ``users`` and ``items`` map back to raw ids.
    """

    item: Int[np.ndarray, "E"]
    time: Int[np.ndarray, "E"]
    offsets: Int[np.ndarray, "U_plus_1"]
    users: np.ndarray  # raw id of user u
    items: np.ndarray  # raw id of item i at index i - 1
    sources: Int[np.ndarray, "U"] | None = None  # whose history u's was written from; -1: nobody's

    @classmethod
    def build(cls, events: pd.DataFrame) -> EventLog:
        """From a checked event table: users contiguous, times in order."""
        user = events["user"].to_numpy()
        first = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
        vocabulary = Vocabulary.build(events["item"].to_numpy())
        return cls(
            item=vocabulary.encode(events["item"].to_numpy()).astype(np.int32),
            time=events["time"].to_numpy(np.int64),
            offsets=np.r_[first, len(events)].astype(np.int64),
            users=user[first],
            items=vocabulary.raw,
        )

    def __len__(self) -> int:
        return len(self.item)

    @property
    def num_users(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_items(self) -> int:
        return len(self.items)

    def user_of(self, positions: Positions) -> Positions:
        """The user (0-based) each position belongs to."""
        return np.searchsorted(self.offsets, positions, side="right") - 1

    def source_of(self, positions: Positions) -> Positions:
        """The user whose events stand behind each position: its own, or who it was written from."""
        user = self.user_of(positions)
        return user if self.sources is None else self.sources[user]

    def history_length(self, positions: Positions) -> Positions:
        """How many earlier events of the same user each position has."""
        return positions - self.offsets[self.user_of(positions)]

    def save(self, folder: Path) -> None:
        """Write the arrays to ``folder``; an interrupted write leaves nothing there."""
        with written_aside(folder) as aside:
            aside.mkdir()
            for name in ("item", "time", "offsets", "sources"):
                if getattr(self, name) is not None:
                    np.save(aside / f"{name}.npy", getattr(self, name))
            raw = {"users": self.users.tolist(), "items": self.items.tolist()}
            (aside / "ids.json").write_text(json.dumps(raw))

    @classmethod
    def open(cls, folder: Path) -> EventLog:
        """Map a saved log into memory: pages are read when touched, not before."""
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no event log here; make one with EventLog.save")
        raw = json.loads((folder / "ids.json").read_text())
        names = ["item", "time", "offsets"]
        if (folder / "sources.npy").exists():
            names.append("sources")
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
        return cls(**arrays, users=np.array(raw["users"]), items=np.array(raw["items"]))

    # --- cutting batches -------------------------------------------------------------------

    def histories(self, positions: Positions, length: int) -> Batch:
        """The last ``length`` events before each position, nothing of the position itself."""
        start = np.maximum(self.offsets[self.user_of(positions)], positions - length)
        item, time = self._cut(start, positions)
        return Batch(item, time=time)

    def windows(self, positions: Positions, length: int) -> Int[np.ndarray, "W 2"]:
        """Cut target positions into windows ``[first, last]`` of at most ``length`` targets each.

        A user's targets are cut from the latest backwards, each falling into exactly one window;
        a first event has no history and is no target. Raises ``ValueError`` if one user's
        positions have a gap (a window across it would show the model a held-out event), or if no
        position has a history.
        """
        target = np.sort(positions[self.history_length(positions) > 0])
        if not len(target):
            raise ValueError("no position has an earlier event of its user: nothing to learn from")
        user = self.user_of(target)
        last = np.flatnonzero(np.r_[user[1:] != user[:-1], True])
        first = np.r_[0, last[:-1] + 1].astype(int)
        if (target[last] - target[first] != last - first).any():
            raise ValueError("the training positions of a user have a gap; pass a contiguous run")
        count = (last - first) // length + 1
        ends = np.repeat(target[last], count)
        step = np.arange(len(ends)) - np.repeat(np.cumsum(count) - count, count)
        ends = ends - step * length
        return np.stack([np.maximum(np.repeat(target[first], count), ends - length + 1), ends], 1)

    def training_batch(self, windows: Int[np.ndarray, "W 2"]) -> Batch:
        """Each window's inputs, one step earlier than its targets."""
        first, end = windows[:, 0], windows[:, 1] + 1
        item, time = self._cut(first - 1, end - 1)
        target, _ = self._cut(first, end)
        return Batch(item, target, time)

    def _cut(self, start: Positions, end: Positions) -> tuple[torch.Tensor, torch.Tensor]:
        """Events ``start .. end - 1`` of each row, padded on the right with 0."""
        place = start[:, None] + np.arange(max(1, int((end - start).max(initial=0))))
        inside = place < end[:, None]
        place = np.where(inside, place, 0)
        cut = (np.where(inside, values[place], 0) for values in (self.item, self.time))
        item, time = (torch.from_numpy(values.astype(np.int64)) for values in cut)
        return item, time


def bucketed(
    lengths: Int[np.ndarray, "W"], batch_size: int, rng: np.random.Generator, pool: int = 16
) -> Iterator[Int[np.ndarray, "B"]]:
    """Random batches of row numbers of similar length, so that padding is nearly absent.

    Rows are shuffled, sorted by length within pools of ``pool * batch_size``, cut into batches,
    and the batches of all pools shuffled again. Every batch holds about as many steps as
    ``batch_size`` average rows: few long rows or many short ones, so that each *step* weighs the
    same in a mean over the batch.
    """
    order = rng.permutation(len(lengths))
    steps = batch_size * lengths.mean()
    batches = []
    for begin in range(0, len(order), pool * batch_size):
        rows = order[begin : begin + pool * batch_size]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        total = lengths[rows].cumsum()
        count = max(1, round(total[-1] / steps))
        batches += np.split(rows, np.searchsorted(total, total[-1] * np.arange(1, count) / count))
    for i in rng.permutation(len(batches)):
        if len(batches[i]):
            yield batches[i]
