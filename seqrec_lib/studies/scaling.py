"""What a training step costs, and what it needs, as items and events grow; and what breaks first.

Histories are drawn, a Zipf of items and fifty events a user, so that sizes alone count; SASRec as
it is published. ``production/scaling.csv`` beside the results has a row a number of items, of
events, and a loss: the softmax of the whole catalogue (AdamW), or of a sample of it, with an
optimiser that steps on the rows that a batch touches. Each is measured in a
process of its own: seconds of a step (the median), seconds before the first one, and the largest
resident set, of which the log and the model with its optimiser are told apart. A row that could not
be made says why.

python -m seqrec_lib.studies.scaling --results book/results
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import Objective, SampledSoftmax, Softmax
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import Growing, made
from seqrec_lib.training.optimizers import optimizer

ITEMS, EVENTS = (10**4, 10**5, 10**6), (10**6, 10**7, 10**8)
# the loss and the optimiser that go together: a step on the whole table, or on what a batch touches
LOSSES: dict[str, tuple[Objective, str]] = {
    "whole": (Softmax(), "adamw"),
    "sampled": (SampledSoftmax(1024, alpha=0.5), "sparse-adam"),
}
HISTORY, LENGTH, BATCH = 50, 50, 256  # events a user; that are read; windows in a step
STEPS, WARM = 3, 1
LIMIT_S = 1800  # of one row
KEYS = ["items", "events", "loss"]
NAMED = ("production", "scaling.csv")
READING: dict[str, Any] = {"dtype": {"broke": str}}


def drawn(items: int, events: int, seed: int = 0) -> EventLog:
    """A log of these sizes: the r-th item comes in proportion to 1 / r; a second a step."""
    rng = np.random.default_rng(seed)
    users = max(1, events // HISTORY)
    item = np.empty(users * HISTORY, dtype=np.int32)
    for part in np.array_split(item, max(1, len(item) // 10**6)):  # in place, a part at a time
        # the inverse of the distribution function of 1 / r, without a table of all items
        part[:] = np.minimum(np.exp(rng.random(len(part)) * np.log(items + 1)), items)
    offsets = np.arange(0, len(item) + 1, HISTORY)
    raw = np.arange(1, items + 1)
    second = np.tile(np.arange(HISTORY), users)
    return EventLog(item, second, offsets, np.arange(users), raw)


def row(items: int, events: int, loss: str, steps: int = STEPS, warm: int = WARM) -> dict[str, Any]:
    """What is measured of one size, in this process.

    ``step_s``: a step of ``BATCH`` windows; ``targets``: in it; ``begin_s``: from the log to the
    first batch; ``log_mb``, ``model_mb``: what these added; ``peak_mb``: of the whole process.
    """
    before = _resident_mb()
    log = drawn(items, events)
    log_mb = _resident_mb() - before
    objective, name = LOSSES[loss]
    config = SASRec.Config(temperature=0.07, objective=objective)
    positions = np.arange(len(log))
    torch.manual_seed(0)
    model = SASRec(Catalogue.learned(log, positions), config).train()
    steps_by = optimizer(model, name, learning_rate=1e-3, weight_decay=0.1)
    began = time.perf_counter()
    rng = np.random.default_rng(0)
    batches = model.training_batches(log, positions, BATCH, LENGTH, rng)
    took, targets, begin_s = [], 0, 0.0
    for number, batch in enumerate(itertools.islice(batches, warm + steps)):
        begin_s = begin_s or time.perf_counter() - began
        start = time.perf_counter()
        steps_by.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            model(batch).backward()
        steps_by.step()
        if number >= warm:
            took.append(time.perf_counter() - start)
            targets += int((batch.target > 0).sum())  # type: ignore[operator, union-attr]
    # weights, their gradients, and two running means of these
    model_mb = 4 * 4 * sum(one.numel() for one in model.parameters()) / 1e6
    return {
        "step_s": float(np.median(took)),
        "targets": targets / len(took),
        "begin_s": begin_s,
        "log_mb": log_mb,
        "model_mb": model_mb,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "broke": "",
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _apart(items: int, events: int, loss: str) -> dict[str, Any]:
    """:func:`row` in a process of its own, or why there is none."""
    command = [sys.executable, "-m", "seqrec_lib.studies.scaling", "--row"]
    command += [str(items), str(events), loss]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return {"broke": f"more than {LIMIT_S} s"}
    if done.returncode:
        lines = [one for one in done.stderr.splitlines() if "Error" in one]
        killed = f"killed by signal {-done.returncode}" if done.returncode < 0 else "an error"
        return {"broke": lines[-1][:200] if lines else killed}
    return json.loads(done.stdout.splitlines()[-1])


def study(
    results: str | Path = SCRATCH,
    items: Sequence[int] = ITEMS,
    events: Sequence[int] = EVENTS,
    losses: Sequence[str] = tuple(LOSSES),
) -> pd.DataFrame:
    """The table; what is kept is not made again. Smaller ones first."""
    rows = Growing(results, *NAMED, keys=KEYS, **READING)
    for size in itertools.product(items, events, losses):
        if size not in rows.by:
            rows.add(dict(zip(KEYS, size, strict=True)) | _apart(*size))
    return rows.table().fillna({"broke": ""})


def kept(results: str | Path = SCRATCH) -> pd.DataFrame:
    """The table that was made. Raises ``FileNotFoundError`` if there is none."""
    return made("studies.scaling", results, *NAMED, keys=KEYS, **READING).fillna({"broke": ""})


def passes(
    table: pd.DataFrame, events: float | int, items: int, loss: str, processes: int = 1
) -> dict[str, float]:
    """On paper: the hours of one pass over so many events by so many processes that each hold the
    model, and the GB that log and model take. From the row of the most events with so many items
    that did not break; raises ``LookupError`` without one."""
    rows = table[(table["items"] == items) & (table["loss"] == loss) & (table["broke"] == "")]
    if not len(rows):
        raise LookupError(f"nothing was measured of {items} items with the {loss} loss")
    largest = rows.sort_values("events").iloc[-1]
    targets_per_s = largest["targets"] / largest["step_s"]
    share = (HISTORY - 1) / HISTORY  # the first event of a user is no target
    return {
        "hours": float(events * share / targets_per_s / processes / 3600),
        "log GB": float(largest["log_mb"] / 1e3 * events / largest["events"]),
        "model GB": float(largest["model_mb"] / 1e3),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.scaling", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--items", type=int, nargs="*", default=ITEMS)
    parser.add_argument("--events", type=int, nargs="*", default=EVENTS)
    parser.add_argument("--row", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help="a small size, not kept")
    chosen = parser.parse_args(arguments)
    if chosen.row:
        torch.set_num_threads(1)
        items, events, loss = chosen.row
        print(json.dumps(row(int(items), int(events), loss)))
        return
    if chosen.smoke:
        found = pd.DataFrame([row(1000, 20_000, loss, steps=2, warm=1) for loss in LOSSES])
    else:
        found = study(chosen.results, chosen.items, chosen.events)
    print(found.round(3).to_string())


if __name__ == "__main__":
    main()
