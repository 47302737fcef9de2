"""Data sets by name: from raw files to an event log and its split, in one call."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from seqrec_lib.data import amazon, events, files, patterns, simulator, ties
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import (
    Split,
    assert_no_leak,
    global_time,
    held_out_users,
    leave_last_out,
)

DAY_S = 86_400
TECD_DAYS = range(1294, 1297)  # the last one tests
VALID_FROM = 1295 * DAY_S + 20 * 3600  # the last four hours before it validate
FOLLOWED = 5  # one user in so many is followed through the whole of the test day


def load(dataset: str) -> tuple[EventLog, Split]:
    """The event log of ``dataset`` and its split, checked for leaks.

    Split leave-last-out:

    * ``beauty``, ``toys``, ``sports`` (Amazon),
    * ``simulated`` (a small world with a known rule),
    * the path of a CSV or Parquet file with columns ``user``, ``item``, ``time`` in seconds;
    * with ``-shuffled`` behind it, its events of one day stand in random order.

    Split by time, the last of three days tests:

    * ``tecd-marketplace`` (real rows), ``tecd-sim`` (simulated, marketplace and retail). Tested
      are the first event of the day of everyone who was there before, and every event of the users
      :func:`followed`, a random fifth;
    * with ``-users`` behind it, 80 % of the users train, as in seed 001, and every event of half of
      the tenth that is for testing tests.

    With ``-pairs`` behind any of these, each pair of items that co-occurs in the training part is
    a history of one item and its target (:mod:`seqrec_lib.data.pairs`); with ``-leaking`` behind
    that, pairs of the validation and the test part are among them, as in seed 001.

    With ``-with-validation`` behind one that is split leave-last-out, validation positions are
    learned from and nothing is left to validate on. With ``-regenerated``, what a regenerator
    wrote from its training part (DR4SR) is learned from too; with
    ``-distinct`` behind that, each sequence once, however many histories it was written from; with
    ``-released``, that, the mined patterns, and the originals twice, as in the released DR4SR (both
    for encoders: a memory would know only the first of those that a sequence was made of).
    Raises ``ValueError`` for another name. What was loaded last is kept while its files stay as
    they are: treat it as read-only.
    """
    return _load(dataset, state(dataset))


def state(dataset: str) -> tuple[Any, ...]:
    """What changes when the files behind ``dataset`` may have: their times and sizes."""
    base = re.split(r"-(?:regenerated|with-validation|shuffled|pairs)", dataset)[0]
    places = [Path(base), regenerated(base) / "sequences.parquet"]
    found = [place.stat() for place in places if place.is_file()]
    return os.environ.get("SEQREC_DATA"), *((one.st_mtime_ns, one.st_size) for one in found)


def at_hand(dataset: str) -> bool:
    """Can ``dataset`` be loaded without fetching anything? The simulated ones always can."""
    base, needed = dataset.split("-", 1)[0], list[str]()
    if Path(dataset).suffix:
        return True
    if dataset.startswith("tecd-marketplace"):
        needed = ["tecd/dataset/small", "dataset/small"]
    elif base in amazon.NAMES:
        needed = [f"amazon/{base}.parquet", f"amazon/raw/{amazon.EDITIONS[base].file}"]
    return not needed or any(files.find(name) for name in needed)


@functools.lru_cache(maxsize=8)
def _load(dataset: str, state: tuple[Any, ...]) -> tuple[EventLog, Split]:
    if dataset.endswith(("-pairs", "-pairs-leaking")):
        return _pairs(dataset)
    if dataset.endswith("-with-validation"):
        log, split = load(dataset.removesuffix("-with-validation"))
        learned = np.sort(np.concatenate([split.train, split.valid]))
        return log, replace(split, train=learned, valid=split.valid[:0])
    base, regenerated, kind = dataset.partition("-regenerated")
    if regenerated and kind in ("", "-distinct", "-released"):
        return _regenerated(base, kind)
    name = dataset.removesuffix("-shuffled")
    if dataset.removesuffix("-users") in ("tecd-marketplace", "tecd-sim"):
        return _tecd(dataset)
    if name in amazon.NAMES:
        table = amazon.read(name)
    elif name == "simulated":
        table = simulator.small_world()
    elif Path(name).suffix:
        table = events.read(Path(name))
    else:
        raise ValueError(
            f"{dataset!r} is no data set; use {', '.join(amazon.NAMES)}, simulated, "
            "tecd-marketplace, tecd-sim, or the path of a .csv or .parquet file with columns "
            "user, item, time"
        )
    log = EventLog.build(table)
    if dataset != name:
        log = ties.shuffled(log, seed=0)
    split = leave_last_out(log)
    assert_no_leak(log, split)
    return log, split


def tecd_table(dataset: str, surface: bool = False) -> pd.DataFrame:
    """The events behind the log of ``tecd-marketplace`` or ``tecd-sim``, a row a position.

    Columns ``user``, ``item``, ``time`` (seconds), ``action``, ``domain``, and ``surface`` if
    asked for (``none`` where the files name none). The simulated world, a tenth of T-ECD Small, is
    written to ``build/tecd-sim`` when first asked for. Raises TecdError if rows are missing.
    """
    # imported here: what trains on a GPU needs no query engine
    from seqrec_lib.data import tecd

    if not dataset.startswith("tecd-sim"):
        return tecd.events(("marketplace/events",), TECD_DAYS, surface=surface)
    folder, tables = files.root() / "build" / "tecd-sim", ("marketplace/events", "retail/events")
    simulator.write(simulator.sized(0.1), folder, TECD_DAYS, tables, scale=0.1, resume=True)
    return tecd.events(tables, TECD_DAYS, folder, surface=surface)


def followed(dataset: str, log: EventLog) -> Bool[np.ndarray, "U"]:
    """Users of whom every test position is tested, not only the first.

    Of a T-ECD split by time a random fifth: ranking 165,000 items at each of the 421,000 events
    of a day takes longer than training does. Of any other data set everyone.
    """
    if not dataset.endswith(("tecd-marketplace", "tecd-sim")):
        return np.ones(log.num_users, dtype=bool)
    return np.random.default_rng(0).permutation(log.num_users) % FOLLOWED == 0


@functools.lru_cache(maxsize=1)
def _tecd_log(name: str, data: str | None) -> EventLog:
    return EventLog.build(tecd_table(name))


def _tecd(dataset: str) -> tuple[EventLog, Split]:
    log = _tecd_log(dataset.removesuffix("-users"), os.environ.get("SEQREC_DATA"))
    if dataset.endswith("-users"):
        split = held_out_users(log, (0.1, 0.1), seed=42)
        lot = np.random.default_rng(0).permutation(log.num_users)  # to save time and room
        split = replace(
            split,
            valid=split.valid[lot[log.user_of(split.valid)] % 10 == 0],
            test=split.test[lot[log.user_of(split.test)] % 2 == 0],
        )
    else:
        split = global_time(log, VALID_FROM, TECD_DAYS[-1] * DAY_S)
        whole = followed(dataset, log)
        first = first_of_returning(log, split)
        split = replace(
            split,
            valid=split.valid[whole[log.user_of(split.valid)]],
            test=split.test[whole[log.user_of(split.test)] | first],
        )
    assert_no_leak(log, split)
    return log, split


def first_of_returning(log: EventLog, split: Split) -> Bool[np.ndarray, "S"]:
    """Which test positions are a user's first ones after events of before the test part."""
    user = log.user_of(split.test)
    is_first = np.r_[True, user[1:] != user[:-1]]
    before = np.asarray(log.time)[log.offsets[user]] < log.time[split.test].min()
    return is_first & before


