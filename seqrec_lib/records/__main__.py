"""Train published runs; list the records made by older code, or renew them.

python -m seqrec_lib.records train beauty sasrec --seeds 0 1 2 [--device cuda] [--retrain]
python -m seqrec_lib.studies.regeneration beauty [--start sasrec]
python -m seqrec_lib.records stale
python -m seqrec_lib.records renew [--limit-epochs 1] [--results FOLDER] [--device cuda]

Under ``torchrun --nproc-per-node 2 -m seqrec_lib.records ...`` several processes or GPUs share
every batch.
"""

from __future__ import annotations

import argparse
import logging
import os

import torch
import torch.distributed as dist

from seqrec_lib.records.renewal import renew, stale
from seqrec_lib.records.runs import run
from seqrec_lib.records.store import RESULTS
from seqrec_lib.studies.regeneration import regenerate


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.records",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("stale", help="list the records made by older code")
    again = commands.add_parser(
        "renew", help="put today's code on the records whose first epoch it still makes"
    )
    again.add_argument("--limit-epochs", type=int, default=1, help="how many to train again")
    train = commands.add_parser("train", help="train published runs and write their records")
    train.add_argument("dataset")
    train.add_argument("names", nargs="+")
    train.add_argument("--seeds", type=int, nargs="+", default=[0])
    train.add_argument("--epochs", type=int)
    rewrite = commands.add_parser("regenerate", help="write a training set anew (DR4SR)")
    rewrite.add_argument("dataset")
    rewrite.add_argument("--start", default="sasrec", help="run whose item vectors it begins with")
    rewrite.add_argument("--device", default="cpu")
    for command in (train, again):
        command.add_argument("--device", default="cpu")
        command.add_argument("--results", default=RESULTS)
    train.add_argument("--retrain", action="store_true", help="replace the records there are")
    chosen = parser.parse_args(arguments)
    if chosen.command == "stale":
        found = stale()
        print("\n".join(found) or "every record was made by the code as it stands")
        return
    if chosen.command == "renew":
        for finding in renew(chosen.results, chosen.device, chosen.limit_epochs):
            state = "renewed" if finding.renewed else "stays stale"
            print(f"{finding.record} {state}: {finding.evidence}", flush=True)
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if chosen.command == "regenerate":
        written = regenerate(chosen.dataset, start=chosen.start, device=chosen.device)
        print(f"{chosen.dataset}: {written['sequence'].nunique():,} sequences written")
        return
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
