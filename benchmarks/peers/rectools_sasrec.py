"""Train RecTools' SASRecModel (softmax loss) and print its speed and memory as one JSON line.

Runs in RecTools' own environment (rectools.txt). EVENTS is a Parquet file with columns user, item,
time that holds training events only. RecTools learns the last LENGTH targets of each user.
"""

import argparse
import logging
import warnings
from importlib.metadata import version

import pandas as pd
import torch
from measuring import Meter, arguments
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel


class BatchClock(Callback):
    """Tells the meter when a pass begins and when a batch is over; keeps the losses."""

    def __init__(self, meter: Meter):
        self.meter = meter
        self.losses: list[float] = []

    def __deepcopy__(self, memo):
        return self  # RecTools trains with a deep copy of the trainer it is given

    def on_train_epoch_start(self, trainer, module):
        self.meter.start()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.losses.append(float(outputs["loss"]))
        self.meter.done(len(batch["y"]), int((batch["y"] != 0).sum()))


def dataset_of(events: pd.DataFrame) -> Dataset:
    """Events as RecTools wants them."""
    events = events.assign(time=pd.to_datetime(events["time"], unit="s"))
    names = {"user": Columns.User, "item": Columns.Item, "time": Columns.Datetime}
    return Dataset.construct(events.rename(columns=names).assign(**{Columns.Weight: 1.0}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    args = arguments(parser).parse_args()
    warnings.filterwarnings("ignore")  # Lightning's advice on loaders and logging
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    seed_everything(args.seed, verbose=False)
    meter = Meter(args.warm_up)
    clock = BatchClock(meter)

    events = pd.read_parquet(args.events)
    dataset = dataset_of(events)

    def trainer() -> Trainer:
        """RecTools' default trainer, with the clock and an early end."""
        return Trainer(
            max_epochs=args.passes,
            max_steps=args.warm_up + args.batches if args.batches else -1,
            accelerator="cpu",
            precision="bf16-mixed" if args.precision == "bf16" else "32-true",
            devices=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            callbacks=[clock],
        )

    model = SASRecModel(
        n_factors=args.width,
        n_blocks=args.layers,
        n_heads=args.heads,
        session_max_len=args.length,
        dropout_rate=args.dropout,
        batch_size=args.batch_size,
        loss="softmax",
        get_trainer_func=trainer,
    )
    model.fit(dataset)
    targets = (events.groupby("user").size() - 1).clip(upper=args.length)
    meter.report(
        rows_per_pass=len(targets),
        positions_per_pass=int(targets.sum()),
        system="RecTools SASRecModel, softmax",
        version=version("rectools"),
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        batch_size=args.batch_size,
        precision=args.precision,
        mean_loss=sum(clock.losses) / len(clock.losses),
        parameters=sum(p.numel() for p in model.lightning_model.parameters()),
    )


if __name__ == "__main__":
    main()
