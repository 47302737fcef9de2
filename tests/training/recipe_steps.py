"""A small run, and a few steps of every published recipe, spread over the processes of a group.

torchrun --nproc-per-node 2 recipe_steps.py SEEN
"""

import dataclasses
import datetime
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import small_run
import torch
import torch.distributed as dist

from seqrec_lib.data import pairs
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.simulator import small_world
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.models import losses
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.layers import Dropout
from seqrec_lib.models.rankers import dien
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.recipes import RECIPES, TAIL_RECIPES, TECD_RECIPES
from seqrec_lib.training import loop
from seqrec_lib.training.settings import Training

PUBLISHED = {"amazon": RECIPES, "tecd": TECD_RECIPES, "tail": TAIL_RECIPES}


def held_draws(patch):
    """Let negatives follow from the targets, so that no process draws others than another."""
    sampled = losses.sampled_items

    def fixed(count, alpha, frequency):
        return torch.arange(count) % (len(frequency) - 1) + 1, sampled(1, alpha, frequency)[1]

    def next_items(targets, count, num_rows):
        return (targets[:, None] + torch.arange(count) % (num_rows - 2)) % (num_rows - 1) + 1

    patch(losses, "sampled_items", fixed)
    for module in (losses, dien):
        patch(module, "other_items", next_items)


def drawn(kind, config, log, split):
    torch.manual_seed(0)
    attributes = np.arange(log.num_items + 1, dtype=np.int32)[:, None] % 7
    model = MODELS[kind](Catalogue.learned(log, split.train, attributes), config)
    for part in model.modules():
        if isinstance(part, Dropout):
            part.chance = 0.0
        elif isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        elif isinstance(part, torch.nn.MultiheadAttention):
            part.dropout = 0.0
    return model


def steps():
    """Of each recipe that learns by gradients the loss of one pass, or why it was refused."""
    table = small_world(num_users=16, num_items=40, seed=2)
    log = EventLog.build(table.assign(action=np.where(table["item"] % 3, "view", "like")))
    log = dataclasses.replace(log, basket=np.arange(len(log)) // 2)
    split = leave_last_out(log)
    of_pairs = pairs.as_log(log, split.train, 86_400)
    found, alike = {}, {}
    for published, recipes in PUBLISHED.items():
        for name, (kind, config, training, *start) in recipes.items():
            if issubclass(MODELS[kind], CountModel) or not training.epochs:
                continue
            training = dataclasses.replace(
                training, epochs=1, batch_size=200 if kind == "item2vec" else 5, precision="fp32"
            )
            same = repr((kind, config, training, start))  # but for the number of epochs
            if same in alike:
                found[f"{published} {name}"] = alike[same]
                continue
            of = of_pairs if kind == "item2vec" else (log, split)
            model = drawn(kind, config, *of)
            if start:
                names = [run.rsplit("/", 1)[1] for run in start[0].split(",")]
                model.start_from(*(drawn(*recipes[source][:2], log, split) for source in names))
            nothing = dataclasses.replace(of[1], valid=of[1].valid[:0])
            try:
                (row,) = loop.fit(model, of[0], nothing, training)
                alike[same] = row["loss"]
            except ValueError as error:
                alike[same] = str(error)
            found[f"{published} {name}"] = alike[same]
    return found


def patience():
    """How many epochs each process stays where they do not see the same validation."""
    log = EventLog.build(small_world(num_users=30, num_items=40, seed=2))
    split, rank = leave_last_out(log), dist.get_rank()
    places = iter([9, 5, 6, 7, 8] if rank == 0 else [1, 2, 3, 4, 5])

    def ranks(model, log, positions, length):
        return pd.DataFrame({"rank_masked": [next(places)] * len(positions)})

    loop.ranks = ranks
    config = SASRec.Config(8, 16, num_layers=1)
    training = Training(epochs=5, patience=2, batch_size=64)
    epochs = [0] * dist.get_world_size()
    history = loop.fit(drawn("sasrec", config, log, split), log, split, training)
    dist.all_gather_object(epochs, len(history))
    return epochs


if __name__ == "__main__":
    torch.set_num_threads(1)
    # short, so that processes that wait for each other fail and do not hang
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=60))
    seen = small_run.spread()
    held_draws(setattr)
    seen |= {"steps": steps(), "epochs": patience()}
    if dist.get_rank() == 0:
        Path(sys.argv[1]).write_text(json.dumps(seen))
    dist.destroy_process_group()
