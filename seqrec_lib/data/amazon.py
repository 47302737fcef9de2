"""Amazon reviews as event histories: the 5-core Beauty, Toys and Sports sets (McAuley, 2014).

A review is taken for a purchase. Every user and every item has five events or more. Time stamps
have the resolution of a day, and most events share their day with others of the same user: their
order within the day is the published one, the ascending order of the product numbers (the book's
chapter on these histories measures what that does).

Two editions of the same events: a Parquet file with time stamps, and the text that S3-Rec (Zhou et
al., 2020, arXiv:2008.07873) published, which has the order alone. Users and items are numbered
from 1 in both, by first appearance.
"""

import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Int
from tqdm import tqdm

from seqrec_lib.data import events, files

S3REC = (
    "https://raw.githubusercontent.com/RUCAIBox/CIKM2020-S3Rec/"
    "2a81540ae18615d88ef88227b0c066e5b74781e5/data/"
)


class Edition(NamedTuple):
    """A published set: its S3-Rec text file and how much is in it."""

    file: str
    sha256: str
    attributes: str  # sha256 of what :func:`attributes` returns
    users: int
    items: int
    events: int


EDITIONS = {
    "beauty": Edition(
        "Beauty.txt",
        "226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
        "12ff640cf239c9a7634de3bcbd014ab41b5c9a2e3eff70f07a5b672d795d9ff0",
        users=22_363,
        items=12_101,
        events=198_502,
    ),
    "toys": Edition(
        "Toys_and_Games.txt",
        "176c680c688d497598c4a89a03b402c0fe78d795e5db335c2e78dd5f2d778a3f",
        "f88c66b8c4c1bb9f5488e75750aa73071bc80977e1e6e586af77a0f08f41dc15",
        users=19_412,
        items=11_924,
        events=167_597,
    ),
    "sports": Edition(
        "Sports_and_Outdoors.txt",
        "2a095e0648872beb9982408958290f5d655db5be2911c3756b5446de9f0b8de2",
        "3d6267a13dca0fa56af3a33c81e719e3794896f1976f48cc30498bd001c147d1",
        users=35_598,
        items=18_357,
        events=296_337,
    ),
}
NAMES = tuple(EDITIONS)


