"""What a source promises of its events, by version, and one form for those of all sources.

=========== ====== =================================================================
column      type   meaning
=========== ====== =================================================================
event_id    int64  unique in a source; the same event sent twice has the same one
user, item  int64  who and what (:mod:`seqrec_lib.data.hybrid.names` for text)
time        int64  when it happened, microseconds since 1970 (UTC)
source      int8   0 online, 1 store
action      text   one of the contract's
basket      int64  the receipt in a store; -1 online
amount      int64  money in micro-units (1.50 is 1500000); 0 if none
known       int64  microseconds: when it could be known; the moment of the append if not given
=========== ====== =================================================================

The journal adds ``seq`` and ``version``. The same event has the same (user, time, event_id,
source); what else a repetition says is not taken over. A correction is a new event that cancels
the old one, never an update.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seqrec_lib.data.refusals import Said
from seqrec_lib.data.times import LATEST

SOURCES = ("online", "store")  # in the order of their numbers
KEY = ("user", "time", "event_id", "source")
MOST = 10**16  # micro-units of an event: nine hundred such sum up without overflow
NUMBER = pa.int64()
CANONICAL = pa.schema(
    {
        **{name: NUMBER for name in ("event_id", "user", "item", "time")},
        "source": pa.int8(),
        "action": pa.string(),
        **{name: NUMBER for name in ("basket", "amount", "known")},
    }
)


class ContractError(Said, ValueError):
    """A table breaks its contract: the message names column, file, likely cause, what to do."""


@dataclass(frozen=True)
class Contract:
    """Columns that must be there, values of those that may be left out, words for ``action``."""

    required: tuple[str, ...]
    defaults: Mapping[str, int | str]
    actions: tuple[str, ...]


CONTRACTS = {
    ("online", 1): Contract(
        required=("event_id", "user", "item", "time"),
        defaults={"action": "view", "amount": 0},
        actions=("view", "click", "like", "cart", "order"),
    ),
    ("store", 1): Contract(
        required=("event_id", "user", "item", "time", "basket"),
        defaults={"action": "buy", "amount": 0},
        actions=("buy", "return"),
    ),
}
# words of all versions, by source: a feature of a source without an action counts all of them
ACTIONS = {
    source: tuple(
        dict.fromkeys(a for (s, _), c in CONTRACTS.items() if s == source for a in c.actions)
    )
    for source in SOURCES
}


@dataclass(frozen=True)
class Conformed:
    """Rows in the canonical form, and those refused, as they came with a ``reason``."""

    table: pa.Table
    refused: pa.Table


def now_us() -> int:
    """The time of day in microseconds since 1970."""
    return time.time_ns() // 1000


def conform(table: pa.Table, source: str, version: int = 1, file: str = "the table") -> Conformed:
    """The rows of a producer's ``table`` in the canonical form.

    A table of another structure (a column missing, added, or of another type) is refused whole:
    ContractError. Single rows that cannot be meant (a missing or negative number, an unknown
    action, one event_id for two events) are put aside, so that they do not stop a stream.
    """
    contract = contract_of(source, version)
    _check_structure(table, source, version, contract, file)
    number, size = SOURCES.index(source), len(table)
    columns = {
        "source": pa.array(np.full(size, number, dtype=np.int8)),
        "basket": pa.array(np.full(size, -1)),
        "known": pa.array(np.full(size, now_us())),
        **{name: pa.array([value] * size) for name, value in contract.defaults.items()},
    }
    for name in table.column_names:
        columns[name] = _cast(table[name], CANONICAL.field(name).type)
    whole = pa.table({name: columns[name] for name in CANONICAL.names}, CANONICAL)
    reason = np.full(size, "", dtype=object)
    for bad, words in _faults(whole, source, contract):
        reason[bad & (reason == "")] = words
    fine = np.flatnonzero(reason == "")
    reason[fine[_second_meanings(whole.take(fine))]] = "its event_id stands for another event above"
    good = pa.array(reason == "")
    return Conformed(
        whole.filter(good),
        table.append_column("reason", pa.array(reason, pa.string())).filter(pc.invert(good)),
    )


def contract_of(source: str, version: int) -> Contract:
    """A contract, or ContractError naming those that there are."""
    if (source, version) not in CONTRACTS:
        known = ", ".join(f"{name} {number}" for name, number in CONTRACTS)
        raise ContractError(f"no contract {source} {version}; there are {known}. Use one of them.")
    return CONTRACTS[source, version]


def _check_structure(
    table: pa.Table, source: str, version: int, contract: Contract, file: str
) -> None:
    named = f"{file}: contract {source} {version}"
    there = table.column_names
    allowed = (*contract.required, *contract.defaults, "known")
    if missing := [name for name in contract.required if name not in there]:
        raise ContractError(
            f"{named}: column {missing[0]!r} is missing; there are {there}. Was it renamed or "
            "dropped where the file is written? Restore it there, or name it with columns=."
        )
    if added := [name for name in there if name not in allowed]:
        raise ContractError(
            f"{named}: column {added[0]!r} is not part of it ({', '.join(allowed)}). Is it new at "
            "the source? Leave it out, or write a contract with a higher version that has it."
        )
    for name in there:
        wanted, found = CANONICAL.field(name).type, table.schema.field(name).type
        if not _fits(found, wanted, name):
            raise ContractError(
                f"{named}: column {name!r} is of type {found}, not {wanted}. Did the writer "
                "change, or did missing values or words turn its numbers into another type? "
                "Write it as before, or write a contract with a higher version."
            )


def _fits(found: pa.DataType, wanted: pa.DataType, name: str) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    if wanted == pa.string():
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    if name in ("time", "known") and pa.types.is_timestamp(found):
        return found.unit != "ns"  # microseconds are the finest that an event has
    return pa.types.is_signed_integer(found) or found in (pa.uint8(), pa.uint16(), pa.uint32())


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz))
    return column.cast(wanted)


def _faults(table: pa.Table, source: str, contract: Contract) -> Iterator[tuple[np.ndarray, str]]:
    """Rows that cannot be meant, and why."""
    for name in table.column_names:
        yield table[name].is_null().to_numpy(), f"{name} is missing"
    least = {"basket": -1 if source == "online" else 0}
    for name in ("event_id", "user", "item", "time", "basket", "known"):
        values = table[name].fill_null(0).to_numpy()
        yield values < least.get(name, 0), f"{name} is negative"
        if name in ("time", "known"):
            yield values > LATEST * 10**6, f"{name} is after 2100: is it in microseconds?"
    amount = table["amount"].fill_null(0).to_numpy()
    yield (amount < -MOST) | (amount > MOST), f"amount is beyond {MOST} micro-units"
    known = pc.is_in(table["action"], value_set=pa.array(contract.actions)).to_numpy()
    yield ~known, f"action is none of {', '.join(contract.actions)}"


def _second_meanings(table: pa.Table) -> np.ndarray:
    """Rows whose event_id an earlier row has for an event that is not the same, (E,) bool."""
    _, first, of = np.unique(table["event_id"].to_numpy(), return_index=True, return_inverse=True)
    other = np.zeros(len(table), dtype=bool)
    for name in ("user", "item", "time", "action", "basket", "amount"):
        values = table[name].to_numpy()
        other |= values != values[first[of]]
    return other
