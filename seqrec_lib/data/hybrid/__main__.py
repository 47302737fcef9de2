"""``python -m seqrec_lib.data.hybrid``: online events and receipts in, features out.

append files to a folder's journal, run them into its online store, read someone's features, or
join them offline to a table of (user, time).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from seqrec_lib.data.engine import ENGINES, EngineError, connect
from seqrec_lib.data.hybrid import history, incoming, skew, stream, tiles
from seqrec_lib.data.hybrid.contract import SOURCES, now_us
from seqrec_lib.data.hybrid.faults import Stream
from seqrec_lib.data.hybrid.journal import Journal
from seqrec_lib.data.hybrid.names import WORDS, Names
from seqrec_lib.data.hybrid.online import Counts, OnlineStore
from seqrec_lib.data.hybrid.registry import SET_1, FeatureSet
from seqrec_lib.data.options import Pairs, pair
from seqrec_lib.data.refusals import Said
from seqrec_lib.data.tables import Format
from seqrec_lib.data.times import PER_SECOND

CLOCKS = {"log": None, "arrival": tiles.by_arrival, "time": tiles.by_event_time}


def main(arguments: Sequence[str] | None = None) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    args = _parser().parse_args(arguments)
    try:
        args.do(args)
    except (Said, EngineError, ValueError) as error:
        sys.exit(str(error))


def append(args: argparse.Namespace) -> None:
    found = incoming.append(
        _journal(args), args.file, args.source, args.known,
        dict(args.columns or ()), dict(args.actions or ()), **_reading(args),
        segment_rows=args.segment_rows,
    )  # fmt: skip
    rows, refused = sum(s.rows for s in found), sum(s.refused for s in found)
    print(
        f"{args.file}: {rows + refused:,} rows, {refused:,} refused; segments {found[0].seq} to "
        f"{found[-1].seq}"
    )


def run(args: argparse.Namespace) -> None:
    journal = _journal(args) if args.follow else _existing(args)
    store = _store(args)
    if args.engine == "spark":
        with connect("spark") as engine:
            _tell(stream.run_spark(journal, store, engine, args.follow))
    else:
        _tell(stream.run(journal, store, args.follow))


def rebuild(args: argparse.Namespace) -> None:
    _tell(_store(args).rebuild(_existing(args)))


def read(args: argparse.Namespace) -> None:
    names = _existing(args).names
    at = now_us() if args.at is None else _time(args.at)
    store = _store(args)
    if args.rows:
        for user, number in zip(args.users, names.numbers(args.users), strict=True):
            print(json.dumps({"user": user, "rows": store.rows_read(number, at)}))
        return
    served = store.read(names.numbers(args.users), at)
    columns = {
        name: _texts(values, names) if name.endswith("_item") else values
        for name, values in served.values.items()
    }
    for place, user in enumerate(args.users):
        values = {name: column[place] for name, column in columns.items()}
        print(json.dumps({"user": user, "at": at, "seq": served.seq, **values}))


def offline(args: argparse.Namespace) -> None:
    journal, features, reading = _existing(args), _features(args), _reading(args)
    columns = dict(args.columns or ())
    where, asked = incoming.read_columns(
        args.requests, ("user", "time", "seq"), ("user", "time"), columns,
        reading["time_format"], reading["how"],
    )  # fmt: skip
    clock = args.clock or ("log" if "seq" in where else "arrival")
    if clock == "log" and "seq" not in where:
        raise ValueError(f"{args.requests} has no column 'seq': use --clock arrival")
    time = incoming.microseconds(
        asked["time"], where["time"], reading["unit"], reading["time_format"]
    )
    seq = incoming.numbers_of(asked["seq"], where["seq"])[0] if clock == "log" else [0] * len(time)
    user = incoming.numbers_of(asked["user"], where["user"])[0]
    requests = pa.table({"request": range(len(time)), "user": user, "t": time, "seq": seq})
    with connect(args.engine) as engine:
        if clock == "arrival":
            first = engine.frame(journal.table(engine).known.min())
            if first > time.max():
                raise ValueError(
                    f"{args.requests}: all its times are before anything was known. Were the "
                    "events appended with --known now, long after they happened? Append them to a "
                    "new folder with --known 0s, or a column"
                )
        table = tiles.joined(engine, journal, requests, features, CLOCKS[clock])
    out = table.select(["t", *features.columns]).to_pandas()
    out.insert(0, "user", asked["user"].to_pandas())
    for name in features.columns:
        if name.endswith("_item"):
            out[name] = _texts(out[name], journal.names)
    if Path(args.out).suffix == ".csv":
        lists = [name for name in features.columns if out[name].dtype == object]
        out[lists] = out[lists].map(lambda values: json.dumps(list(values), default=int))
        out.to_csv(args.out, index=False)
    else:
        out.to_parquet(args.out, index=False)
    print(f"{args.out}: {len(out):,} requests, features {features.digest()[:12]}, by {clock}")


def log(args: argparse.Namespace) -> None:
    features = _features(args)
    if args.out.suffix not in (".parquet", ".pq"):
        raise ValueError(f"{args.out}: a log is written as .parquet")
    with connect("duckdb") as engine:
        rows = history.write(engine, _existing(args), features, args.out)
    print(f"{args.out}: {rows:,} events, features {features.digest()[:12]}")


def compare(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as place:
        if args.folder is None:
            trial = skew.Trial(Path(place), Stream(), SET_1, requests_per_segment=args.requests)
            trial.work_killed(args.kills)
            report = trial.report()
        else:
            journal, features = _existing(args), _features(args)
            made = skew.replay(journal, features, Path(place, "store"), args.requests)
            report = skew.compare(journal, made, [features])
    print(f"{report.requests:,} requests, {report.differing:,} differ {dict(report.by_feature)}")
    if report.differing:
        sys.exit(report.first_difference)


# --- parts ----------------------------------------------------------------------------------------


def _journal(args: argparse.Namespace) -> Journal:
    return Journal(args.folder / "journal")


def _existing(args: argparse.Namespace) -> Journal:
    journal = _journal(args)
    if journal.last < 0:
        raise ValueError(f"{args.folder} has no events: append a file first")
    return journal


def _features(args: argparse.Namespace) -> FeatureSet:
    """Those of a JSON file, else set 1."""
    return FeatureSet.load(args.features) if args.features else SET_1


def _store(args: argparse.Namespace) -> OnlineStore:
    features = _features(args)
    features.save(args.folder / "features.json")
    return OnlineStore(args.folder / "online.sqlite", features)


def _tell(counts: Counts) -> None:
    print(
        f"{counts.rows:,} rows in {counts.segments:,} segments: {counts.applied:,} applied, "
        f"{counts.duplicate:,} duplicate, {counts.refused:,} refused"
    )


def _texts(lists: Iterable[Iterable[Any]], names: Names) -> list[list[Any]]:
    """Ids as they were written: text where any of them was, else numbers."""
    numbers = [[int(number) for number in one] for one in lists]
    distinct = {number for one in numbers for number in one}
    if all(number < WORDS for number in distinct):
        return numbers
    texts = names.texts(distinct)
    return [[texts[number] for number in one] for one in numbers]


def _time(text: str) -> int:
    if text.isdecimal():
        return int(text) * incoming.MICRO
    try:
        moment = pd.Timestamp(text)
    except ValueError as error:
        raise ValueError(f"--at is {text!r}; use seconds, or 2026-03-01T12:00") from error
    return int(moment.tz_localize("UTC").value if moment.tz is None else moment.value) // 1000


def _reading(args: argparse.Namespace) -> Mapping[str, Any]:
    separator = "\t" if args.separator == "\\t" else args.separator
    how = Format(separator, args.header, args.encoding, args.quotes)
    return {"unit": args.unit, "time_format": args.time_format, "how": how}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.data.hybrid", description=__doc__.partition("\n\n")[2]
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Any, words: str, folder: str | None = None) -> Any:
        one = commands.add_parser(name, help=words, description=words)
        one.set_defaults(do=do)
        one.add_argument("folder", type=Path, nargs=folder, help="of the journal and the store")
        return one

    one = command("append", append, "commit a file of events to the journal")
    one.add_argument("file", type=Path)
    one.add_argument("--source", choices=SOURCES, default="online")
    one.add_argument(
        "--known", required=True, help="when a row could be known: now (as it is appended), "
        "column, a delay (0s, 6h, 1d), or the next such time of day (03:00, UTC)",
    )  # fmt: skip
    one.add_argument(
        "--actions", nargs="+", type=pair, action=Pairs, metavar="ITS=OURS", help="add=cart"
    )
    one.add_argument("--segment-rows", type=int, default=50_000, help="at most, in a segment")
    _reading_options(one)

    one = command("run", run, "apply new segments to the online store")
    one.add_argument("--engine", choices=ENGINES, default="duckdb", help="duckdb: this process")
    one.add_argument("--follow", type=float, default=0.0, metavar="SECONDS", help="wait for more")
    _features_option(one)

    one = command("read", read, "someone's features from the online store, as JSON")
    one.add_argument("users", nargs="+")
    one.add_argument("--rows", action="store_true", help="how many rows each takes, instead")
    one.add_argument("--at", help="seconds since 1970, or 2026-03-01T12:00 (UTC); else now")
    _features_option(one)

    one = command("offline", offline, "features of (user, time) as they were known")
    one.add_argument("requests", type=Path, help="a file with columns user, time, perhaps seq")
    one.add_argument("out", type=Path, help=".parquet or .csv")
    one.add_argument("--clock", choices=CLOCKS, help="what was known: by the log's seq (if there), "
                     "by arrival, or all by event time")  # fmt: skip
    one.add_argument("--engine", choices=ENGINES, default="duckdb")
    _features_option(one)
    _reading_options(one)

    one = command("log", log, "the journal as a log that models learn from")
    one.add_argument("out", type=Path, help=".parquet")
    _features_option(one)

    one = command("skew", compare, "serve a journal again and compare with the join", folder="?")
    one.add_argument("--requests", type=int, default=20, help="after each segment")
    one.add_argument("--kills", type=int, default=3, help="of a simulated stream (no folder)")
    _features_option(one)

    one = command("rebuild", rebuild, "make the online store anew from the journal")
    _features_option(one)
    return parser


def _features_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--features", type=Path, help="their JSON; set 1 if not given")


def _reading_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how the file is read")
    group.add_argument(
        "--columns", nargs="+", type=pair, action=Pairs, metavar="OURS=ITS", help="user=customer"
    )
    group.add_argument("--separator")
    group.add_argument("--header", action=argparse.BooleanOptionalAction, default=True)
    group.add_argument("--encoding", default="utf-8")
    group.add_argument("--quotes", action=argparse.BooleanOptionalAction, default=True)
    group.add_argument("--unit", choices=list(PER_SECOND), help="of times that are numbers")
    group.add_argument("--time-format", help="of times in words, such as '%%d/%%m/%%Y %%H:%%M'")


if __name__ == "__main__":
    main()
