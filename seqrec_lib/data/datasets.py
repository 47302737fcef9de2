"""Data sets by name: from raw files to an event log and its split, in one call."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from seqrec_lib.data import amazon, events, files, simulator, ties
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split, assert_no_leak, leave_last_out


def load(dataset: str) -> tuple[EventLog, Split]:
    """The event log of ``dataset`` and its leave-last-out split, checked for leaks.

    ``dataset`` is ``beauty``, ``toys`` or ``sports`` (Amazon), ``simulated`` (a small world with a
    known rule), or the path of a CSV or Parquet file with columns ``user``, ``item``, ``time`` in
    seconds; with ``-shuffled`` behind it, its events of one day stand in random order (chapter 1).
    Raises ``ValueError`` for another name.
    """
    name = dataset.removesuffix("-shuffled")
    if name in amazon.NAMES:
        table = amazon.read(name)
    elif name == "simulated":
        table = simulator.small_world()
    elif Path(name).suffix:
        table = events.read(Path(name))
    else:
        raise ValueError(
            f"{dataset!r} is no data set; use {', '.join(amazon.NAMES)}, simulated, or the path "
            "of a .csv or .parquet file with columns user, item, time"
        )
    log = EventLog.build(table)
    if dataset != name:
        log = ties.shuffled(log, seed=0)
    split = leave_last_out(log)
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


def digest(log: EventLog, split: Split) -> str:
    """sha256 of the histories and of the split: two runs with equal digests saw equal data.

    Times are left out: the Amazon sets come in an edition without them.
    """
    total = hashlib.sha256()
    for values in (log.item, log.offsets, split.train, split.valid, split.test):
        total.update(np.ascontiguousarray(values).astype(np.int64).tobytes())
    return total.hexdigest()
