"""A small training run that tests start in processes of its own: to kill it, or to spread it.

python small_run.py MODEL CHECKPOINT UPDATES MODEL CHECKPOINT UPDATES ...
"""

import json
import os
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.simulator import small_world
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import SampledSoftmax
from seqrec_lib.training import loop
from seqrec_lib.training.settings import Training


def prepare(model, dropout=0.5, averaging=0.9):
    """(model, log, split, training): two or three epochs of about a second."""
    torch.set_num_threads(1)
    torch.manual_seed(7)
    log = EventLog.build(small_world(num_users=60, num_items=40, seed=2))
    split = leave_last_out(log)
    catalogue = Catalogue.learned(log, split.train)
    if model == "gru4rec":
        objective = SampledSoftmax(16, alpha=0.5, in_batch=True)
        config = GRU4Rec.Config(8, dropout_embed=dropout, objective=objective)
        training = Training(epochs=2, batch_size=16, optimizer="adagrad", averaging=averaging)
        return GRU4Rec(catalogue, config), log, split, training
    config = SASRec.Config(8, 16, num_layers=1, max_len=10, dropout=dropout)
    if model == "sparse":
        config = replace(config, objective=SampledSoftmax(8), temperature=0.5)
        training = Training(
            epochs=3,
            batch_size=4,
            max_len=10,
            optimizer="sparse-adam",
            plateau=1,
            select="unmasked",
        )
        return SASRec(catalogue, config), log, split, training
    training = Training(
        epochs=3, batch_size=4, max_len=10, precision="fp32", cosine=True, averaging=averaging
    )
    return SASRec(catalogue, config), log, split, training


def killed(model, checkpoint, updates):
    """Train, save after every batch, and die by SIGKILL right after update number ``updates``."""
    learn = loop._Run.learn

    def learn_and_die(run, batch):
        count = learn(run, batch)
        if run.at.updates == updates:
            os.kill(os.getpid(), signal.SIGKILL)
        return count

    loop._Run.learn = learn_and_die
    loop.fit(*prepare(model), checkpoint=Path(checkpoint), checkpoint_seconds=0.0)


def in_a_fork(call, *given):
    """Start it in a process that has imported everything already; its id."""
    child = os.fork()
    if child == 0:
        try:
            call(*given)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    return child


def spread():
    """What a process of the group sees of a run of its own and of one that is refused."""
    model, *rest = prepare("sasrec", dropout=0.0, averaging=0.0)
    history = loop.fit(model, *rest)
    try:
        loop.fit(*prepare("gru4rec"))
        refused = ""
    except ValueError as error:
        refused = str(error)
    weights = [weight.double().sum().item() for weight in model.parameters()]
    return {"history": history, "weights": weights, "refused": refused}


if __name__ == "__main__":
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])  # imports what the forks need
    words = iter(sys.argv[1:])
    children = [
        in_a_fork(killed, model, checkpoint, int(updates))
        for model, checkpoint, updates in zip(words, words, words, strict=True)
    ]
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in children]))
