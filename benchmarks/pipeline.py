"""The hybrid pipeline: ingest, freshness, reads, a heavy user, the offline join, a rebuild.

The stream is simulated: seven days, four online events for a receipt line, 20,000 users for
1.25 M rows with a heavy tail, 2 % of online events late, receipts at 03:00 of the next day, 1 % of
rows sent twice; in the order of arrival, in segments of 5,000 rows. Each part is a process of its
own and can be run alone; the results file keeps the others as they were. A runner that has fallen
behind applies 64 segments in one transaction; ``ingest_single`` is of a runner that keeps up.
Seconds are of the clock; ``cpu_seconds`` of one process, which a busy machine does not move. Memory
is the largest resident set above what the process held after its imports.
"""

import argparse
import itertools
import json
import multiprocessing
import shutil
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
from cleaning import Memory, version
from publishing import HERE, machine, publish

WORK = HERE.parent / "build" / "pipeline"
RESULT = HERE / "results" / "pipeline.json"
SEGMENT = 5_000
TOGETHER = 64  # segments of a backlog, as many as the store takes in at once
DAYS = 7
HEAVY = 47_649  # events a day of T-ECD's most active user


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of it; publishes nothing")
    parser.add_argument("--measure", metavar="PART", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        size = 25_000 if args.quick else 1_250_000
        print(json.dumps(PARTS[args.measure](size)))
        return
    where = machine()
    result = json.loads(RESULT.read_text()) if RESULT.exists() and not args.quick else {}
    for part in args.parts or PARTS:
        command = [sys.executable, __file__, "--measure", part, *["--quick"] * args.quick]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
        result[part] = found | {"load": where["load"]}
        print(part, json.dumps(found), file=sys.stderr)
        if not args.quick:
            names = ("duckdb", "ibis-framework", "pyarrow", "pyspark")
            about = {"what": "the hybrid pipeline on a simulated stream; parts as in its docstring"}
            about |= {"versions": {name: version(name) for name in names}, "machine": where}
            old = {key: result[key] for key in PARTS if key in result}
            publish("pipeline", {**about, **old})


# --- the stream -----------------------------------------------------------------------------------


def rows(size, seed=0):
    """The producer's tables in the order of arrival: (source, table), ``SEGMENT`` rows each."""
    import pyarrow as pa

    from seqrec_lib.data.hybrid.faults import START
    from seqrec_lib.data.hybrid.registry import DAY, HOUR

    rng = np.random.default_rng(seed)
    people = max(100, round(size / 62.5))
    weight = rng.pareto(1.1, people) + 0.1
    share = np.minimum(weight / weight.sum(), 0.01)
    ends = np.cumsum(share / share.sum())

    def users(count):
        return np.searchsorted(ends, rng.random(count)).clip(0, people - 1)

    online = size * 4 // 5
    store = size - online
    time = START + rng.integers(0, DAYS * DAY, size)
    lines = slice(online, size)
    known = time + rng.integers(0, 1_000_000, size)
    late = np.flatnonzero(rng.random(online) < 0.02)
    known[late] += rng.exponential(HOUR / 2, len(late)).astype(np.int64)
    known[lines] = time[lines] // DAY * DAY + DAY + 3 * HOUR
    columns = {
        "event_id": np.arange(size),
        "user": users(size),
        "item": rng.integers(0, 100_000, size),
        "time": time,
        "action": np.concatenate(
            [
                rng.choice(["view", "click", "cart", "order"], online, p=[0.7, 0.2, 0.07, 0.03]),
                np.full(store, "buy"),
            ]
        ),
        "basket": rng.integers(0, max(1, store // 4), size),
        "amount": rng.integers(10**5, 10**9, size),
        "known": known,
    }
    again = rng.integers(0, size, size // 100)
    place = np.concatenate([np.arange(size), again])
    arrival = known[place]
    arrival[size:] += np.where(again < online, rng.integers(0, HOUR, len(again)), 0)
    place, arrival = (part[np.argsort(arrival, kind="stable")] for part in (place, arrival))
    whole, segments = pa.table(columns), []
    for source, these in (("online", place < online), ("store", place >= online)):
        rows_of, at = place[these], arrival[these]
        batch = np.zeros(len(at), dtype=np.int64) if source == "online" else at
        for end in np.append(np.flatnonzero(np.diff(batch)) + 1, len(at)):
            begin = segments[-1][3] if segments and segments[-1][1] == source else 0
            for first in range(begin, end, SEGMENT):
                last = min(first + SEGMENT, end)
                segments.append((at[last - 1], source, rows_of[first:last], last))
    for _, source, chosen, _ in sorted(segments, key=lambda one: one[0]):
        part = whole.take(chosen)
        yield source, part if source == "store" else part.drop_columns(["basket"])


def write_rows(size, folder):
    folder.mkdir(parents=True)
    for number, (source, table) in enumerate(rows(size)):
        pq.write_table(table, folder / f"{number:06d}-{source}.parquet")


def produced(size):
    """:func:`rows` from files that another process wrote: its memory is not ours."""
    folder = WORK / f"rows-{size}"
    if not folder.exists():
        aside = folder.with_suffix(".part")
        shutil.rmtree(aside, ignore_errors=True)
        process = multiprocessing.get_context("spawn").Process(
            target=write_rows, args=(size, aside)
        )
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"the producer ended with {process.exitcode}")
        aside.rename(folder)
    return ((path.stem.split("-")[1], pq.read_table(path)) for path in sorted(folder.iterdir()))


def made(size):
    """The journal and the store of a stream of ``size`` rows, made if they are not there."""
    folder = WORK / f"{size}"
    if not (folder / "taken.json").exists():
        return fed(produced(size), folder)
    return opened(folder)


def opened(folder):
    from seqrec_lib.data.hybrid.journal import Journal
    from seqrec_lib.data.hybrid.online import OnlineStore
    from seqrec_lib.data.hybrid.registry import SET_1

    return Journal(folder / "journal"), OnlineStore(folder / "store", SET_1)


def fed(batches, folder, together=TOGETHER):
    """A new journal and store in ``folder``, and beside them the seconds that it took."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    both = opened(folder)
    (folder / "taken.json").write_text(json.dumps(feed(batches, *both, together)))
    return both


def feed(batches, journal, store, together=TOGETHER):
    """Append so many segments and catch up; the seconds of either, clock and processor."""
    from seqrec_lib.data.hybrid.stream import catch_up

    taken = {"append": 0.0, "apply": 0.0, "append_cpu": 0.0, "apply_cpu": 0.0}
    batches = iter(batches)
    while some := [*itertools.islice(batches, together)]:
        marks = [(time.perf_counter(), time.process_time())]
        for source, table in some:
            journal.append(source, table)
        marks.append((time.perf_counter(), time.process_time()))
        catch_up(journal, store)
        marks.append((time.perf_counter(), time.process_time()))
        for name, before, after in zip(("append", "apply"), marks, marks[1:], strict=False):
            taken[name] += after[0] - before[0]
            taken[f"{name}_cpu"] += after[1] - before[1]
    return taken


# --- parts ----------------------------------------------------------------------------------------


def ingest(size, together=TOGETHER, folder=None):
    """Journal and store together, from the producer's tables on, so many segments at a time."""
    import seqrec_lib.data.hybrid.online
    import seqrec_lib.data.hybrid.stream  # noqa: F401  imports before the clock

    batches = produced(size)
    watch = Memory()
    folder = folder or WORK / f"{size}"
    _, store = fed(batches, folder, together)
    taken = json.loads((folder / "taken.json").read_text())
    count = store.counts()
    seconds, cpu = (taken["append" + kind] + taken["apply" + kind] for kind in ("", "_cpu"))
    return {
        "rows": count.rows,
        "applied": count.applied,
        "duplicate": count.duplicate,
        "together": together,
        "rows_per_s": count.rows / seconds,
        "rows_per_cpu_s": count.rows / cpu,
        "seconds": taken,
        "peak_bytes": watch.stop(),
        "store_bytes": 4096 * store.connection.execute("pragma page_count").fetchone()[0],
    }


def ingest_single(size):
    """The same, each segment applied when it comes."""
    return ingest(size, together=1, folder=WORK / "single")


def ingest_ten(size):
    return ingest(8 * size)


def read(size):
    """One user at the end of the stream: users drawn evenly, and by activity."""
    journal, store = made(size)
    rng = np.random.default_rng(1)
    tables = [journal.read(segment)["user"].to_numpy() for segment in journal.segments()]
    users = np.concatenate(tables)
    ways = {"evenly": np.unique(users), "by_activity": users}
    return {way: timed(store, rng.choice(some, 20_000)) for way, some in ways.items()}


def timed(store, users):
    from seqrec_lib.data.hybrid.faults import START
    from seqrec_lib.data.hybrid.registry import DAY

    rng = np.random.default_rng(2)
    times = START + rng.integers((DAYS - 1) * DAY, DAYS * DAY, len(users))
    taken, began = [], time.process_time()
    for user, t in zip(users.tolist(), times.tolist(), strict=True):
        start = time.perf_counter()
        store.read([user], t)
        taken.append(time.perf_counter() - start)
    cpu = (time.process_time() - began) / len(users)
    rounds = [np.quantile(part, [0.5, 0.99]) for part in np.array_split(taken, 5)]
    p50, p99 = np.median(rounds, axis=0)  # of a machine whose speed changes
    return {"p50_ms": 1e3 * p50, "p99_ms": 1e3 * p99, "cpu_ms": 1e3 * cpu, "reads": len(users)}


def heavy(size):
    """A user of ``HEAVY`` events a day for a week, in the store of all others."""
    import pyarrow as pa

    from seqrec_lib.data.hybrid.faults import START
    from seqrec_lib.data.hybrid.registry import DAY

    source, _ = made(size)
    folder = WORK / "heavy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source.folder.parent, folder)
    rng, user, count = np.random.default_rng(3), 10**9, HEAVY * DAYS
    at = np.sort(START + rng.integers(0, DAYS * DAY, count))
    whole = pa.table(
        {
            "event_id": np.arange(count),
            "user": np.full(count, user),
            "item": rng.integers(0, 100_000, count),
            "time": at,
            "action": rng.choice(
                ["view", "click", "cart", "order"], count, p=[0.7, 0.2, 0.07, 0.03]
            ),
            "known": at,
        }
    )
    journal, store = opened(folder)
    parts = [("online", whole.slice(place, SEGMENT)) for place in range(0, count, SEGMENT)]
    taken = feed(parts, journal, store)
    found = timed(store, np.full(5_000, user))
    return {"events": count, "rows_per_s": count / (taken["append"] + taken["apply"]), **found}


def windows(size):
    """A read of one feature, by its window: counts over spans and lists of the last events."""
    from seqrec_lib.data.hybrid.faults import START
    from seqrec_lib.data.hybrid.online import OnlineStore
    from seqrec_lib.data.hybrid.registry import DAY, HOUR, Feature, FeatureSet

    journal, source = made(size)
    path = WORK / "windows"
    shutil.copyfile(source.path, path)
    events = np.concatenate([journal.read(one)["user"].to_numpy() for one in journal.segments()])
    users = np.random.default_rng(1).choice(events, 5_000)
    spans = {"1 hour": HOUR, "6 hours": 6 * HOUR}
    spans |= {f"{d} day{'s' * (d > 1)}": d * DAY for d in (1, 3, 7, 30, 90)}
    features = [Feature(name, 1, "count", span) for name, span in spans.items()]
    features += [Feature(f"last {n}", 1, "last", n) for n in (1, 5, 10, 20, 50, 100, 200)]
    end, found = START + DAYS * DAY, {}
    for one in features:
        # the tables hold events, whatever is asked of them
        digest = (FeatureSet((one,)).digest(),)
        source = sqlite3.connect(path)
        with source:
            source.execute("update meta set value = ? where key = 'digest'", digest)
        source.close()
        store = OnlineStore(path, FeatureSet((one,)))
        found[one.name] = timed(store, users)
        at = [store.rows_read(user, end)[one.name] for user in users[:500].tolist()]
        found[one.name]["rows"] = float(np.mean(at))
        store.close()
    return found


def fresh(size):
    """From a producer's table of ``SEGMENT`` rows until another process can read it."""
    return freshness(size, "duckdb", 60)


def fresh_spark(size):
    """The same by Spark; and from its start until it goes on."""
    return freshness(size, "spark", 240)


def freshness(size, engine, follow, tries=20):
    from seqrec_lib.data.hybrid.journal import Journal
    from seqrec_lib.data.hybrid.online import OnlineStore
    from seqrec_lib.data.hybrid.registry import SET_1

    folder = WORK / f"fresh-{engine}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    journal, store = Journal(folder / "journal"), OnlineStore(folder / "online.sqlite", SET_1)
    batches = rows(size)

    def until_read():
        source, table = next(batches)
        began = time.perf_counter()
        segment = journal.append(source, table)
        while store.seq < segment.seq:
            if runner.poll() is not None:
                raise RuntimeError(f"the runner ended with {runner.returncode}")
            time.sleep(0.002)
        return time.perf_counter() - began

    command = [sys.executable, "-m", "seqrec_lib.data.hybrid", "run", str(folder)]
    command += ["--engine", engine, "--follow", str(follow)]
    starts = []
    for _ in range(2):
        runner = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        starts.append(until_read())
        taken = [until_read() for _ in range(tries)]
        runner.kill()  # the second start is one after a kill
        runner.wait()
    return {
        "rows": SEGMENT,
        "p50_s": float(np.median(taken)),
        "most_s": max(taken),
        "start_s": starts[0],
        "restart_s": starts[1],
    }


def offline(size):
    """100,000 requests of set 1: users by activity, at any time, as of the segments of then."""
    import pyarrow as pa

    from seqrec_lib.data.engine import connect
    from seqrec_lib.data.hybrid.faults import START
    from seqrec_lib.data.hybrid.registry import DAY, SET_1
    from seqrec_lib.data.hybrid.tiles import joined

    journal, _ = made(size)
    rng, number = np.random.default_rng(4), size * 2 // 25
    tables = [journal.read(segment) for segment in journal.segments()]
    users = np.concatenate([table["user"].to_numpy() for table in tables])
    arrived = [table["known"].to_numpy().max() for table in tables]
    t = START + rng.integers(0, DAYS * DAY, number)
    asked = {
        "request": np.arange(number),
        "user": rng.choice(users, number),
        "t": t,
        "seq": np.searchsorted(np.maximum.accumulate(arrived), t, side="right") - 1,
    }
    del tables
    watch, began, cpu = Memory(), time.perf_counter(), time.process_time()
    with connect(memory="1000MB") as engine:
        found = joined(engine, journal, pa.table(asked), SET_1)
    return {
        "requests": len(found),
        "events": len(users),
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_bytes": watch.stop(),
    }


def rebuild(size):
    """The store anew from the journal."""
    from seqrec_lib.data.hybrid.online import OnlineStore
    from seqrec_lib.data.hybrid.registry import SET_1

    journal, _ = made(size)
    path = WORK / "rebuilt"
    for left in WORK.glob("rebuilt*"):
        left.unlink()
    store = OnlineStore(path, SET_1)
    began, cpu = time.perf_counter(), time.process_time()
    count = store.rebuild(journal)
    return {
        "rows": count.rows,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
    }


PARTS = {
    "ingest": ingest,
    "ingest_single": ingest_single,
    "ingest_ten": ingest_ten,
    "read": read,
    "heavy": heavy,
    "windows": windows,
    "offline": offline,
    "rebuild": rebuild,
    "fresh": fresh,
    "fresh_spark": fresh_spark,
}

if __name__ == "__main__":
    main()
