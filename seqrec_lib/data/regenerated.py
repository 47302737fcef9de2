"""What a regenerator wrote from a training part (DR4SR), and how it is learned from beside it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from seqrec_lib.data import files, patterns
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split


def place(name: str) -> Path:
    """The folder of what was written from a data set whose records stand in a folder ``name``.

    The published one if there is one, else one's own below ``build``.
    """
    published = files.root() / "book" / "regenerated" / name
    own = files.root() / "build" / "regenerated" / name
    return published if published.exists() else own


def added(
    dataset: Dataset, log: EventLog, split: Split, folder: Path, digest: str
) -> tuple[EventLog, Split]:
    """``log`` and ``split``, of the given ``digest``, with what ``folder`` has to learn from too.

    Raises ``FileNotFoundError`` if nothing was written, ``ValueError`` if it was from other data.
    """
    base = dataset.but(regenerated="")
    if not folder.exists():
        raise FileNotFoundError(
            f"{folder} is not there; run python -m seqrec_lib.studies.regeneration "
            + shlex.quote(str(base))
        )
    card = json.loads((folder / "card.json").read_text())
    if card["data_digest"] != digest:
        raise ValueError(f"{folder} was written from other data than today's {base}: make it anew")
    table = pd.read_parquet(folder / "sequences.parquet")
    if dataset.regenerated != "every":
        items = table.groupby("sequence")["item"].agg(tuple)
        table = table[table["sequence"].isin(items.index[~items.duplicated()])]
    ends = np.flatnonzero(np.diff(table["sequence"])) + 1
    parts = np.split(table["item"].to_numpy(), ends)
    sources = [table.groupby("sequence")["user"].first()]
    if dataset.regenerated == "released":
        mined, owners = patterns.mined(log, split.train)
        parts += np.split(mined.item, mined.offsets[1:-1])
        parts += patterns.histories(log, split.train)
        sources += [owners[:, 0], np.unique(log.user_of(split.train))]
    written = patterns.as_log(parts, log)
    together = EventLog(
        item=np.concatenate([log.item, written.item]),
        time=np.concatenate([log.time, written.time]),
        offsets=np.concatenate([log.offsets, len(log) + written.offsets[1:]]),
        users=np.concatenate([log.users, written.users.astype(log.users.dtype)]),
        items=log.items,
        sources=np.concatenate([np.arange(log.num_users), *sources]),
    )
    train = np.concatenate([split.train, np.arange(len(log), len(together))])
    return together, replace(split, train=train)
