"""Train published runs and write their records.

python -m seqrec_lib.records train beauty sasrec --seeds 0 1 2 [--device cuda] [--retrain]

Under ``torchrun --nproc-per-node 2 -m seqrec_lib.records ...`` several processes or GPUs share
every batch.
"""

from __future__ import annotations

import argparse
import logging
import os

import torch
import torch.distributed as dist

from seqrec_lib.records.runs import run
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
    train.add_argument("dataset")
    train.add_argument("names", nargs="+")
    train.add_argument("--seeds", type=int, nargs="+", default=[0])
    train.add_argument("--epochs", type=int)
    train.add_argument("--device", default="cpu")
    train.add_argument("--results", default=RESULTS)
    train.add_argument("--retrain", action="store_true", help="replace the records there are")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if "WORLD_SIZE" in os.environ:  # started by torchrun
        dist.init_process_group()
        if chosen.device == "cuda":
            chosen.device = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(chosen.device)
    for name in chosen.names:
        for seed in chosen.seeds:
            how = (chosen.epochs, chosen.device, chosen.retrain, chosen.results)
            runs = run(chosen.dataset, name, [seed], *how)
            if dist.is_initialized() and dist.get_rank():
                continue
            for protocol, metrics in runs.seeds[0].card["summary"].items():
                print(
                    f"{chosen.dataset} {name} s{seed} {protocol}: "
                    f"HR@10 {metrics['HR@10']:.4f} NDCG@10 {metrics['NDCG@10']:.4f}"
                )


if __name__ == "__main__":
    main()