def read(name: str) -> pd.DataFrame:
    """The events of ``beauty``, ``toys`` or ``sports``, in the order of S3-Rec.

    From ``amazon/<name>.parquet`` in a data folder if it is there: time is in seconds, at the
    start of a day, and the events of a day are a ``basket``. Otherwise from :func:`read_s3rec`,
    whose time is only a place in the history.
    Raises EventError if the Parquet file does not hold the published numbers of users, items and
    events, and what :func:`read_s3rec` raises.
    """
    edition = _edition(name)
    path = files.find(f"amazon/{name}.parquet")
    if path is None:
        return read_s3rec(name)
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    table = events.read(path, columns)
    found = (table["user"].nunique(), table["item"].nunique(), len(table))
    published = (edition.users, edition.items, edition.events)
    if found != published:
        raise events.EventError(
            f"{path}: users, items, events are {found}, published are {published}. Part of the "
            f"set, or another one: replace or remove the file (the text {edition.file} serves too)"
        )
    return table.assign(basket=table["time"] // 86_400)  # in which order of a day is not known


def product_numbers(name: str) -> np.ndarray | None:
    """Amazon's product number (ASIN) of item i at index i - 1, or None where no data folder has
    ``amazon/<name>_items.parquet``. The numbers are strings such as ``B0000530ED``.
    """
    _edition(name)
    path = files.find(f"amazon/{name}_items.parquet")
    return None if path is None else _of_items(name, path, "asin").to_numpy(dtype=str)


def attributes(name: str) -> Int[np.ndarray, "N A"]:
    """Categories and brands of item i in row i, numbered from 1, ascending, filled up with 0.

    What the numbers stand for was not published. Read from ``amazon/<name>_items.parquet`` if a
    data folder has it, or else from S3-Rec's JSON, which is downloaded unless a data folder has it
    as ``amazon/raw/<file>_item2attributes.json``. Raises EventError on other attributes than the
    published, ConnectionError if the file cannot be fetched.
    """
    edition = _edition(name)
    raw = f"{Path(edition.file).stem}_item2attributes.json"
    if path := files.find(f"amazon/{name}_items.parquet"):
        found = _of_items(name, path, "attribute_ids").tolist()
    else:
        path = files.download(S3REC + raw, None, f"amazon/raw/{raw}")
        try:
            by_item = json.loads(path.read_text())
            found = [by_item.get(str(item), []) for item in range(1, edition.items + 1)]
        except (ValueError, AttributeError) as error:
            raise events.EventError(
                f"{path}: not attributes by item ({error}); delete it, and it will be fetched again"
            ) from error
    known = [np.unique(row) for row in found]  # some are listed twice
    table = np.zeros((edition.items + 1, max(map(len, known))), dtype=np.int32)
    for row, values in zip(table[1:], known, strict=True):
        row[: len(values)] = values
    digest = hashlib.sha256(table.astype("<i4").tobytes()).hexdigest()
    if digest != edition.attributes:
        raise events.EventError(
            f"{path}: not the published attributes (sha256 {digest} of their table, expected "
            f"{edition.attributes}); replace the file"
        )
    return table


def _of_items(name: str, path: Path, column: str) -> pd.Series:
    """A column of an items file, item after item."""
    items = _edition(name).items
    try:
        table = pd.read_parquet(path, columns=["item_id", column]).sort_values("item_id")
    except pa.ArrowException as error:
        raise events.EventError(
            f"{path}: not a Parquet file with columns item_id and {column} ({error}); "
            "replace the file"
        ) from error
    if table["item_id"].tolist() != list(range(1, items + 1)):
        raise events.EventError(f"{path}: items are not 1..{items}; replace the file")
    return table[column]


def read_s3rec(name: str) -> pd.DataFrame:
    """The events of a set from the S3-Rec text, downloaded unless a data folder has it.

    One line a user, ``user item item ...``, oldest first. The text has no time: ``time`` is the
    event's place in the user's history (0, 1, 2, ...), which orders a user's events and does not
    compare between users. The local place is ``amazon/raw/<file>``; see
    :func:`seqrec_lib.data.files.download` for the errors on wrong content and without a network.
    """
    edition = _edition(name)
    path = files.download(S3REC + edition.file, edition.sha256, f"amazon/raw/{edition.file}")
    rows = [np.array(line.split(), dtype=np.int64) for line in path.read_text().splitlines()]
    count = np.array([len(row) - 1 for row in rows])
    table = pd.DataFrame(
        {
            "user": np.repeat([row[0] for row in rows], count),
            "item": np.concatenate([row[1:] for row in rows]),
            "time": np.concatenate([np.arange(n) for n in count]),
        }
    )
    return events.check(table, str(path))


def read_reviews(path: Path | str, drop_duplicates: bool = False) -> pd.DataFrame:
    """The events of a ``reviews_*_5.json.gz`` by McAuley, with the raw ids, sorted by user.

    One JSON object a line; ``reviewerID``, ``asin`` and ``unixReviewTime`` (seconds) are used.
    Reviews of the same user and second stay in the order of the file. Reads line by line, with a
    progress bar in bytes if it takes more than a second. Raises EventError, naming the line
    (from 1), if the file is truncated or a line is not such a review.
    """
    path = Path(path)
    if not path.is_file():
        raise events.EventError(f"{path}: no such file (from {Path.cwd()}). Is the path right?")
    once: dict[str, str] = {}  # one copy of each id in memory
    users, items, times = [], [], []
    bar = {"total": path.stat().st_size, "desc": path.name, "unit": "B", "unit_scale": True}
    number = 0
    try:
        with path.open("rb") as raw, tqdm.wrapattr(raw, "read", delay=1, **bar) as counted:
            for line in gzip.GzipFile(fileobj=counted):
                number += 1
                user, item, time = _review(line)
                users.append(once.setdefault(user, user))
                items.append(once.setdefault(item, item))
                times.append(time)
    except (EOFError, OSError, zlib.error) as error:
        raise events.EventError(
            f"{path}: cannot be read beyond line {number} ({error}). The file is truncated, or "
            "not gzip: fetch it again"
        ) from error
    except ValueError as error:
        raise events.EventError(
            f"{path}: line {number} is not a review ({error}). Is the file damaged, or not a "
            "reviews_*_5.json.gz?"
        ) from error
    table = pd.DataFrame({"user": users, "item": items, "time": times})
    return events.check(table, str(path), sort=True, drop_duplicates=drop_duplicates)


def _review(line: bytes) -> tuple[str, str, int]:
    review = json.loads(line)
    if not isinstance(review, dict):
        raise ValueError(f"it is {type(review).__name__}, not an object")
    fields = {"reviewerID": str, "asin": str, "unixReviewTime": int}
    for field, kind in fields.items():
        if not isinstance(review.get(field), kind):
            raise ValueError(f"its {field} is {review.get(field)!r}, not {kind.__name__}")
    return tuple(review[field] for field in fields)


def _edition(name: str) -> Edition:
    if name not in EDITIONS:
        raise ValueError(f"no Amazon set {name!r}; there are {', '.join(NAMES)}")
    return EDITIONS[name]
