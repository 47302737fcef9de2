"""Feast's side of the comparison: apply an export, materialise it, ask it, and time all of that.

Runs in Feast's own environment (requirements-feast.lock) and imports nothing of ours. FOLDER is
what seqrec_lib.data.hybrid.feast wrote, and in it ``requests.parquet`` with request, user and
event_timestamp. Writes there ``known.parquet`` and ``any.parquet`` (the historical join with and
without the filter on what was written by then), ``online.parquet`` and ``report.json``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

from measuring import peak_bytes, resident_bytes

os.environ["FEAST_USAGE"] = "False"  # no reports to its authors
warnings.filterwarnings("ignore")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--speed", action="store_true", help="push every row, and time reads")
    args = parser.parse_args()
    folder = args.folder.resolve()
    # as a user would; the command lies beside this environment's Python
    command = [str(Path(sys.executable).with_name("feast")), "apply"]
    subprocess.run(command, cwd=folder, check=True)

    began = time.perf_counter()
    import pandas as pd
    from feast import FeatureStore

    report = {"import_s": time.perf_counter() - began, "imports_bytes": resident_bytes()}
    store = FeatureStore(repo_path=str(folder))
    rows = pd.read_parquet(folder / "rows.parquet")
    requests = pd.read_parquet(folder / "requests.parquet")
    names = [f"hybrid:{field.name}" for field in store.get_feature_view("hybrid").features]
    if args.speed:
        report["write"] = pushed(store, rows)
        report["read_1"] = reads(store, names, rows["user"], 1, 2000)
        report["read_100"] = reads(store, names, rows["user"], 100, 100)

    stamps = rows["event_timestamp"]
    first, last = (moment.to_pydatetime() for moment in (stamps.min(), stamps.max()))
    second = pd.Timedelta(seconds=1)
    report["materialize"] = timed(lambda: store.materialize(first - second, last + second))
    report["materialize"]["rows"] = len(rows)

    def joined(known):
        job = store.get_historical_features(requests, names, filter_by_created_timestamp=known)
        return job.to_arrow()

    import pyarrow.parquet as pq

    for name, known in (("known", True), ("any", False)):
        pq.write_table(joined(known), folder / f"{name}.parquet")
    if args.speed:
        report["historical"] = timed(lambda: joined(True)) | {"requests": len(requests)}
    users = sorted(rows["user"].unique().tolist())
    online = store.get_online_features(names, [{"user": user} for user in users])
    online.to_df().to_parquet(folder / "online.parquet")
    report["order"] = out_of_order(store, rows)
    report["peak_bytes"] = peak_bytes()
    (folder / "report.json").write_text(json.dumps(report))


def pushed(store, rows):
    """Every row, a segment at a time, as a live pipeline would."""
    parts = [part.reset_index(drop=True) for _, part in rows.groupby("seq")]
    taken = timed(lambda: [store.push("hybrid_push", part) for part in parts])
    return {
        "rows": len(rows),
        "pushes": len(parts),
        "rows_per_s": len(rows) / taken["seconds"],
        "rows_per_cpu_s": len(rows) / taken["cpu_seconds"],
    }


def reads(store, names, users, at_once, number):
    """Users drawn by their rows, ``at_once`` in a read."""
    drawn = users.sample(at_once * (number + 10), replace=True, random_state=1).tolist()
    took = []
    for place in range(number + 10):
        asked = [{"user": u} for u in drawn[place * at_once : (place + 1) * at_once]]
        began = time.perf_counter(), time.process_time()
        store.get_online_features(names, asked).to_dict()
        took.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    wall, cpu = zip(*took[10:], strict=True)  # the first ones read the registry
    return {
        "p50_ms": 1e3 * statistics.median(wall),
        "p99_ms": 1e3 * sorted(wall)[int(0.99 * number)],
        "cpu_ms": 1e3 * sum(cpu) / number,
        "reads": number,
    }


def timed(call):
    """Seconds of the clock and of the processor."""
    began = time.perf_counter(), time.process_time()
    call()
    return {
        "seconds": time.perf_counter() - began[0],
        "cpu_seconds": time.process_time() - began[1],
    }


def out_of_order(store, rows):
    """Push someone's latest row, then, as a retry would, an older one: which is served?"""
    mine = rows[rows["user"] == rows["user"].mode()[0]].sort_values("seq")
    old, new = mine.iloc[[0]], mine.iloc[[-1]]
    for part in (new, old):
        store.push("hybrid_push", part.reset_index(drop=True))
    user = int(new["user"].iloc[0])
    found = store.get_online_features(["hybrid:seq"], [{"user": user}]).to_dict()["seq"][0]
    return {"older": int(old["seq"].iloc[0]), "newer": int(new["seq"].iloc[0]), "served": found}


if __name__ == "__main__":
    main()
