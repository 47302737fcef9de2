"""Our store's speed beside Feast's on the same rows, and whether they agree; SQLite online.

The two do not do the same. Ours is given raw events, keeps them and their tiles, and computes
features when they are asked for. Feast is given rows that we have finished, one for each segment
that changes a user's features, keeps the last one online, and finds the right one offline
(DuckDB). The stream is the one of pipeline.py, a tenth of its length; a segment of 5,000 events,
and what Feast gets of it, is a batch. Each side is a process of its own; ``cpu_seconds`` are those
of its processor, which a busy machine moves least. The sides take turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
from cleaning import version
from feast_agreement import WORK, agreement, ask, export, features_at, opened, run_feast
from peers.measuring import peak_bytes, resident_bytes
from pipeline import feed
from pipeline import rows as rows_of_stream
from publishing import HERE, machine, publish

from seqrec_lib.data.hybrid.registry import SET_1

FOLDER = WORK / "speed"
SIZE = 125_000  # rows of the stream, about ten times fewer than of pipeline.py's
REPETITIONS = 3  # of everything, the sides in turn
DOES = {
    "write": "ours: raw events into the journal and the store, each segment applied; Feast: push "
    "of that segment's finished rows to its online store. rows_per_s of both counts those rows",
    "read_1": "ours: eight windows, two ages and the last 50 events of one user, computed for the "
    "moment asked; Feast: the one finished row. read_100: of 100 users in one call",
    "historical": "ours: features as known, from raw events; Feast: which finished row was the "
    "latest, with filter_by_created_timestamp=True",
    "export": "the finished rows, made by us from raw events as known: Feast does not make them",
    "materialize": "Feast, from its files to its online store; ours has no such step",
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args().ours:
        print(json.dumps(ours()))
        return
    where, mine, theirs = machine(), [], []
    for _ in range(REPETITIONS):
        command = [sys.executable, __file__, "--ours"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        mine.append(json.loads(done.stdout))
        theirs.append(run_feast(FOLDER, "--speed"))
    lock = (HERE.parent / "requirements-feast.lock").read_text().splitlines()
    pinned = dict(line.split("==") for line in lock if "==" in line)
    names = ("duckdb", "ibis-framework", "pandas", "pyarrow")
    publish(
        "feast",
        {
            "what": "our features beside Feast's, of the same simulated streams; medians of "
            f"{REPETITIONS} runs that took turns",
            "does": DOES,
            "ours": middle(mine),
            "feast": middle(theirs),
            "agreement": agreement(),
            "versions": {
                "ours": {name: version(name) for name in names},
                "feast": {name: pinned[name] for name in ("feast", *names)},
            },
            "machine": where,
        },
    )


def middle(runs):
    """The median of each figure."""
    if not isinstance(runs[0], dict):
        return statistics.median(runs)
    return {name: middle([run[name] for run in runs]) for name in runs[0] if name != "order"}


def ours():
    """Our side; leaves the export and the requests for Feast's."""
    held = resident_bytes()
    journal, store = opened(FOLDER)
    batches = [*rows_of_stream(SIZE)]
    written, _ = timed(lambda: feed(batches, journal, store))
    exported, rows = timed(lambda: export(journal, SET_1, FOLDER / "feast"))
    events = store.counts().rows
    table = pq.read_table(FOLDER / "feast" / "rows.parquet").select(["user", "created", "seq"])
    user, created, seq = (table[name].cast("int64").to_numpy() for name in table.column_names)
    chosen = np.random.default_rng(2).integers(0, rows, 10_000)
    requests = [
        {"user": u, "t": t, "seq": s}
        for u, t, s in zip(*(a[chosen].tolist() for a in (user, created, seq)), strict=True)
    ]
    ask(FOLDER, requests)
    joining, _ = timed(lambda: features_at(journal, requests, [one["seq"] for one in requests]))
    return {
        "write": {
            "events": events,
            "rows": rows,
            "segments": len(batches),
            "events_per_s": events / written["seconds"],
            "events_per_cpu_s": events / written["cpu_seconds"],
            "rows_per_s": rows / written["seconds"],
            "rows_per_cpu_s": rows / written["cpu_seconds"],
        },
        "read_1": reads(store, user, 1, 2000, int(created.max())),
        "read_100": reads(store, user, 100, 100, int(created.max())),
        "historical": joining | {"requests": len(requests)},
        "export": exported | {"rows": rows},
        "imports_bytes": held,
        "peak_bytes": peak_bytes(),
    }


def reads(store, users, at_once, number, t):
    """Users drawn by their rows, ``at_once`` in a read."""
    took = []
    for some in np.random.default_rng(1).choice(users, (number + 10, at_once)).tolist():
        began = time.perf_counter(), time.process_time()
        store.read(some, t)
        took.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    wall, cpu = zip(*took[10:], strict=True)
    p50, p99 = 1e3 * np.quantile(wall, [0.5, 0.99])
    return {"p50_ms": p50, "p99_ms": p99, "cpu_ms": 1e3 * sum(cpu) / number, "reads": number}


def timed(call):
    """Seconds of the clock and of the processor, and what was returned."""
    began = time.perf_counter(), time.process_time()
    answer = call()
    taken = time.perf_counter() - began[0], time.process_time() - began[1]
    return dict(zip(("seconds", "cpu_seconds"), taken, strict=True)), answer


if __name__ == "__main__":
    main()
