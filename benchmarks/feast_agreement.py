"""Does Feast return what our store served? What is equal, what differs, and why.

A stream with every fault goes through our store, and users are read as it comes in. Then it is
exported, and Feast is asked for the same users at the same moments: its historical join, with the
filter on what was written by then and without, and its online store. Feast runs in an environment
and a process of its own, files in and files out; ``make feast`` makes that and runs this.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from publishing import HERE

from seqrec_lib.data.engine import connect
from seqrec_lib.data.hybrid.faults import Stream
from seqrec_lib.data.hybrid.feast import STAMP, arrivals, export
from seqrec_lib.data.hybrid.journal import Journal
from seqrec_lib.data.hybrid.online import OnlineStore
from seqrec_lib.data.hybrid.registry import HOUR, SET_1
from seqrec_lib.data.hybrid.tiles import joined

WORK = HERE.parent / "build" / "feast"
PYTHON = HERE.parent / ".venv-feast" / "bin" / "python"
ASKED = 20  # requests after each segment
WHY = {
    "equal": "as served; who has no row yet counts as zeros, -1 and empty lists",
    "age": "equal when the reader adds the time since the row, which is in as_of",
    "window": "the window has gone on: ours is computed when asked, Feast's row was finished",
    "ahead": "an event of a clock that was ahead: ours has it from its time on, Feast from the "
    "next row",
    "other": "none of these",
}


def main():
    found = agreement()
    tell(found)
    late = found["written_after_the_request"]["with the filter"]
    other = sum(count["other"] for count in found["by_feature"].values())
    live = found["read_online"]
    if found["not_the_row_of_the_log"] or late or other or live["equal"] < live["users"]:
        sys.exit("Feast and the export no longer agree: see the last lines; the rest is explained")


def agreement():
    """Counts of requests, and for each feature of those that are equal or differ, by reason."""
    stream, folder = Stream(), WORK / "agreement"
    journal, store = opened(folder)
    for batch in stream.batches():
        if not batch.broken:
            journal.append(batch.source, batch.table)
    with connect() as engine:
        created = arrivals(journal, engine).tolist()
    served = serve(journal, store, created, stream.users)
    export(journal, SET_1, folder / "feast")
    ask(folder, served)
    report = run_feast(folder)

    rows = {(row["user"], row["seq"]): row for row in read(folder, "rows")}
    known, free = (sorted(read(folder, n), key=lambda a: a["request"]) for n in ("known", "any"))
    ours = features_at(journal, served, [answer["seq"] for answer in known]).to_pylist()
    by_feature = {name: Counter[str]() for name in SET_1.columns}
    for one, answer, later in zip(served, known, ours, strict=True):
        for name, why in reasons(one, answer, later).items():
            by_feature[name][why] += 1
    return {
        "requests": len(served),
        "without_a_row": sum(answer["seq"] is None for answer in known),
        "not_the_row_of_the_log": sum(map(another_row(rows), served, known)),
        "written_after_the_request": {
            "with the filter": sum(map(future(created), served, known)),
            "without": sum(map(future(created), served, free)),
        },
        "by_feature": {name: {w: count[w] for w in WHY} for name, count in by_feature.items()},
        "read_online": online(read(folder, "online"), store),
        "older_pushed_after_newer": {
            "feast": "newer" if report["order"]["served"] == report["order"]["newer"] else "older",
            "ours": out_of_order(folder / "order"),
        },
    }


def tell(found):
    """The findings as a table and sentences."""
    print(
        f"{found['requests']:,} requests: served by our store while a stream with every fault came "
        "in, against Feast's\nhistorical join with filter_by_created_timestamp=True.\n"
    )
    print(f"{'':<18}" + "".join(f"{why:>8}" for why in WHY))
    for name, count in found["by_feature"].items():
        print(f"{name:<18}" + "".join(f"{count[why]:>8,}" for why in WHY))
    print("\n" + "\n".join(f"{why:<8}{words}" for why, words in WHY.items()) + "\n")
    late, live = found["written_after_the_request"], found["read_online"]
    order = found["older_pushed_after_newer"]
    print(
        f"rows other than the log's latest, or not as exported: {found['not_the_row_of_the_log']}\n"
        f"rows written after the request: {late['with the filter']}; without the filter "
        f"{late['without']:,}\n"
        f"materialised and read online: {live['equal']:,} of {live['users']:,} users as our store "
        "has them at as_of\n"
        f"an older row pushed after a newer one: Feast's SQLite store serves the {order['feast']}, "
        f"ours the {order['ours']}"
    )


# --- both sides -----------------------------------------------------------------------------------


def opened(folder):
    """A new journal and store."""
    shutil.rmtree(folder, ignore_errors=True)
    return Journal(folder / "journal"), OnlineStore(folder / "online.sqlite", SET_1)


def serve(journal, store, created, users):
    """Requests at moments between the arrival of a segment and that of the next."""
    found, rng = [], np.random.default_rng(0)
    ends = [*created[1:], created[-1] + HOUR]
    for segment in journal.segments():
        store.apply(segment, journal.read(segment))
        for _ in range(ASKED):
            user = int(rng.integers(users + 2))  # one of them nobody
            t = int(rng.integers(created[segment.seq], ends[segment.seq]))
            one = {"user": user, "t": t, "seq": segment.seq}
            values = {name: value[0] for name, value in store.read([user], t).values.items()}
            found.append({**one, "values": values})
    return found


def ask(folder, requests):
    """Leave the requests for Feast."""
    columns = {
        "request": range(len(requests)),
        "user": [one["user"] for one in requests],
        "event_timestamp": pa.array([one["t"] for one in requests], STAMP),
    }
    pq.write_table(pa.table(columns), folder / "feast" / "requests.parquet")


def run_feast(folder, *options):
    """Feast's answers, in files beside the export, and its report."""
    if not PYTHON.exists():
        sys.exit(f"{PYTHON} is missing: make it with make feast")
    script, log = HERE / "peers" / "feast_store.py", folder / "feast.log"
    command = [str(PYTHON), str(script), str(folder / "feast"), *options]
    with log.open("w") as file:
        if subprocess.run(command, stdout=file, stderr=file).returncode:
            sys.exit(f"Feast failed; its words are in {log}")
    return json.loads((folder / "feast" / "report.json").read_text())


