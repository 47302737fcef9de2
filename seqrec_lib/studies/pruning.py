"""Does pruning the weakest edges of a history take out accidental events? SURGE in the world of
noise, where it is known which events are accidents.

``worlds/pruning.csv`` beside the results has a row a model, level and seed: SURGE with the edges it
keeps, with all of them, and a GRU; as many trials each. A ranker of candidates takes ten times as
long as an encoder, so that there are fewer users and passes here than in the world's own study.

python -m seqrec_lib.studies.pruning --results book/results
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from seqrec_lib.data.worlds import noise
from seqrec_lib.data.worlds.base import World
from seqrec_lib.models.rankers.surge import SURGE
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import Growing, made
from seqrec_lib.studies.worlds import searched, tried
from seqrec_lib.studies.worlds_plans import FAMILIES, LEARNED, NEGATIVES, Family

LEVELS, USERS, PASSES, TRIALS, SEEDS = (1, 2), 1000, 20, 3, 3
KEYS = ["level", "model", "seed"]
NAMED = ("worlds", "pruning.csv")


def _surge(width: int, length: int, dropout: float, share: float) -> SURGE.Config:
    return SURGE.Config(
        width, share=share, pruned=share < 1, dropout=dropout, hidden=(2 * width, width),
        objective=NEGATIVES,
    )  # fmt: skip


MODELS: dict[str, Family] = {
    "gru": FAMILIES["gru"],
    "surge": Family(_surge, LEARNED | {"share": (0.3, 0.5)}),
    "surge-unpruned": Family(_surge, LEARNED | {"share": (1.0,)}),
}


def kept(results: str | Path = SCRATCH) -> pd.DataFrame:
    """What was made; raises ``FileNotFoundError`` if it was not."""
    return made("studies.pruning", results, *NAMED, keys=KEYS)


def accidental(world: World, positions: Int[np.ndarray, "P"]) -> Bool[np.ndarray, "P T"]:
    """Which events of the histories before these answers are no steps of the walk: of another cycle
    than the answer."""
    item = world.log.histories(positions, world.length).item.numpy()
    cycle = (world.log.item[positions] - 1) // noise.STEPS
    return (item > 0) & ((item - 1) // noise.STEPS != cycle[:, None])


def pruned(model: SURGE, world: World, positions: Int[np.ndarray, "P"]) -> dict[str, float]:
    """``precision``: which share of the pairs without an edge holds an accident; ``chance``: of all
    pairs. ``kept`` is the share of pairs that have an edge."""
    batch = world.log.histories(positions, world.length)
    model.eval()
    edge = model.edges(batch).numpy()
    real, wrong = batch.real.numpy(), accidental(world, positions)
    pair = np.triu(real[:, :, None] & real[:, None, :], 1)
    holds = wrong[:, :, None] | wrong[:, None, :]
    apart = pair & ~edge
    return {
        "precision": float(holds[apart].mean()) if apart.any() else np.nan,
        "chance": float(holds[pair].mean()),
        "kept": float(edge[pair].mean()),
    }


def study(
    results: str | Path = SCRATCH,
    trials: int = TRIALS,
    seeds: int = SEEDS,
    levels: Sequence[float | int] = LEVELS,
    passes: int = PASSES,
    num_users: int = USERS,
    anew: bool = False,
) -> pd.DataFrame:
    """The table; what is kept is not made again, or, ``anew``, beside ``results`` alone. Settings
    are searched in the world of seed 0."""
    rows = Growing(results, *NAMED, keys=KEYS, anew=anew, float_format="%.4f")
    for level, name, seed in itertools.product(levels, MODELS, range(seeds)):
        if (level, name, seed) in rows.by:
            continue
        family, world = MODELS[name], noise.draw(level, seed=seed, num_users=num_users)
        if first := rows.by.get((level, name, 0)):
            found = tried(family, world, json.loads(first["settings"]), seed, passes)
        else:
            found, _ = searched(family, world, trials, seed, passes)
        row = dict(zip(KEYS, (level, name, seed), strict=True))
        row |= {"test": found.test, "best": world.ideal(world.split.test)}
        row |= {"parameters": found.parameters, "seconds": found.seconds}
        row["settings"] = json.dumps(found.chosen)
        if isinstance(found.model, SURGE):
            row |= pruned(found.model, world, world.split.test)
        rows.add(row)
    return rows.table()


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.pruning", description=__doc__
    )
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    chosen = parser.parse_args(arguments)
    print(study(chosen.results, chosen.trials, chosen.seeds).round(3).to_string())


if __name__ == "__main__":
    main()
