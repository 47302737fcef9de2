"""Memory and speed of a training step at the shapes of the report, sections 5.2 and 6.3.

Its catalogue has 456,186 items, its vectors 128 numbers, its histories 50 events; the GRU (256
wide) takes 512 histories a step and learns from the last event of each, SASRec (two layers, two
heads) takes 32 and learns from every event. The report gives a peak of 2.84 GB for the GRU on a
GPU; its notebooks show 10.32 GB for SASRec.

*ours* is seqrec_lib: one item table, a sample of negatives, gradients of the rows that were
compared. *as the report* is its networks: a second table for the output, a softmax over all items,
AdamW on everything. Both run here on a CPU, in single precision but for our loss, each in processes
of its own: one is timed; in another, which hands freed memory back at once, the largest resident
set above what the process held after its imports is taken.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

from cleaning import Memory, version
from publishing import cores, machine, publish

ITEMS, LENGTH, STEPS = 456_186, 50, 6
BATCH = {"gru": 512, "sasrec": 32}
REPORTED = {"gru": 2.84e9, "sasrec": 10.32e9}  # bytes on a GPU


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure)))
        return
    where, runs = machine(), {}
    for _, model, system in itertools.product(range(args.repetitions), BATCH, ("ours", "report")):
        command = [sys.executable, __file__, "--measure", model, system]
        timed, watched = (
            json.loads(subprocess.check_output(command, text=True, env=env).splitlines()[-1])
            for env in (os.environ, os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"})
        )
        both = {"seconds_per_step": timed["seconds_per_step"], "peak_bytes": watched["peak_bytes"]}
        runs.setdefault((model, system), []).append(both)
        print(model, system, runs[model, system][-1], file=sys.stderr)
    found = {}
    for model, reported in REPORTED.items():
        seconds, peak = (
            {s: statistics.median(run[key] for run in runs[model, s]) for s in ("ours", "report")}
            for key in ("seconds_per_step", "peak_bytes")
        )
        found[model] = {
            "batch": BATCH[model],
            "peak_bytes": peak,
            "reported_bytes": reported,
            "ratio_to_reported": peak["ours"] / reported,
            "seconds_per_step": seconds,
            "histories_per_second": {s: BATCH[model] / value for s, value in seconds.items()},
            "ratio_of_speed": seconds["report"] / seconds["ours"],
        }
    publish(
        "report_shapes",
        {
            "what": "a training step at the shapes of the report, ours and its networks, on a CPU; "
            "medians over repetitions",
            **found,
            "repetitions": {" ".join(key): value for key, value in runs.items()},
            "versions": {"torch": version("torch")},
            "machine": where,
        },
    )


def measure(model, system):
    """Seconds a step (median without the first two) and peak memory of one system."""
    import numpy as np
    import torch

    from seqrec_lib.data.catalogue import Catalogue
    from seqrec_lib.data.log import EventLog
    from seqrec_lib.models.registry import MODELS  # noqa: F401  all that is imported later, before we look
    from seqrec_lib.training.optimizers import optimizer as ready

    ready(torch.nn.Linear(1, 1), "adamw", 1e-3, 0.0)
    torch.set_num_threads(cores())
    torch.manual_seed(0)
    users = BATCH[model] * (STEPS + 2)
    watch = Memory()
    log = EventLog(
        item=np.random.default_rng(0).integers(1, ITEMS + 1, users * (LENGTH + 1), dtype=np.int32),
        time=np.tile(np.arange(LENGTH + 1), users),
        offsets=np.arange(users + 1) * (LENGTH + 1),
        users=np.arange(users),
        items=np.arange(1, ITEMS + 1),
    )
    positions = np.arange(len(log))
    network, optimizer = (ours if system == "ours" else as_the_report)(
        model, Catalogue.learned(log, positions)
    )
    batches = network.training_batches(
        log, positions, BATCH[model], LENGTH, np.random.default_rng(0)
    )
    seconds = []
    for batch in itertools.islice(batches, STEPS):
        assert abs(len(batch.item) - BATCH[model]) < 2 and batch.item.shape[1] == LENGTH
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=system == "ours"):
            loss = network.loss(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - began)
    return {"seconds_per_step": statistics.median(seconds[2:]), "peak_bytes": watch.stop()}


def ours(model, catalogue):
    from seqrec_lib.models.encoders.gru import GRU
    from seqrec_lib.models.encoders.sasrec import SASRec
    from seqrec_lib.models.losses import SampledSoftmax
    from seqrec_lib.training.optimizers import optimizer

    same = {"embed_dim": 128, "hidden_dim": 256, "dropout": 0.1, "temperature": 0.07}
    sampled = SampledSoftmax(1024, alpha=0.5)
    kind = GRU if model == "gru" else SASRec
    network = kind(catalogue, kind.Config(**same, objective=sampled))
    network.every_step = model != "gru"  # the report's GRU learns from the last step
    return network, optimizer(network, "sparse-adam", 1e-3, 0.0)


def as_the_report(model, catalogue):
    """The same classes, untied; cross-entropy on all logits at once, as nn.CrossEntropyLoss."""
    from dataclasses import dataclass

    import torch
    import torch.nn.functional as F

    from seqrec_lib.models.encoders.gru import GRU
    from seqrec_lib.models.encoders.sasrec import SASRec

    @dataclass(frozen=True)
    class AllLogits:
        def __call__(self, states, targets, vectors, bias, frequency, cosine=False, sparse=False):
            return F.cross_entropy(F.linear(states, vectors, bias), targets)

    kind = GRU if model == "gru" else SASRec
    same = {"embed_dim": 128, "hidden_dim": 256, "dropout": 0.1, "tied": False}
    network = kind(catalogue, kind.Config(**same, objective=AllLogits()))
    network.every_step = model != "gru"
    return network, torch.optim.AdamW(network.parameters(), lr=1e-3)


if __name__ == "__main__":
    main()
