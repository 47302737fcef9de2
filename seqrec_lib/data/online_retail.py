"""Online Retail (UCI, 2015): the invoices of a British shop for gifts, with minutes.

The official columns are InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice,
CustomerID, Country. A line of an invoice is an event, the invoice its basket: the lines of one have
one time, and their order is whatever the shop's till made of it.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from seqrec_lib.data import events, files
from seqrec_lib.data.tables import File, Format

logger = logging.getLogger(__name__)

FILES = ("online_retail/onlineretail.parquet", "online_retail/OnlineRetail.csv")
COLUMNS = {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "basket": "InvoiceNo"}
PAGE = "https://archive.ics.uci.edu/dataset/352/online+retail"


def read(path: Path | str | None = None) -> pd.DataFrame:
    """The events of a file, or of the first of ``FILES`` in a data folder, by user and time.

    Cancellations (invoices that begin with C) and lines without a customer are left out, and
    counted in the log. Columns ``user``, ``item``, ``time``, ``basket`` (the invoice). Raises
    EventError if there is no such file, or it lacks a column.
    """
    path = Path(path) if path else next((p for p in map(files.find, FILES) if p), None)
    if path is None:
        raise events.EventError(
            f"Online Retail is not here: fetch it from {PAGE} and save its sheet as "
            f"{files.data_folders()[0] / FILES[1]}"
        )
    file = File(path, Format(encoding="latin-1"))  # of CSV alone, for the sake of descriptions
    if missing := [name for name in COLUMNS.values() if name not in file.names]:
        raise events.EventError(f"{path}: no column {missing}; there are {file.names}")
    text = [name for name in COLUMNS.values() if file.text]
    table = file.read(list(COLUMNS.values()), text).to_pandas()
    cancelled = table["InvoiceNo"].str.startswith("C")
    unknown = table["CustomerID"].isna() & ~cancelled
    kept = table[~cancelled & ~unknown]
    logger.warning(
        "%s: %s lines, of which %s are cancellations and %s have no customer; %s events", path.name,
        *(f"{count:,}" for count in (len(table), cancelled.sum(), unknown.sum(), len(kept))),
    )  # fmt: skip
    kept = kept.astype({"CustomerID": "int64"})
    how = "%m/%d/%Y %H:%M" if file.text else None
    return events.check(kept, str(path), COLUMNS, sort=True, time_format=how, lines=True)
