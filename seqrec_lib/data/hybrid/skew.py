"""Do features served online and joined offline agree? Serve, write down, ask again offline.

After each segment some users are read and what was served is written down with its ``seq``; in the
end the offline join is asked for the same (user, t, seq), and every value is compared with ==.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from seqrec_lib.data.files import root
from seqrec_lib.data.hybrid.contract import ContractError
from seqrec_lib.data.hybrid.faults import Faults, Stream
from seqrec_lib.data.hybrid.journal import Journal, Segment
from seqrec_lib.data.hybrid.online import OnlineStore, StoreError
from seqrec_lib.data.hybrid.registry import DAY, TILE, FeatureSet
from seqrec_lib.data.hybrid.stream import catch_up

if TYPE_CHECKING:
    from seqrec_lib.data.hybrid.tiles import Clock


@dataclass(frozen=True)
class Report:
    """How many requests were compared, how many differ, in which features, and the first one."""

    requests: int
    differing: int
    by_feature: Mapping[str, int]
    first_difference: str = ""


# --- serving --------------------------------------------------------------------------------------


class Log:
    """What was served, a line of JSON a request; a line torn by a kill is cut off."""

    def __init__(self, path: Path):
        self.path = path
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(path, len(whole))
        self.last = json.loads(whole.splitlines()[-1])["seq"] if whole else -1

    def write(self, served: Iterable[Mapping]) -> None:
        lines = "".join(json.dumps(one) + "\n" for one in served)
        with self.path.open("a") as file:
            file.write(lines)

    def read(self) -> list[dict]:
        """All requests with ``user``, ``t``, ``seq``, ``digest`` and ``values``."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines()]


def asked(store: OnlineStore, user: int, t: int) -> dict:
    """What a store serves of one user, as a line of the log."""
    served = store.read([user], t)
    values = [served.values[name][0] for name in store.features.columns]
    return {"user": user, "t": t, "seq": served.seq, "digest": served.digest, "values": values}


def serve(
    store: OnlineStore, segment: Segment, table: pa.Table, number: int, seed: int
) -> list[dict]:
    """``number`` requests about the users of a segment, at times where windows begin and end."""
    rng = np.random.default_rng([seed, segment.seq])
    windows = [f.window for f in store.features if f.kind in ("count", "sum")]
    shifts = [0, 0, *windows, TILE, DAY]
    found = []
    for _ in range(number):
        if not len(table):
            user, t = int(rng.integers(0, 50)), segment.committed_at
        else:
            row = table.slice(int(rng.integers(len(table))), 1).to_pylist()[0]
            user, t = row["user"], row["time"] + int(rng.choice(shifts)) + int(rng.integers(-1, 2))
            if rng.random() < 0.3:
                t = row["known"]
        found.append(asked(store, user, t))
    return found


def replay(
    journal: Journal,
    features: FeatureSet,
    path: Path,
    requests_per_segment: int = 20,
    seed: int = 0,
) -> list[dict]:
    """What a new store at ``path`` serves while it is given a journal segment by segment."""
    store, found = OnlineStore(path, features), []
    for segment in journal.segments():
        table = journal.read(segment)
        store.apply(segment, table)
        found += serve(store, segment, table, requests_per_segment, seed)
    store.counts()
    return found


# --- comparing ------------------------------------------------------------------------------------


def compare(
    journal: Journal,
    requests: Sequence[Mapping],
    sets: Iterable[FeatureSet],
    engine: str = "duckdb",
    clock: Clock | None = None,
) -> Report:
    """Ask for all requests offline, each with the features of its digest, and compare.

    ``clock`` puts another second clock in place of the log's, such as
    :func:`seqrec_lib.data.hybrid.tiles.by_event_time`.
    """
    from seqrec_lib.data.engine import connect  # here: the online side does without
    from seqrec_lib.data.hybrid.tiles import joined

    differing, by_feature, first = 0, dict[str, int](), ""
    with connect(engine) as running:
        for features in sets:
            mine = [one for one in requests if one["digest"] == features.digest()]
            if not mine:
                continue
            asked = {name: [one[name] for one in mine] for name in ("user", "t", "seq")}
            table = pa.table({"request": range(len(mine)), **asked})
            offline = joined(running, journal, table, features, clock)
            columns = [offline[name].to_pylist() for name in features.columns]
            for one, *there in zip(mine, *columns, strict=True):
                values = zip(features.columns, one["values"], there, strict=True)
                wrong = [(name, a, b) for name, a, b in values if a != b]
                differing += bool(wrong)
                for name, online, other in wrong:
                    by_feature[name] = by_feature.get(name, 0) + 1
                    asking = f"user {one['user']} at {one['t']}, segment {one['seq']}"
                    first = first or f"{asking}: {name} was {online} online, is {other} offline"
    return Report(len(requests), differing, by_feature, first)


