"""EventLog: every history in flat arrays, user after user, read through memory maps when large.

A *position* is an index into these arrays. It stands for one question: "what is ``item[p]``, given
the same user's earlier events?" Splits, batches and evaluation all speak in positions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Vocabulary
from seqrec_lib.data.files import written_aside

Positions = Int[np.ndarray, "P"]

CODED = ("action", "channel")  # words, numbered from 1; 0: not said
COLUMNS = ("time", *CODED, "basket", "rating", "known")  # what may be known of an event


@dataclass(frozen=True)
class EventLog:
    """Histories of all users, one after the other, each oldest event first.

    User ``u`` (0-based) owns the positions ``offsets[u] .. offsets[u + 1] - 1``. ``item`` holds
    ids 1..num_items, ``time`` seconds; ``users`` and ``items`` map back to raw ids.

    What else is known of an event, where the table had it: ``action`` and ``channel``, numbered
    from 1 in the order of ``names`` (0: not said); ``basket``, equal for events of a user that are
    one step, such as the lines of a receipt; ``rating``; ``known``, the time in seconds from which
    the event could be known, later than ``time`` where it was loaded later.

    ``context`` marks events that are history alone, such as lines of a store's receipts: nobody is
    asked to predict them, and a split has none of them.
    """

    item: Int[np.ndarray, "E"]
    time: Int[np.ndarray, "E"]
    offsets: Int[np.ndarray, "U_plus_1"]
    users: np.ndarray  # raw id of user u
    items: np.ndarray  # raw id of item i at index i - 1
    sources: Int[np.ndarray, "U"] | None = None  # whose history u's was written from; -1: nobody's
    action: Int[np.ndarray, "E"] | None = None
    channel: Int[np.ndarray, "E"] | None = None
    basket: Int[np.ndarray, "E"] | None = None
    rating: Float[np.ndarray, "E"] | None = None
    known: Int[np.ndarray, "E"] | None = None
    context: Bool[np.ndarray, "E"] | None = None
    names: Mapping[str, np.ndarray] = field(default_factory=dict)  # of the CODED columns

    @classmethod
    def build(
        cls,
        events: pd.DataFrame,
        items: np.ndarray | None = None,
        names: Mapping[str, np.ndarray] | None = None,
    ) -> EventLog:
        """From a checked event table: users contiguous, times in order.

        ``items`` and ``names`` number items and words as another log does. Raises ``KeyError`` for
        an item that is not among them; a word that is not is 0.
        """
        user = events["user"].to_numpy()
        first = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
        raw = events["item"].to_numpy()
        vocabulary = Vocabulary.build(raw) if items is None else Vocabulary(items)
        columns, words = _columns(events, names or {})
        return cls(
            item=vocabulary.encode(raw).astype(np.int32),
            time=events["time"].to_numpy(np.int64),
            offsets=np.r_[first, len(events)].astype(np.int64),
            users=user[first],
            items=vocabulary.raw,
            names=words,
            **columns,
        )

    def __len__(self) -> int:
        return len(self.item)

    @property
    def num_users(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_items(self) -> int:
        return len(self.items)

    @property
    def questions(self) -> Positions:
        """The positions that can be asked about: all but those that are context."""
        every = np.arange(len(self))
        return every if self.context is None else every[~self.context]

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

    def reordered(self, order: Positions) -> EventLog:
        """The same log with its events in another ``order`` within their users."""
        columns = {name: getattr(self, name) for name in ("item", "context", *COLUMNS)}
        return replace(self, **{k: one[order] for k, one in columns.items() if one is not None})

    def save(self, folder: Path) -> None:
        """Write the arrays to ``folder``; an interrupted write leaves nothing there."""
        with written_aside(folder) as aside:
            aside.mkdir()
            for name in _ARRAYS:
                if getattr(self, name) is not None:
                    np.save(aside / f"{name}.npy", getattr(self, name))
            raw = {"users": self.users, "items": self.items} | dict(self.names)
            (aside / "ids.json").write_text(json.dumps({k: v.tolist() for k, v in raw.items()}))

    @classmethod
    def open(cls, folder: Path) -> EventLog:
        """Map a saved log into memory: pages are read when touched, not before."""
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no event log here; make one with EventLog.save")
        raw = json.loads((folder / "ids.json").read_text())
        raw = {name: np.array(values) for name, values in raw.items()}
        places = {name: folder / f"{name}.npy" for name in _ARRAYS}
        arrays = {k: np.load(place, mmap_mode="r") for k, place in places.items() if place.exists()}
        return cls(**arrays, users=raw.pop("users"), items=raw.pop("items"), names=raw)

    # --- cutting batches -------------------------------------------------------------------

    def histories(
        self,
        positions: Positions,
        length: int | Int[np.ndarray, "P"],
        reads: Collection[str] = (),
    ) -> Batch:
        """The last ``length`` events before each position, nothing of the position itself.

        ``reads`` names what a batch has beside the items (:class:`~seqrec_lib.data.batch.Batch`);
        of these ``asked_at`` and ``asked_basket`` alone are the position's own. Raises
        ``ValueError`` for what the log lacks.
        """
        user = self.user_of(positions)
        start = np.maximum(self.offsets[user], positions - length)
        columns: dict[str, Any] = {
            name: self.cut(name, start, positions) for name in reads if name in COLUMNS
        }
        if "user" in reads:
            columns["user"] = torch.from_numpy(user + 1)
        if "asked_at" in reads:  # of the event after each
            columns["asked_at"] = self.cut("time", start + 1, positions + 1)
        if "asked_basket" in reads:
            columns["asked_basket"] = self.cut("basket", start + 1, positions + 1)
        if strange := set(reads) - columns.keys():
            raise ValueError(f"a log has no column {', '.join(sorted(strange))}")
        return Batch(self.cut("item", start, positions), **columns)

    def targets(self, windows: Int[np.ndarray, "W 2"]) -> Int[torch.Tensor, "W T"]:
        """The items of each window, padded on the right with 0, which context is too."""
        item = self.cut("item", windows[:, 0], windows[:, 1] + 1)
        if self.context is None:
            return item
        return item.masked_fill(self.cut("context", windows[:, 0], windows[:, 1] + 1) > 0, 0)

    def windows(self, positions: Positions, length: int) -> Int[np.ndarray, "W 2"]:
        """Cut target positions into windows ``[first, last]`` of at most ``length`` events each.

        A user's targets are cut from the latest backwards, each falling into exactly one window,
        with the context between them, which counts as they do; a first event has no history and is
        no target. Raises ``ValueError`` if one user's
        positions have a gap (a window across it would show the model a held-out event), or if no
        position has a history.
        """
        target = np.sort(positions[self.history_length(positions) > 0])
        if not len(target):
            raise ValueError("no position has an earlier event of its user: nothing to learn from")
        user = self.user_of(target)
        last = np.flatnonzero(np.r_[user[1:] != user[:-1], True])
        first = np.r_[0, last[:-1] + 1].astype(int)
        place = np.searchsorted(questions := self.questions, target)
        if (place[last] - place[first] != last - first).any():
            raise ValueError("the training positions of a user have a gap; pass a contiguous run")
        # context before a user's first target is read with it
        before = np.where(place[first] > 0, questions[place[first] - 1], -1)
        begin = np.maximum(before, self.offsets[user[first]]) + 1
        count = (target[last] - begin) // length + 1
        ends = np.repeat(target[last], count)
        step = np.arange(len(ends)) - np.repeat(np.cumsum(count) - count, count)
        ends = ends - step * length
        windows = np.stack([np.maximum(np.repeat(begin, count), ends - length + 1), ends], 1)
        if self.context is None:
            return windows
        asked = np.searchsorted(questions, ends, side="right")
        windows[:, 1] = np.r_[-1, questions][asked]  # no later than that
        return windows[windows[:, 0] <= windows[:, 1]]  # those of nothing but context ask nothing

    def require(self, reads: Collection[str]) -> None:
        """Raise ``ValueError`` for what a model ``reads`` of events and the log lacks."""
        for column in (name.removeprefix("asked_") for name in reads):
            if column in COLUMNS and getattr(self, column) is None:
                raise ValueError(
                    f"the model reads the {column} of events, and this log has none: "
                    f"give its table a column {column!r}, or use another model"
                )

    def cut(self, column: str, start: Positions, end: Positions) -> torch.Tensor:
        """A column of the events ``start .. end - 1`` of each row, padded on the right with 0."""
        self.require((column,))
        values = getattr(self, column)
        place = start[:, None] + np.arange(max(1, int((end - start).max(initial=0))))
        inside = place < end[:, None]
        cut = np.where(inside, values[np.where(inside, place, 0)], 0)
        return torch.from_numpy(cut.astype(np.float32 if column == "rating" else np.int64))


_ARRAYS = ("item", "offsets", "sources", "context", *COLUMNS)


def _columns(
    events: pd.DataFrame, known: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The optional columns that a table has, and the words of those that are numbered."""
    columns, names = {}, {}
    for name in CODED:
        if name in events:
            words = known.get(name, np.sort(events[name].unique().astype(str)))
            code = pd.Index(words).get_indexer(events[name])
            columns[name], names[name] = (code + 1).astype(np.int16), words
    if "basket" in events:
        code, words = pd.factorize(events["basket"].where(~events["basket"].isin([-1, ""])))
        alone = code < 0  # an event without one is a step of its own
        columns["basket"] = np.where(alone, len(words) + np.cumsum(alone), code + 1)
    for name, kind in (("rating", np.float32), ("known", np.int64)):
        if name in events:
            columns[name] = events[name].to_numpy(kind)
    return columns, names


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
