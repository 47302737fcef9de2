"""Training rows a second of DIN and SIM beside FuxiCTR's, on the tails of MovieLens, on one core.
With ``--passes`` instead the seconds of a first whole pass of ours, on all cores.

A row is a history of up to 300 events and one candidate, as FuxiCTR counts. Ours learn from every
event of a window at once, each with its answer and 64 negatives that the batch shares: 65 rows a
position. FuxiCTR's learn from rows of different users, 65 of each position too; it is given three
sizes of batch, and the fastest counts. Its batches are padded to their longest history, as its
loader does. Timed are steps alone, of batches made beforehand; the systems take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import numpy as np
from families import Side
from publishing import KEPT, keep_memory, machine, publish
from training import BUILD, PEERS, environment

from seqrec_lib.data import datasets

DATASET, LENGTH, NEGATIVES = "movielens_small-tail-shuffled", 300, 64
PAIRS = {"DIN": "din", "SIM": "sim-soft"}
BATCHES = (64, 256, 1024)
PASSES = ("pooling", "din", "sim-hard", "sim-soft", "twin", "tim")


def write(path):
    """The training positions: every event that has one before it, of users in turn."""
    log, split = datasets.load(DATASET)
    asked = split.train[log.history_length(split.train) > 0]
    before = np.minimum(log.history_length(asked), LENGTH)
    np.savez(path, item=log.item, position=asked, before=before, items=log.num_items)


def theirs(python, path, model, size, batches):
    """What FuxiCTR's model learns, in rows a second, in a process of its own."""
    command = [python, str(PEERS / "fuxictr_rankers.py"), path, model, str(size), str(batches)]
    environ = os.environ | KEPT | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def passes(quick):
    """Time a pass of each ranker, with as many threads as torch takes by itself."""
    import torch

    where, names = machine(), PASSES[:1] if quick else PASSES
    seconds = {name: Side(name, DATASET).first_s for name in names}
    print(seconds, file=sys.stderr)
    if quick:
        return
    publish(
        "passes",
        {
            "what": "seconds of the first pass of a ranker over every training event of "
            "MovieLens, histories of up to 300 events, 64 negatives a batch; once",
            "threads": torch.get_num_threads(),
            "machine": where,
            "seconds": seconds,
        },
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--python", default=sys.executable, help="Python 3.11, for the peer")
    parser.add_argument("--passes", action="store_true", help="time passes of ours instead")
    parser.add_argument("--quick", action="store_true", help="does it work? publishes nothing")
    args = parser.parse_args()
    keep_memory()
    import torch

    if args.passes:
        return passes(args.quick)
    torch.set_num_threads(1)
    where, python = machine(), environment("fuxictr", args.python)
    path = str(BUILD / "rows.npz")
    write(path)
    sides = {model: Side(name, DATASET) for model, name in PAIRS.items()}
    ours, peer, version = {}, {}, ""
    for _ in range(1 if args.quick else args.turns):
        for model, side in sides.items():
            ours.setdefault(model, []).append(side.turn() * (1 + NEGATIVES))
            for size in BATCHES[:1] if args.quick else BATCHES:
                found = theirs(python, path, model, size, 2 if args.quick else 2 * 1024 // size)
                peer.setdefault(model, {}).setdefault(size, []).append(found["rows_per_s"])
                version = found["version"]
            print(model, ours[model][-1], peer[model], file=sys.stderr)
    if args.quick:
        return
    systems = {}
    for model, rates in ours.items():
        by_size = {str(size): statistics.median(them) for size, them in peer[model].items()}
        mine, best = statistics.median(rates), max(by_size.values())
        systems[model] = {"ours": mine, "fuxictr": by_size, "ratio": mine / best}
    publish(
        "rankers",
        {
            "what": "rows (a history, a candidate) learned a second, histories of up to 300 events "
            "of MovieLens, width 64, one core; medians of turns",
            "fuxictr": version,
            "machine": where,
            "systems": systems,
        },
    )


if __name__ == "__main__":
    main()
