"""Small journals, and the features of them by brute force."""

import pyarrow as pa
import pytest

from seqrec_lib.data.hybrid.contract import SOURCES
from seqrec_lib.data.hybrid.journal import Journal
from seqrec_lib.data.hybrid.registry import SET_1


def rows_of(events, source):
    """Events as dictionaries -> a producer's table; what is not said is 1."""
    names = ["event_id", "user", "item", "time", "action", "amount"]
    plain = {"action": "view" if source == "online" else "buy", "amount": 0}
    if source == "store":
        names.append("basket")
    return pa.table({name: [one.get(name, plain.get(name, 1)) for one in events] for name in names})


def brute(journal, features, user, t, seq):
    """The features by their definition: a loop over all rows that were known."""
    known = {}
    for segment in journal.segments():
        if segment.seq <= seq:
            for row in journal.read(segment).to_pylist():
                key = tuple(row[name] for name in ("user", "time", "event_id", "source"))
                known.setdefault(key, row)
    mine = [row for row in known.values() if row["user"] == user and row["time"] <= t]
    mine.sort(key=lambda row: (row["time"], row["event_id"], row["source"]))
    values = {}
    for one in features:
        these = [
            row
            for row in mine
            if one.source in (None, SOURCES[row["source"]]) and one.action in (None, row["action"])
        ]
        inside = [row for row in these if row["time"] > t - one.window]
        if one.kind == "count":
            values[one.name] = len(inside)
        elif one.kind == "sum":
            values[one.name] = sum(row["amount"] for row in inside)
        elif one.kind == "since":
            values[one.name] = t - these[-1]["time"] if these else -1
        else:
            last = these[-one.window :]
            for part in ("item", "source", "basket"):
                values[f"{one.name}_{part}"] = [row[part] for row in last]
            values[f"{one.name}_age"] = [t - row["time"] for row in last]
    return [values[name] for name in features.columns]


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


@pytest.fixture
def append(journal):
    """``append(dict(time=5), dict(time=7, item=3))``: one segment of these, or of any one."""

    def one(*events, source="online", version=1):
        return journal.append(source, rows_of(events or [{}], source), version)

    return one


@pytest.fixture(scope="session")
def by_brute_force():
    return brute


@pytest.fixture(scope="session")
def table_of():
    return rows_of


@pytest.fixture
def features():
    return SET_1
