"""Train published runs, list the records that do not stand, make one again, write golden runs.

python -m seqrec_lib.records train beauty sasrec --seeds 0 1 2 [--device cuda] [--retrain]
python -m seqrec_lib.records train shop.csv sasrec --columns user=customer --unit ms --sort
python -m seqrec_lib.records stale
python -m seqrec_lib.records remake book/results/beauty/sasrec/s0 [--device cuda]
python -m seqrec_lib.records golden [amazon/sasrec ...]

Under ``torchrun --nproc-per-node 2 -m seqrec_lib.records ...`` several processes or GPUs share
every batch.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

import torch
import torch.distributed as dist

from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import composed
from seqrec_lib.data.options import add_variants
from seqrec_lib.records import golden
from seqrec_lib.records.runs import remake, run
from seqrec_lib.records.standing import stale
from seqrec_lib.records.store import RESULTS


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
    again.add_argument("record", help="its folder, .../<data set>/<run>/s<seed>")
    for command in (train, again):
        command.add_argument("--device", default="cpu")
    for command in (train, old):
        command.add_argument("--results", default=RESULTS)
    figures = commands.add_parser("golden", help="write the golden runs that are new or have moved")
    figures.add_argument("names", nargs="*", help="world/recipe; all without")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if chosen.command == "stale":
        found = [f"{record}: {'; '.join(why)}" for record, why in stale(chosen.results)]
        print("\n".join(found), end="\n" if found else "")
        sys.exit(1 if found else 0)
    if chosen.command == "remake":
        table = remake(chosen.record, chosen.device)
        print(table.to_string(index=False))
        sys.exit(0 if table["same"].all() else 1)
    if chosen.command == "golden":
        print("\n".join(golden.write(chosen.names)) or "no golden run has moved")
        return
    if "WORLD_SIZE" in os.environ:  # started by torchrun
        dist.init_process_group()
        if chosen.device == "cuda":
            chosen.device = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(chosen.device)
    try:
        dataset = composed(chosen.dataset, chosen)
        datasets.load(dataset)
    except (ValueError, OSError) as error:  # of a log that cannot be read
        sys.exit(str(error))
    for name in chosen.names:
        for seed in chosen.seeds:
            how = (chosen.epochs, chosen.device, chosen.retrain, chosen.results)
            runs = run(dataset, name, [seed], *how)
            if dist.is_initialized() and dist.get_rank():
                continue
            for protocol, metrics in runs.seeds[0].card["summary"].items():
                print(
                    f"{dataset.name} {name} s{seed} {protocol}: "
                    f"HR@10 {metrics['HR@10']:.4f} NDCG@10 {metrics['NDCG@10']:.4f}"
                )


if __name__ == "__main__":
    main()
