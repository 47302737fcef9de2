"""The small world of golden runs: a rule, favourites, repeats, and items never trained.

Histories are longer than a window, two events have the same time, and no two users begin alike.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch

from seqrec_lib.data import datasets
from seqrec_lib.data.sources import OMNI, SOURCES, Source

NUM_USERS, NUM_ITEMS, NUM_COLD, FAVOURITES = 40, 150, 6, 15


def events(seed: int = 0) -> pd.DataFrame:
    """The world: a rule that most events follow, and favourites that the last events go to.

    The favourites are learned first and the rule after them, so that validation falls while the
    loss does: patience strikes. ``user`` and ``item`` are integers, ``time`` seconds, and events of
    a time are a ``basket``.
    """
    rng = np.random.default_rng(seed)
    follows, starts = np.roll(rng.permutation(NUM_ITEMS), 1), rng.permutation(NUM_ITEMS)
    rows = []
    for user in range(1, NUM_USERS + 1):
        length = int(rng.integers(5, 20)) if user % 4 else int(rng.integers(55, 75))
        items = [int(starts[user])]  # no two histories alike, or neighbours are a matter of luck
        for step in range(1, length):
            draw, new = rng.random(), [i for i in range(FAVOURITES) if i not in items]
            if step >= length - 2 and new and draw < 0.8:
                item = int(rng.choice(new))
            elif draw < 0.15:
                item = int(rng.integers(FAVOURITES))
            elif draw < 0.25:
                item = items[-1]
            elif draw < 0.9:
                item = int(follows[items[-1]])
            else:
                item = int(rng.integers(NUM_ITEMS))
            if step % 2 and item == items[-1]:  # two events at a time, and none twice
                item = (item + 1) % NUM_ITEMS
            items.append(item)
        if user <= NUM_COLD:
            items[-1] = NUM_ITEMS + user - 1  # training never sees it
        for step, item in enumerate(items):
            # a break of two hours after every fourth
            time = 1_600_000_000 + user * 60 + step // 2 * 600 + step // 4 * 7_200
            rows.append({"user": user, "item": item + 1, "time": time, "basket": step // 2})
    return pd.DataFrame(rows)


def joined() -> pd.DataFrame:
    """The world with receipts of a store, a third of all baskets, known a quarter of an hour late:
    after events that came later."""
    table = events()
    store = table["basket"] % 3 == 1
    return table.assign(
        channel=np.where(store, "store", "online"), known=table["time"] + 900 * store
    )


def regenerated() -> pd.DataFrame:
    """What a regenerator might have written: sequences of a user's items, some of them twice."""
    rng = np.random.default_rng(1)
    rows, number = [], 0
    for user, items in events().groupby("user")["item"]:
        for _ in range(int(rng.integers(1, 4))):
            start = int(rng.integers(max(1, len(items) - 6)))
            written = items.to_numpy()[start : start + int(rng.integers(2, 5))]
            rows += [{"sequence": number, "user": user - 1, "item": item} for item in written]
            number += 1
    return pd.DataFrame(rows)


def attributes() -> np.ndarray:
    """Made-up attributes of the items, two or one each."""
    item = np.arange(events()["item"].nunique() + 1)[:, None]
    table = np.hstack([item % 7 + 1, np.where(item % 3, item % 11 + 8, 0)])
    return (table * (item > 0)).astype(np.int32)


@contextlib.contextmanager
def world(folder: Path) -> Iterator[None]:
    """The worlds are data sets inside the block, and ``folder`` is the working folder."""
    table = events()
    acted = table.assign(action=np.where(table["item"] % 3, "view", "like"))
    here = {
        "golden": Source(lambda: table, studied=True, attributes=attributes),
        "golden-tecd": Source(lambda: acted, studied=True, attributes=attributes, tecd=True),
        "golden-omni": Source(joined, **OMNI),
    }
    before, threads = Path.cwd(), torch.get_num_threads()
    os.chdir(folder)
    torch.set_num_threads(1)
    try:
        written = folder / "regenerated"
        written.mkdir()
        sequences = regenerated()
        codes = pd.Index(np.unique(table["item"]))
        sequences["item"] = codes.get_indexer(sequences["item"]) + 1
        sequences.to_parquet(written / "sequences.parquet", index=False)
        with (
            mock.patch.dict(SOURCES, here),
            mock.patch.object(datasets, "regenerated", lambda dataset: written),
        ):
            digest = datasets.digest_of("golden")
            (written / "card.json").write_text(json.dumps({"data_digest": digest}))
            yield
    finally:
        os.chdir(before)
        torch.set_num_threads(threads)
