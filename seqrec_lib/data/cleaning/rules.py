"""What can be wrong with a row of T-ECD: rules that reject it and rules that mend it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqrec_lib.data import tecd

if TYPE_CHECKING:
    import ibis.expr.types as ir

Test = Callable[["ir.Table"], "ir.BooleanValue"]
UNKNOWN = "Unknown"  # a word that is missing
NO_SURFACE = "none"  # a like has no surface: that is not a defect of the row
NO_ID = -1  # ids, clusters and regions start at 0
MOST = 10**6  # clusters and regions are few
PREFIXES = {
    "marketplace": ("nfmcg_",),
    "retail": ("fmcg_",),
    "offers": ("offer_",),
    "payments": ("fmcg_", "nfmcg_"),
}


@dataclass(frozen=True)
class Reject:
    """A rule that no row may break; ``broken`` is null-safe: unknown counts as unbroken."""

    name: str
    broken: Test


@dataclass(frozen=True)
class Mend:
    """A defect that is repaired in place; ``mark`` finds the repaired rows in the clean file."""

    name: str
    column: str
    broken: Test
    value: Callable[[ir.Table], ir.Value]
    mark: Test | None  # None: the repair leaves no trace
    mask: str | None = None  # a new column that says which rows had the defect
    filled: bool = False  # no null may be left


def rejects(table: str, day: int | None) -> list[Reject]:
    """The rules of ``table``, in the order in which they take rows."""
    columns = tecd.TABLES[table].columns
    never = [c for c in columns if c in ("timestamp", "user_id", "item_id", "approximate_item_id")]
    never += ["action_type"] if "action_type" in columns else []
    never += ["brand_id"] if table in ("brands", "reviews") else []
    rules = [Reject("no key", lambda t: _any([t[name].isnull() for name in never]))]
    if day is not None:
        low, high = day * tecd.DAY_US, (day + 1) * tecd.DAY_US
        rules.append(Reject("another day", lambda t: (t.timestamp < low) | (t.timestamp >= high)))
    item = next((c for c in columns if c.endswith("item_id")), None)
    if item:
        known = PREFIXES[table.split("/")[0]]
        rules.append(
            Reject(
                "foreign item", lambda t: ~_any([t[item].startswith(prefix) for prefix in known])
            )
        )
    if "action_type" in columns:
        words = sorted(tecd.ACTIONS[table.split("/")[0]] | set(tecd.SPELLINGS))
        rules.append(Reject("unknown action", lambda t: t.action_type.notin(words)))
    if "price" in columns:  # standardised and clipped by the publisher
        rules.append(Reject("impossible price", lambda t: ~t.price.between(-10, 10)))
    if "count" in columns:
        rules.append(Reject("impossible count", lambda t: ~t["count"].between(1e-9, 1e9)))
    if "rating" in columns:
        rules.append(Reject("impossible rating", lambda t: ~t.rating.fill_null(0).between(1, 5)))
    for name in ("socdem_cluster", "region"):
        if name in columns:
            rules.append(Reject(f"impossible {name}", _not_whole(name)))
    return rules


def mends(table: str) -> list[Mend]:
    """The repairs of ``table``; each looks at the row as it was."""
    columns, repairs = tecd.TABLES[table].columns, []
    for name in ("socdem_cluster", "region"):
        if name in columns:
            repairs.append(_filled(name, NO_ID, whole=True))
    if "brand_id" in columns and table not in ("brands", "reviews"):
        repairs.append(_filled("brand_id", NO_ID))
    for name in ("category", "subcategory"):
        if name in columns:
            repairs.append(_filled(name, UNKNOWN))
    if "subdomain" in columns:
        repairs.append(_filled("subdomain", NO_SURFACE))
    for name in ("price", "count"):
        if name in columns:
            repairs.append(_masked(name))
    if "embedding" in columns:
        repairs.append(
            Mend(
                "empty embedding",
                "embedding",
                lambda t: t.embedding.isnull() | (t.embedding.length() == 0),
                lambda t: (t.embedding.length() > 0).ifelse(t.embedding, None),
                lambda t: t.embedding_missing,
                mask="embedding_missing",
            )
        )
    if "transaction_hash" in columns:
        repairs.append(
            Mend(
                "no transaction",
                "transaction_hash",
                lambda t: t.transaction_hash.isnull() | (t.transaction_hash == tecd.NO_TRANSACTION),
                lambda t: t.transaction_hash.nullif(tecd.NO_TRANSACTION),
                lambda t: t.transaction_hash.isnull(),
            )
        )
    if "action_type" in columns:
        repairs.append(
            Mend(
                "old spelling",
                "action_type",
                lambda t: t.action_type.isin(list(tecd.SPELLINGS)),
                lambda t: t.action_type.substitute(tecd.SPELLINGS),
                None,
                filled=True,
            )
        )
    return repairs


def _filled(name: str, value: str | int, whole: bool = False) -> Mend:
    def fill(t: ir.Table) -> ir.Value:
        filled = t[name].fill_null(value)
        if whole:  # what cannot be cast was rejected before, but is still computed
            return t[name].between(NO_ID, MOST).ifelse(filled, value).cast("int64")
        return filled

    def missing(t: ir.Table) -> ir.BooleanValue:  # or filled before, by another hand
        return t[name].isnull() | (t[name] == value)

    return Mend(f"missing {name}", name, missing, fill, lambda t: t[name] == value, filled=True)


def _masked(name: str) -> Mend:
    mask = f"{name}_missing"
    return Mend(f"missing {name}", name, _null(name), lambda t: t[name], lambda t: t[mask], mask)


def _null(name: str) -> Test:
    return lambda t: t[name].isnull()


def _not_whole(name: str) -> Test:
    return lambda t: ~t[name].between(NO_ID, MOST) | (t[name] % 1 != 0)


def _any(tests: list[ir.BooleanValue]) -> ir.BooleanValue:
    found = tests[0]
    for test in tests[1:]:
        found = found | test
    return found
