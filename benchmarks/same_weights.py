"""Our models beside other people's classes, given the same weights and the same histories.

    python benchmarks/same_weights.py

Peers run in their own environments (made on the first run, as by ``training.py``), by
``peers/<name>_same_weights.py``: RecBole's FPMC, Caser, residual blocks of NextItNet, and of DIN
and DIEN what they take of a history; RecTools' layers of HSTU with and without time; FuxiCTR's DIN,
DIEN and SIM, search and second stage. Published are the largest difference of each and the scale of
what was compared (results/same_weights.json); it fails where they differ by more than rounding.
``--only`` compares with some of them and publishes nothing.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import replace
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
from seqrec_lib.models.rankers.dien import DIEN
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.models.rankers.sim_soft import SIMSoft

ITEMS, USERS, STEPS, ASKED = 40, 9, 12, 7
ROUNDING = 2e-5  # of the largest number compared
DIN_, DIEN_ = DIN.Config(embed_dim=16), DIEN.Config(embed_dim=16, auxiliary="mlp")
CASES = {
    "recbole": {
        "fpmc": FPMC.Config(embed_dim=16),
        "caser": Caser.Config(embed_dim=16, height=STEPS, rectified=True),
        "nextitnet": NextItNet.Config(embed_dim=16, dilations=(1, 2, 1, 2)),
        "din": DIN_,
        "dien": DIEN_,
    },
    "rectools": {
        "hstu-none": HSTU.Config(16, 2, 2, STEPS),
        "hstu-asked": HSTU.Config(16, 2, 2, STEPS, time="asked"),
    },
    "fuxictr": {
        "din": DIN_,
        "din-softmax": replace(DIN_, normalised=True),
        "dien": DIEN_,
        # a third of the events is found
        "sim-soft": SIMSoft.Config(embed_dim=16, num_heads=2, k=4),
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


def told(model: Recommender, batch: Batch, asked: torch.Tensor) -> torch.Tensor:
    """What is compared: scores, states after each step, or what is taken from a history for each
    candidate; of SIM what its search sums up by itself, beside that."""
    if isinstance(model, (FPMC, Caser)):
        return model.score_all(batch)[:, 1:]
    if isinstance(model, (HSTU, NextItNet)):
        return model.encode(batch)
    read, item = model.read(batch), model.items(asked)
    if isinstance(model, DIN):
        return model.interest(read, item, None)
    if isinstance(model, DIEN):
        return model.evolved(read, model.attention(read, item))
    weights = model.search.candidate(item) @ model.search.event(read.vectors).mT
    return torch.cat([weights @ read.vectors, model.interest(read, model.asked(asked))], -1)


def evolving(model: DIEN, batch: Batch, asked: torch.Tensor) -> dict[str, torch.Tensor]:
    """The attention of DIEN, and its auxiliary loss on other items."""
    read, other = model.read(batch), torch.randint(1, ITEMS + 1, batch.item.shape)
    loss = model.auxiliary_loss(read.states, batch.item, other).mean()
    return {"attention": model.attention(read, model.items(asked)), "other": other, "loss": loss}


@torch.no_grad()
def compared(name: str, batch: Batch, cases: dict) -> dict[str, dict[str, float]]:
    """The largest difference and the largest number of each case, as the peer reports them."""
    given = {f"batch.{key}": getattr(batch, key) for key in ("item", "user", "time", "asked_at")}
    given["batch.asked"] = torch.randint(1, ITEMS + 1, (USERS, ASKED))
    for case, config in cases.items():
        model = strong(config)
        given |= {f"{case}.{key}": value for key, value in model.state_dict().items()}
        more = {"found": told(model, batch, given["batch.asked"])}
        if isinstance(model, DIEN):
            more |= evolving(model, batch, given["batch.asked"])
        elif isinstance(model, SIMSoft):
            more |= {"k": torch.tensor(config.k), "heads": torch.tensor(config.num_heads)}
        given |= {f"{case}.{key}": value for key, value in more.items()}
    path = BUILD / f"{name}-same-weights.npz"
    BUILD.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{key: value.numpy() for key, value in given.items()})
    python = environment(name, sys.executable)
    command = [python, str(PEERS / f"{name}_same_weights.py"), str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", choices=CASES, help="and publish nothing")
    only = parser.parse_args().only
    batch = histories()
    systems = {name: compared(name, batch, CASES[name]) for name in only or CASES}
    if only:
        print(json.dumps(systems, indent=1))
    else:
        publish("same_weights", {"what": "our models and peers' classes, same weights"} | systems)
    for name, found in systems.items():
        for case, one in ((case, one) for case, one in found.items() if case != "version"):
            apart, scale = one["apart"], one["largest"]
            if not apart <= ROUNDING * scale:
                sys.exit(f"{case} and {name}'s class differ by {apart} where {scale} is largest")


if __name__ == "__main__":
    main()
