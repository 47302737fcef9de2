"""Our encoders beside other people's classes, given the same weights and the same histories.

    python benchmarks/same_weights.py

Peers run in their own environments (made on the first run, as by ``training.py``), by
``peers/<name>_same_weights.py``: RecBole's FPMC, Caser and residual blocks of NextItNet, RecTools'
layers of HSTU with and without time. Published are the largest difference of each and the scale of
what was compared (results/same_weights.json); it fails where they differ by more than rounding.
"""

import argparse
import json
import subprocess
import sys
from typing import Any

import numpy as np
import torch
from publishing import publish
from training import BUILD, PEERS, environment

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import Recommender, from_config
from seqrec_lib.models.encoders.caser import Caser
from seqrec_lib.models.encoders.fpmc import FPMC
from seqrec_lib.models.encoders.hstu import HSTU
from seqrec_lib.models.encoders.nextitnet import NextItNet

ITEMS, USERS, STEPS = 40, 9, 12
ROUNDING = 2e-5  # of the largest number compared
CASES = {
    "recbole": {
        "fpmc": FPMC.Config(embed_dim=16),
        "caser": Caser.Config(embed_dim=16, height=STEPS, rectified=True),
        "nextitnet": NextItNet.Config(embed_dim=16, dilations=(1, 2, 1, 2)),
    },
    "rectools": {
        "hstu-none": HSTU.Config(16, 2, 2, STEPS),
        "hstu-asked": HSTU.Config(16, 2, 2, STEPS, time="asked"),
    },
}


def histories() -> Batch:
    """Full ones, so that nobody's padding matters; the clock ticks unevenly."""
    rng = np.random.default_rng(0)
    time = np.cumsum(rng.integers(1, 10**6, (USERS, STEPS + 1)), axis=1)
    item = rng.integers(1, ITEMS + 1, (USERS, STEPS))
    return Batch(
        torch.from_numpy(item),
        user=torch.arange(1, USERS + 1),
        time=torch.from_numpy(time[:, :-1]),
        asked_at=torch.from_numpy(time[:, 1:]),
    )


def strong(config: Any) -> Recommender:
    """A model with large random weights, so that every part of it shows."""
    torch.manual_seed(1)
    frequency = np.r_[0, np.ones(ITEMS, dtype=np.int64)]
    model = from_config(Catalogue(ITEMS, frequency, num_users=USERS), config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
            if name == "items.weight":
                weight[0] = 0
        for name, known in model.named_buffers():
            if name.endswith("known"):
                known.fill_(True)
    return model


@torch.no_grad()
def compared(name: str, batch: Batch, cases: dict) -> dict[str, dict[str, float]]:
    """The largest difference and the largest number of each case, as the peer reports them."""
    given = {f"batch.{key}": getattr(batch, key) for key in ("item", "user", "time", "asked_at")}
    for case, config in cases.items():
        model = strong(config)
        given |= {f"{case}.{key}": value for key, value in model.state_dict().items()}
        found = model.score_all(batch)[:, 1:] if case in ("fpmc", "caser") else model.encode(batch)
        given[f"{case}.found"] = found
    path = BUILD / f"{name}-same-weights.npz"
    BUILD.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{key: value.numpy() for key, value in given.items()})
    python = environment(name, sys.executable)
    command = [python, str(PEERS / f"{name}_same_weights.py"), str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    batch = histories()
    systems = {name: compared(name, batch, cases) for name, cases in CASES.items()}
    publish("same_weights", {"what": "our encoders and peers' classes, same weights"} | systems)
    for name, cases in CASES.items():
        for case in cases:
            apart, scale = systems[name][case]["apart"], systems[name][case]["largest"]
            if not apart <= ROUNDING * scale:
                sys.exit(f"{case} and {name}'s class differ by {apart} where {scale} is largest")


if __name__ == "__main__":
    main()
