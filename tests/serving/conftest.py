"""Small stored models of every kind that is served."""

import dataclasses

import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.simulator import small_world
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.registry import MODELS
from seqrec_lib.models.wrappers.ensemble import Ensemble
from seqrec_lib.models.wrappers.retrieval import Retrieval
from seqrec_lib.records.model_file import save_model
from seqrec_lib.records.settings import plain
from seqrec_lib.serving.rerank import reranked
from seqrec_lib.serving.served import Served
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training

LENGTH = 5
GRU_8, SASREC_8 = (kind.Config(embed_dim=8, hidden_dim=16) for kind in (GRU, SASRec))
CONFIGS = {
    "gru": GRU_8,
    "sasrec": SASREC_8,
    "retrieval": Retrieval.Config(GRU_8, neighbours=5, frozen=False),
    "ensemble": Ensemble.Config((GRU_8, SASREC_8), repeats=True),
    "din": dataclasses.replace(MODELS["din"].Config(), embed_dim=8),
}


@pytest.fixture(scope="package")
def table():
    return small_world(num_users=60, num_items=90, seed=1).assign(
        item=lambda events: 100 + events["item"]
    )


@pytest.fixture(scope="package")
def kept(table, tmp_path_factory):
    """``kept("gru", text=False)``: the file of a small model, and the model."""
    folder, found = tmp_path_factory.mktemp("models"), {}

    def keep(name, text=False):
        if (name, text) in found:
            return found[name, text]
        torch.manual_seed(0)
        raw = table.assign(item=table["item"].astype("str")) if text else table
        raw = raw.assign(basket=raw["time"] // 172_800)  # two days each
        log = EventLog.build(raw)
        split = leave_last_out(log)
        config = CONFIGS.get(name, MODELS[name].Config())
        model = MODELS[name](Catalogue.learned(log, split.train), config)
        training = Training(epochs=1, max_len=LENGTH, precision="fp32")
        fit(model, log, split, training)
        path = folder / f"{name}-{text}.safetensors"
        spec = {"model": name, "config": plain(config), "training": dataclasses.asdict(training)}
        save_model(model, spec, log.items, path)
        return found.setdefault((name, text), (path, model.eval(), log))

    return keep


@pytest.fixture(scope="package")
def served(kept):
    """``served("gru")``, by its name; ``served("reranked")``: what DIN makes of GRU's 20 best."""
    found = {}

    def serve(name):
        if name not in found:
            found[name] = (
                reranked(serve("gru"), serve("din"), 20)
                if name == "reranked"
                else Served.load(kept(name)[0], name=name)
            )
        return found[name]

    return serve
