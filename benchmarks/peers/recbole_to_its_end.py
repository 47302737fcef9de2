"""Train RecBole's SASRec until its own early stopping ends it, and save what it scores with.

Runs in RecBole's own environment (recbole.txt). EVENTS is a Parquet file with columns user, item,
time that holds all events; RecBole splits off the last two of each user itself. All is RecBole's
default but the length of histories, the loss, and batches of 256 rows (those of DuoRec, and of the
benchmark of speed): one padded row a position, 300 passes at most, ten without a better validation
(MRR@10, earlier items left in). What was best so far is kept beside OUT (.pth, and .jsonl for the
validations): an interrupted training goes on from there. OUT is an .npz file:

``state`` (users, D), the state of each history, validation event included; ``user`` (users,);
``vector`` (items, D), ``item`` (items,); a score is their product. Report: one JSON line.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_logger, init_seed
from recbole_sasrec import settings, write_atomic


class Watched(Trainer):
    """Tells of each validation, keeps it, and goes on from the best where a run was cut off."""

    def __init__(self, config, model, out: Path):
        super().__init__(config, model)
        self.saved_model_file = str(out.with_suffix(".pth"))
        self.told = out.with_suffix(".jsonl")
        self.validations: list[dict[str, float]] = []
        if os.path.exists(self.saved_model_file):
            self.resume_checkpoint(self.saved_model_file)
            lines = self.told.read_text().splitlines()[: self.start_epoch]
            self.validations = [json.loads(line) for line in lines]
        self.began = time.process_time()

    def _valid_epoch(self, *args, **kwargs):
        score, found = super()._valid_epoch(*args, **kwargs)
        now = time.process_time()
        self.validations.append({"cpu_seconds": now - self.began, **found})
        self.began = now
        self.told.write_text("".join(json.dumps(one) + "\n" for one in self.validations))
        print(len(self.validations), self.validations[-1], file=sys.stderr, flush=True)
        return score, found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events")
    parser.add_argument("out")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=2020)  # RecBole's own
    args = parser.parse_args()
    out = Path(args.out).resolve()
    warnings.filterwarnings("ignore")
    # RecBole's checkpoints hold more than weights, which torch loads no more unless told
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    events = pd.read_parquet(args.events)
    with tempfile.TemporaryDirectory() as folder:
        write_atomic(events, Path(folder))
        os.chdir(folder)
        del sys.argv[1:]  # RecBole reads the command line too
        learn(args, folder, out)


def learn(args, folder: str, out: Path) -> None:
    config = Config(
        model="SASRec",
        dataset="train",
        config_dict=settings(
            folder,
            MAX_ITEM_LIST_LENGTH=50,
            metrics=["Recall", "MRR", "NDCG"],
            train_batch_size=256,
            epochs=args.epochs,
            seed=args.seed,
        ),
    )
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)
    dataset = create_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    model = SASRec(config, train.dataset)
    trainer = Watched(config, model, out)
    trainer.fit(train, valid, saved=True, verbose=False, show_progress=False)
    own = trainer.evaluate(test, load_best_model=True, show_progress=False)
    model.eval()
    states, users = [], []
    with torch.no_grad():
        for batch, *_ in test:
            states.append(model.forward(batch["item_id_list"], batch["item_length"]))
            users.append(batch["user_id"])
    vectors = model.item_embedding.weight.detach()[1:]  # row 0 is padding
    np.savez(
        out,
        state=torch.cat(states).numpy(),
        user=dataset.id2token("user_id", torch.cat(users).numpy()).astype(np.int64),
        vector=vectors.numpy(),
        item=dataset.id2token("item_id", np.arange(1, len(vectors) + 1)).astype(np.int64),
    )
    seconds = [one.pop("cpu_seconds") for one in trainer.validations]
    score = [one["mrr@10"] for one in trainer.validations]
    print(
        json.dumps(
            {
                "system": "RecBole SASRec, CE",
                "version": version("recbole"),
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "parameters": sum(p.numel() for p in model.parameters()),
                "seed": args.seed,
                "passes": len(score),
                "best_pass": 1 + int(np.argmax(score)),
                # validation included; the mean of those timed
                "cpu_seconds": len(seconds) * float(np.nanmean(seconds)),
                "validations": trainer.validations,
                "own_test": dict(own),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
