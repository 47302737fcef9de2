"""T-ECD's layout: its tables, their files, columns and words, and which files are there.

Facts about the data set (Hugging Face ``t-tech/T-ECD``); :mod:`seqrec_lib.data.tecd` reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from seqrec_lib.data import files

REPOSITORY = "t-tech/T-ECD"
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
ONLY_IN = {  # what tells the revisions apart: actions, and surfaces (subdomain) of retail
    "retail": {
        "A": {"added-to-cart", "cart", "item"},
        "B": {"added_to_cart", "order", "other", "i2i"},
    },
    "offers": {
        "A": {"seen", "offer_shown", "redirect_to_partner"},
        "B": {"view", "click", "clickout"},
    },
}
PREFIXES = {"marketplace": "nfmcg_", "retail": "fmcg_", "offers": "offer_"}  # of item_id
SIZES = ("small", "full")


class TecdError(ValueError):
    """T-ECD files that are not there or not what their names say; the message says what to do."""


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
    daily = table_of(table).daily
    if daily != (day is not None):
        raise ValueError(
            f"{table} {'is daily: give a day' if daily else 'is not daily: give none'}"
        )
    return root / TABLES[table].path.format(day=day)


def table_of(name: str) -> Table:
    """The table ``name`` of :data:`TABLES`; ValueError if there is none."""
    if name not in TABLES:
        raise ValueError(f"no table {name!r}; there are {', '.join(TABLES)}")
    return TABLES[name]


def folder(size: str = "small") -> Path:
    """The folder ``tecd/dataset/<size>`` (or ``dataset/<size>``) in a data folder.

    ``size`` is small or full. Raises TecdError if no data folder has it.
    """
    if size not in SIZES:
        raise ValueError(f"no size {size!r}; there are {', '.join(SIZES)}")
    for name in (f"tecd/dataset/{size}", f"dataset/{size}"):
        if found := files.find(name):
            return found
    places = ", ".join(str(place) for place in files.data_folders())
    raise TecdError(
        f"no folder tecd/dataset/{size} in {places}. Fetch it with python -m "
        f"seqrec_lib.data.tecd.hub --size {size} --tables marketplace/events --days 1294 1296, or "
        "name the folder that holds it in the environment variable SEQREC_DATA"
    )


def days(root: Path, table: str) -> list[int]:
    """The days of ``table`` below ``root``, ascending; none if it has no folder there.

    Raises TecdError if day files are a level too high or too deep, or have other names.
    """
    place = path_of(root, table, 0).parent
    aside = place.parent if place.name in ("events", "receipts") else place / "events"
    if _numbered(aside):
        raise TecdError(
            f"wrong layout: {aside} has day files of {table}, which belong in {place}. Move them"
        )
    odd = [p for p in place.glob("[!.]*.p*") if p.suffix in (".pq", ".parquet")]
    odd = sorted(set(odd) - set(_numbered(place)))
    if odd:
        raise TecdError(
            f"wrong layout: {odd[0]} is not named after its day, like 01294.pq. Rename or move it"
        )
    return sorted(int(path.stem) for path in _numbered(place))


def spans(numbers: Sequence[int]) -> str:
    """[1, 2, 3, 7] as ``1-3, 7``."""
    ends: list[list[int]] = []
    for number in numbers:
        if ends and number == ends[-1][1] + 1:
            ends[-1][1] = number
        else:
            ends.append([number, number])
    return ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in ends)


def _numbered(place: Path) -> list[Path]:
    return [path for path in place.glob("[0-9]*.pq") if len(path.stem) == 5 and path.stem.isdigit()]
