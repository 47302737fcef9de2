"""Our side of the training benchmark: write the training events, or train SASRec on Beauty.

    python benchmarks/ours.py write EVENTS
    python benchmarks/ours.py train EVENTS --passes 3

``write`` stores the training part of leave-last-out for all systems. ``train`` learns from the very
same positions and prints its speed and memory as one JSON line. Validation after each pass is not
timed, but its memory counts.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from peers.measuring import Meter, arguments

from seqrec_lib.data import datasets
from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training


def beauty() -> tuple[EventLog, Split, Catalogue]:
    """Amazon Beauty, split leave-last-out."""
    log, split = datasets.load("beauty")
    return log, split, Catalogue.learned(log, split.train)


def write(path: str) -> None:
    """The training events as columns user, item, time.

    ``time`` is the place in the log: no two are equal, so no system can order them otherwise.
    """
    log, split, _ = beauty()
    columns = {"user": log.user_of(split.train) + 1, "item": log.item[split.train]}
    with written_aside(path) as aside:
        pd.DataFrame(columns | {"time": split.train}).to_parquet(aside)


class ClockedSASRec(SASRec):
    """SASRec that tells the meter when a pass begins and when a batch has been learned."""

    meter: Meter

    def training_batches(self, *args) -> Iterator[Batch]:
        self.meter.start()
        for batch in super().training_batches(*args):
            yield batch
            self.meter.done(len(batch.item), int((batch.target > 0).sum()))


def train(args: argparse.Namespace, meter: Meter) -> None:
    """Train with the library's own loop and report."""
    log, split, catalogue = beauty()
    torch.manual_seed(args.seed)
    config = SASRec.Config(
        embed_dim=args.width,
        hidden_dim=args.width,
        num_layers=args.layers,
        num_heads=args.heads,
        max_len=args.length,
        dropout=args.dropout,
    )
    model = ClockedSASRec(catalogue, config)
    model.meter = meter
    training = Training(
        epochs=args.passes,
        batch_size=args.batch_size,
        max_len=args.length,
        precision=args.precision,
        patience=args.passes,
        seed=args.seed,
    )
    history = fit(model, log, split, training)
    meter.report(
        rows_per_pass=len(log.windows(split.train, args.length)),
        positions_per_pass=int((log.history_length(split.train) > 0).sum()),
        system="seqrec_lib SASRec, softmax",
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        batch_size=args.batch_size,
        precision=args.precision,
        mean_loss=float(np.mean([row["loss"] for row in history])),
        parameters=sum(p.numel() for p in model.parameters()),
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["write", "train"])
    arguments(parser)
    parser.set_defaults(precision=Training.precision)
    args = parser.parse_args()
    if args.batches:
        parser.error("--batches: our side trains whole passes")
    if args.what == "write":
        write(args.events)
    else:
        train(args, Meter(args.warm_up))


if __name__ == "__main__":
    main()