def read(folder, name):
    return pq.read_table(folder / "feast" / f"{name}.parquet").to_pylist()


def features_at(journal, requests, seqs):
    """Our offline features of the users and moments, as known in these segments (None: in none)."""
    columns = {name: [one[name] for one in requests] for name in ("user", "t")}
    columns["seq"] = [-1 if seq is None else seq for seq in seqs]
    with connect() as engine:
        table = pa.table({"request": range(len(requests)), **columns})
        return joined(engine, journal, table, SET_1)


# --- comparing ------------------------------------------------------------------------------------


def reasons(one, answer, later):
    """Why each feature is what it is. ``later`` has ours as known in the segment of Feast's row."""
    as_of, t, found = answer["as_of"] or 0, one["t"], {}
    ages = [age for name, age in one["values"].items() if name.startswith("since") and age >= 0]
    newest = t - min(ages, default=t)
    for name, served in one["values"].items():
        value = nothing(served, name) if answer["seq"] is None else answer[name]
        if value == served:
            found[name] = "equal"
        elif answer["seq"] is not None and aged(name, value, t - as_of) == served:
            found[name] = "age"
        elif newest > as_of:
            found[name] = "ahead"
        else:
            found[name] = "window" if later[name] == served else "other"
    return found


def nothing(like, name):
    if isinstance(like, list):
        return []
    return -1 if name.startswith("since") else 0


def aged(name, value, elapsed):
    """An age some microseconds later; anything else as it is."""
    if name.endswith("_age"):
        return [age + elapsed for age in value]
    return value + elapsed if name.startswith("since") and value >= 0 else value


def another_row(rows):
    """Is an answer not the user's latest row up to the segment served, or not as exported?"""
    seqs = {}
    for user, seq in rows:
        seqs.setdefault(user, []).append(seq)

    def wrong(one, answer):
        latest = max((s for s in seqs.get(one["user"], []) if s <= one["seq"]), default=None)
        if latest is None or answer["seq"] is None:
            return answer["seq"] != latest
        row = rows[one["user"], latest]
        return any(answer[name] != row[name] for name in ("seq", "as_of", *SET_1.columns))

    return wrong


def future(created):
    """Was the row of an answer written after the request?"""
    return lambda one, answer: answer["seq"] is not None and created[answer["seq"]] > one["t"]


def online(answers, store):
    """Rows that Feast serves against what our store, at the end, says of their moments."""
    equal = 0
    for one in answers:
        values = store.read([one["user"]], one["as_of"]).values
        equal += all(one[name] == values[name][0] for name in SET_1.columns)
    return {"users": len(answers), "equal": equal}


def out_of_order(folder):
    """An older event after a newer one, in a store of ours: which does it take for the latest?"""
    journal, store = opened(folder)
    for moment, item in ((2, 20), (1, 10)):
        event = {"event_id": [item], "user": [1], "item": [item], "time": [moment]}
        segment = journal.append("online", pa.table(event))
        store.apply(segment, journal.read(segment))
    return "newer" if store.read([1], 3).values["last_50_item"] == [[10, 20]] else "older"


if __name__ == "__main__":
    main()
