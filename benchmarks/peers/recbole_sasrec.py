"""Train RecBole's SASRec (cross-entropy loss) and print its speed and memory as one JSON line.

Runs in RecBole's own environment (recbole.txt). EVENTS is a Parquet file with columns user, item,
time that holds training events only. RecBole makes one padded row of each position.
"""

import argparse
import os
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch
from measuring import Meter, arguments
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.utils import get_dataloader
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed


class ClockedLoader:
    """A RecBole loader that tells the meter when each batch is over, and can end a pass early."""

    def __init__(self, loader, meter: Meter, batches: int):
        self.loader, self.meter, self.batches = loader, meter, batches

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        self.meter.start()
        for batch in self.loader:
            yield batch
            self.meter.done(len(batch), len(batch))
            if len(self.meter.rows) == self.batches:
                return


def write_atomic(events: pd.DataFrame, folder: Path) -> None:
    """RecBole's own text format: one typed header line, tab-separated."""
    names = {"user": "user_id:token", "item": "item_id:token", "time": "timestamp:float"}
    (folder / "train").mkdir()
    events = events[list(names)].rename(columns=names)
    events.to_csv(folder / "train" / "train.inter", sep="\t", index=False)


def settings(folder: str, **more) -> dict:
    """What RecBole is told here, of speed and of quality alike: our file, cross-entropy."""
    return {
        "data_path": folder,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "loss_type": "CE",
        "train_neg_sample_args": None,  # cross-entropy over all items needs no negatives
        "use_gpu": False,
        "show_progress": False,
    } | more


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    args = arguments(parser).parse_args()
    warnings.filterwarnings("ignore")
    meter = Meter(args.warm_up)
    events = pd.read_parquet(args.events)
    with tempfile.TemporaryDirectory() as folder:
        write_atomic(events, Path(folder))
        os.chdir(folder)  # RecBole writes its logs into the working folder
        train(args, folder, meter)


def train(args, folder: str, meter: Meter) -> None:
    """Train as ``run_recbole`` does, without its evaluation, and report."""
    del sys.argv[1:]  # RecBole reads the command line too
    config = Config(
        model="SASRec",
        dataset="train",
        config_dict=settings(
            folder,
            eval_args={"split": {"RS": [1, 0, 0]}, "order": "TO", "group_by": None},
            hidden_size=args.width,
            inner_size=args.width,
            n_layers=args.layers,
            n_heads=args.heads,
            hidden_dropout_prob=args.dropout,
            attn_dropout_prob=args.dropout,
            MAX_ITEM_LIST_LENGTH=args.length,
            train_batch_size=args.batch_size,
            enable_amp=args.precision == "bf16",
            epochs=args.passes,
            seed=args.seed,
        ),
    )
    init_seed(config["seed"], config["reproducibility"])
    data = create_dataset(config).build()[0]  # all of it: the file holds no held-out events
    loader = get_dataloader(config, "train")(config, data, None, shuffle=True)
    model = SASRec(config, data)
    wanted = args.warm_up + args.batches if args.batches else 0
    trainer = Trainer(config, model)
    trainer.fit(ClockedLoader(loader, meter, wanted), saved=False)
    losses = trainer.train_loss_dict.values()  # each the sum over the batches of a pass
    meter.report(
        rows_per_pass=len(data),
        positions_per_pass=len(data),
        system="RecBole SASRec, CE",
        version=version("recbole"),
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        batch_size=args.batch_size,
        precision=args.precision,
        mean_loss=sum(losses) / len(meter.rows),
        parameters=sum(p.numel() for p in model.parameters()),
    )


if __name__ == "__main__":
    main()
