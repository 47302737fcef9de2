"""What a reader is told of items: titles, genres, and how often they came."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from seqrec_lib.data import movielens
from seqrec_lib.data.log import EventLog


class Items:
    """Items by their raw ids as text.

    ``learned`` are training's positions in ``log``, whose events are counted; ``films`` has the
    columns ``item``, ``title`` and ``genres`` (a bar between them). Without these an item is called
    by its id.
    """

    def __init__(
        self,
        ids: Iterable[Any],
        log: EventLog | None = None,
        learned: Int[np.ndarray, "P"] | None = None,
        films: pd.DataFrame | None = None,
    ):
        self._ids = [one.item() if isinstance(one, np.generic) else one for one in ids]
        self._place = {str(raw): place for place, raw in enumerate(self._ids)}
        self._events: np.ndarray | None = None
        if log is not None and learned is not None:
            self._events = np.bincount(log.item[learned] - 1, minlength=log.num_items)
        self._titles = list(self._place)
        self._genres: list[str] | None = None
        if films is not None:
            named = films.set_index(films["item"].astype(str)).reindex(self._titles)
            self._genres = named["genres"].fillna("").str.replace("|", ", ").tolist()
            self._titles = named["title"].fillna(pd.Series(named.index, named.index)).tolist()

    def describe(self, item: Any) -> dict[str, str]:
        """``title``, and in ``genres`` the rest in words; of an item nobody knows its id alone."""
        place = self._place.get(str(item))
        if place is None:
            return {"title": str(item), "genres": "not in the log"}
        words = [self._genres[place]] if self._genres and self._genres[place] else []
        if self._events is not None:
            count = int(self._events[place])
            words.append(f"{count:,} in training")
        return {"title": self._titles[place], "genres": " · ".join(words)}

    def search(self, text: str, most: int) -> dict[str, Any]:
        """The items whose title has all words of ``text``, those seen most often first."""
        words = _folded(text).split()
        found = [i for i, title in enumerate(self._known) if all(word in title for word in words)]
        if not words:
            found = []
        if self._events is not None:
            found.sort(key=self._events.take, reverse=True)
        return {"items": [self._ids[place] for place in found[:most]], "all": len(found)}

    @cached_property
    def _known(self) -> list[str]:
        return [_folded(title) for title in self._titles]


def _folded(text: str) -> str:
    """In small letters without accents."""
    apart = unicodedata.normalize("NFD", text)
    return "".join(one for one in apart if not unicodedata.combining(one)).lower()


def of_log(log: EventLog, learned: Int[np.ndarray, "P"], source: str) -> Items:
    """Those of the log of a data set's ``source``."""
    films = movielens.films() if source == "movielens_small" else None
    return Items(log.items, log, learned, films)
