"""Models in small worlds with known best answers: who has an ability, and who has not.

``worlds/<world>.csv`` beside the results has a row a kind and level of a world, model and seed.
Which models meet where, and what is searched of them: :mod:`seqrec_lib.studies.worlds_plans`.
All models have about as many parameters, as many passes (but for those to whom a pass shows fewer
targets: ``Family.more``), and settings drawn from a declared space, as many trials each, judged on
validation alone (in the world of seed 0; the others take what was chosen there). A search that has
found the best there can be ends. An interrupted study goes on.

python -m seqrec_lib.studies.worlds union --results book/results --trials 6 --seeds 3
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import nn

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.refusals import one_line
from seqrec_lib.data.worlds.base import World
from seqrec_lib.models.base import Recommender, from_config
from seqrec_lib.models.layers import Users
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import Growing, beside, made
from seqrec_lib.studies.spaces import drawn
from seqrec_lib.studies.worlds_plans import FAMILIES, PLANS, Family
from seqrec_lib.training.evaluation import best
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training

PARAMETERS = 20_000  # of every model that has any, by its width
BATCH = 64  # histories
TRIALS, SEEDS = 6, 3
ENOUGH = 0.99  # of the best possible on validation: no further trial
KEYS = ["kind", "level", "model", "seed"]
READING: dict[str, Any] = {"keep_default_na": False, "na_values": {"limit": [""]}}


class Tried(NamedTuple):
    """A model as it was trained: its settings, HR@k of the world, size, and processor seconds."""

    model: Recommender
    chosen: dict[str, Any]
    valid: float
    test: float
    parameters: int
    seconds: float


def place(name: str, results: str | Path = SCRATCH) -> Path:
    """The file of what is kept."""
    return beside(results, *_named(name))


def _named(name: str) -> tuple[str, str]:
    return "worlds", f"{name}.csv"


def parameters(model: Recommender) -> int:
    """How many numbers are learned, without the vectors of users: those who test have none."""
    users = sum(p.numel() for m in model.modules() if isinstance(m, Users) for p in m.parameters())
    return sum(p.numel() for p in model.parameters()) - users


def sized(family: Family, catalogue: Catalogue, length: int, chosen: dict[str, Any]) -> Any:
    """Its settings, as wide as makes its size nearest to :data:`PARAMETERS`."""

    def size(width: int) -> int:
        return parameters(from_config(catalogue, family.config(width, length, **chosen)))

    widths = range(4, 2048, 2)  # even: for two heads
    if not size(4):
        return family.config(4, length, **chosen)
    above = bisect_left(widths, PARAMETERS, 1, len(widths) - 1, key=size)
    near = min(widths[above - 1 : above + 1], key=lambda width: abs(size(width) - PARAMETERS))
    return family.config(near, length, **chosen)


def hits(
    model: Recommender, world: World, positions: Int[np.ndarray, "P"]
) -> Float[np.ndarray, "P"]:
    """The chance of each answer to be among the first k of the outcomes, ties broken by lot."""
    log, found = world.log, np.empty(len(positions))
    every = best(model, log, positions, log.num_items, world.length + 1, protocols=["unmasked"])
    for rows, lists in every:
        item, score = lists["unmasked"]
        score = np.where(np.isin(item, world.outcomes), score, np.nan)
        own = score[item == log.item[positions[rows], None]][:, None]
        higher, tied = (score > own).sum(1), (score == own).sum(1)
        found[rows] = ((world.k - higher) / tied).clip(0, 1)
    return found


def tried(family: Family, world: World, chosen: dict[str, Any], seed: int, passes: int) -> Tried:
    """Train a model, its rate falling to zero over the passes; the best on validation is kept.

    It makes as many times ``passes`` as its family needs.
    """
    began, passes = time.process_time(), passes * family.more
    settings = dict(chosen)
    rate, std = settings.pop("learning_rate", 1e-3), settings.pop("item_std", None)
    catalogue = Catalogue.learned(world.log, world.split.train, world.attributes)
    length = world.length + 1
    config = sized(family, catalogue, length, settings)
    torch.manual_seed(seed)
    model = from_config(catalogue, config)
    if std is not None:  # small ones tell a net without norms next to nothing of what was read
        nn.init.normal_(model.items.weight[1:].data, std=std)  # type: ignore[union-attr, index]
    training = Training(
        epochs=passes, batch_size=BATCH, max_len=length, learning_rate=rate, cosine=True,
        patience=passes, precision="fp32", select="unmasked", seed=seed,
    )  # fmt: skip
    fit(model, world.log, world.split, training)
    valid, test = (
        float(hits(model, world, part).mean()) for part in (world.split.valid, world.split.test)
    )
    return Tried(model, chosen, valid, test, parameters(model), time.process_time() - began)


def searched(
    family: Family, world: World, trials: int, seed: int, passes: int
) -> tuple[Tried, int]:
    """What validates best of so many settings drawn, and how many were tried."""
    found: list[Tried] = []
    for trial in range(trials if family.space else 1):
        found.append(tried(family, world, drawn(family.space, trial), seed, passes))
        if found[-1].valid >= ENOUGH * world.ideal(world.split.valid):
            break
    return max(found, key=lambda one: one.valid), len(found)


def row(
    name: str,
    kind: str,
    level: float | int,
    model: str,
    seed: int,
    settings: dict[str, Any] | None = None,
    trials: int = TRIALS,
    passes: int | None = None,
    **size: int,
) -> dict[str, Any]:
    """What a model has in a world of one seed, with these settings or with what a search finds.

    ``test`` and ``valid``: HR@k; ``best``: what the ideal ranking has on the same questions;
    ``limit``: what it has where the model is denied the answer, else nan. ``trials`` were made to
    choose the ``settings``; ``seconds`` of a processor are of the last training alone. ``passes``
    are the plan's if not given, and ``size`` may say ``num_users`` of the world.
    """
    plan, family = PLANS[name], FAMILIES[model]
    world, passes = plan.draw(level, kind, seed, **size), passes or plan.passes
    if settings is None:
        found, count = searched(family, world, trials, seed, passes)
    else:
        found, count = tried(family, world, settings, seed, passes), 0
    return {
        **dict(zip(KEYS, (kind, level, model, seed), strict=True)),
        **{"test": found.test, "best": world.ideal(world.split.test), "k": world.k},
        "limit": world.limits.get(plan.models[model], np.nan),
        **{"valid": found.valid, "parameters": found.parameters, "seconds": found.seconds},
        **{"trials": count, "settings": json.dumps(found.chosen)},
    }


def study(
    name: str,
    results: str | Path = SCRATCH,
    trials: int = TRIALS,
    seeds: int = SEEDS,
    levels: Sequence[float | int] | None = None,
    models: Sequence[str] | None = None,
    anew: bool = False,
) -> pd.DataFrame:
    """:func:`row` of every kind, level, model and seed in :data:`PLANS` (of some models the last
    level alone); none is made again, unless all are to be made ``anew``.

    Raises ``ValueError`` for a world without a plan, or a model that its plan lacks.
    """
    if name not in PLANS:
        raise ValueError(f"no plan for world {name!r}; there is one for {', '.join(PLANS)}")
    plan = PLANS[name]
    levels, models = list(levels or plan.levels), list(models or plan.models)
    if strange := set(models) - set(plan.models):
        raise ValueError(f"{name} lacks {sorted(strange)}; it has {', '.join(plan.models)}")
    rows = Growing(results, *_named(name), keys=KEYS, anew=anew, float_format="%.4f", **READING)
    for kind, level, model, seed in itertools.product(plan.kinds, levels, models, range(seeds)):
        if (kind, level, model, seed) in rows.by:
            continue
        if model in plan.hardest and level != plan.levels[-1]:
            continue
        first = rows.by.get((kind, level, model, 0))
        settings = json.loads(first["settings"]) if first else None
        rows.add(row(name, kind, level, model, seed, settings, trials))
    return rows.table()


def kept(name: str, results: str | Path = SCRATCH) -> pd.DataFrame:
    """The rows that were made. Raises ``FileNotFoundError`` if there are none."""
    return made(f"studies.worlds {name}", results, *_named(name), keys=KEYS, **READING)


def smoke(name: str) -> pd.DataFrame:
    """:func:`row` of the first level, of few users, models and passes; nothing is kept."""
    plan = PLANS[name]
    models = list(dict.fromkeys([next(iter(plan.models)), "gru", list(plan.models)[-1]]))
    how: dict[str, Any] = {"trials": 1, "passes": 2, "num_users": 160}
    return pd.DataFrame(
        [row(name, plan.kinds[0], plan.levels[0], model, 0, **how) for model in models]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.worlds", description=__doc__
    )

    def number(text: str) -> float | int:
        return float(text) if "." in text else int(text)

    parser.add_argument("world", choices=PLANS)
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--levels", type=number, nargs="*", help="some of the world's levels")
    parser.add_argument("--models", nargs="*", help="some of the world's models")
    parser.add_argument("--smoke", action="store_true", help="few users and passes, not kept")
    chosen = parser.parse_args(arguments)
    how = (chosen.results, chosen.trials, chosen.seeds, chosen.levels, chosen.models)
    with one_line():
        found = smoke(chosen.world) if chosen.smoke else study(chosen.world, *how)
    print(found.round(3).to_string())


if __name__ == "__main__":
    main()