# --- a simulated stream, with kills ---------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """A stream through a journal and a store in ``folder``, some requests after each segment.

    From the middle on ``newer`` features take over, if given: the store must refuse, and is
    rebuilt.
    """

    folder: Path
    stream: Stream
    features: FeatureSet
    newer: FeatureSet | None = None
    requests_per_segment: int = 20

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "journal")

    @property
    def store(self) -> Path:
        return self.folder / "online.sqlite"

    @property
    def log(self) -> Log:
        return Log(self.folder / "requests.jsonl")

    def refusals(self) -> list[str]:
        """What was refused: names of broken batches, and "store" for the older features'."""
        path = self.folder / "refusals.txt"
        return path.read_text().splitlines() if path.exists() else []

    def report(self, clock: Clock | None = None) -> Report:
        sets = [one for one in (self.features, self.newer) if one is not None]
        return compare(self.journal, self.log.read(), sets, clock=clock)

    def work(self) -> None:
        """Begin, or go on where a kill has left off, to the end."""
        batches, journal, log = self.stream.batches(), self.journal, self.log
        done = {segment.origin for segment in journal.segments()}
        places = [place for place, batch in enumerate(batches) if batch.name in done]
        switch = len(batches) // 2 if self.newer else len(batches)
        store: OnlineStore | None = None
        for place in range(max(places, default=-1) + 1, len(batches)):
            batch = batches[place]
            newer = self.newer if place >= switch else None
            features = newer or self.features
            if store is None or store.features != features:
                store = self._opened(features, journal)
                self._ask(store, journal, log)
            try:
                journal.append(batch.source, batch.table, origin=batch.name)
            except ContractError:
                self._refused(batch.name)
                continue
            catch_up(journal, store)
            self._ask(store, journal, log)

    def _opened(self, features: FeatureSet, journal: Journal) -> OnlineStore:
        store = OnlineStore(self.store, features)
        try:
            catch_up(journal, store)
        except StoreError:
            self._refused("store")
            store.rebuild(journal)
        return store

    def _ask(self, store: OnlineStore, journal: Journal, log: Log) -> None:
        """Requests about the latest segment, unless they were made before a kill."""
        for segment in journal.segments(max(log.last, store.seq - 1)):
            table, number = journal.read(segment), self.requests_per_segment
            log.write(serve(store, segment, table, number, self.stream.seed))
            log.last = segment.seq

    def _refused(self, what: str) -> None:
        with (self.folder / "refusals.txt").open("a") as file:
            file.write(what + "\n")

    def work_killed(self, kills: int) -> int:
        """The same in a process that is killed (SIGKILL) at ``kills`` random moments; how often
        it was."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._save()
        chance = random.Random(self.stream.seed)
        total, hit = sum(not batch.broken for batch in self.stream.batches()), 0
        for kill in range(kills + 1):
            command = [sys.executable, "-m", "seqrec_lib.data.hybrid.skew", str(self.folder)]
            process = subprocess.Popen(command, cwd=root())
            if kill < kills:
                goal = (kill + chance.random()) * total / (kills + 1)
                while process.poll() is None and self.journal.last < goal:
                    time.sleep(0.002)
                time.sleep(chance.random() / 30)
                process.send_signal(signal.SIGKILL)
            code = process.wait()
            hit += code == -signal.SIGKILL
            if code not in (0, -signal.SIGKILL):
                raise RuntimeError(f"the replay ended with {code}: see its message above")
        return hit

    def _save(self) -> None:
        sets = {"features": self.features, "newer": self.newer}
        for name, features in sets.items():
            if features is not None:
                features.save(self.folder / f"{name}.json")
        kept = {"stream": asdict(self.stream), "requests_per_segment": self.requests_per_segment}
        (self.folder / "trial.json").write_text(json.dumps(kept))

    @classmethod
    def load(cls, folder: Path) -> Trial:
        kept = json.loads((folder / "trial.json").read_text())
        stream = kept["stream"]
        newer = folder / "newer.json"
        return cls(
            folder,
            Stream(**{**stream, "faults": Faults(**stream["faults"])}),
            FeatureSet.load(folder / "features.json"),
            FeatureSet.load(newer) if newer.exists() else None,
            kept["requests_per_segment"],
        )


if __name__ == "__main__":
    Trial.load(Path(sys.argv[1])).work()
