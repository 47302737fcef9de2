"""Online Retail (UCI, 2015): the invoices of a British shop for gifts, with minutes, and what kind
of thing its articles are.

The official columns are InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice,
CustomerID, Country. A line of an invoice is an event, the invoice its basket: the lines of one have
one time, and their order is whatever the shop's till made of it.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from seqrec_lib.data import events, files
from seqrec_lib.data.tables import File, Format

logger = logging.getLogger(__name__)

FILES = ("online_retail/onlineretail.parquet", "online_retail/OnlineRetail.csv")
COLUMNS = {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "basket": "InvoiceNo"}
DESCRIPTION = "Description"
# what stands last in many descriptions and is no thing; what follows the thing
LOOKS = frozenset(
    "ASSORTED ASST BLACK BLUE BROWN CM COLOUR COLOURS CREAM DARK DESIGN DESIGNS GOLD GREEN IVORY "
    "LARGE LILAC MEDIUM MINI OF ORANGE PALE PINK POLKADOT PURPLE RED RETROSPOT SILVER SMALL "
    "TURQUOISE WHITE YELLOW".split()
)
AFTER = re.compile(r" (?:WITH|W|IN|FOR) .*|[,.].*")
PAGE = "https://archive.ics.uci.edu/dataset/352/online+retail"


def read(path: Path | str | None = None) -> pd.DataFrame:
    """The events of a file, or of the first of ``FILES`` in a data folder, by user and time.

    Cancellations (invoices that begin with C) and lines without a customer are left out, and
    counted in the log. Columns ``user``, ``item``, ``time``, ``basket`` (the invoice). Raises
    EventError if there is no such file, or it lacks a column.
    """
    path, text, table = _lines(path, list(COLUMNS.values()))
    cancelled = table["InvoiceNo"].str.startswith("C")
    unknown = table["CustomerID"].isna() & ~cancelled
    kept = table[_sold(table)]
    logger.warning(
        "%s: %s lines, of which %s are cancellations and %s have no customer; %s events",
        path.name,
        *(f"{count:,}" for count in (len(table), cancelled.sum(), unknown.sum(), len(kept))),
    )
    kept = kept.astype({"CustomerID": "int64"})
    how = "%m/%d/%Y %H:%M" if text else None
    return events.check(kept, str(path), COLUMNS, sort=True, time_format=how, lines=True)


def attributes(path: Path | str | None = None) -> Int[np.ndarray, "N 1"]:
    """What kind of thing item i is, in row i, numbered from 1 in alphabetical order of the kinds.

    The sheet names no categories. A kind is the last word of an article's commonest description
    that is neither a colour nor a size (holder, box, bag), without what follows *with*, *in* or
    *for*, in the singular; 0 where there is none. Raises EventError as :func:`read` does.
    """
    *_, table = _lines(path, ["InvoiceNo", "CustomerID", "StockCode", DESCRIPTION])
    sold = table.loc[_sold(table), ["StockCode", DESCRIPTION]]
    words = sold.groupby("StockCode")[DESCRIPTION].agg(_commonest)  # in the order of a log's items
    kinds = words.map(_kind)
    names = sorted(set(kinds) - {""})
    number = {name: index for index, name in enumerate(names, start=1)} | {"": 0}
    return np.array([[0], *([number[kind]] for kind in kinds)], dtype=np.int32)


def _lines(path: Path | str | None, columns: list[str]) -> tuple[Path, bool, pd.DataFrame]:
    """Where the sheet lies, whether it is text, and these columns of all of its lines."""
    path = Path(path) if path else next((p for p in map(files.find, FILES) if p), None)
    if path is None:
        raise events.EventError(
            f"Online Retail is not here: fetch it from {PAGE} and save its sheet as "
            f"{files.data_folders()[0] / FILES[1]}"
        )
    file = File(path, Format(encoding="latin-1"))  # of CSV alone, for the sake of descriptions
    if missing := [name for name in columns if name not in file.names]:
        raise events.EventError(f"{path}: no column {missing}; there are {file.names}")
    table = file.read(columns, columns if file.text else []).to_pandas()
    return path, bool(file.text), table


def _sold(table: pd.DataFrame) -> pd.Series:
    return ~table["InvoiceNo"].str.startswith("C") & table["CustomerID"].notna()


def _commonest(descriptions: pd.Series) -> str:
    """Of several as common the first in the alphabet; of none nothing."""
    counts = descriptions.value_counts()
    return min(counts.index[counts == counts.max()], default="")


def _kind(description: str) -> str:
    words = re.findall(r"[A-Z]{2,}", AFTER.sub("", description.upper()))
    last = next((word for word in reversed(words) if word not in LOOKS), "")
    many = len(last) > 3 and last.endswith("S") and not last.endswith("SS")
    return last[:-1] if many else last