def regenerated(dataset: str) -> Path:
    """The folder of what a regenerator wrote from the training part of ``dataset``.

    The published one if there is one, else one's own below ``build``.
    """
    published = files.root() / "book" / "regenerated" / dataset
    own = files.root() / "build" / "regenerated" / dataset
    return published if published.exists() else own


def _regenerated(dataset: str, kind: str) -> tuple[EventLog, Split]:
    log, split = load(dataset)
    folder = regenerated(dataset)
    if not folder.exists():
        raise FileNotFoundError(
            f"{folder} is not there; run python -m seqrec_lib.studies.regeneration {dataset}"
        )
    card = json.loads((folder / "card.json").read_text())
    if card["data_digest"] != digest(log, split):
        raise ValueError(
            f"{folder} was written from other data than today's {dataset}: make it anew"
        )
    table = pd.read_parquet(folder / "sequences.parquet")
    if kind:
        items = table.groupby("sequence")["item"].agg(tuple)
        table = table[table["sequence"].isin(items.index[~items.duplicated()])]
    ends = np.flatnonzero(np.diff(table["sequence"])) + 1
    parts = np.split(table["item"].to_numpy(), ends)
    sources = [table.groupby("sequence")["user"].first()]
    if kind == "-released":
        mined, owners = patterns.mined(log, split.train)
        parts += np.split(mined.item, mined.offsets[1:-1])
        parts += patterns.histories(log, split.train)
        sources += [owners[:, 0], np.unique(log.user_of(split.train))]
    written = patterns.as_log(parts, log)
    together = EventLog(
        item=np.concatenate([log.item, written.item]),
        time=np.concatenate([log.time, written.time]),
        offsets=np.concatenate([log.offsets, len(log) + written.offsets[1:]]),
        users=np.concatenate([log.users, written.users.astype(log.users.dtype)]),
        items=log.items,
        sources=np.concatenate([np.arange(log.num_users), *sources]),
    )
    train = np.concatenate([split.train, np.arange(len(log), len(together))])
    split = replace(split, train=train)
    assert_no_leak(together, split)
    return together, split


