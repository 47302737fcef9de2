"""FuxiCTR's DIN or SIM learning from rows of ROWS, in its own training step: rows a second.

Runs in FuxiCTR's own environment (fuxictr.txt): ``ROWS MODEL BATCH_SIZE BATCHES``. Sizes are those
of ours; what is not said here is the library's default. Two batches come before the timed ones.
Report: one JSON line.
"""

import json
import sys
import tempfile
import time
from importlib.metadata import version

import numpy as np
import torch
from fuxictr.features import FeatureMap
from model_zoo.LongCTR.DIN.DIN import DIN
from model_zoo.LongCTR.SIM.SIM import SIM
from torch import nn

NEGATIVES, WARM = 64, 2
SHARED = {
    "embedding_dim": 64,
    "dnn_hidden_units": [64, 32],
    "dnn_activations": "prelu",
    "net_dropout": 0.1,
    "optimizer": "adam",
    "loss": "binary_crossentropy",
    "learning_rate": 3e-3,
    "verbose": 0,
    "metrics": ["AUC"],
}
OWN = {
    "DIN": (DIN, {"attention_hidden_units": [36], "attention_hidden_activations": [nn.PReLU()]}),
    "SIM": (SIM, {"attention_dim": 64, "num_heads": 2, "topk": 50}),
}


def batch(data, size, rng):
    """Rows of random positions: one in 65 asks for the answer, the others for a random item."""
    row = rng.integers(len(data["position"]), size=size)
    place, before = data["position"][row], data["before"][row]
    label = rng.integers(NEGATIVES + 1, size=size) == 0
    drawn = rng.integers(1, int(data["items"]) + 1, size)
    back = np.arange(before.max(), 0, -1)  # the last event stands on the right
    seen = back <= before[:, None]
    events = np.where(seen, data["item"][np.maximum(place[:, None] - back, 0)], 0)
    item = np.hstack([events, np.where(label, data["item"][place], drawn)[:, None]])
    told = {"item": torch.from_numpy(item.ravel())}
    return {"click": torch.from_numpy(label)}, told, torch.from_numpy(seen).float()


def main():
    path, name, size, batches = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    data, rng = dict(np.load(path)), np.random.default_rng(0)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        about = FeatureMap("rows", folder)
        about.labels, about.default_emb_dim = ["click"], 64
        rows = int(data["items"]) + 1
        about.features["item"] = {
            "source": "item", "type": "categorical", "vocab_size": rows, "padding_idx": 0,
        }  # fmt: skip
        kind, own = OWN[name]
        model = kind(about, model_root=folder, **SHARED, **own).train()
    model._max_gradient_norm, model._batch_index = 10.0, 0  # what its fit sets
    made = [batch(data, size, rng) for _ in range(WARM + batches)]
    for one in made[:WARM]:
        model.train_step(one)
    began = time.perf_counter()
    for one in made[WARM:]:
        model.train_step(one)
    rate = size * batches / (time.perf_counter() - began)
    print(json.dumps({"rows_per_s": rate, "version": version("fuxictr")}))


if __name__ == "__main__":
    main()
