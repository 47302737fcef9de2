"""What the live page asks for beside lists: who answers, what items are called, who looks where."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from seqrec_lib.report.styles import colour, known, label
from seqrec_lib.serving.asking import MOST_EVENTS, Id
from seqrec_lib.serving.attention import attention, lacks
from seqrec_lib.serving.batching import Aside, Batcher
from seqrec_lib.serving.items import Items

MOST_NAMED = 1000


class Named(BaseModel):
    """The body of ``POST /v1/items``: whose titles are wanted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: list[Id] = Field(max_length=MOST_NAMED)


class Sought(BaseModel):
    """The body of ``POST /v1/search``: words of a title, and how many items to name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    words: Annotated[str, Field(max_length=200)]
    most: int = Field(8, ge=1, le=50)


class Looked(BaseModel):
    """The body of ``POST /v1/attention``: raw ids, oldest first."""

    model_config = ConfigDict(extra="forbid", strict=True)

    history: list[Id] = Field(max_length=MOST_EVENTS)


class Showing:
    """The models behind ``batchers`` and the ``items`` of ``dataset``, as a page shows them.

    ``seeking`` is to be entered: it searches, for so many at a time as may wait.
    """

    def __init__(
        self,
        batchers: Mapping[str, Batcher],
        items: Items,
        dataset: str,
        plays: bool,
        waiting: int = 256,
    ):
        self.batchers, self.items, self.dataset, self.plays = batchers, items, dataset, plays
        self.seeking = Aside("the search", waiting)

    def about(self) -> dict[str, Any]:
        titles = titled(list(self.batchers))
        models = [
            {
                "name": name,
                "title": titles[name],
                "colour": colour(known(name) or name),
                "kind": type(one.served.model).__name__,
                "items": len(one.served.items),
                "length": one.served.length,
                "attention": lacks(one.served),
            }
            for name, one in self.batchers.items()
        ]
        return {"dataset": self.dataset, "plays": self.plays, "models": models}

    def names(self, asked: Named) -> dict[str, Any]:
        return {"items": [self.items.describe(one) for one in asked.items]}

    async def search(self, asked: Sought) -> dict[str, Any]:
        return await self.seeking.run(partial(self.items.search, asked.words, asked.most))

    async def attention(self, asked: Looked) -> dict[str, Any]:
        """By model: places and layers, or in ``lacks`` the words for why there are none."""

        async def of(batcher: Batcher) -> dict[str, Any]:
            if words := lacks(batcher.served):
                return {"lacks": words}
            return asdict(await batcher.aside(partial(attention, batcher.served, asked.history)))

        found = await asyncio.gather(*map(of, self.batchers.values()))
        return {"models": dict(zip(self.batchers, found, strict=True))}


def titled(names: Sequence[str]) -> dict[str, str]:
    """What a reader calls models: as the book does, where a name is that of a run and no other is
    called so too.

    >>> titled(["beauty-sasrec-s0", "beauty-gru-s0", "beauty-gru-s1", "mine"])["beauty-sasrec-s0"]
    'SASRec'
    """
    titles = {}
    for name in names:
        parts = [label(known(part) or part) for part in name.split("-of-")]
        titles[name] = " of ".join(parts)
    often = Counter(titles.values())
    return {
        name: title if often[title] == 1 else f"{title} ({_short(name)})"
        for name, title in titles.items()
    }


def _short(name: str) -> str:
    seed = re.search(r"-s(\d+)$", name)
    return f"seed {seed[1]}" if seed else name