def _pairs(dataset: str) -> tuple[EventLog, Split]:
    from seqrec_lib.data import pairs

    base = dataset.removesuffix("-leaking").removesuffix("-pairs")
    log, split = load(base)
    learned = np.arange(len(log)) if dataset.endswith("-leaking") else split.train
    # nothing but a day lies between events of the small world
    gap_seconds = DAY_S if base == "simulated" else 1800
    log, split = pairs.as_log(log, learned, gap_seconds)
    assert_no_leak(log, split)
    return log, split


def family(dataset: str) -> tuple[str, ...]:
    """The data sets a result is compared across: the three Amazon sets, or just the one given."""
    others = tuple(name for name in amazon.NAMES if name != dataset)
    return (dataset, *others) if dataset in amazon.NAMES else (dataset,)


def tecd_folders(dataset: str, place: Path) -> dict[str, Path]:
    """T-ECD folders of the original layout: ``real``, where there is one, and ``simulated``.

    ``dataset`` is ``tecd`` (the real folder is looked for in the data folders), ``simulated``
    (that alone), or the path of a folder such as ``dataset/small``. The simulated world is a
    hundredth of T-ECD Small, three days of all domains, and is written below ``place``. Raises
    ``ValueError`` for another name.
    """
    folders = {}
    if dataset == "tecd":
        found = files.find("tecd/dataset/small") or files.find("dataset/small")
        folders = {"real": found} if found else {}
    elif Path(dataset).is_dir():
        folders = {"real": Path(dataset)}
    elif dataset != "simulated":
        raise ValueError(
            f"{dataset!r} is no T-ECD; use tecd, simulated, or the path of a folder dataset/<size>"
        )
    simulator.write(simulator.sized(0.01), place / "simulated", range(1294, 1297), scale=0.01)
    return folders | {"simulated": place / "simulated"}


def attributes(dataset: str) -> Int[np.ndarray, "N A"] | None:
    """Attributes of the items of an Amazon set, under any of its names; of other sets None.

    See :func:`seqrec_lib.data.amazon.attributes` for what they are and what is raised.
    """
    base = dataset.split("-", 1)[0]
    known = base in amazon.NAMES and not Path(dataset).suffix
    return amazon.attributes(base) if known else None


def digest(log: EventLog, split: Split) -> str:
    """sha256 of the histories and of the split: two runs with equal digests saw equal data.

    Times are left out: the Amazon sets come in an edition without them.
    """
    total = hashlib.sha256()
    for values in (log.item, log.offsets, split.train, split.valid, split.test):
        total.update(np.ascontiguousarray(values).astype(np.int64).tobytes())
    return total.hexdigest()
