"""Who can count over a whole life? Models in the world of memory, told by clicks (W6).

``worlds/clicks.csv`` beside the results has a row a length, model and seed. A model scores what a
user was shown, learns by cross-entropy whether it was clicked, and is asked by AUC over all users
and items together. All have about as many parameters; settings are drawn from a declared space and
judged on validation at the length ``CHOSEN`` (and below it at each), where a training takes
seconds; longer histories take what was chosen there. An interrupted study goes on.

python -m seqrec_lib.studies.clicks --results book/results
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.worlds import memory
from seqrec_lib.data.worlds.memory import Clicks
from seqrec_lib.metrics.auc import auc, auc_by_group
from seqrec_lib.models.base import Recommender, from_config
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.models.rankers.pooling import Pooling
from seqrec_lib.models.rankers.target_attention import TargetAttention
from seqrec_lib.models.rankers.twin import TWIN
from seqrec_lib.models.rankers.twin_v2 import TWINV2
from seqrec_lib.records.store import SCRATCH, beside, keep, made, rows_by
from seqrec_lib.studies.spaces import drawn
from seqrec_lib.studies.worlds import sized
from seqrec_lib.studies.worlds_plans import Family

LEVELS, SEEDS, TRIALS = memory.LEVELS, 3, 4
CHOSEN = 1_000
PASSES, LONG_PASSES = 20, 5  # up to that length and above it: about as many updates
EVENTS = 200_000  # of a batch, about
SPACE: dict[str, tuple[Any, ...]] = {"learning_rate": (0.003, 0.01), "item_std": (0.02, 0.1)}
KEYS = ["level", "model", "seed"]


def _pooling(kind: Any, **more: Any) -> Callable[..., Any]:
    return lambda width, length: kind.Config(
        embed_dim=width, hidden=(2 * width, width), dropout=0.0, **more
    )


def _attending(kind: Any, **more: Any) -> Callable[..., Any]:
    return _pooling(kind, num_heads=2, **more)


_alone = {"cross": ()}
FAMILIES: dict[str, Family] = {
    "pooling": Family(_pooling(Pooling)),
    "pooling-sum": Family(_pooling(Pooling, pooling="sum")),
    "din": Family(_pooling(DIN)),
    "din-softmax": Family(_pooling(DIN, normalised=True)),
    "attention": Family(_attending(TargetAttention, k=None)),
    "attention-recent": Family(_attending(TargetAttention, k=memory.RECENT)),
    "twin": Family(_attending(TWIN, k=memory.TOP, **_alone)),
    "twin-v2": Family(_attending(TWINV2, k=None, **_alone)),
    "twin-v2-unweighted": Family(_attending(TWINV2, k=None, counted=False, **_alone)),
}


def place(results: str | Path = SCRATCH, anew: bool = False) -> Path:
    """The file of what is kept, or of what is made ``anew``."""
    return beside(results, "worlds", "clicks.csv", anew=anew)


def learned(
    family: Family, world: Clicks, chosen: dict[str, Any], seed: int, passes: int
) -> tuple[Recommender, float]:
    """A model after so many passes, as it was best on validation, and its AUC there.

    Its rate falls to zero; a batch has as many users as make :data:`EVENTS`.
    """
    log, users, length = world.log, np.arange(world.log.num_users), world.length
    catalogue = Catalogue.learned(log, world.split.train)
    torch.manual_seed(seed)
    model = from_config(catalogue, sized(family, catalogue, length, {}))
    torch.nn.init.normal_(model.items.weight[1:].data, std=chosen["item_std"])  # type: ignore[union-attr, index]
    optimizer = torch.optim.AdamW(model.parameters(), chosen["learning_rate"], weight_decay=0.01)
    train = users[: len(world.split.train)]
    updates = _batches(train, length)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, passes * updates)
    rng, best, kept = np.random.default_rng(seed), -math.inf, {}
    for _ in range(passes):
        model.train()
        model.begin_pass(log, world.split.train, length)
        for part in np.array_split(rng.permutation(train), updates):
            lost = F.binary_cross_entropy_with_logits(
                _scores(model, world, part, length),
                torch.from_numpy(world.clicked[part]).float(),
            )
            optimizer.zero_grad(set_to_none=True)
            lost.backward()
            optimizer.step()
            schedule.step()
        valid = _area(model, world, world.split.valid, length)
        if valid > best:
            best, kept = valid, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return model.eval(), best


def _batches(users: Int[np.ndarray, "B"], length: int) -> int:
    return math.ceil(len(users) / max(1, min(64, EVENTS // length)))


def _scores(
    model: Recommender, world: Clicks, users: Int[np.ndarray, "B"], length: int
) -> Float[torch.Tensor, "B C"]:
    ends = world.log.offsets[users + 1] - 1
    batch = model.batch(world.log, ends, length)
    return model.score(batch, torch.from_numpy(world.shown[users].astype(np.int64)))


@torch.no_grad()
def told(model: Recommender, world: Clicks, positions: Int[np.ndarray, "P"]) -> np.ndarray:
    """Scores of what the users of these positions were shown."""
    model.eval()
    length, users = world.length, world.log.user_of(positions)
    model.begin_scoring(world.log, world.split.train, length)
    parts = np.array_split(users, _batches(users, length))
    return np.concatenate([_scores(model, world, part, length).numpy() for part in parts])


def _area(model: Recommender, world: Clicks, positions: np.ndarray, length: int) -> float:
    clicked = world.clicked[world.log.user_of(positions)]
    return auc(clicked.ravel(), told(model, world, positions).ravel())


def row(
    level: int,
    model: str,
    seed: int,
    settings: dict[str, Any] | None = None,
    trials: int = TRIALS,
    passes: int | None = None,
    num_users: int | None = None,
) -> dict[str, Any]:
    """What a model has in a world of one length and seed, by these settings or the best found.

    ``auc`` and its standard ``error`` over users; ``best``: the AUC of the true chances; beside it
    those of who sees a part (:class:`~seqrec_lib.data.worlds.memory.Clicks`).
    """
    began, world = time.process_time(), memory.draw(level, seed, num_users)
    passes = passes or (PASSES if level <= CHOSEN else LONG_PASSES)
    spaces = [settings] if settings else [drawn(SPACE, trial) for trial in range(trials)]
    tried = [(*learned(FAMILIES[model], world, one, seed, passes), one) for one in spaces]
    found, valid, chosen = max(tried, key=lambda one: one[1])
    users = world.log.user_of(world.split.test)
    clicked, user = world.clicked[users].ravel(), np.repeat(users, world.shown.shape[1])
    by_user = auc_by_group(clicked, told(found, world, world.split.test).ravel(), user)
    seen = {name: auc(clicked, one[users].ravel()) for name, one in world.limits.items()}
    return {
        **{"level": level, "model": model, "seed": seed, "auc": by_user.mean()},
        "error": by_user.std(ddof=1) / len(by_user) ** 0.5,
        "best": auc(clicked, world.chance[users].ravel()),
        **seen,
        **{"valid": valid, "seconds": time.process_time() - began, "trials": len(spaces)},
        "settings": json.dumps(chosen),
    }


def study(
    results: str | Path = SCRATCH,
    levels: Sequence[int] = LEVELS,
    models: Sequence[str] = tuple(FAMILIES),
    seeds: int = SEEDS,
    anew: bool = False,
) -> pd.DataFrame:
    """:func:`row` of every length, model and seed; none is made again, or, ``anew``, all are,
    beside ``results`` alone."""
    path = place(results, anew)
    have = rows_by(path, KEYS)
    for level, model, seed in itertools.product(sorted(levels), models, range(seeds)):
        if (level, model, seed) in have:
            continue
        # what was chosen at seed 0 of the length, or at the longest length where it is chosen
        like = have.get((level if level <= CHOSEN else CHOSEN, model, 0))
        settings = json.loads(like["settings"]) if like else None
        have[level, model, seed] = row(level, model, seed, settings)
        keep(pd.DataFrame(list(have.values())), path, "%.4f")
    return pd.read_csv(path)


def kept(results: str | Path = SCRATCH) -> pd.DataFrame:
    """The rows that were made. Raises ``FileNotFoundError`` if there are none."""
    return made(place(results), "studies.clicks")


def smoke() -> pd.DataFrame:
    """:func:`row` of few short histories and passes; nothing is kept."""
    how: dict[str, Any] = {"trials": 1, "passes": 2, "num_users": 120}
    return pd.DataFrame([row(LEVELS[0], model, 0, **how) for model in FAMILIES])


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.clicks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--results", default=SCRATCH)
    parser.add_argument("--levels", type=int, nargs="*", default=LEVELS)
    parser.add_argument("--models", nargs="*", default=tuple(FAMILIES))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--smoke", action="store_true", help="few short histories, not kept")
    chosen = parser.parse_args(arguments)
    how = (chosen.results, chosen.levels, chosen.models, chosen.seeds)
    print((smoke() if chosen.smoke else study(*how)).round(3).to_string())


if __name__ == "__main__":
    main()
