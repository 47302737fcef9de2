"""Our own data sets by name: where each is read from, and what is known of it beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from seqrec_lib.data import amazon, hm, movielens, online_retail, simulator
from seqrec_lib.data.worlds import stores, stores_draw


@dataclass(frozen=True)
class Source:
    """A data set of ours, before any variant of it.

    ``splits`` are the ways in which it can be split, the first one being that of its plain name.
    ``tecd`` says that T-ECD's recipes are its own: many items, many repeats. Of a source that is
    ``studied`` the book tells of ties and repeats, and its recipes select as they were published
    with; whoever trains on another one is told (:mod:`seqrec_lib.records.advice`).
    """

    read: Callable[[], pd.DataFrame] | None = None  # events; None: datasets.tecd_table has them
    files: tuple[str, ...] = ()  # one of these in a data folder is enough; none: always at hand
    splits: tuple[str, ...] = ("last", "tail", "time")
    tecd: bool = False
    studied: bool = False
    attributes: Callable[[], np.ndarray] | None = None  # of its items, datasets.attributes
    channels: bool = False  # a store's lines beside online events
    omni: bool = False  # a simulated world with stores: its recipes are its own
    pair_gap_s: int = 1800  # co-occurring events of a user are not further apart


def _of_amazon(name: str) -> Source:
    files = (f"amazon/{name}.parquet", f"amazon/raw/{amazon.EDITIONS[name].file}")
    attributes = partial(amazon.attributes, name)
    return Source(partial(amazon.read, name), files, studied=True, attributes=attributes)


# several questions a user: differences of a hundredth can be seen
OMNI: dict[str, Any] = {
    "splits": ("tail", "last", "time"), "studied": True, "channels": True, "omni": True,
}  # fmt: skip


# simulated worlds: stores that say nothing of what is wanted online, something, and all
WORLDS = {f"omni-{share}": stores.StoreWorld(strength=share / 100) for share in (0, 50, 100)}
WORLDS["omni-small"] = stores.StoreWorld(num_users=300)  # a look at the chapter on stores


def _drawn(world: stores.StoreWorld) -> Source:
    return Source(lambda: stores_draw.draw(world).events, **OMNI)


_TECD = Source(splits=("time", "users"), tecd=True, studied=True)
SOURCES: dict[str, Source] = {
    **{name: _of_amazon(name) for name in amazon.NAMES},
    # nothing but a day lies between events of the small world
    "simulated": Source(simulator.small_world, studied=True, pair_gap_s=86_400),
    "tecd-marketplace": Source(
        None, ("tecd/dataset/small", "dataset/small"), _TECD.splits, tecd=True, studied=True
    ),
    "tecd-sim": _TECD,
    "movielens_small": Source(movielens.read, attributes=movielens.attributes),
    "online_retail": Source(
        online_retail.read, online_retail.FILES, attributes=online_retail.attributes
    ),
    "hm": Source(hm.read, hm.FILES, channels=True),
    "hm-product": Source(partial(hm.read, level="product"), hm.FILES, channels=True),
    "hm-department": Source(partial(hm.read, level="department"), hm.FILES, channels=True),
    **{name: _drawn(world) for name, world in WORLDS.items()},
}
# of somebody's file nothing is known
FILE = Source()
