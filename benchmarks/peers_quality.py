"""Rank RecBole's and RecTools' SASRec beside ours on Amazon Beauty, each trained to its own end.

    python benchmarks/peers_quality.py recbole rectools

Each peer trains in its own environment (made on the first run, as by ``training.py``) until its own
early stopping, with its own validation, which takes hours: what it scores with is kept in
build/peers/<name>.npz, and a peer that has it is not trained again. Our ``ranks()`` then ranks the
same test events under both protocols, by the same scores. Published are the report of each
(results/peers_quality.json) and its ranks (results/peers/<name>/ranks.parquet), to be paired.
"""

import argparse
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import torch
from ours import beauty
from publishing import HERE, KEPT, cores, machine, publish
from training import BUILD, PART, PEERS, environment

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import written_aside
from seqrec_lib.models.base import CountModel
from seqrec_lib.records.store import summarise
from seqrec_lib.training.evaluation import ranks

EVENTS = BUILD / "all-events.parquet"


class Scored(CountModel):
    """A peer's scores, as a model: the product of its states and vectors.

    Items that its training never had get -inf, as it recommends none of them.
    """

    reads = ("user",)

    def __init__(self, catalogue: Catalogue, kept: dict[str, np.ndarray]):
        super().__init__(catalogue)
        width = kept["state"].shape[1]
        state = np.full((kept["user"].max() + 1, width), np.nan, dtype=np.float32)
        vector = np.zeros((catalogue.num_items + 1, width), dtype=np.float32)
        state[kept["user"]], vector[kept["item"]] = kept["state"], kept["vector"]
        unknown = np.setdiff1d(np.arange(catalogue.num_items + 1), kept["item"])
        self.register_buffer("state", torch.from_numpy(state))
        self.register_buffer("vector", torch.from_numpy(vector))
        self.register_buffer("unknown", torch.from_numpy(unknown))

    def score_all(self, batch: Batch) -> torch.Tensor:
        scores = self.state[batch.user.long()] @ self.vector.T
        scores[:, self.unknown] = -torch.inf
        return scores


def trained(name: str, python: str, threads: int) -> dict[str, np.ndarray]:
    """What a peer scores with; its report, one JSON line, stands beside it."""
    path = BUILD / f"{name}.npz"
    report = path.with_suffix(".json")
    if not (path.exists() and report.exists()):
        script = PEERS / f"{name}_to_its_end.py"
        environ = os.environ | KEPT | {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
        command = [environment(name, python), str(script), str(EVENTS), str(path)]
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, cwd=BUILD)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed; its own words are above")
        report.write_text(done.stdout.splitlines()[-1])
    return dict(np.load(path))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", nargs="+", choices=sorted(PART))
    parser.add_argument("--python", default=sys.executable, help="Python 3.11, for the peers")
    parser.add_argument("--threads", type=int, default=cores())
    args = parser.parse_args()

    log, split, catalogue = beauty()
    everything = np.arange(len(log.item))  # time is the place in the log, so that nothing ties
    columns = {"user": log.user_of(everything) + 1, "item": log.item, "time": everything}
    BUILD.mkdir(parents=True, exist_ok=True)
    with written_aside(EVENTS) as aside:
        pd.DataFrame(columns).to_parquet(aside)
    path = HERE / "results" / "peers_quality.json"
    systems = json.loads(path.read_text())["systems"] if path.exists() else {}
    for name in args.peers:
        model = Scored(catalogue, trained(name, args.python, args.threads))
        found = ranks(model, log, split.test)
        ranked = HERE / "results" / "peers" / name / "ranks.parquet"
        ranked.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(ranked) as aside:
            found.to_parquet(aside, index=False)
        report = json.loads((BUILD / f"{name}.json").read_text())
        if (last := BUILD / f"{name}-last.npz").exists():  # of one that stops by its loss
            model = Scored(catalogue, dict(np.load(last)))
            report["last"] = summarise(ranks(model, log, split.test))
        systems[name] = report | {"summary": summarise(found), "machine": machine()}
    what = "SASRec, Amazon Beauty, each trained to its own end, ranked by one function"
    publish("peers_quality", {"what": what, "systems": systems})


if __name__ == "__main__":
    main()
