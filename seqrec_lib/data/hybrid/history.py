"""From the journal to a log that models learn from: every event once, and when it was known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seqrec_lib.data.engine import Engine
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.hybrid.contract import KEY, SOURCES
from seqrec_lib.data.hybrid.journal import Journal
from seqrec_lib.data.hybrid.names import WORDS
from seqrec_lib.data.hybrid.registry import FeatureSet

FEATURES = b"seqrec features"  # in a file's metadata: the digest of what serves its histories
MICRO = 1_000_000


def write(engine: Engine, journal: Journal, features: FeatureSet, path: Path) -> int:
    """Write a journal as a log in Parquet (:func:`seqrec_lib.data.events.read`); its rows.

    Columns user, item (as they were written), time, action, channel, basket, known; seconds, of
    ``known`` the next whole one. By user, then time. The file carries the digest of the features
    that its histories will be served by, and a model that learns from it is given that too.
    """
    events = journal.table(engine)
    parts = ("item", "action", "basket", "known")
    once = events.group_by(list(KEY)).agg(**{n: events[n].argmin(events.seq) for n in parts})
    table = engine.arrow(once.order_by(["user", "time", "event_id", "source"]))
    time, known = (table[name].to_numpy() for name in ("time", "known"))
    columns = {
        "user": _written(table["user"].to_numpy(), journal),
        "item": _written(table["item"].to_numpy(), journal),
        "time": time // MICRO,
        "action": table["action"],
        "channel": np.array(SOURCES)[table["source"].to_numpy()],
        "basket": table["basket"],
        "known": np.maximum(-(-known // MICRO), time // MICRO),
    }
    written = pa.table(columns).replace_schema_metadata({FEATURES: features.digest()})
    with written_aside(path) as aside:
        pq.write_table(written, aside, compression="zstd")
    return len(written)


def features_of(path: Path) -> str | None:
    """The digest of the features that a log's histories are served by; None if it names none."""
    if path.suffix not in (".parquet", ".pq") or not path.is_file():
        return None
    found = (pq.read_schema(path).metadata or {}).get(FEATURES)
    return found.decode() if found else None


def _written(numbers: np.ndarray, journal: Journal) -> np.ndarray:
    """Ids as they were written: text where any of them was, else numbers."""
    distinct, place = np.unique(numbers, return_inverse=True)
    if not len(distinct) or distinct[-1] < WORDS:
        return numbers
    texts = journal.names.texts(distinct.tolist())
    return np.array([texts[number] for number in distinct.tolist()], dtype=object)[place]
