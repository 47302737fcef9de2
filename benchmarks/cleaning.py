"""Clean a simulated full day of T-ECD, beside DuckDB's mere rewriting and the report's pandas code.

Ours is ``seqrec_lib.data.cleaning.clean`` on payment events, receipts and the marketplace's items.
*Rewrite* reads the same files with DuckDB and writes all their columns with the same options: the
floor for anything that reads and writes. *pandas* follows the report (seed 001, section 3.1): load
a table whole, fill missing brands with -1, drop rows without a price, write. *Spark* runs our
code. Every measurement is a process of its own; memory is the largest resident set (of all its
processes) above what it held after its imports.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from publishing import HERE, machine, publish

FULL = {"payments/events": 68_857_371, "payments/receipts": 60_753_821}
RECEIPTS = "payments/receipts"
ITEMS = 2_325_409
DAY = 1082
WORK = HERE.parent / "build" / "cleaning"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=3, help="of the full day")
    parser.add_argument("--quick", action="store_true", help="a hundredth of it; publishes nothing")
    parser.add_argument("--no-spark", action="store_true")
    parser.add_argument("--measure", nargs="+", metavar="WHAT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(*args.measure)
        return

    where = machine()
    scale = 0.01 if args.quick else 1.0
    full = world(scale)
    taken = {"ours": [], "rewrite": []}
    for _ in range(args.repetitions):  # in turn, so that a slow minute meets both
        for system, runs in taken.items():
            runs.append(apart(system, full))
    ours = {key: statistics.median(run[key] for run in taken["ours"]) for key in taken["ours"][0]}
    floor = statistics.median(run["seconds"] for run in taken["rewrite"])
    growth = {}
    for million in (1, 10, 60):
        whole = million == 60  # the day itself
        part = full if whole else world(scale * million * 1e6 / FULL[RECEIPTS], [RECEIPTS])
        systems = ["ours", "rewrite", "pandas"] + ["spark"] * (not args.no_spark and not whole)
        growth[f"{million} M"] = {system: apart(system, part, RECEIPTS) for system in systems}
    result = {
        "what": "one simulated day (payment events, receipts) and the marketplace's items cleaned "
        "with a full account; median over repetitions",
        "rows": ours["rows"],
        "rows_per_s": ours["rows"] / ours["seconds"],
        "seconds": ours["seconds"],
        "peak_bytes": ours["peak_bytes"],
        "rewrite_seconds": floor,
        "ratio_rewrite": ours["seconds"] / floor,
        "growth_receipts": growth,
        "repetitions": taken,
        "versions": {
            name: version(name) for name in ("duckdb", "ibis-framework", "pandas", "pyspark")
        },
        "machine": where,
    }
    if args.quick:
        print(json.dumps(result, indent=1))
    else:
        publish("cleaning", result)


def world(scale, tables=(*FULL, "marketplace/items")):
    """Write the simulated day unless it is there; its folder."""
    from seqrec_lib.data.simulator import World, write

    rows = {table: max(1000, round(FULL[table] * scale)) for table in tables if table in FULL}
    folder = WORK / "-".join(["world", *(str(count) for count in rows.values())])
    people = World(marketplace_items=max(4000, round(ITEMS * min(1, scale))))
    write(people, folder, [DAY], list(tables), rows=rows, resume=True)
    return folder


def apart(system, root, *tables):
    """Measure in a process of its own, on some tables or all."""
    out = WORK / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, __file__, "--measure", system, str(root), str(out), *tables]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    shutil.rmtree(out, ignore_errors=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    speed = found["rows"] / found["seconds"] / 1e6
    memory = found["peak_bytes"] / 2**20
    print(
        f"{found['rows']:,} rows, {system}: {found['seconds']:.1f} s, {speed:.2f} M rows/s, "
        f"{memory:,.0f} MiB",
        file=sys.stderr,
    )
    return found


def measure(system, root, out, *tables):
    import pyarrow.parquet as pq

    import seqrec_lib.data.cleaning  # noqa: F401  all imports before the clock

    root, out = Path(root), Path(out)
    files = [
        path for path in sorted(root.rglob("*.pq")) if not tables or table_of(root, path) in tables
    ]
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    run = {"ours": ours, "spark": spark, "rewrite": rewrite, "pandas": pandas}[system]
    watch = Memory()
    began = time.perf_counter()
    run(root, out, files, tables or None)
    seconds = time.perf_counter() - began
    print(json.dumps({"rows": rows, "seconds": seconds, "peak_bytes": watch.stop()}))


def table_of(root, path):
    folder = path.relative_to(root).parent.as_posix()
    return folder if path.stem.isdigit() else f"{folder}/{path.stem}"


def ours(root, out, files, tables):
    from seqrec_lib.data.cleaning import clean

    clean(root, out, tables)


def spark(root, out, files, tables):
    from seqrec_lib.data.cleaning import clean

    clean(root, out, tables, engine="spark", memory="4g")


def rewrite(root, out, files, tables):
    from seqrec_lib.data.engine import WRITE, connect

    options = ", ".join(f"{name} {value}" for name, value in WRITE.items())
    out.mkdir(parents=True)
    with connect(spill=out) as engine:
        for number, path in enumerate(files):
            engine.connection.raw_sql(
                f"COPY (FROM read_parquet('{path}')) TO '{out / str(number)}.pq' "
                f"(FORMAT parquet, {options})"
            )


def pandas(root, out, files, tables):
    import pandas as pd
    import pyarrow.parquet as pq

    out.mkdir(parents=True)
    for number, path in enumerate(files):
        columns = [name for name in pq.read_schema(path).names if name != "embedding"]
        table = pd.read_parquet(path, columns=columns)
        table["brand_id"] = table["brand_id"].fillna(-1)
        table = table.dropna(subset=["price"])
        table.to_parquet(out / f"{number}.pq", index=False)


class Memory:
    """The largest resident set of this process and its children above what it is now."""

    def __init__(self):
        self.before = self.peak = self._now()
        self.running = True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def stop(self):
        self.running = False
        self.thread.join()
        return self.peak - self.before

    def _watch(self):
        while self.running:
            self.peak = max(self.peak, self._now())
            time.sleep(0.05)

    def _now(self):
        total, processes = 0, ["self"]
        children = Path("/proc/self/task")
        for task in children.glob("*/children"):
            processes += task.read_text().split()
        for process in processes:
            try:
                lines = Path(f"/proc/{process}/status").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
        return total * 1024


def version(name):
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as of

    try:
        return of(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
