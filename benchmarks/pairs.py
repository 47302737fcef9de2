"""Build co-purchase and co-view pairs at the size of the report, section 4.2, and publish it.

A simulated day of receipts with 8.6 M lines in baskets, and ten days of marketplace and retail
events, 9.2 M, become one table of pairs with their weights, on DuckDB. Measured in a process of
its own: time, and the largest resident set above what it held after its imports.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from cleaning import Memory, version
from publishing import HERE, machine, publish

WORK = HERE.parent / "build" / "pairs"
DAYS = range(1082, 1092)
ROWS = {  # a day; half of the receipt lines have no basket
    "payments/receipts": 17_460_000,
    "marketplace/events": 508_192,
    "retail/events": 412_833,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(*map(Path, args.measure))
        return
    from seqrec_lib.data import simulator

    where, root = machine(), WORK / "world"
    people = simulator.sized(0.3)
    online = [table for table in ROWS if table != "payments/receipts"]
    simulator.write(people, root, DAYS, online, rows=ROWS, resume=True)
    simulator.write(people, root, DAYS[:1], ["payments/receipts"], rows=ROWS, resume=True)
    runs = []
    for _ in range(args.repetitions):
        command = [sys.executable, __file__, "--measure", str(root), str(WORK / "out")]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        runs.append(json.loads(done.stdout.strip().splitlines()[-1]))
        print(runs[-1], file=sys.stderr)
    publish(
        "pairs",
        {
            "what": "co-purchase and co-view pairs of simulated receipts and events, merged and "
            "written; median over repetitions",
            "rows": runs[0]["rows"],
            "pairs": runs[0]["pairs"],
            "seconds": statistics.median(run["seconds"] for run in runs),
            "peak_bytes": max(run["peak_bytes"] for run in runs),
            "repetitions": runs,
            "versions": {name: version(name) for name in ("duckdb", "ibis-framework")},
            "machine": where,
        },
    )


def measure(root, out):
    from seqrec_lib.data import pairs, tecd
    from seqrec_lib.data.engine import connect

    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    watch, began = Memory(), time.perf_counter()
    with connect(spill=out) as engine:
        tables = {table: tecd.read(engine, table, root=root) for table in ROWS}
        receipts = tables.pop("payments/receipts")
        views = [pairs.co_view(events) for events in tables.values()]
        written = engine.write(pairs.merged(pairs.co_purchase(receipts), *views), out / "pairs")
    seconds = time.perf_counter() - began
    rows = int(tecd.overview(root)["rows"].sum())
    found = {"rows": rows, "pairs": written, "seconds": seconds, "peak_bytes": watch.stop()}
    shutil.rmtree(out)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
