import shutil
import threading
import time

import pytest

from seqrec_lib.data.engine import connect
from seqrec_lib.data.hybrid import stream, tiles
from seqrec_lib.data.hybrid.faults import Stream
from seqrec_lib.data.hybrid.online import OnlineStore
from seqrec_lib.data.hybrid.skew import Trial, compare, replay

needs_spark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")


def tables(store):
    return [
        store.connection.execute(f"select * from {name} order by 1, 2, 3, 4").fetchall()
        for name in ("event", "tile", "applied")
    ]


@pytest.fixture
def store(tmp_path, features):
    return OnlineStore(tmp_path / "online.sqlite", features)


def test_a_run_goes_on_where_the_last_one_ended(journal, append, store):
    append({"event_id": 1})
    append({"event_id": 2})
    assert stream.catch_up(journal, store, until=0) == 1
    assert stream.run(journal, store).applied == 2
    assert stream.catch_up(journal, store) == 0


def test_what_arrives_while_it_runs_can_soon_be_read(journal, append, store, monkeypatch):
    monkeypatch.setattr(stream, "POLL", 0.01)
    append({"event_id": 1})
    later = threading.Thread(target=lambda: (time.sleep(0.2), append({"event_id": 2})))
    later.start()
    assert stream.run(journal, store, follow=1.0).applied == 2
    later.join()


@pytest.fixture
def batch(journal):
    """Segments as Spark would hand them over."""
    import pyarrow as pa

    def build(*segments):
        parts = []
        for segment in segments:
            table = journal.read(segment)
            name = segment.file.partition("/")[2]
            parts.append(table.append_column("file", pa.array([name] * len(table))))
        return pa.concat_tables(parts)

    return build


def test_a_batch_out_of_order_or_again_leaves_the_same_tables(
    journal, append, store, batch, tmp_path, features
):
    segments = [append({"event_id": k, "time": k}) for k in range(4)]
    for some in ([segments[2]], [segments[1], segments[0]], [segments[3], segments[2]]):
        stream.apply_batch(journal, store, batch(*some))
    plain = OnlineStore(tmp_path / "plain", features)
    stream.run(journal, plain)
    assert tables(store) == tables(plain)


def test_a_file_that_was_never_committed_is_passed_over(journal, append, store, batch, monkeypatch):
    monkeypatch.setattr(stream, "COMMIT", 0.01)
    segment = append({"item": 1})
    rows = batch(segment)
    orphan = rows.set_column(rows.column_names.index("file"), "file", [["00000000-other"]])
    stream.apply_batch(journal, store, orphan)
    assert store.seq == -1
    ahead = rows.set_column(rows.column_names.index("seq"), "seq", [[5]])
    stream.apply_batch(journal, store, ahead)
    assert store.seq == -1


@pytest.mark.slow
@needs_spark
def test_spark_leaves_the_tables_of_a_plain_run_and_gives_the_same_features(tmp_path, features):
    trial = Trial(tmp_path, Stream(days=3), features)
    trial.work()
    journal, by_spark = trial.journal, OnlineStore(tmp_path / "by_spark", features)
    plain = OnlineStore(tmp_path / "plain", features)
    made = replay(journal, features, tmp_path / "replayed", 4)
    stream.run(journal, plain)
    with connect("spark", memory="1000MB") as engine:
        stream.run_spark(journal, by_spark, engine)
        assert tables(by_spark) == tables(plain)
        # killed between our commit and Spark's: the last batch comes again
        commits = stream.checkpoint(by_spark.path) / "commits"
        last = max(int(path.name) for path in commits.iterdir() if path.name.isdecimal())
        for name in (f"{last}", f".{last}.crc"):
            (commits / name).unlink()
        stream.run_spark(journal, by_spark, engine)
        assert tables(by_spark) == tables(plain)
        names = ["user", "source", "action", "tile", "number", "amount"]
        found = engine.arrow(tiles.tiles(journal.table(engine))).select(names).to_pylist()
        assert sorted(tuple(row.values()) for row in found) == tables(plain)[1]
        report = compare(journal, made, [features], "spark")
    assert report.requests == len(made) > 100 and report.differing == 0, report.first_difference
