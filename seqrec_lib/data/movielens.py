"""MovieLens, small: ratings of films with seconds, and genres; committed with its licence.

Three releases of GroupLens's ml-latest-small united, in ``book/data/movielens_small``, whose README
has the terms (research, no commercial use) and what was done. Histories have 20 to 2,698 events.
People rate in sittings: a fifth of the events share the second of the one before, and their order
within it is that of the films' numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from seqrec_lib.data import events, files

SHA256 = {
    "events.parquet": "e753e0cb78f1c9f7034de4a6a3cbcb83f4c1a98620933c0a4661f4dea003005d",
    "movies.parquet": "cb6d9165354559412ef9ea66d996ed659f6c93ffdc85584834938e4369fbf677",
}
NO_GENRE = "(no genres listed)"


def read() -> pd.DataFrame:
    """The ratings as events, all of them whatever the rating, with a column ``rating``.

    Raises EventError if the file is not there or is another one.
    """
    columns = {name: name for name in ("user", "item", "time", "rating")}
    return events.read(_file("events.parquet"), columns, unit="s")


def films() -> pd.DataFrame:
    """``item``, ``title`` and ``genres`` (a bar between them) of each film, by number."""
    return pd.read_parquet(_file("movies.parquet")).sort_values("item", ignore_index=True)


def attributes() -> Int[np.ndarray, "N A"]:
    """Genres of item i in row i, numbered from 1 in alphabetical order, filled up with 0."""
    split = films()["genres"].str.split("|")
    names = sorted(set(split.explode()) - {NO_GENRE})
    number = {name: index for index, name in enumerate(names, start=1)}
    rows = [sorted(number[name] for name in one if name != NO_GENRE) for one in split]
    table = np.zeros((len(rows) + 1, max(map(len, rows))), dtype=np.int32)
    for row, genres in zip(table[1:], rows, strict=True):
        row[: len(genres)] = genres
    return table


def _file(name: str) -> Path:
    """The committed file, or that of a data folder where the library stands alone."""
    committed = files.root() / "book" / "data" / "movielens_small" / name
    path = committed if committed.exists() else files.find(f"movielens_small/{name}")
    if path is None:
        raise events.EventError(
            f"movielens_small/{name} is not here: it lies in book/data of the repository; copy the "
            f"folder to {files.data_folders()[0]}"
        )
    if files.sha256(path) != SHA256[name]:
        raise events.EventError(f"{path}: not the file as committed; restore it from git")
    return path
