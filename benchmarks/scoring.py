"""Time the ranking of the true item for all 22,363 test users of Beauty, and publish it.

One pass over the users gives each rank twice, with the user's own items masked and not. Weights
are untrained: the work does not depend on them. Memory is the peak of the process above what it
held with the data and the model loaded. ``din`` scores every item after every history by a network
of its own, on one core; its table of weights by pairs of items is made anew in each repetition.
"""

import argparse
import statistics
import time

import torch
from ours import beauty
from peers.measuring import peak_bytes, resident_bytes
from publishing import machine, publish

from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.training.evaluation import ranks

MODELS = {
    "sasrec": ("scoring", SASRec, 7, "SASRec of width 64, two layers, length 50"),
    "din": ("scoring_din", DIN, 3, "DIN of width 64, a unit of 36, a tower of 64 and 32"),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", choices=MODELS, default="sasrec")
    parser.add_argument("--repetitions", type=int)
    args = parser.parse_args()

    where = machine()
    name, kind, repetitions, words = MODELS[args.model]
    if args.model == "din":
        torch.set_num_threads(1)
    log, split, catalogue = beauty()
    torch.manual_seed(0)
    model = kind(catalogue, kind.Config())
    before, seconds = resident_bytes(), []
    for _ in range(args.repetitions or repetitions):
        model.train()  # as after an epoch: what was kept for scoring is gone
        began = time.perf_counter()
        found = ranks(model, log, split.test)
        seconds.append(time.perf_counter() - began)
    publish(
        name,
        {
            "what": f"{words}: rank of the test item of every Beauty user among all items, masked "
            "and not; median over repetitions",
            "users": len(found),
            "items": log.num_items,
            "seconds": statistics.median(seconds),
            "peak_above_model_bytes": peak_bytes() - before,
            "peak_bytes": peak_bytes(),
            "repetitions": seconds,
            "threads": torch.get_num_threads(),
            "versions": {"torch": torch.__version__},
            "machine": where,
        },
    )


if __name__ == "__main__":
    main()
