"""Train published runs, list the records that do not stand, make one again, write golden runs.

python -m seqrec_lib.records train beauty sasrec --seeds 0 1 2 [--retrain]
python -m seqrec_lib.records train beauty sasrec --results book/results   to publish
python -m seqrec_lib.records train shop.csv sasrec --columns user=customer --unit ms --sort
python -m seqrec_lib.records stale
python -m seqrec_lib.records remake book/results/beauty/sasrec/s0
python -m seqrec_lib.records remake --lot 20261128 --minutes 30   one drawn at random
python -m seqrec_lib.records golden [amazon/sasrec ...]

Under ``torchrun --nproc-per-node 2 -m seqrec_lib.records ...`` several processes or GPUs share
every batch.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import composed
from seqrec_lib.data.files import root
from seqrec_lib.data.options import add_variants
from seqrec_lib.data.refusals import Said, one_line
from seqrec_lib.records import forecast, golden
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import model_file, remake, run_spec, started, to_train
from seqrec_lib.records.standing import by_lot, stale
from seqrec_lib.records.store import RESULTS, SCRATCH, results_folder
from seqrec_lib.training.device import device as resolved


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.records",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train published runs and write their records")
    train.add_argument("dataset", help="one of ours, or the path of a log")
    train.add_argument("names", nargs="+")
    train.add_argument("--seeds", type=int, nargs="+", default=[0])
    train.add_argument("--epochs", type=int)
    train.add_argument("--retrain", action="store_true", help="replace the records there are")
    add_variants(train)
    old = commands.add_parser(
        "stale", help="list the records that do not stand; fails if there are"
    )
    again = commands.add_parser("remake", help="train one record again: old, new, tolerance")
    again.add_argument("record", nargs="?", help="its folder, .../<data set>/<run>/s<seed>")
    again.add_argument("--lot", type=int, help="a number that draws a record instead")
    again.add_argument(
        "--minutes", type=float, default=60, help="that the drawn one took at most (default 60)"
    )
    for command in (train, again):
        command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    train.add_argument(
        "--results",
        type=results_folder,
        default=SCRATCH,
        help=f"where new records go; {RESULTS} to publish them",
    )
    old.add_argument("--results", type=results_folder, default=RESULTS)
    figures = commands.add_parser("golden", help="write the golden runs that are new or have moved")
    figures.add_argument("names", nargs="*", help="world/recipe; all without")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        _do(chosen)
    except Said as error:
        sys.exit(str(error))


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Without a logger's warnings."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _do(chosen: argparse.Namespace) -> None:
    if chosen.command == "stale":
        with _quiet("seqrec_lib.data"):  # what a log leaves out was told when the record was made
            found = [f"{record}: {'; '.join(why)}" for record, why in stale(chosen.results)]
        if not any((root() / chosen.results).glob("*/*/s*/card.json")):
            print(f"there are no records in {root() / chosen.results}")
            return
        print("\n".join(found), end="\n" if found else "")
        sys.exit(1 if found else 0)
    if chosen.command == "remake":
        if (chosen.record is None) == (chosen.lot is None):
            sys.exit("say which record is to be made again: its folder, or --lot and a number")
        try:
            record = chosen.record or by_lot(chosen.lot, chosen.minutes)
        except ValueError as error:
            sys.exit(str(error))
        print(f"{record} is made again", flush=True)
        table = remake(record, chosen.device)
        print(table.to_string(index=False))
        sys.exit(0 if table["same"].all() else 1)
    if chosen.command == "golden":
        print("\n".join(golden.write(chosen.names)) or "no golden run has moved")
        return
    device = resolved(chosen.device)
    if "WORLD_SIZE" in os.environ:  # started by torchrun
        dist.init_process_group()
        if device == "cuda":
            device = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(device)
    with one_line():  # a log that cannot be read, a run that is none
        dataset = composed(chosen.dataset, chosen)
        log, split = datasets.load(dataset)
        if chosen.epochs is not None and chosen.epochs < 1:
            raise ValueError(f"--epochs is {chosen.epochs}; use 1 or more passes")
        if not all(0 <= seed < 2**32 for seed in chosen.seeds):
            raise ValueError(f"--seeds are {chosen.seeds}; use whole numbers from 0 to 2^32 - 1")
        every = [(dataset, name, chosen.seeds, chosen.epochs) for name in chosen.names]
        specs = [spec for one in every for spec in published(*one)]
        missing = to_train(specs, chosen.retrain, chosen.results)
        for spec in specs:  # all that will be trained, before the first is
            if spec in missing:
                started(spec, log, split)
    forecast.announce(missing, device, chosen.results)
    for spec in specs:
        record = run_spec(spec, device, chosen.retrain, chosen.results)
        if dist.is_initialized() and dist.get_rank():
            continue
        for protocol, metrics in record.card["summary"].items():
            print(
                f"{dataset.name} {spec.name} s{spec.training.seed} {protocol}: "
                f"HR@10 {metrics['HR@10']:.4f} NDCG@10 {metrics['NDCG@10']:.4f}"
            )
        if (path := model_file(record.folder)).exists():
            print(f"its model: {path}")
        else:  # none is committed
            print(f"its model is not kept with the record; --retrain makes it, in {chosen.results}")


if __name__ == "__main__":
    main()
