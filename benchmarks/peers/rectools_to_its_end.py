"""Train RecTools' SASRecModel until its early stopping ends it, and save what it scores with.

Runs in RecTools' own environment (rectools.txt). EVENTS is a Parquet file with columns user, item,
time that holds all events. The last of each user is left out, the one before it is RecTools'
validation target (``leave_one_out_mask``); as its guide has it, the loss on validation is watched,
here with a patience of ten passes, and the best weights are kept. The model has the size of the
others (width 64, two layers, two heads, length 50, dropout .5), the rest is RecTools' default:
batches of 128 users, a softmax over the catalogue, Adam at .001.

What was best and what was last stand beside OUT (rectools.ckpt, rectools-last.ckpt): an interrupted
training goes on from the last. OUT and the report are as in recbole_to_its_end.py, and what the
weights of the last pass score stands beside OUT (OUT-last.npz): the lowest loss need not be the
best list. Items that training never had are in neither.
"""

import argparse
import json
import logging
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from rectools import Columns
from rectools.models import SASRecModel
from rectools.models.nn.transformers.utils import leave_one_out_mask
from rectools_sasrec import dataset_of

PATIENCE = 10


class Watch(Callback):
    """Tells of each validation, and keeps it, with the processor seconds so far."""

    def __init__(self):
        self.losses: list[float] = []
        self.seconds = self.before = 0.0
        self.began = time.process_time()

    def __deepcopy__(self, memo):
        return self  # RecTools trains with a deep copy of the trainer it is given

    def state_dict(self):
        return {"losses": self.losses, "seconds": self.seconds}

    def load_state_dict(self, state):
        self.losses, self.before = state["losses"], state["seconds"]

    def on_validation_epoch_end(self, trainer, module):
        if not trainer.sanity_checking:
            self.losses.append(float(trainer.callback_metrics[SASRecModel.val_loss_name]))
            self.seconds = self.before + time.process_time() - self.began
            print(len(self.losses), self.losses[-1], file=sys.stderr, flush=True)


class Resumed(Trainer):
    """A trainer that goes on from the last checkpoint, where there is one."""

    def fit(self, module, *loaders):
        (keep,) = self.checkpoint_callbacks
        last = Path(keep.dirpath) / f"{keep.CHECKPOINT_NAME_LAST}.ckpt"
        if last.exists():  # it draws new weights when a training starts, resumed or not
            module.on_train_start = lambda: None
        super().fit(module, *loaders, ckpt_path=last if last.exists() else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events")
    parser.add_argument("out")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = Path(args.out).resolve()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    seed_everything(args.seed, verbose=False)
    events = pd.read_parquet(args.events)
    events = events[events.duplicated("user", keep="last")]  # without each user's last
    dataset = dataset_of(events)
    watch = Watch()

    def trainer() -> Trainer:
        stop = EarlyStopping(SASRecModel.val_loss_name, patience=PATIENCE, mode="min")
        keep = ModelCheckpoint(
            dirpath=out.parent, filename="rectools", monitor=SASRecModel.val_loss_name,
            save_last=True, enable_version_counter=False,
        )  # fmt: skip
        keep.CHECKPOINT_NAME_LAST = "rectools-last"
        return Resumed(
            max_epochs=args.epochs,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[watch, stop, keep],
        )

    model = SASRecModel(
        n_factors=64,
        n_blocks=2,
        n_heads=2,
        session_max_len=50,
        dropout_rate=0.5,
        loss="softmax",
        get_val_mask_func=leave_one_out_mask,
        get_trainer_func=trainer,
    )
    model.fit(dataset)
    for name, where in (
        ("rectools-last", out.with_name(f"{out.stem}-last.npz")),
        ("rectools", out),
    ):
        model.load_weights_from_checkpoint(out.parent / f"{name}.ckpt")
        save(model, dataset, events, where)
    report = {
        "system": "RecTools SASRecModel, softmax",
        "version": version("rectools"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in model.lightning_model.parameters()),
        "seed": args.seed,
        "passes": len(watch.losses),
        "best_pass": 1 + int(np.argmin(watch.losses)),
        "cpu_seconds": watch.seconds,  # validation included
        "validations": [{"loss": loss} for loss in watch.losses],
    }
    print(json.dumps(report), flush=True)


def save(model, dataset, events, out) -> None:
    """The state of each user's history, validation event included, and the items' vectors.

    ``recommend`` makes both, ranks, and gives neither: they are taken on their way.
    """
    kept = {}
    module = model.lightning_model
    embed = module._get_user_item_embeddings

    def caught(*given):
        kept["state"], kept["vector"] = embed(*given)
        return kept["state"], kept["vector"]

    module._get_user_item_embeddings = caught
    users = np.sort(events["user"].unique())
    lists = model.recommend(users, dataset, k=10, filter_viewed=True)
    extra = model.data_preparator.n_item_extra_tokens  # padding
    known = model.data_preparator.item_id_map.external_ids[extra:].astype(np.int64)
    # the rows of states are users in the order of the map of who is asked for
    np.savez(
        out,
        state=kept["state"].numpy(),
        user=users,
        vector=kept["vector"][extra:].numpy(),
        item=known,
        list_user=lists[Columns.User].to_numpy(),
        list_item=lists[Columns.Item].to_numpy(),
    )


if __name__ == "__main__":
    main()
