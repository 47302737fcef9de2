"""Data sets by name: from raw files to an event log and its split, in one call."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from seqrec_lib.data import amazon, channels, events, files, simulator, splits, ties
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.log import COLUMNS, EventLog
from seqrec_lib.data.options import arguments_of
from seqrec_lib.data.regenerated import added, place
from seqrec_lib.data.splits import Split, assert_no_leak, global_time, held_out_users

DAY_S = 86_400
TECD_DAYS = range(1294, 1297)  # the last one tests
VALID_FROM = 1295 * DAY_S + 20 * 3600  # the last four hours before it validate
FOLLOWED = 5  # one user in so many is followed through the whole of the test day


def load(dataset: str | Dataset) -> tuple[EventLog, Split]:
    """The event log of ``dataset`` and its split, checked for leaks.

    A data set is one of ours or a file, with variants (:class:`seqrec_lib.data.dataset.Dataset`
    has their spelling). Split leave-last-out:

    * ``beauty``, ``toys``, ``sports`` (Amazon),
    * ``simulated`` (a small world with a known rule),
    * ``movielens_small``, ``online_retail``, ``hm``, without users of fewer than three events,
    * the path of a log, as :func:`seqrec_lib.data.events.read` reads it.

    Split by time, the last of three days tests:

    * ``tecd-marketplace`` (real rows), ``tecd-sim`` (simulated, marketplace and retail). Tested
      are the first event of the day of everyone who was there before, and every event of the users
      :func:`followed`, a random fifth;
    * of ``users``, 80 % train, as in the report, and every event of half of the tenth that is for
      testing tests.

    Any but T-ECD can be split otherwise (:func:`seqrec_lib.data.splits.named`).

    With ``stores``, store lines are history alone (:func:`seqrec_lib.data.channels.joined`).
    What is ``shuffled`` has its events of equal time in random order, what is ``unordered`` all of
    a user's but the last. Of ``pairs``, each pair of items that co-occurs in the training part is
    a history of one item and its target (``seqrec_lib.data.pairs``); of ``leaking`` ones, those of
    the validation and the test part are among them, as in the report.

    ``with_validation``, validation positions are learned from and nothing is left to validate on.
    With ``regenerated``, what a regenerator wrote from its training part (DR4SR) is learned from
    too; ``distinct``, each sequence once, however many histories it was written from; ``released``,
    that, the mined patterns, and the originals twice, as in the released DR4SR (both for encoders:
    a memory would know only the first of those that a sequence was made of).
    Raises ``ValueError`` for another name. What was loaded last is kept while its files stay as
    they are: treat it as read-only.
    """
    dataset = Dataset.parse(dataset)
    return _load(dataset, state(dataset))


def state(dataset: str | Dataset) -> tuple[Any, ...]:
    """What changes when the files behind ``dataset`` may have: their times and sizes."""
    dataset = Dataset.parse(dataset)
    paths = [regenerated(dataset) / "sequences.parquet"] if dataset.regenerated else []
    if dataset.is_file:
        path = Path(dataset.source)
        paths += sorted(path.iterdir()) if path.is_dir() else [path]
    found = [(path.name, path.stat()) for path in paths if path.is_file()]
    return os.environ.get("SEQREC_DATA"), *((n, f.st_mtime_ns, f.st_size) for n, f in found)


def at_hand(dataset: str | Dataset) -> bool:
    """Can ``dataset`` be loaded without fetching anything? The simulated ones always can."""
    needed = Dataset.parse(dataset).about.files
    return not needed or any(files.find(name) for name in needed)


def timed(dataset: str | Dataset, log: EventLog) -> bool:
    """Are the times of its log those of a clock? What is simulated has a clock of its own."""
    dataset = Dataset.parse(dataset)
    given = dataset.is_file or dataset.about.read is not None
    return not given or ties.has_days(log)


@functools.lru_cache(maxsize=8)
def _load(dataset: Dataset, state: tuple[Any, ...]) -> tuple[EventLog, Split]:
    if dataset.pairs:
        log, split = _pairs(dataset)
    elif dataset.with_validation:
        log, split = load(dataset.but(with_validation=False))
        learned = np.sort(np.concatenate([split.train, split.valid]))
        return log, replace(split, train=learned, valid=split.valid[:0])
    elif dataset.regenerated:
        log, split = load(base := dataset.but(regenerated=""))
        log, split = added(dataset, log, split, regenerated(dataset), digest_of(base))
    elif dataset.is_tecd and dataset.about.read is None:
        log, split = _tecd(dataset)
    else:
        table = _events(dataset)
        if dataset.stores:
            # before lines are put where they became known, which no shuffling may move
            mixed = table.sample(frac=1, random_state=0) if dataset.shuffled else table
            log = channels.joined(mixed, dataset.stores)
        else:
            log = EventLog.build(table)
            if dataset.shuffled:
                log = ties.shuffled(log, seed=0)
            if dataset.unordered:
                log = ties.unordered(log, seed=0)
        if dataset.about.read and dataset.split == "time" and not ties.has_days(log):
            raise ValueError(f"{dataset}: the edition at hand has no times; split it otherwise")
        split = splits.named(log, dataset.split or dataset.about.splits[0])
    assert_no_leak(log, split, as_known=bool(dataset.stores))
    return log, split


def _events(dataset: Dataset) -> pd.DataFrame:
    if (read := dataset.about.read) is not None:
        # the first event is learned from, two are held out
        short = not (dataset.about.studied or dataset.split or dataset.stores)
        return events.bounded(read(), fewest=3 if short else 1)
    return events.read(dataset.source, **arguments_of(dataset.reading))


def tecd_table(dataset: str | Dataset, surface: bool = False) -> pd.DataFrame:
    """The events behind the log of ``tecd-marketplace`` or ``tecd-sim``, a row a position.

    Columns ``user``, ``item``, ``time`` (seconds), ``action``, ``domain``, and ``surface`` if
    asked for (``none`` where the files name none). The simulated world, a tenth of T-ECD Small, is
    written to ``build/tecd-sim`` when first asked for. Raises TecdError if rows are missing.
    """
    # imported here: what trains on a GPU needs no query engine
    from seqrec_lib.data import tecd

    if Dataset.parse(dataset).source != "tecd-sim":
        return tecd.events(("marketplace/events",), TECD_DAYS, surface=surface)
    folder, tables = files.root() / "build" / "tecd-sim", ("marketplace/events", "retail/events")
    simulator.write(simulator.sized(0.1), folder, TECD_DAYS, tables, scale=0.1, resume=True)
    return tecd.events(tables, TECD_DAYS, folder, surface=surface)


def followed(dataset: str | Dataset, log: EventLog) -> Bool[np.ndarray, "U"]:
    """Users of whom every test position is tested, not only the first.

    Of a T-ECD split by time a random fifth: ranking 165,000 items at each of the 421,000 events
    of a day takes longer than training does. Of any other data set everyone.
    """
    dataset = Dataset.parse(dataset)
    if not dataset.is_tecd or dataset != Dataset(dataset.source) or dataset.about.read:
        return np.ones(log.num_users, dtype=bool)
    return np.random.default_rng(0).permutation(log.num_users) % FOLLOWED == 0


@functools.lru_cache(maxsize=1)
def _tecd_log(source: str, data: str | None) -> EventLog:
    return EventLog.build(tecd_table(source))


def _tecd(dataset: Dataset) -> tuple[EventLog, Split]:
    log = _tecd_log(dataset.source, os.environ.get("SEQREC_DATA"))
    if dataset.split == "users":
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
    return log, split


def first_of_returning(log: EventLog, split: Split) -> Bool[np.ndarray, "S"]:
    """Which test positions are a user's first ones after events of before the test part."""
    user = log.user_of(split.test)
    is_first = np.r_[True, user[1:] != user[:-1]]
    before = np.asarray(log.time)[log.offsets[user]] < log.time[split.test].min()
    return is_first & before


