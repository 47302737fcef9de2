"""What a model knows of the items: how many there are, how often each was seen in training, and,
where they are known, its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Int

if TYPE_CHECKING:
    from seqrec_lib.data.log import EventLog


@dataclass(frozen=True)
class Vocabulary:
    """Raw ids, integers or strings, in one-to-one relation with 1..len; 0 is padding.

    >>> vocabulary = Vocabulary.build(np.array(["pen", "ink", "pen"]))
    >>> vocabulary.encode(np.array(["pen", "ink"]))
    array([2, 1])
    >>> vocabulary.decode(np.array([1, 2])).tolist()
    ['ink', 'pen']
    """

    raw: np.ndarray  # sorted raw ids: raw[i - 1] is the raw id of i

    @classmethod
    def build(cls, raw: np.ndarray) -> Vocabulary:
        """The ids that occur in ``raw``, in sorted order."""
        # hashed, then sorted: of text np.unique compares every pair it meets letter by letter
        return cls(np.sort(pd.unique(raw)).astype(raw.dtype))

    def __len__(self) -> int:
        return len(self.raw)

    def encode(self, raw: np.ndarray) -> Int[np.ndarray, ...]:
        """Raw ids to 1..len; raises ``KeyError`` naming the first id that is not known."""
        found = pd.Index(self.raw).get_indexer(pd.Index(raw))
        known = found >= 0
        if not known.all():
            first = raw[~known][0]
            raise KeyError(
                f"{(~known).sum()} ids are not in the vocabulary of {len(self)}; "
                f"the first is {first!r}"
            )
        return found + 1

    def decode(self, ids: Int[np.ndarray, ...]) -> np.ndarray:
        """1..len to raw ids; raises ``IndexError`` on padding (0) and beyond the end."""
        if len(ids) and (np.min(ids) < 1 or np.max(ids) > len(self)):
            raise IndexError(f"ids must lie in 1..{len(self)}; 0 is padding and has no raw id")
        return self.raw[np.asarray(ids) - 1]


@dataclass(frozen=True)
class Catalogue:
    """The items 1..num_items, how often each occurs in training (index 0, padding, is 0), and how
    many users the log has, numbered from 1.

    A row of ``attributes`` has those of an item, numbered from 1 and filled up with 0. ``names``
    has the words of actions and channels, in the order of their numbers from 1.
    """

    num_items: int
    frequency: Int[np.ndarray, "N"]
    attributes: Int[np.ndarray, "rows A"] | None = None
    names: Mapping[str, np.ndarray] = field(default_factory=dict)
    num_users: int = 0

    def __post_init__(self) -> None:
        if len(self.frequency) != self.num_items + 1 or self.frequency[0] != 0:
            raise ValueError(
                f"frequency needs {self.num_items + 1} entries, the first (padding) 0; "
                f"it has {len(self.frequency)}"
            )
        table = self.attributes
        if table is not None and (np.asarray(table).dtype.kind not in "iu" or np.min(table) < 0):
            raise ValueError(
                "attributes are whole numbers from 1, and 0 where there is none; these are "
                f"{np.asarray(table).dtype}, the least {np.min(table)}"
            )
        if table is not None and (len(table) != self.num_items + 1 or table[0].any()):
            raise ValueError(
                f"attributes need {self.num_items + 1} rows, the first (padding) of zeros; "
                f"there are {len(table)}, the first {table[0]}"
            )

    @classmethod
    def learned(
        cls,
        log: EventLog,
        train: Int[np.ndarray, "P"],
        attributes: Int[np.ndarray, "N A"] | None = None,
    ) -> Catalogue:
        """Frequencies counted on the training positions and nothing else."""
        frequency = np.bincount(log.item[train], minlength=log.num_items + 1)
        return cls(log.num_items, frequency, attributes, log.names, log.num_users)
