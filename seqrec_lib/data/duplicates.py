"""Which rows of a T-ECD file repeat another one: exact, the same on either engine, in slices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seqrec_lib.data import tecd
from seqrec_lib.data.engine import Engine

if TYPE_CHECKING:
    import ibis.expr.types as ir

SLICE = 3_000_000  # rows of a slice: bounds the memory of the search
LAST = 2**40  # beyond any row number


def duplicates(
    engine: Engine, flagged: ir.Table, table: str, day: int | None, rows: int, stage: Path
) -> ir.Table | None:
    """The places (column ``place``) of the rows that repeat another's key; None without any.

    ``flagged`` is the file with its ``row`` numbers and a column ``rule`` that is 0 for good
    rows; only those are compared. The key is the table's, or all columns where it has none; the
    first of equal rows is not in the result, of brands the first that has an embedding. The
    numbers are kept in a file in ``stage``.

    Rows that agree altogether agree in time. A search slice by slice of the day therefore misses
    none, and holds one slice of hashes; only rows of equal hash are compared whole.
    """
    good = flagged.filter(flagged.rule == 0).drop("rule")
    key = list(tecd.TABLES[table].key or tecd.TABLES[table].columns)
    # the hash of a transaction is slow to read and tells few rows apart that the rest does not
    quick = [name for name in key if name != "transaction_hash"]
    order = good.row
    if table == "brands":
        empty = good.embedding.isnull() | (good.embedding.length() == 0)
        order = order + empty.ifelse(LAST, 0)
    good = good.select(*key, "row", order=order)
    found = []
    count = 1 if day is None or engine.name == "spark" else -(-rows // SLICE)
    borders = np.linspace(0, tecd.DAY_US, count + 1).astype(int) + (day or 0) * tecd.DAY_US
    for low, high in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        part = good
        if count > 1:
            part = good.filter(good.timestamp >= low, good.timestamp < high)
        part = part.mutate(hash=engine.hash(part, quick))
        twice = part.group_by("hash").agg(n=lambda t: t.count()).filter(lambda t: t.n > 1)
        if not engine.frame(twice.count()):
            continue
        same = part.semi_join(twice, "hash")
        same = same.mutate(first=same.order.min().over(group_by=key))
        found.append(engine.arrow(same.filter(same.order > same.first).select(place="row")))
    if not sum(map(len, found)):
        return None
    pq.write_table(pa.concat_tables(found), stage / "duplicates.parquet")
    return engine.read(stage / "duplicates.parquet")
