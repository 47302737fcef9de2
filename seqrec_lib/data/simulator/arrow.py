"""Simulated rows as Arrow columns in T-ECD's layout, with the defects in them counted."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from seqrec_lib.data.simulator.needs import IDS, numbers
from seqrec_lib.data.simulator.online import Day, surfaces
from seqrec_lib.data.simulator.static import category
from seqrec_lib.data.simulator.store import NOTHING
from seqrec_lib.data.tecd import TABLES

Columns = dict[str, pa.Array]
Defects = dict[str, int]
Rows = dict[str, np.ndarray]

_NAMES = {  # of plain columns: in the simulation, in the files
    "time": "timestamp",
    "user": "user_id",
    "brand": "brand_id",
    "cluster": "socdem_cluster",
    "region": "region",
    "rating": "rating",
    "price": "price",
    "count": "count",
}
_REPEATED = ("subdomain", "action_type", "os", "category", "subcategory", "approximate_item_id")
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype=np.uint16)


def write(path: Path, table: str, blocks: Iterator[tuple[Columns, Defects]]) -> Defects:
    """Write a Parquet file of ``table``, a row group for each block; sums of rows and defects."""
    declared = pa.schema(TABLES[table].columns)
    stored = pa.schema([(field.name, _stored(table, field)) for field in declared])
    short = [field.name for field in stored if pa.types.is_dictionary(field.type)]
    found: Defects = {"rows": 0}
    with pq.ParquetWriter(
        path,
        stored,
        compression="zstd",
        use_dictionary=[*short, "brand_id", "count"],
        write_page_checksum=True,
        store_schema=False,
    ) as writer:
        for columns, defects in blocks:
            block = pa.Table.from_pydict(columns, schema=stored)
            writer.write_table(block, row_group_size=max(len(block), 1))
            found["rows"] += len(block)
            for defect, number in defects.items():
                found[defect] = found.get(defect, 0) + number
        # as in the original, which Polars wrote: types that Parquet lacks, and embeddings
        # declared of one size though some are empty
        message = base64.b64encode(declared.serialize().to_pybytes())
        writer.add_key_value_metadata({"ARROW:schema": message, "simulated": "by seqrec_lib"})
    return found


def _stored(table: str, field: pa.Field) -> pa.DataType:
    if pa.types.is_duration(field.type):
        return pa.int64()
    if pa.types.is_fixed_size_list(field.type):
        return pa.list_(pa.float32())
    repeated = field.name in _REPEATED or (field.name == "item_id" and table.endswith("events"))
    if repeated or (field.name == "transaction_hash" and table == "payments/receipts"):
        return pa.dictionary(pa.int32(), pa.string())
    return field.type


def static(table: str, rows: Rows) -> tuple[Columns, Defects]:
    """A block of users, brands, items or reviews."""
    columns, defects = _plain(table, rows)
    if "again" in rows:
        defects["duplicate brand_id"] = int(rows["again"].sum())
    if "item" in rows:
        prefix = IDS[table.split("/")[0]].prefix
        columns["item_id"] = _texts(prefix, rows["item"])
    if "need" in rows:
        names = [category(need) for need in range(int(rows["need"].max()) + 1)]
        for place, name in enumerate(("category", "subcategory")):
            index = pa.array(rows["need"], pa.int32(), mask=rows[f"null_{name}"])
            words = pa.array([pair[place] for pair in names])
            columns[name] = pa.DictionaryArray.from_arrays(index, words)
            defects[f"null {name}"] = int(rows[f"null_{name}"].sum())
    if "vectors" in rows:
        size = rows["vectors"].shape[1]
        offsets = np.concatenate([[0], np.cumsum(rows["has_vector"] * size)]).astype(np.int32)
        columns["embedding"] = pa.ListArray.from_arrays(offsets, pa.array(rows["vectors"].ravel()))
        defects["empty embedding"] = int((~rows["has_vector"]).sum())
    return columns, defects


def store(table: str, rows: Rows) -> tuple[Columns, Defects]:
    """A slice of payments or receipts."""
    columns, defects = _plain(table, rows)
    if table == "payments/events":
        columns["transaction_hash"] = _hexes(rows["hash"])
        return columns, defects
    coded = pa.array(rows["hash"]).dictionary_encode()
    columns["transaction_hash"] = pa.DictionaryArray.from_arrays(
        coded.indices, _hexes(coded.dictionary.to_numpy())
    )
    coded = pa.array(2 * rows["item"] + rows["grocery"]).dictionary_encode()
    codes = coded.dictionary.to_numpy()
    kinds = pa.array([IDS["marketplace"].prefix, IDS["retail"].prefix]).take(pa.array(codes % 2))
    columns["approximate_item_id"] = pa.DictionaryArray.from_arrays(
        coded.indices, _texts(kinds, codes // 2)
    )
    defects["no transaction"] = int((rows["hash"] == NOTHING).sum())
    return columns, defects


def online(domain: str, day: Day, revision: str, size: int) -> Iterator[tuple[Columns, Defects]]:
    """The events of a day online, ``size`` rows a block."""
    keys = list(surfaces(domain, revision))
    names = ("action_type", "subdomain", "os") if domain != "offers" else ("action_type",)
    words = {name: [key[k] for key in keys] for k, name in enumerate(names)}
    for at in range(0, len(day.time), size):
        cut = slice(at, at + size)
        coded = pa.array(day.item[cut]).dictionary_encode()
        places = coded.dictionary.to_numpy()
        columns = {
            "timestamp": pa.array(day.time[cut]),
            "user_id": pa.array(numbers("user", day.user[cut]), pa.uint64()),
            "item_id": pa.DictionaryArray.from_arrays(
                coded.indices, _texts(IDS[domain].prefix, numbers(domain, places))
            ),
        }
        for name, values in words.items():
            columns[name] = pa.array(values).dictionary_encode().take(pa.array(day.surface[cut]))
        nulls = columns["subdomain"].null_count if "subdomain" in columns else 0
        found = {"null subdomain": nulls} if "subdomain" in columns else {}
        yield columns, found | {"events of the heavy user": day.heavy if at == 0 else 0}


def _plain(table: str, rows: Rows) -> tuple[Columns, Defects]:
    """Columns of numbers, and their null values."""
    columns, defects = {}, {}
    types = TABLES[table].columns
    for key, name in _NAMES.items():
        if key in rows and name in types:
            null = rows.get(f"null_{key}")
            kind = pa.int64() if pa.types.is_duration(types[name]) else types[name]
            columns[name] = pa.array(rows[key], kind, mask=null)
            if null is not None:
                defects[f"null {name}"] = int(null.sum())
    return columns, defects


def _texts(prefix: str | pa.Array, number: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(number).cast(pa.string()), "")


def _hexes(keys: np.ndarray) -> pa.Array:
    """Sixteen hexadecimal digits for each uint64."""
    text = _HEX[keys.astype(">u8").view(np.uint8)]
    offsets = np.arange(len(keys) + 1, dtype=np.int32) * 16
    return pa.StringArray.from_buffers(len(keys), pa.py_buffer(offsets), pa.py_buffer(text))
