"""A simulated stream with everything that goes wrong between a shop and its features.

Days of online events and of receipts, cut into the batches that a journal would be given, in the
order of their arrival. Each fault is a switch. The same seed gives the same batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seqrec_lib.data.hybrid.registry import DAY, HOUR, MINUTE, TILE

START = 20_000 * DAY  # the first day of the stream, microseconds since 1970


@dataclass(frozen=True)
class Faults:
    """What goes wrong; all of it unless switched off."""

    late: bool = True  # online events arrive up to three days late
    duplicates: bool = True  # in a batch, and in a later one
    shuffled: bool = True  # a batch is in no order
    equal_times: bool = True  # also on the border of a tile, and a microsecond beside it
    clock_ahead: bool = True  # a device's clock is up to two hours ahead of arrival
    empty: bool = True  # batches without a row
    store_late: bool = True  # receipts arrive a day later than they should
    store_twice: bool = True  # receipts are sent again
    store_partial: bool = True  # half of a day's receipts, the other half a day later
    heavy_user: bool = True  # one user has half of all events
    bad_rows: bool = True  # missing and negative numbers, unknown actions, ids used twice
    added: bool = True  # a batch has a new column
    dropped: bool = True  # a batch lacks a column
    retyped: bool = True  # a batch has words where numbers were

    @classmethod
    def none(cls) -> Faults:
        return cls(**{field.name: False for field in fields(cls)})


@dataclass(frozen=True)
class Batch:
    """What arrives at once. A ``broken`` one breaks its contract and must be refused whole."""

    name: str
    source: str
    table: pa.Table
    broken: bool = False


@dataclass(frozen=True)
class Stream:
    """A stream to simulate: ``days`` of ``per_day`` batches of about ``rows`` online events."""

    seed: int = 0
    days: int = 6
    per_day: int = 8
    rows: int = 60
    users: int = 40
    faults: Faults = Faults()

    def batches(self) -> list[Batch]:
        """All batches, in the order of arrival."""
        rng = np.random.default_rng(self.seed)
        parts = [*self._online(rng), *self._store(rng)]
        found: list[Batch] = []
        for number, (_, source, table) in enumerate(sorted(parts, key=lambda part: part[0])):
            table = self._disturbed(rng, table)
            name = f"{number:05d}"
            for fault, broken in _broken(table):
                if getattr(self.faults, fault) and len(table) and number % 7 == len(fault) % 7:
                    found.append(Batch(f"{name}-{fault}", source, broken, broken=True))
            found.append(Batch(name, source, table))
        return found

    def _online(self, rng: np.random.Generator) -> Iterator[tuple[int, str, pa.Table]]:
        size = self.days * self.per_day * self.rows
        user, time = self._users(rng, size), self._times(rng, size)
        arrival = time + rng.integers(0, MINUTE, size)
        if self.faults.late:
            some = rng.random(size) < 0.1
            arrival[some] += rng.integers(0, 3 * DAY, some.sum())
        if self.faults.clock_ahead:
            some = rng.random(size) < 0.05
            arrival[some] -= rng.integers(0, 2 * HOUR, some.sum())
        table = pa.table(
            {
                "event_id": np.arange(size),
                "user": user,
                "item": rng.integers(1, 500, size),
                "time": time,
                "action": rng.choice(
                    ["view", "click", "cart", "order"], size, p=[0.6, 0.2, 0.1, 0.1]
                ),
                "amount": rng.integers(0, 10**9, size),
                "known": np.maximum(arrival, START),
            }
        )
        if self.faults.duplicates:
            again = table.take(rng.integers(0, size, size // 20))
            later = again["known"].to_numpy() + rng.choice([0, HOUR, DAY], len(again))
            again = again.set_column(6, "known", pa.array(later))
            table = pa.concat_tables([table, again])
        span = DAY // self.per_day
        batch = (table["known"].to_numpy() - START) // span
        for number in range(self.per_day * (self.days + 4)):
            end = START + (number + 1) * span
            if (batch == number).any():
                yield end, "online", table.filter(pa.array(batch == number))
            if self.faults.empty and number % 10 == 3:
                yield end, "online", table.slice(0, 0)

    def _store(self, rng: np.random.Generator) -> Iterator[tuple[int, str, pa.Table]]:
        """A day's receipts, at three o'clock of the next morning if all goes well."""
        receipts = max(1, self.per_day * self.rows // 10)
        # sums beyond the whole numbers of floats, and within int64 whoever bought it all
        most = min(10**15, 10**18 // (6 * self.days * receipts))
        for day in range(self.days):
            lines = rng.integers(1, 7, receipts)
            of = np.repeat(np.arange(receipts), lines)
            time = START + day * DAY + self._times(rng, receipts) % DAY
            size = len(of)
            arrival = START + (day + 1) * DAY + 3 * HOUR
            arrival += DAY * (self.faults.store_late and day % 3 == 1)
            table = pa.table(
                {
                    "event_id": day * 10**6 + np.arange(size),
                    "user": self._users(rng, receipts)[of],
                    "item": rng.integers(1, 500, size),
                    "time": time[of],
                    "basket": day * 10**6 + of,
                    "action": rng.choice(["buy", "return"], size, p=[0.95, 0.05]),
                    "amount": rng.integers(-most // 1000, most, size),
                    "known": np.full(size, arrival),
                }
            )
            if self.faults.store_partial and day % 3 == 2:
                half = size // 2
                yield arrival, "store", table.slice(0, half)
                table, arrival = table.slice(half), arrival + DAY
                table = table.set_column(7, "known", pa.array(np.full(size - half, arrival)))
            yield arrival, "store", table
            if self.faults.store_twice and day % 2 == 0:
                yield arrival + HOUR, "store", table

    def _users(self, rng: np.random.Generator, size: int) -> np.ndarray:
        user = np.minimum(rng.zipf(1.3, size), self.users).astype(np.int64)
        user = np.where(user == self.users, rng.integers(1, self.users + 1, size), user)
        if self.faults.heavy_user:
            user[rng.random(size) < 0.5] = 0
        return user

    def _times(self, rng: np.random.Generator, size: int) -> np.ndarray:
        time = START + rng.integers(0, self.days * DAY, size)
        if self.faults.equal_times:
            some = rng.random(size) < 0.4
            time[some] = time[some] // (12 * TILE) * (12 * TILE) + rng.integers(-1, 2, some.sum())
        return np.maximum(time, START)

    def _disturbed(self, rng: np.random.Generator, table: pa.Table) -> pa.Table:
        size = len(table)
        if self.faults.bad_rows and size > 20:
            at = np.arange(size)
            bad = pc.if_else(pa.array(at == 3), pa.scalar(None, pa.int64()), table["user"])
            table = table.set_column(table.column_names.index("user"), "user", bad)
            bad = pc.if_else(pa.array(at == 7), -1, table["item"])
            table = table.set_column(table.column_names.index("item"), "item", bad)
            bad = pc.if_else(pa.array(at == 9), "stolen", table["action"])
            table = table.set_column(table.column_names.index("action"), "action", bad)
            other = table.slice(11, 1)
            other = other.set_column(
                table.column_names.index("item"), "item", pa.array([501], pa.int64())
            )
            table = pa.concat_tables([table, other])
        if self.faults.shuffled:
            return table.take(rng.permutation(len(table)))
        return table.sort_by("time")


def _broken(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The table with each fault of structure."""
    yield "added", table.append_column("campaign", pa.array(["spring"] * len(table)))
    yield "dropped", table.drop_columns(["item"])
    words = table["user"].cast(pa.string())
    yield "retyped", table.set_column(table.column_names.index("user"), "user", words)
