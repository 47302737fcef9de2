"""The online store: raw events and tiles in one SQLite file, read in a fraction of a millisecond.

A window (t - w, t] is the sum of its whole tiles and of the raw events of its two edges: exact, and
no dearer for someone with half a million events. A segment is one transaction, which begins with
its number in ``applied``: however often it is sent, it counts once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from seqrec_lib.data.hybrid.contract import KEY
from seqrec_lib.data.hybrid.journal import Journal, Segment
from seqrec_lib.data.hybrid.registry import LISTS, TILE, FeatureSet
from seqrec_lib.data.hybrid.scans import Scans, last, rows_read
from seqrec_lib.data.refusals import Said

COLUMNS = (*KEY, "action", "item", "basket", "amount", "seq")
TOGETHER = 64  # segments that wait are applied in transactions of so many
LAYOUT = f"2, tiles of {TILE} us"  # raise the number with the tables below
SETTINGS = (
    "journal_mode = wal",
    "synchronous = normal",  # a commit lost to a power cut is in the journal
    "cache_size = -262144",  # 256 MiB: at ten million events a segment touches pages everywhere
    "wal_autocheckpoint = 40000",  # pages: fewer, larger writes into the file
)
TABLES = (
    f"""create table if not exists event (
        user integer, time integer, event_id integer, source integer, action text, item integer,
        basket integer, amount integer, seq integer, primary key ({", ".join(KEY)})
    ) without rowid""",
    """create table if not exists tile (
        user integer, source integer, action text, tile integer, number integer, amount integer,
        primary key (user, source, action, tile),
        constraint whole check (typeof(amount) = 'integer')  -- SQLite's sums go over into floats
    ) without rowid""",
    """create table if not exists applied (
        seq integer primary key, rows integer, applied integer, refused integer
    )""",
    "create table if not exists meta (key text primary key, value) without rowid",
    f"""create trigger if not exists count_new after insert on event begin
        insert into tile values (new.user, new.source, new.action, new.time / {TILE}, 1, new.amount)
        on conflict do update set number = number + 1, amount = amount + excluded.amount;
    end""",
)


class StoreError(Said, RuntimeError):
    """A store that cannot serve, or is given segments out of order; the message says what to do."""


@dataclass(frozen=True)
class Served:
    """``values[column][i]`` is of the i-th user: int, or list of int; as of segment ``seq``."""

    values: dict[str, list]
    seq: int
    digest: str


@dataclass(frozen=True)
class Counts:
    """What became of rows: all are applied, seen before, or refused by the contract."""

    segments: int
    rows: int
    applied: int
    duplicate: int
    refused: int

    def __post_init__(self):
        if self.rows != self.applied + self.duplicate + self.refused:
            raise StoreError(f"rows are lost: {self}. Rebuild the store from the journal")


class OnlineStore:
    """The store at ``path`` for one set of features, made if it is not there.

    One process applies; any number of others read meanwhile, each through a store of its own.
    A store that was made for other features opens, but serves nothing until it is rebuilt.
    """

    def __init__(self, path: Path | str, features: FeatureSet):
        self.path, self.features, self.digest = Path(path), features, features.digest()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        for setting in SETTINGS:
            self.connection.execute(f"pragma {setting}")
        for table in TABLES:
            self.connection.execute(table)
        made = {"digest": self.digest, "layout": LAYOUT, "until": -1}
        self.connection.executemany("insert or ignore into meta values (?, ?)", made.items())
        self._windows = sorted({f.window for f in features if f.kind in ("count", "sum")})
        self._scalars = [f for f in features if f.kind != "last"]
        self._lasts = [f for f in features if f.kind == "last"]
        self._columns = features.columns
        self._scans = Scans(self._scalars)
        self._queries = [last(feature) for feature in self._lasts]

    def close(self) -> None:
        self.connection.close()

    @property
    def seq(self) -> int:
        """The latest segment applied, -1 if none is; StoreError if made for other features."""
        return self._state(serving=False)

    # --- writing ------------------------------------------------------------------------------

    def apply(self, segment: Segment, table: pa.Table) -> int:
        """Take in a segment whole or not at all; the number of events that were new.

        One that was applied before changes nothing. Raises StoreError for one that comes before
        its predecessor.
        """
        if len(table) != segment.rows:
            raise StoreError(
                f"segment {segment.seq} has {len(table)} rows, and {segment.rows} were committed: "
                "was it read in part? Read it from the journal"
            )
        rows = table.sort_by([(name, "ascending") for name in KEY])  # neighbours share pages
        values = zip(*(rows[name].to_pylist() for name in COLUMNS), strict=True)
        places = ", ".join("?" * len(COLUMNS))
        run = self.connection.execute
        with self.together():
            last = self.seq
            if segment.seq <= last:
                return 0
            if segment.seq > last + 1:
                raise StoreError(
                    f"segment {segment.seq} comes after {last}: apply those between them first"
                )
            try:
                new = self.connection.executemany(
                    f"insert into event values ({places}) on conflict do nothing", values
                ).rowcount
            except sqlite3.IntegrityError as error:
                if "constraint failed: whole" in str(error):
                    raise _beyond(f"segment {segment.seq}") from error
                raise
            new = max(new, 0)  # -1: there was no row
            all_rows = segment.rows + segment.refused
            run(
                "insert into applied values (?, ?, ?, ?)",
                (segment.seq, all_rows, new, segment.refused),
            )
        return new

    def apply_all(self, journal: Journal, segments: Sequence[Segment]) -> None:
        """Take in segments of a journal, in their order, up to one that fails."""
        for first in range(0, len(segments), TOGETHER):
            group = segments[first : first + TOGETHER]
            try:
                with self.together():
                    for segment in group:
                        self.apply(segment, journal.read(segment))
            except Exception:  # none of the group was taken in: those before the cause can be
                for segment in group:
                    self.apply(segment, journal.read(segment))

    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction for all segments that are applied inside, whole or not at all: a page
        that several of them touch is written once, and that is most of the work."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            if self.connection.in_transaction:  # a full disk has ended it already
                self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def rebuild(self, journal: Journal) -> Counts:
        """Empty the store and apply the whole journal, for this set of features.

        Until the end nothing is served. A rebuild that was killed is finished by
        :func:`seqrec_lib.data.hybrid.stream.run`, or by another one.
        """
        segments = journal.segments()
        run = self.connection.execute
        with self.together():
            for name in ("event", "tile", "applied"):  # those of an older layout are others
                run(f"drop table {name}")
            for table in TABLES:
                run(table)
            for key, value in (
                ("digest", self.digest),
                ("layout", LAYOUT),
                ("until", journal.last),
            ):
                run("update meta set value = ? where key = ?", (value, key))
        self.apply_all(journal, segments)
        return self.counts()

    def counts(self) -> Counts:
        """What became of all rows so far, checked against the tables; StoreError if they differ."""
        one = "select count(*), sum(rows), sum(applied), sum(refused) from applied"
        segments, rows, applied, refused = (v or 0 for v in self.connection.execute(one).fetchone())
        there = self.connection.execute("select count(*) from event").fetchone()[0]
        tiled = self.connection.execute("select sum(number) from tile").fetchone()[0] or 0
        if not applied == there == tiled:
            raise StoreError(
                f"{self.path}: {applied} events were applied, {there} are stored and {tiled} "
                "counted: rebuild the store from the journal"
            )
        return Counts(segments, rows, applied, rows - applied - refused, refused)

    # --- reading ------------------------------------------------------------------------------

    def read(self, users: Sequence[int], t: int) -> Served:
        """The features of users at time ``t`` (microseconds), all of the same segment.

        Someone unknown has zeros, -1 and empty lists. Raises StoreError if the store was made for
        other features, or is being rebuilt.
        """
        bounds = _bounds(t, self._windows)
        values: dict[str, list] = {name: [] for name in self._columns}
        run = self.connection.execute
        run("begin")
        try:
            seq = self._state(serving=True)
            for user in users:
                asked = {"user": user, **bounds}
                try:
                    found = self._scans.values(run(self._scans.query, asked).fetchall(), t)
                except (sqlite3.OperationalError, OverflowError) as error:
                    if "integer overflow" in str(error):
                        raise _beyond(f"user {user}") from error
                    raise
                for feature, value in zip(self._scalars, found, strict=True):
                    values[feature.name].append(value)
                for names, query in self._queries:
                    rows = run(query, asked).fetchall()
                    rows.reverse()
                    lists = zip(*rows, strict=True) if rows else [()] * len(LISTS)
                    for name, part in zip(names, lists, strict=True):
                        values[name].append(list(part))
        finally:
            run("commit")
        return Served(values, seq, self.digest)

    def rows_read(self, user: int, t: int) -> dict[str, int]:
        """How many stored rows a read of each feature goes through: which window is a slow one."""
        asked = {"user": user, **_bounds(t, self._windows)}
        run = self.connection.execute
        return {f.name: run(rows_read(f), asked).fetchone()[0] for f in self.features}

    def _state(self, serving: bool) -> int:
        """The latest segment, in the running transaction if there is one."""
        seq, digest, layout, until = self.connection.execute(
            "select (select max(seq) from applied), (select value from meta where key = 'digest'), "
            "(select value from meta where key = 'layout'), "
            "(select value from meta where key = 'until')"
        ).fetchone()
        if (digest, layout) != (self.digest, LAYOUT):
            raise StoreError(
                f"{self.path} was made for features {digest[:12]} (layout {layout}), and these are "
                f"{self.digest[:12]} ({LAYOUT}): rebuild it from the journal (the command rebuild)"
            )
        seq = -1 if seq is None else seq
        if serving and seq < until:
            raise StoreError(
                f"{self.path} is being rebuilt, segment {seq} of {until}: wait, or finish what was "
                "interrupted with the command run"
            )
        return seq


def _beyond(where: str) -> StoreError:
    return StoreError(
        f"{where}: amounts of one user add up to more than 64 bits hold. Are they in a unit too "
        "small? Write the journal anew with amounts of single events that can be meant"
    )


def _bounds(t: int, windows: Iterable[int]) -> dict[str, int]:
    """Where the tiles of windows that end at ``t`` begin and end, and the events at their edges."""
    last = (t + 1) // TILE - 1  # the latest tile that is over at t
    bounds = {"t": t, "last": last, "edge": (last + 1) * TILE}
    for w in windows:
        first = (t - w) // TILE + 1  # the earliest tile that begins after t - w
        bounds |= {f"from_{w}": t - w + 1, f"to_{w}": first * TILE - 1, f"first_{w}": first}
    return bounds
