import os
import shutil

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqrec_lib.data import engine as engines
from seqrec_lib.data.engine import EngineError, connect

needs_spark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
# a Java of its own costs a minute: in test-all
ENGINES = ["duckdb", pytest.param("spark", marks=[needs_spark, pytest.mark.slow])]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    with connect(request.param, memory="600MB") as running:
        yield running


def written(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_rows_come_with_their_place_in_their_file(engine, tmp_path):
    first = written(tmp_path / "1.pq", n=pa.array([7, 8], pa.uint64()))
    second = written(tmp_path / "2.pq", n=pa.array([9], pa.uint64()))
    found = engine.frame(engine.read([first, second], row=True).order_by("n"))
    assert found["n"].tolist() == [7, 8, 9]
    assert found["row"].tolist() == [0, 1, 0]


def test_unsigned_numbers_become_signed(engine, tmp_path):
    path = written(tmp_path / "1.pq", n=pa.array([2**40], pa.uint64()), k=pa.array([5], pa.uint8()))
    table = engine.read(path)
    assert {str(kind) for kind in table.schema().values()} == {"int64"}
    assert engine.frame(table).iloc[0].tolist() == [2**40, 5]


def test_what_was_written_is_read_back(engine, tmp_path):
    path = written(
        tmp_path / "1.pq",
        word=["b", None, "a"],
        list=pa.array([[1.0], [], None], pa.list_(pa.float32())),
    )
    assert engine.write(engine.read(path), tmp_path / "2.pq") == 3
    found = engine.arrow(engine.read(tmp_path / "2.pq")).to_pylist()
    assert found == [
        {"word": "b", "list": [1.0]},
        {"word": None, "list": []},
        {"word": "a", "list": None},
    ]
    assert engines.num_rows(tmp_path / "2.pq") == 3


def test_writing_replaces_what_was_there(engine, tmp_path):
    source = written(tmp_path / "1.pq", n=[1, 2])
    table = engine.read(source)
    engine.write(table, tmp_path / "out")
    assert engine.write(table.filter(table.n > 1), tmp_path / "out") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.pq", "out"]


def test_equal_rows_have_equal_hashes_and_others_do_not(engine, tmp_path):
    path = written(tmp_path / "1.pq", a=[1, 1, 2, None, None], b=["x", "x", "x", "y", "y"])
    table = engine.read(path)
    hashes = engine.frame(table.mutate(h=engine.hash(table, ["a", "b"])).order_by("a"))["h"]
    assert hashes.nunique() == 3


def test_a_failed_write_leaves_what_was_there(engine, tmp_path):
    path = written(tmp_path / "1.pq", word=["1", "x"])
    table = engine.read(path)
    engine.write(table, tmp_path / "out")
    number = table.word.cast("int64") if engine.name == "duckdb" else table.word.length() // 0
    broken = table.mutate(n=number + ibis.literal(0))
    if engine.name == "spark":  # Spark divides by zero to null unless told otherwise
        engine.connection._session.conf.set("spark.sql.ansi.enabled", "true")
    with pytest.raises(EngineError, match="out: cannot be written"):
        engine.write(broken, tmp_path / "out")
    assert engines.num_rows(tmp_path / "out") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.pq", "out"]


def test_a_missing_file_is_named(engine, tmp_path):
    with pytest.raises(EngineError, match="no such file: .*absent.pq"):
        engine.read(tmp_path / "absent.pq")
    with pytest.raises(EngineError, match="an empty list"):
        engine.read([])


def test_a_damaged_file_is_named_and_the_advice_is_to_fetch_it(tmp_path):
    path = written(tmp_path / "1.pq", n=list(range(1000)))
    path.write_bytes(path.read_bytes()[:-20])
    with connect() as engine, pytest.raises(EngineError, match=r"1\.pq: cannot be read .*damaged"):
        engine.read(path)


def test_a_query_beyond_memory_spills_and_the_folder_is_gone_afterwards(tmp_path):
    with connect(memory="100MB", threads=1, spill=tmp_path) as engine:
        wide = ibis.range(3_000_000).unnest().name("n").as_table()
        wide = wide.mutate(text=wide.n.cast("string").lpad(30, "x"))
        engine.write(wide.order_by(ibis.desc("text")), tmp_path / "sorted.pq")
        assert any(tmp_path.glob("seqrec-spill-*"))
    assert [path.name for path in tmp_path.iterdir()] == ["sorted.pq"]


def test_a_full_disk_is_said_in_words(tmp_path):
    with connect(memory="100MB", threads=1, spill=tmp_path) as engine:
        engine.connection.raw_sql("SET max_temp_directory_size = '1MB'")
        wide = ibis.range(3_000_000).unnest().name("n").as_table()
        wide = wide.mutate(text=wide.n.cast("string").lpad(30, "x"))
        with pytest.raises(EngineError, match="The disk is full"):
            engine.write(wide.order_by(ibis.desc("text")), tmp_path / "sorted.pq")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_no_space_at_the_target_is_said_in_words():
    with connect() as engine, pytest.raises(EngineError, match="disk is full"):
        with engine._explained("x: cannot be written"):
            duckdb.sql(
                "COPY (SELECT range AS n FROM range(3000000)) TO '/dev/full' (FORMAT parquet)"
            )


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="duckdb, spark"), connect("pandas"):
        pass


def test_without_spark_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyspark.sql", None)
    with pytest.raises(EngineError, match="pip install"), connect("spark"):
        pass


@pytest.mark.slow
@needs_spark
def test_a_session_query_on_real_shaped_events_is_the_same_on_both_engines(tmp_path):
    rng = __import__("numpy").random.default_rng(0)
    path = written(
        tmp_path / "1.pq",
        user=rng.integers(0, 50, 5000),
        time=rng.integers(0, 10**6, 5000),
        item=[f"nfmcg_{n}" for n in rng.integers(0, 99, 5000)],
    )
    found = []
    for name in engines.ENGINES:
        with connect(name, memory="600MB") as engine:
            table = engine.read(path)
            window = ibis.window(group_by="user", order_by=["time", "item"])
            new = (table.time - table.time.lag().over(window) > 1800).fill_null(True)
            table = table.mutate(new=new.cast("int64"))
            sofar = ibis.cumulative_window(group_by="user", order_by=["time", "item"])
            table = table.mutate(session=table.new.sum().over(sofar))
            sessions = table.group_by("user", "session").agg(
                n=table.count(), items=table.item.nunique(), first=table.time.min()
            )
            found.append(engine.frame(sessions.order_by("user", "session")).astype("int64"))
    pd.testing.assert_frame_equal(*found)
    assert len(found[0]) > 1000
