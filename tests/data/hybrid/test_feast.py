import ast
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from seqrec_lib.data.engine import connect
from seqrec_lib.data.hybrid.faults import START, Stream
from seqrec_lib.data.hybrid.feast import STAMP, arrivals, export
from seqrec_lib.data.hybrid.journal import Journal, JournalError
from seqrec_lib.data.hybrid.registry import LISTS, SET_1, FeatureSet

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A small stream with every fault: its journal, its export, and the rows of it."""
    folder = tmp_path_factory.mktemp("feast")
    journal = Journal(folder / "journal")
    for batch in Stream(days=3, per_day=4, rows=40, users=12).batches():
        if not batch.broken:
            journal.append(batch.source, batch.table)
    count = export(journal, SET_1, folder / "export")
    rows = pq.read_table(folder / "export" / "rows.parquet")
    assert len(rows) == count > 100
    return journal, folder / "export", rows


@pytest.fixture
def exported(journal, tmp_path):
    """``exported()``: (user, as_of, seq, items of last_50) of the journal's rows, in order."""

    def rows():
        export(journal, SET_1, tmp_path)
        table = pq.read_table(tmp_path / "rows.parquet").to_pylist()
        return [(r["user"], r["as_of"], r["seq"], r["last_50_item"]) for r in table]

    return rows


def arriving(table, known):
    return table.append_column("known", pa.array([known] * len(table), pa.int64()))


def test_rows_have_two_timestamps_and_the_features_by_their_definition(faulty, by_brute_force):
    journal, _, rows = faulty
    lists = {f"last_50_{part}" for part in LISTS}
    kinds = {name: pa.list_(pa.int64()) if name in lists else pa.int64() for name in SET_1.columns}
    stamps = {"event_timestamp": STAMP, "created": STAMP}
    head = {"user": pa.int64(), **stamps, "as_of": pa.int64(), "seq": pa.int64()}
    assert {f.name: f.type for f in rows.schema} == head | kinds
    assert rows["event_timestamp"].cast("int64").equals(rows["as_of"])
    for row in rows.take(np.arange(0, len(rows), len(rows) // 25)).to_pylist():
        values = by_brute_force(journal, SET_1, row["user"], row["as_of"], row["seq"])
        assert [row[name] for name in SET_1.columns] == values


def test_nothing_in_a_row_is_later_than_the_row_was_created(faulty):
    journal, _, rows = faulty
    event, created = (
        rows[name].cast("int64").to_numpy() for name in ("event_timestamp", "created")
    )
    assert (event <= created).all()
    for segment in journal.segments():
        its = created[rows["seq"].to_numpy() == segment.seq]
        known = journal.read(segment)["known"].to_numpy()
        assert len(set(its)) <= 1 and (not len(its) or its[0] >= known.max(initial=START))


def test_a_users_rows_go_forward_by_both_clocks_so_that_the_last_one_is_the_latest(faulty):
    rows = faulty[2].sort_by([("user", "ascending"), ("seq", "ascending")])
    same = np.diff(rows["user"].to_numpy()) == 0
    steps = {
        n: np.diff(rows[n].cast("int64").to_numpy())[same] for n in ("created", "as_of", "seq")
    }
    assert (steps["created"] > 0).all() and (steps["seq"] > 0).all() and (steps["as_of"] >= 0).all()


def test_a_user_has_a_row_for_each_segment_that_changes_something(journal, table_of, exported):
    events = [dict(event_id=1, time=10), dict(event_id=2, time=20, user=2, item=5)]
    journal.append("online", arriving(table_of(events, "online"), 30))
    journal.append("online", arriving(table_of(events[:1], "online"), 40))  # once more
    late = [dict(event_id=3, time=5, item=7)]
    journal.append("online", arriving(table_of(late, "online"), 50))
    assert exported() == [(1, 10, 0, [1]), (2, 20, 0, [5]), (1, 10, 2, [7, 1])]


def test_an_event_ahead_of_the_clock_waits_for_a_segment_that_is_not(journal, table_of, exported):
    for known, time in ((30, 45), (40, 35), (60, 55), (70, 99)):
        table = table_of([dict(event_id=time, time=time, item=time)], "online")
        journal.append("online", arriving(table, known))
    assert exported() == [(1, 35, 1, [35]), (1, 55, 2, [35, 45, 55])]


def test_segments_that_arrive_at_once_or_empty_still_follow_one_another(journal, table_of):
    one = table_of([{}], "online")
    for table, known in ((one, 30), (one[:0], 30), (one, 30), (one, 20), (one, 90)):
        journal.append("online", arriving(table, known))
    with connect() as engine:
        assert arrivals(journal, engine).tolist() == [30, 31, 32, 33, 90]


def test_definitions_name_every_column_and_its_type(faulty):
    _, folder, rows = faulty
    tree = ast.parse((folder / "definitions.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    fields = {
        ast.literal_eval(call.keywords[0].value): ast.unparse(call.keywords[1].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "Field"
    }
    others = ("user", "event_timestamp", "created")
    assert fields == {
        f.name: "Int64" if f.type == pa.int64() else "Array(Int64)"
        for f in rows.schema
        if f.name not in others
    }
    (source,) = (c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "FileSource")
    named = {word.arg: word.value for word in source.keywords}
    assert ast.literal_eval(named["timestamp_field"]) == "event_timestamp"
    assert ast.literal_eval(named["created_timestamp_column"]) == "created"
    assert SET_1.digest() in ast.unparse(tree)
    store = yaml.safe_load((folder / "feature_store.yaml").read_text())
    assert store["online_store"]["type"] == "sqlite" and store["provider"] == "local"


def test_what_feast_keeps_in_the_folder_stays(journal, append, tmp_path):
    append(dict(time=5))
    (tmp_path / "registry.db").write_text("Feast's")
    small = FeatureSet(SET_1.features[:1])
    assert [export(journal, features, tmp_path) for features in (SET_1, small)] == [1, 1]
    assert (tmp_path / "registry.db").read_text() == "Feast's"
    assert small.digest() in (tmp_path / "definitions.py").read_text()


def test_an_empty_journal_is_refused(journal, tmp_path):
    with pytest.raises(JournalError, match="append a file first"):
        export(journal, SET_1, tmp_path)


def test_feast_is_locked_for_an_environment_of_its_own():
    lines = (ROOT / "requirements-feast.lock").read_text().splitlines()
    lock = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert lock["feast"].startswith("0.67.") and all(lock.values())
    assert "torch" not in lock and "feast" not in (ROOT / "pyproject.toml").read_text()
