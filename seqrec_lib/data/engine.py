"""The query engine behind the heavy tabular steps: DuckDB in this process, or Spark on a cluster.

The steps are Ibis expressions; which engine runs them is one argument. DuckDB keeps to a memory
limit and spills to disk beyond it. Spark is for data that outgrow one machine (``pip install
seqrec_lib[spark]``, and Java 17).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt
import pyarrow as pa
import pyarrow.parquet as pq

from seqrec_lib.data.files import DiskError, written_aside

if TYPE_CHECKING:
    import ibis.expr.types as ir

ENGINES = ("duckdb", "spark")
WRITE = {  # DuckDB's options: half the time of its defaults, and a quarter smaller
    "compression": "zstd",
    "compression_level": 1,
    "parquet_version": "v2",
    "row_group_size": 500_000,
    "dictionary_size_limit": 20_000,  # words, not hashes: those are given up sooner
    "write_bloom_filter": False,
}
LISTS = {"row_group_size": 40_000}  # of rows with embeddings a row group is a hundred times larger


class EngineError(RuntimeError):
    """A heavy step failed for a reason outside the data's meaning: disk, memory, a damaged file."""


def _of_a_row(function: str, kind: dt.DataType) -> Callable[[ir.Value], ir.IntegerValue]:
    """An engine's own function of one value of any type; Ibis' ``hash`` takes a detour over text
    on DuckDB, and has 32 bits only on Spark."""

    def call(row):
        """Ibis puts the engine's function here."""

    call.__annotations__ = {"return": kind}
    return ibis.udf.scalar.builtin(name=function)(call)


HASH = {"duckdb": _of_a_row("hash", dt.uint64), "spark": _of_a_row("xxhash64", dt.int64)}


