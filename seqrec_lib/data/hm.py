"""H&M (Kaggle, 2022): what customers bought in stores and online, by day.

The official columns of transactions_train.csv are t_dat, customer_id, article_id, price,
sales_channel_id (1 store, 2 online). The competition's rules forbid passing the rows on: readers
need the official file, and nothing of it is committed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from seqrec_lib.data import events, files
from seqrec_lib.data.tables import File, Format

FILES = ("hm/transactions_train.csv", "hm/transactions.parquet")
ARTICLES = ("hm/articles.csv", "hm/articles.parquet")
COLUMNS = ("customer_id", "article_id", "t_dat", "sales_channel_id")
PAGE = "https://www.kaggle.com/competitions/h-and-m-personalized-fashion-recommendations/data"


LEVELS = ("article", "product", "department")


def read(path: Path | str | None = None, level: str = "article") -> pd.DataFrame:
    """The events of a file, or of the first of ``FILES`` in a data folder, by user and day.

    Columns ``user``, ``item`` (the number of the article, or by ``level`` of its product, or of
    its department among the names of all), ``time`` (seconds, the start of a day),
    ``channel`` (``store``, ``online``), ``basket``: what one customer bought by one on a day, and
    ``known``: what a store sold is assumed to be known when the next day begins, the rest at once.
    Within a day nothing is ordered; what was bought in a store stands first. Raises EventError if
    there is no such file, or it lacks a column.
    """
    path = Path(path) if path else next((p for p in map(files.find, FILES) if p), None)
    if path is None:
        raise events.EventError(
            "H&M's transactions are not here: Kaggle's rules forbid passing them on. Accept them "
            f"at {PAGE}, and put transactions_train.csv at {files.data_folders()[0] / FILES[0]}"
        )
    file = File(path, Format())
    if missing := [name for name in COLUMNS if name not in file.names]:
        raise events.EventError(f"{path}: no column {missing}; there are {file.names}")
    table = file.read(COLUMNS, ["customer_id", "article_id"]).to_pandas(date_as_object=False)
    # official files write 0108775015
    table = table.astype({"article_id": "int64"})
    if level != "article":
        table["article_id"] = _coarser(table["article_id"].to_numpy(), level)
    order = np.lexsort((table["sales_channel_id"], table["t_dat"]))  # stable
    table = table.iloc[order]
    together = ["customer_id", "t_dat", "sales_channel_id"]
    table["basket"] = table.groupby(together, sort=True).ngroup()
    store = table["sales_channel_id"] == 1
    table["channel"] = np.where(store, "store", "online")
    table["known"] = table["t_dat"].astype("datetime64[s]") + pd.to_timedelta(store * 86_400, "s")
    names = dict(zip(("user", "item", "time"), COLUMNS, strict=False))
    columns = names | {name: name for name in ("channel", "basket", "known")}
    return events.check(table, str(path), columns, sort=True, lines=True)


def _coarser(articles: np.ndarray, level: str) -> np.ndarray:
    if level == "product":  # the same in another colour
        return articles // 1000
    if level == "department":
        return np.unique(departments(articles).astype(str), return_inverse=True)[1]
    raise ValueError(f"level is {level!r}; use one of {', '.join(LEVELS)}")


def departments(articles: Int[np.ndarray, "E"]) -> np.ndarray:
    """The names of the departments of articles by their numbers; "" of one that is not listed.

    Raises EventError if H&M's articles are not in a data folder.
    """
    path = next((p for p in map(files.find, ARTICLES) if p), None)
    if path is None:
        folder = files.data_folders()[0]
        raise events.EventError(f"H&M's articles are not here: put articles.csv of {PAGE} at "
                                f"{folder / ARTICLES[0]}")  # fmt: skip
    table = File(path, Format()).read(("article_id", "department_name"), []).to_pandas()
    name = table.astype({"article_id": "int64"}).set_index("article_id")["department_name"]
    return name.reindex(articles).fillna("").to_numpy(object)
