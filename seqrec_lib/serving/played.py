"""A whole replay of stored models, kept as a table: how good, how sure, how varied their lists are.

python -m seqrec_lib.serving.played movielens_small-shuffled --results book/results

``production/replay.csv`` beside the results has a row a model, protocol and measure; of calibration
one a bin, of accuracy after short histories one a length. Response times are the benchmark's.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from seqrec_lib.data import datasets
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.records import forecast
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import to_train
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import beside, keep, made
from seqrec_lib.serving.batching import Batcher
from seqrec_lib.serving.export import stored
from seqrec_lib.serving.monitor import Monitor
from seqrec_lib.serving.questions import asking
from seqrec_lib.serving.replay import Replay, play
from seqrec_lib.serving.served import Served

MODELS = ("popular", "markov", "gru", "sasrec")
NAMED = ("production", "replay.csv")


async def measured(
    models: Sequence[Served], log: EventLog, split: Split, k: int = 10
) -> dict[str, Any]:
    """All test events played as fast as they are answered; what the monitor says of the whole."""
    replay = Replay(log, split.test)
    monitor = Monitor(replay, models, split.train, k, most=len(split.test))
    async with AsyncExitStack() as stack:
        batchers = [await stack.enter_async_context(Batcher(one)) for one in models]
        ask = await stack.enter_async_context(asking(replay, batchers, k))
        await play(replay, ask, monitor)
    return monitor.snapshot(whole=True)


def table(found: dict[str, Any], dataset: str) -> pd.DataFrame:
    """A row a measure; ``chance`` is the mean that a bin was given."""
    rows: list[dict[str, Any]] = []
    for model, by_protocol in found["models"].items():
        for protocol, one in by_protocol.items():
            about = {"dataset": dataset, "model": model, "protocol": protocol}

            def add(measure: str, ends: Sequence[float], about=about, **more: Any) -> None:
                ends_of = dict(zip(("mean", "low", "high"), ends, strict=False))
                rows.append({**about, "measure": measure, **ends_of, **more})

            for name, value in one.items():
                if name in ("coverage", "calibration_error", "decided"):
                    add(name, [float(value)])
                elif name == "calibration":
                    for number, part in enumerate(value):
                        add(name, part["came"], group=str(number), chance=part["chance"],
                            events=part["events"])  # fmt: skip
                elif name == "by_history":
                    for length, ends in value.items():
                        add(name, ends, group=length)
                else:
                    add(name, value)
    return pd.DataFrame(rows)


def kept(results: str | Path = SCRATCH) -> pd.DataFrame:
    """The table that was made. Raises ``FileNotFoundError`` if there is none."""
    return made("serving.played", results, *NAMED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Play anew and keep; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.serving.played", description=__doc__.splitlines()[0]
    )
    parser.add_argument("dataset", nargs="?", default="movielens_small-shuffled")
    parser.add_argument("--models", nargs="+", default=MODELS, help="published runs")
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    try:
        specs = [s for name in chosen.models for s in published(chosen.dataset, name, [0])]
        forecast.announce(to_train(specs, False, chosen.results), "cpu", chosen.results)
        models = [stored(spec, chosen.results) for spec in specs]
        log, split = datasets.load(chosen.dataset)
        found = table(asyncio.run(measured(models, log, split)), chosen.dataset)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    keep(found, beside(chosen.results, *NAMED, anew=True))
    shown = found[found["measure"].isin(("HR@10", "NDCG@10", "calibration_error"))]
    print(shown.drop(columns=["group", "chance", "events"]).round(4).to_string())


if __name__ == "__main__":
    main()
