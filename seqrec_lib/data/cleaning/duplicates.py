"""Which rows of a T-ECD file repeat another one: exact, the same on either engine, in slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _

from seqrec_lib.data import tecd
from seqrec_lib.data.engine import Engine

if TYPE_CHECKING:
    import ibis.expr.types as ir

SLICE = 2_000_000  # rows of a slice: bounds the memory of the search, and stays in cache
# what hardly two rows share that are not equal altogether, and is quick to hash
QUICK = ("timestamp", "user_id", "item_id", "approximate_item_id", "price", "rating")
LAST = 2**40  # beyond any row number


def repeated(
    engine: Engine,
    raw: ir.Table,
    flagged: ir.Table,
    table: str,
    day: int | None,
    rows: int,
    stage: Path,
) -> ir.Table | None:
    """The places (column ``place``) of the rows that repeat another's key; None without any.

    ``raw`` is the file with its ``row`` numbers, ``flagged`` the same with a column ``rule`` that
    is 0 for good rows; only those are compared. The key is the table's, or all columns where it
    has none; the first of equal rows is not in the result, of brands the first that has an
    embedding. The numbers are kept in a file in ``stage``.

    Rows that agree altogether agree in time: a search slice by slice of the day misses none, and
    holds one slice of hashes. Only rows whose hash over a few columns is not alone are compared.
    """
    key = list(tecd.TABLES[table].key or tecd.TABLES[table].columns)
    quick = [name for name in QUICK if name in key] or key
    order = flagged.row
    if table == "brands":
        empty = flagged.embedding.isnull() | (flagged.embedding.length() == 0)
        order = order + empty.ifelse(LAST, 0)
    every = flagged.mutate(hash=engine.hash(flagged, quick), order=order)
    narrow = raw.mutate(hash=engine.hash(raw, quick))
    found = []
    count = 1 if day is None or engine.name == "spark" else -(-rows // SLICE)
    borders = np.linspace(0, tecd.DAY_US, count + 1).astype(int) + (day or 0) * tecd.DAY_US
    slices = [
        [_.timestamp >= low, _.timestamp < high] if count > 1 else [ibis.literal(True)]
        for low, high in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)
    ]
    for inside, twice in _suspects(engine, narrow, slices):
        same = every.filter(_.rule == 0, *inside).semi_join(twice, "hash")
        same = same.select(*key, "row", "order")
        same = same.mutate(first=same.order.min().over(group_by=key))
        found.append(engine.arrow(same.filter(same.order > same.first).select(place="row")))
    if not sum(map(len, found)):
        return None
    pq.write_table(pa.concat_tables(found), stage / "duplicates.parquet")
    return engine.read(stage / "duplicates.parquet")


def _suspects(
    engine: Engine, narrow: ir.Table, slices: Sequence[list[ir.BooleanValue]]
) -> Iterator[tuple[list[ir.BooleanValue], ir.Table]]:
    """The slices in which a hash occurs more than once, with a table of such hashes."""
    if engine.name == "spark":
        for inside in slices:
            twice = narrow.filter(*inside).group_by("hash").agg(n=_.count()).filter(_.n > 1)
            if engine.frame(twice.count()):
                yield inside, twice
        return
    # sorting beats the engine's hash table; one slice is sorted while the next is read
    with ThreadPoolExecutor(1) as pool:
        sorting: list[Future] = []
        for inside in slices:
            hashes = engine.arrow(narrow.filter(*inside).select("hash"))["hash"].to_numpy()
            sorting.append(pool.submit(_repeated_values, hashes))
            if len(sorting) > 1:
                sorting[-2].result()  # no more than two slices in memory
        for inside, one in zip(slices, sorting, strict=True):
            if len(one.result()):
                yield inside, ibis.memtable({"hash": one.result()})


def _repeated_values(values: np.ndarray) -> np.ndarray:
    values = np.sort(values)
    return np.unique(values[1:][values[1:] == values[:-1]])
