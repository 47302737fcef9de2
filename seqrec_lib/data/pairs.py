"""Co-occurrence: pairs of items bought in one basket or looked at in one session.

Written as Ibis expressions that run on either engine (:mod:`seqrec_lib.data.engine`); nothing is
computed before the result is written. A table of pairs has columns ``item``, ``other`` and
``weight``: unordered pairs with ``item < other``, each once, and in how many baskets or sessions
both are. Rows come in no order.

Pairs of held-out users, or of the time of the test, tell a model what it is tested on. Rows go
through :func:`train_only` first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import numpy as np
import pandas as pd
from ibis import _
from jaxtyping import Int

from seqrec_lib.data import tecd
from seqrec_lib.data.engine import connect
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from numpy.typing import ArrayLike

SECOND_US = 1_000_000


def co_purchase(lines: ir.Table, max_lines: int = 50) -> ir.Table:
    """Pairs of items on one receipt; ``weight`` is the number of receipts.

    ``lines`` has columns ``transaction_hash`` and ``approximate_item_id``, as
    :func:`seqrec_lib.data.tecd.read` gives payments/receipts. Lines without either are left out;
    so are receipts of more than ``max_lines`` lines, repeats counted, as noise. The hash of no
    transaction is no receipt, whether the reader made it null or not.
    """
    _at_least("max_lines", max_lines, 2)
    lines = lines.select(basket="transaction_hash", item="approximate_item_id").drop_null()
    lines = lines.filter(_.basket != tecd.NO_TRANSACTION)
    members = lines.group_by("basket", "item").agg(lines=_.count())
    baskets = members.group_by("basket").agg(items=_.count(), lines=_.lines.sum())
    return _pairs(members, baskets.filter(_.items > 1, _.lines <= max_lines), ["basket"])


def co_view(events: ir.Table, gap_seconds: int = 1800, max_items: int = 30) -> ir.Table:
    """Pairs of items in one session of one user; ``weight`` is the number of sessions.

    ``events`` has columns ``user_id``, ``timestamp`` (int64, microseconds) and ``item_id``; rows
    with a null in one of them are left out. A session ends where the user does nothing for more
    than ``gap_seconds``. Sessions of more than ``max_items`` different items are left out.
    """
    _at_least("max_items", max_items, 2)
    _at_least("gap_seconds", gap_seconds, 0)
    gap = gap_seconds * SECOND_US
    events = events.select(user="user_id", time="timestamp", item="item_id").drop_null()
    before = ibis.window(group_by="user", order_by="time")
    pause = _.time - _.time.lag().over(before)
    events = events.mutate(starts=(pause > gap).fill_null(True).cast("int64"))
    # a range, not rows: events of one time are in one session, whatever their order
    so_far = ibis.range_window(group_by="user", order_by="time", preceding=None, following=0)
    events = events.mutate(session=_.starts.sum().over(so_far))
    members = events.select("user", "session", "item").distinct()
    sessions = members.group_by("user", "session").agg(items=_.count())
    return _pairs(members, sessions.filter(_.items.between(2, max_items)), ["user", "session"])


def merged(*pairs: ir.Table) -> ir.Table:
    """Tables of pairs as one, each pair once; its weights are summed.

    Raises ValueError without a table.
    """
    if not pairs:
        raise ValueError("no pairs to merge: give one table at least")
    every = ibis.union(*pairs) if len(pairs) > 1 else pairs[0]
    return every.group_by("item", "other").agg(weight=_.weight.sum().cast("int64"))


def train_only(
    table: ir.Table, users: ir.Table | ArrayLike | None = None, before: int | None = None
) -> ir.Table:
    """The rows that may be learned from: of training users, and from before the test.

    Args:
        table: events or receipt lines, with columns ``user_id`` and ``timestamp``.
        users: ids of the training users, as an array or as a table with a column ``user_id``.
            Every user of ``table`` but some: ``table.anti_join(held_out, "user_id")``.
        before: microseconds since day 0; rows of that time and later are left out.

    Raises ValueError if neither is given: nothing would be held out.
    """
    if users is None and before is None:
        raise ValueError("nothing is held out: give users, or before, or both")
    if before is not None:
        table = table.filter(_.timestamp < int(before))
    if users is None:
        return table
    if not isinstance(users, ibis.Table):
        ids = np.asarray(users)
        # Spark knows no unsigned numbers
        users = ibis.memtable({"user_id": ids.astype(np.int64) if ids.dtype.kind == "u" else ids})
    return table.semi_join(users, "user_id")


def as_log(
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    gap_seconds: int = 1800,
    held_out: int = 10_000,
    seed: int = 0,
) -> tuple[EventLog, Split]:
    """Pairs of items seen in one session among ``positions``, as histories of one item.

    Every pair stands twice, each item once as the history and once as its target; both ways are in
    the same part. ``held_out`` random pairs test (a tenth of all, if that is less), half as many
    validate. The items keep the numbers they have in ``log``. Raises ``ValueError`` if there are
    fewer than 20 pairs.
    """
    rows = pd.DataFrame(
        {
            "user_id": log.user_of(positions),
            "timestamp": np.asarray(log.time[positions]) * SECOND_US,
            "item_id": np.asarray(log.item[positions], dtype=np.int64),
        }
    )
    with connect("duckdb") as engine:
        found = engine.frame(co_view(ibis.memtable(rows), gap_seconds).order_by("item", "other"))
    if len(found) < 20:
        raise ValueError(f"{len(found)} pairs in {len(positions)} events: too few to hold some out")
    order = np.random.default_rng(seed).permutation(len(found))
    count = min(held_out, len(found) // 10)
    part = np.zeros(len(found), dtype=np.int8)
    part[order[:count]], part[order[count : count + count // 2]] = 2, 1
    item, other = (found[name].to_numpy(np.int32) for name in ("item", "other"))
    both_ways = np.stack([item, other, other, item], axis=1).ravel()
    histories = 2 * len(found)
    target = 2 * np.arange(histories) + 1
    part = np.repeat(part, 2)
    paired = EventLog(
        item=both_ways,
        time=np.zeros(2 * histories, dtype=np.int64),
        offsets=2 * np.arange(histories + 1),
        users=np.arange(histories),
        items=log.items,
    )
    return paired, Split(*(target[part == kind] for kind in (0, 1, 2)))


def _pairs(members: ir.Table, groups: ir.Table, key: list[str]) -> ir.Table:
    """Pairs of the items of ``groups``; ``members`` has each item of a group once.

    A join of the groups with themselves: joins and sums spill to disk. Lists of items, as long
    as the largest group, do not.
    """
    members = members.semi_join(groups, key).select(*key, "item")
    partner = members.rename(other="item")
    both = members.join(partner, [*key, members.item < partner.other])
    return both.group_by("item", "other").agg(weight=_.count())


def _at_least(name: str, value: int, least: int) -> None:
    if not value >= least:
        raise ValueError(f"{name} is {value}; it can be {least} or more")
