"""T-ECD: events of one synthetic population in a marketplace, a supermarket, offers and payments.

A cross-domain data set published by T-Tech (Hugging Face ``t-tech/T-ECD``, CC BY-NC-SA 4.0, gated).
Its authors declare it synthetic: time stamps are jittered, numbers perturbed. One Parquet file a
table and day; days count from an unpublished day 0, and a time stamp is the duration since then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

DAY_US = 86_400_000_000  # microseconds
NO_TRANSACTION = "55cc577396e77d0e"  # the hash of nothing: on half of all receipt lines of a day

SPELLINGS = {  # revision A's words and revision B's, which are ours
    "added-to-cart": "added_to_cart",
    "seen": "view",
    "offer_shown": "click",
    "redirect_to_partner": "clickout",
}
ACTIONS = {
    "marketplace": {"view", "click", "clickout", "like"},
    "retail": {"view", "click", "added_to_cart", "order"},
    "offers": {"view", "click", "clickout", "like"},
}


@dataclass(frozen=True)
class Table:
    """A table of the original layout: where its files are and what its columns hold."""

    path: str  # below dataset/<size>/; {day} in it for daily files
    columns: dict[str, pa.DataType]
    key: tuple[str, ...] = ()  # columns that should be unique together; none: whole rows

    @property
    def daily(self) -> bool:
        return "{day" in self.path


def _items(with_category: bool) -> dict[str, pa.DataType]:
    category = {"category": pa.string(), "subcategory": pa.string(), "price": pa.float64()}
    return {
        "item_id": pa.string(),
        "brand_id": pa.uint64(),
        **(category if with_category else {}),
        "embedding": pa.list_(pa.float32(), 300),
    }


def _events(with_surface: bool) -> dict[str, pa.DataType]:
    surface = {"subdomain": pa.string(), "action_type": pa.string(), "os": pa.string()}
    return {
        "timestamp": pa.duration("us"),
        "user_id": pa.uint64(),
        "item_id": pa.string(),
        **(surface if with_surface else {"action_type": pa.string()}),
    }


TABLES = {
    "users": Table(
        "users.pq",
        {"user_id": pa.uint64(), "socdem_cluster": pa.float64(), "region": pa.float64()},
        key=("user_id",),
    ),
    "brands": Table(
        "brands.pq",
        {"brand_id": pa.uint64(), "embedding": pa.list_(pa.float32(), 300)},
        key=("brand_id",),
    ),
    "marketplace/items": Table("marketplace/items.pq", _items(True), key=("item_id",)),
    "retail/items": Table("retail/items.pq", _items(True), key=("item_id",)),
    "offers/items": Table("offers/items.pq", _items(False), key=("item_id",)),
    "marketplace/events": Table("marketplace/events/{day:05d}.pq", _events(True)),
    "retail/events": Table("retail/events/{day:05d}.pq", _events(True)),
    "offers/events": Table("offers/events/{day:05d}.pq", _events(False)),
    "reviews": Table(
        "reviews/{day:05d}.pq",
        {
            "timestamp": pa.duration("us"),
            "user_id": pa.uint64(),
            "brand_id": pa.uint64(),
            "rating": pa.uint8(),
            "embedding": pa.list_(pa.float32(), 312),
        },
    ),
    "payments/events": Table(
        "payments/events/{day:05d}.pq",
        {
            "timestamp": pa.duration("us"),
            "user_id": pa.uint64(),
            "brand_id": pa.uint64(),
            "price": pa.float64(),
            "transaction_hash": pa.string(),
        },
    ),
    "payments/receipts": Table(
        "payments/receipts/{day:05d}.pq",
        {
            "timestamp": pa.duration("us"),
            "user_id": pa.uint64(),
            "brand_id": pa.uint64(),
            "approximate_item_id": pa.string(),
            "count": pa.float64(),
            "price": pa.float64(),
            "transaction_hash": pa.string(),
        },
    ),
}
FULL_ONLY = ("payments/events", "payments/receipts")  # dataset/small has no payments


def path_of(root: Path, table: str, day: int | None = None) -> Path:
    """Where the file of ``table`` (and ``day``) is below ``root``, the folder ``dataset/<size>``.

    >>> path_of(Path("dataset/small"), "reviews", 1294).as_posix()
    'dataset/small/reviews/01294.pq'

    Raises ValueError for a table that is not in :data:`TABLES`, a daily one without a day, or a
    static one with one.
    """
    if table not in TABLES:
        raise ValueError(f"no table {table!r}; there are {', '.join(TABLES)}")
    if TABLES[table].daily != (day is not None):
        need = "is daily: give a day" if TABLES[table].daily else "is not daily: give no day"
        raise ValueError(f"{table} {need}")
    return root / TABLES[table].path.format(day=day)