class Engine:
    """Reads and writes Parquet as Ibis tables; made by :func:`connect`."""

    def __init__(self, name: str, connection: Any):
        self.name = name
        self.connection = connection

    def read(self, paths: Path | Sequence[Path], row: bool = False) -> ir.Table:
        """The rows of Parquet files (or of folders of them, as Spark writes), nothing loaded yet.

        Whole-number columns come as int64: Spark knows no unsigned numbers. With ``row`` a column
        of that name holds each row's place in its file, from 0. Raises EngineError if a file is
        missing or its footer cannot be read.
        """
        paths = [paths] if isinstance(paths, Path) else list(paths)
        missing = [path for path in paths if not path.exists()]
        if missing or not paths:
            raise EngineError(f"no such file: {', '.join(map(str, missing)) or 'an empty list'}")
        parts = [part for path in paths for part in parquet_files(path)]
        with self._explained(f"{parts[0]}: cannot be read"):
            if self.name == "duckdb":
                table = self.connection.read_parquet(parts, file_row_number=row)
                table = table.rename(row="file_row_number") if row else table
            else:
                session = self.connection._session
                frame = session.read.parquet(*map(str, parts))
                if row:
                    frame = frame.selectExpr("*", "_metadata.row_index AS row")
                name = ibis.util.gen_name("parquet")
                frame.createOrReplaceTempView(name)
                table = self.connection.table(name)
        kinds = table.schema().items()
        wide = [n for n, kind in kinds if kind.is_integer() or kind.is_decimal()]
        return table.mutate(**{name: table[name].cast("int64") for name in wide})

    def given(self, table: pa.Table) -> ir.Table:
        """A table of this process."""
        if self.name == "duckdb":
            # DuckDB reads each batch on one thread
            return ibis.memtable(pa.Table.from_batches(table.to_batches(8192), table.schema))
        name = ibis.util.gen_name("given")
        self.connection._session.createDataFrame(table).createOrReplaceTempView(name)
        return self.connection.table(name)

    def write(self, table: ir.Table, path: Path) -> int:
        """Write ``table`` to ``path`` whole or not at all, and return its number of rows.

        DuckDB writes one file, Spark a folder of files under the same name; :meth:`read` takes
        either. A table that was sorted is written in that order (of Spark's files, by name), and
        DuckDB keeps the order of what it read, but not through a join. Raises EngineError, for
        instance when the disk is full; what stood at ``path`` is then still there.
        """
        with self._explained(f"{path}: cannot be written"), written_aside(path) as aside:
            if self.name == "duckdb":
                lists = any(kind.is_array() for kind in table.schema().values())
                self.connection.to_parquet(table, aside, **WRITE | (LISTS if lists else {}))
            else:
                self.connection.to_parquet(table, aside, compression="zstd")
        return num_rows(path)

    def frame(self, table: ir.Table) -> Any:
        """A small result as a pandas table."""
        with self._explained("the query failed"):
            return table.execute()

    @contextmanager
    def keeping(self) -> Iterator[Callable[[ir.Table], ir.Table]]:
        """A function that keeps a table which a query reads several times, for the length of a
        ``with`` block: either engine may work it out anew for each."""
        release: list[Callable[[], Any]] = []

        def keep(table: ir.Table) -> ir.Table:
            with self._explained("the query failed"):
                if self.name == "spark":
                    kept = table.cache()
                    release.append(kept.release)
                    return kept
                name = ibis.util.gen_name("kept")
                kept = self.connection.create_table(name, table, temp=True)
                # Ibis writes a "drop table" without a name (12.0 with sqlglot 30)
                release.append(lambda: self.connection.con.execute(f'drop table "{name}"'))
                return kept

        try:
            yield keep
        finally:
            for let_go in release:
                let_go()

    def arrow(self, table: ir.Table) -> pa.Table:
        """A result of bounded size as an Arrow table."""
        with self._explained("the query failed"):
            return self.connection.to_pyarrow(table)

    def hash(self, table: ir.Table, columns: Sequence[str]) -> ir.IntegerValue:
        """64 bits that agree where ``columns`` agree; others on the other engine."""
        return HASH[self.name](ibis.struct({name: table[name] for name in columns}))

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Failures of the engine as EngineError, in words that say what to do."""
        import duckdb

        kinds: tuple[type[Exception], ...] = (duckdb.Error, OSError)
        if self.name == "spark":
            from py4j.protocol import Py4JJavaError
            from pyspark.errors import PySparkException

            kinds = (*kinds, PySparkException, Py4JJavaError)
        try:
            yield
        except kinds as error:
            text = str(error)
            advice = "Is the file damaged? Fetch or write it again"
            full = "No space left" in text or "max_temp_directory_size" in text
            if full or isinstance(error, DiskError):
                advice = "The disk is full: free some, or pass spill= a folder on another disk"
            elif "Out of Memory" in text or "OutOfMemory" in text:
                advice = "Give the engine more memory (memory=), or use Spark"
            elif "out of range" in text or "ARITHMETIC_OVERFLOW" in text:
                advice = "A number or a sum is beyond 64 bits: give amounts in a larger unit"
            raise EngineError(f"{what} ({text.strip().splitlines()[0]}). {advice}") from error


@contextmanager
def connect(
    name: str = "duckdb",
    memory: str = "1200MB",
    threads: int | None = None,
    spill: Path | None = None,
) -> Iterator[Engine]:
    """The engine ``name`` (``duckdb`` or ``spark``) for the length of a ``with`` block.

    ``memory`` is what DuckDB may hold before it spills, or the heap of Spark's driver; ``threads``
    defaults to all cores; ``spill`` is a folder for what does not fit (a temporary one, removed at
    the end, if not given). Spark: a session that is there already, such as a cluster's, is used as
    it is. Raises ValueError for another name, EngineError if Spark is not installed.

    >>> with connect("duckdb", threads=1) as engine:
    ...     int(engine.frame(ibis.memtable({"n": [1, 2]}).n.sum()))
    3
    """
    if name not in ENGINES:
        raise ValueError(f"no engine {name!r}; there are {', '.join(ENGINES)}")
    threads = threads or len(os.sched_getaffinity(0))
    own = Path(tempfile.mkdtemp(prefix="seqrec-spill-", dir=spill))
    try:
        if name == "duckdb":
            connection = ibis.duckdb.connect(
                threads=threads, memory_limit=memory, temp_directory=str(own)
            )
            try:
                yield Engine(name, connection)
            finally:
                connection.disconnect()
        else:
            session, ours = _spark(memory, threads, own)
            try:
                yield Engine(name, ibis.pyspark.connect(session))
            finally:
                if ours:
                    session.stop()
    finally:
        shutil.rmtree(own, ignore_errors=True)


def parquet_files(path: Path) -> list[Path]:
    """The Parquet files at ``path``: itself, or those in a folder that Spark wrote."""
    return sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]


def num_rows(path: Path) -> int:
    """Number of rows of a Parquet file or folder, from the footers."""
    return sum(pq.read_metadata(part).num_rows for part in parquet_files(path))


def _spark(memory: str, threads: int, spill: Path) -> tuple[Any, bool]:
    """A session, and whether it was started here."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise EngineError(
            "Spark is not installed: pip install 'seqrec_lib[spark]', and Java 17"
        ) from error
    # pandas 3 is newer than this Spark's tests; the few pandas results here are plain numbers
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    running = SparkSession.getActiveSession()
    if running is not None:
        return running, False
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(4 * threads),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.appName("seqrec")  # without a cluster: on this machine
    if "MASTER" not in os.environ and "SPARK_CONF_DIR" not in os.environ:
        builder = builder.master(f"local[{threads}]")
        settings |= {
            "spark.driver.memory": memory.removesuffix("B").lower(),
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(spill),
        }
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate(), True