def _pairs(dataset: Dataset) -> tuple[EventLog, Split]:
    from seqrec_lib.data import pairs

    log, split = load(dataset.but(pairs=""))
    learned = np.arange(len(log)) if dataset.pairs == "leaking" else split.train
    return pairs.as_log(log, learned, dataset.about.pair_gap_s)


def family(dataset: str) -> tuple[str, ...]:
    """The data sets a result is compared across, the given one first.

    The three Amazon sets, the three worlds with stores, or just the one given.
    """
    for kin in (amazon.NAMES, ("omni-100", "omni-50", "omni-0")):
        if dataset in kin:
            return (dataset, *(name for name in kin if name != dataset))
    return (dataset,)


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


def attributes(dataset: str | Dataset) -> Int[np.ndarray, "N A"] | None:
    """Attributes of item i in row i, numbered from 1, filled up with 0; None where there are none.

    See :func:`seqrec_lib.data.amazon.attributes` for what they are there and what is raised.
    """
    read = Dataset.parse(dataset).about.attributes
    return None if read is None else read()


def digest(log: EventLog, split: Split, whole: bool = False) -> str:
    """sha256 of the histories and of the split: two runs with equal digests saw equal data.

    Times are left out: the Amazon sets come in an edition without them. ``whole``, as of a file,
    they are in it, and so are other columns and the raw ids of the items.
    """
    total = hashlib.sha256()
    for values in (log.item, log.offsets, split.train, split.valid, split.test):
        total.update(np.ascontiguousarray(values).astype(np.int64).tobytes())
    if log.context is not None:
        total.update(log.context.tobytes())
    if whole:
        for name in COLUMNS:
            if (values := getattr(log, name)) is not None:
                total.update(name.encode() + np.ascontiguousarray(values).tobytes())
        total.update("\0".join(map(str, log.items.tolist())).encode())
    return total.hexdigest()


def digest_of(dataset: str | Dataset) -> str:
    """The digest of a data set as it is today; of a file whole."""
    dataset = Dataset.parse(dataset)
    return _digest(dataset, state(dataset))


@functools.lru_cache(maxsize=64)
def _digest(dataset: Dataset, state: tuple[Any, ...]) -> str:
    return digest(*load(dataset), whole=dataset.is_file)


def folder(dataset: str | Dataset) -> str:
    """What a data set's folders are called: its spelling, or a file's name and digest.

    Two files of one name, or one that was corrected or is read otherwise, have two folders.
    """
    dataset = Dataset.parse(dataset)
    digest = f"-{digest_of(dataset)[:8]}" if dataset.is_file else ""
    return dataset.name + digest


def regenerated(dataset: str | Dataset) -> Path:
    """The folder of what a regenerator wrote from the training part of ``dataset``."""
    base = Dataset.parse(dataset).but(regenerated="", with_validation=False, pairs="")
    return place(folder(base))
