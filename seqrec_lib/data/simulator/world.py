"""Writes a simulated T-ECD in the original layout, of any size, with its defects counted.

What is simulated is the world of :mod:`.needs`. A file follows from the world,
its table, its day and its number of rows alone, byte for byte (with the same versions of numpy and
pyarrow), whatever else is written. Beside the tables lies ``defects.json``: how many of each
defect every file holds, which is what cleaning should find.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import ibis
import numpy as np
import pandas as pd
from tqdm import tqdm

from seqrec_lib.data.engine import Engine, connect
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.simulator import arrow, online, static, store
from seqrec_lib.data.simulator.needs import (
    IDS,
    World,
    complements,
    interest,
    need_of,
    showcased,
    sized,
)
from seqrec_lib.data.tecd import FULL_ONLY, TABLES, path_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["DAY_ROWS", "Linkage", "World", "interest", "linkage", "need_of", "sized", "write"]

DAY_ROWS = {  # of a published day; of reviews no number is known
    "marketplace/events": 438_231,
    "retail/events": 412_833,
    "offers/events": 1_327_465,
    "reviews": 20_000,
    "payments/events": 68_857_371,
    "payments/receipts": 60_753_821,
}
TRUTH = "defects.json"


class Linkage(NamedTuple):
    """How far store receipts follow online interest; see :func:`linkage`."""

    lines: int  # of users who were online the day before
    observed: float  # share of them about the need the user's events were about
    chance: float  # the same share if lines and events had nothing to do with each other
    excess: float  # (observed - chance) / (1 - chance)


def write(
    world: World,
    root: Path,
    days: Iterable[int],
    tables: Iterable[str] | None = None,
    rows: Mapping[str, int] | None = None,
    scale: float = 1.0,
    revision: str = "B",
    defects: bool = True,
    resume: bool = False,
) -> dict[str, dict]:
    """Write tables of a simulated T-ECD below ``root``, the folder that gets ``users.pq``.

    Args:
        days: those of the daily tables.
        tables: names in :data:`seqrec_lib.data.tecd.TABLES`; all of them if not given.
        rows: rows a day of some daily tables; the others have ``scale`` times a published day
            (:data:`DAY_ROWS`). Payments and receipts share baskets: each of their files follows
            from the rows of both, and one that is not given is in proportion to the other.
        revision: whose words for actions and surfaces, A or B.
        defects: False writes no shared hash, no duplicate, no heavy user, no empty embedding (all
            items have one, whatever ``World.embedded_share``) and no null value but the subdomain
            of likes, which have none.
        resume: keep files that an earlier call finished with the same settings.

    Returns what ``defects.json`` says of the files written or kept: path below ``root`` ->
    ``rows`` and the number of each defect. Each file appears whole or not at all. Raises
    ValueError for an unknown table or revision, too few users for the rows, or a ``root`` with
    another world's files.
    """
    tables = list(TABLES if tables is None else tables)
    unknown = [name for name in [*tables, *(rows or {})] if name not in TABLES]
    if unknown:
        raise ValueError(f"no table {unknown[0]!r}; there are {', '.join(TABLES)}")
    if revision not in ("A", "B"):
        raise ValueError(f"no revision {revision!r}; there are A and B")
    sizes = _sizes(rows or {}, scale)
    every = list(days)
    jobs = [(t, day) for t in tables for day in (every if TABLES[t].daily else [None])]
    truth = _truth(root, world)
    bar = tqdm(jobs, desc="simulated files", delay=20)
    names = []
    for table, day in bar:
        path = path_of(root, table, day)
        name = path.relative_to(root).as_posix()
        names.append(name)
        bar.set_postfix_str(name, refresh=False)
        settings: dict = {"revision": revision, "defects": defects}
        if day is not None:
            settings["sizes"] = [sizes[t] for t in (FULL_ONLY if table in FULL_ONLY else [table])]
        known = truth["files"].get(name)
        if resume and path.exists() and known and known["settings"] == settings:
            continue
        blocks = _blocks(world, table, day, sizes, revision, defects)
        with written_aside(path) as aside:
            found = arrow.write(aside, table, blocks)
        truth["files"][name] = {**found, "settings": settings}
        with written_aside(root / TRUTH) as aside:
            aside.write_text(json.dumps(truth, indent=1) + "\n")
    return {name: truth["files"][name] for name in names}


def _sizes(rows: Mapping[str, int], scale: float) -> dict[str, int]:
    """Rows a day of each daily table."""
    sizes = {table: int(n * scale) for table, n in DAY_ROWS.items()} | dict(rows)
    for one, other in (FULL_ONLY, FULL_ONLY[::-1]):
        if one in rows and other not in rows:
            sizes[other] = rows[one] * DAY_ROWS[other] // DAY_ROWS[one]
    return sizes


def _truth(root: Path, world: World) -> dict:
    """What ``defects.json`` says so far."""
    path = root / TRUTH
    if not path.exists():
        return {"simulated": True, "world": asdict(world), "files": {}}
    truth = json.loads(path.read_text())
    if truth["world"] != asdict(world):
        raise ValueError(
            f"{root} holds the files of another world ({path.name} says which): use another folder"
        )
    return truth


def _blocks(
    world: World,
    table: str,
    day: int | None,
    sizes: Mapping[str, int],
    revision: str,
    defects: bool,
) -> Iterator[tuple[arrow.Columns, arrow.Defects]]:
    """Columns of each row group, and how many of each defect are in it."""
    domain = table.split("/")[0]
    if table in FULL_ONLY:
        assert day is not None
        plan = store.Plan(day, sizes["payments/receipts"], sizes["payments/events"])
        make = store.payments if table == "payments/events" else store.receipts
        for number in range(plan.slices):
            yield arrow.store(table, make(world, plan, number, defects))
    elif domain in online.DOMAINS and day is not None:
        events = online.simulate(world, domain, day, sizes[table], revision, defects)
        yield from arrow.online(domain, events, revision, store.SLICE)
    elif day is not None:
        for rows in static.reviews(world, day, sizes[table], defects):
            yield arrow.static(table, rows)
    elif table in ("users", "brands"):
        make_static = static.users if table == "users" else static.brands
        for rows in make_static(world, defects):
            yield arrow.static(table, rows)
    else:
        for rows in static.items(world, domain, defects):
            yield arrow.static(table, rows)


def linkage(world: World, root: Path, day: int) -> Linkage:
    """Do the receipt lines of ``day`` follow what their users looked at online the day before?

    A user's interest is measured: the need of most of the user's marketplace and retail events on
    ``day - 1``, items shown to everybody left out. A line counts if its item is of that need or of
    its complement. Raises EngineError if a file is missing; ValueError if no user is in both.
    """
    online, receipts = [f"{domain}/events" for domain in _ONLINE], "payments/receipts"
    with connect("duckdb") as engine:
        tables = [engine.read(path_of(root, table, day - 1)) for table in online]
        everybody = ibis.union(*(table.select("user_id") for table in tables), distinct=True)
        lines = engine.read(path_of(root, receipts, day)).rename(item_id="approximate_item_id")
        lines = lines.semi_join(everybody, "user_id")
        seen = pd.concat([_needs(engine, world, table) for table in tables])
        bought = _needs(engine, world, lines)
    seen = seen[~seen["showcased"]].groupby(["user_id", "need"], as_index=False)["n"].sum()
    seen = seen.sort_values(["user_id", "n", "need"]).drop_duplicates("user_id", keep="last")
    both = bought.merge(seen[["user_id", "need"]], on="user_id", suffixes=("", "_online"))
    if both.empty:
        raise ValueError(f"nobody was online on day {day - 1} and in a store on day {day}")
    partner = complements(world)[both["need_online"]]
    follows = (both["need"] == both["need_online"]) | (both["need"] == partner)
    total = both["n"].sum()
    shares = [
        np.bincount(both[name], both["n"], minlength=world.num_needs) / total
        for name in ("need", "need_online")
    ]
    chance = float(shares[1] @ (shares[0] + shares[0][complements(world)]))
    observed = float(both["n"][follows].sum() / total)
    return Linkage(int(total), observed, chance, (observed - chance) / (1 - chance))


_ONLINE = ("marketplace", "retail")


def _needs(engine: Engine, world: World, table: ir.Table) -> pd.DataFrame:
    """Events by user and need, and whether on an item shown to everybody."""
    counts = engine.frame(table.group_by("user_id", "item_id").aggregate(n=lambda t: t.count()))
    parts = counts["item_id"].str.extract(r"^(.*_)(\d+)$")
    number = parts[1].astype("int64").to_numpy()
    counts["need"], counts["showcased"] = 0, False
    for domain in _ONLINE:
        mine = (parts[0] == IDS[domain].prefix).to_numpy()
        counts.loc[mine, "need"] = need_of(world, number[mine], domain)
        counts.loc[mine, "showcased"] = showcased(world, number[mine], domain)
    return counts.groupby(["user_id", "need", "showcased"], as_index=False)["n"].sum()
