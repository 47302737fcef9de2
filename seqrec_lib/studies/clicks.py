"""Who can count over a whole life? Models in the world of memory, told by clicks (W6).

``worlds/clicks.csv`` beside the results has a row a length, model and seed. A model scores what a
user was shown, learns by cross-entropy whether it was clicked, and is asked by AUC over all users
and items together. All have about as many parameters. Settings are drawn from a declared space and
judged on validation at the shortest length, of seed 0. At each longer one a model begins with what
it learned at the one before: a few events among a hundred thousand are found by nobody who starts
there. An interrupted study goes on.

python -m seqrec_lib.studies.clicks --results book/results
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import parametrize

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
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import Growing, made
from seqrec_lib.studies.spaces import drawn
from seqrec_lib.studies.worlds import sized
from seqrec_lib.studies.worlds_plans import Family

LEVELS, SEEDS, TRIALS = memory.LEVELS, 3, 6
PASSES, LATER = 20, 4  # at the shortest length, and at each that begins with what was learned
SLOWER = 0.5  # the learning rate there, of the chosen one
EVENTS = 200_000  # of a batch, about
SPACE: dict[str, tuple[Any, ...]] = {
    "learning_rate": (0.003, 0.01),
    "item_std": (0.02, 0.1, 0.3),
}
KEYS = ["level", "model", "seed"]
NAMED = ("worlds", "clicks.csv")


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


class Rarity(nn.Module):
    """Vectors of items as so many times what is learned as an item is rare in a history.

    A step of learning then moves a sum of events by as much through a frequent item as through a
    rare one; else the frequent ones drown all others in a sum of many.
    """

    times: Tensor

    def __init__(self, world: Clicks):
        super().__init__()
        log, users = world.log, len(world.split.train)
        there = np.bincount(log.item[: log.offsets[users]], minlength=log.num_items + 1)
        times = torch.from_numpy(users / np.maximum(there, 1)).float()
        self.register_buffer("times", times[:, None], persistent=False)

    def forward(self, learned: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        return learned * self.times


def learned(
    family: Family,
    world: Clicks,
    chosen: dict[str, Any],
    seed: int,
    passes: int,
    start: Recommender | None = None,
) -> tuple[Recommender, float]:
    """A model after so many passes, as it was best on validation, and its AUC there.

    It begins drawn from the seed, or with the weights of ``start``, more slowly. Its rate falls to
    zero; a batch has as many users as make :data:`EVENTS`.
    """
    log, users, length = world.log, np.arange(world.log.num_users), world.length
    catalogue = Catalogue.learned(log, world.split.train)
    torch.manual_seed(seed)
    model = from_config(catalogue, sized(family, catalogue, length, {}))
    torch.nn.init.normal_(model.items.weight[1:].data, std=chosen["item_std"])  # type: ignore[union-attr, index]
    parametrize.register_parametrization(model.items, "weight", Rarity(world))  # type: ignore[arg-type]
    if start is not None:
        model.load_state_dict(start.state_dict())
    rate = chosen["learning_rate"] * (1 if start is None else SLOWER)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.01)
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


def rows(
    model: str,
    seed: int,
    levels: Sequence[int],
    settings: dict[str, Any] | None = None,
    trials: int = TRIALS,
    passes: int = PASSES,
    num_users: int | None = None,
) -> Iterator[dict[str, Any]]:
    """What a model has in worlds of a seed, the shortest histories first, by these settings or by
    the best found there.

    ``auc`` and its standard ``error`` over users; ``best``: the AUC of the true chances; beside it
    those of who sees a part (:class:`~seqrec_lib.data.worlds.memory.Clicks`).
    """
    spaces = [settings] if settings else [drawn(SPACE, trial) for trial in range(trials)]
    found = None
    for level in sorted(levels):
        began, world = time.process_time(), memory.draw(level, seed, num_users)
        times = passes if found is None else LATER
        tried = [(*learned(FAMILIES[model], world, one, seed, times, found), one) for one in spaces]
        found, valid, chosen = max(tried, key=lambda one: one[1])
        users = world.log.user_of(world.split.test)
        clicked, user = world.clicked[users].ravel(), np.repeat(users, world.shown.shape[1])
        by_user = auc_by_group(clicked, told(found, world, world.split.test).ravel(), user)
        seen = {name: auc(clicked, one[users].ravel()) for name, one in world.limits.items()}
        yield {
            **{"level": level, "model": model, "seed": seed, "auc": by_user.mean()},
            "error": by_user.std(ddof=1) / len(by_user) ** 0.5,
            "best": auc(clicked, world.chance[users].ravel()),
            **seen,
            **{"valid": valid, "seconds": time.process_time() - began, "trials": len(spaces)},
            "settings": json.dumps(chosen),
        }
        spaces = [chosen]


def study(
    results: str | Path = SCRATCH,
    levels: Sequence[int] = LEVELS,
    models: Sequence[str] = tuple(FAMILIES),
    seeds: int = SEEDS,
    anew: bool = False,
) -> pd.DataFrame:
    """:func:`rows` of every model and seed up to the longest of ``levels``; no row that is kept
    changes, or, ``anew``, all are made beside ``results`` alone.

    Weights are not kept: who asks for one more length has the shorter ones learned again.
    """
    kept = Growing(results, *NAMED, keys=KEYS, anew=anew, float_format="%.4f")
    levels = [level for level in LEVELS if level <= max(levels)]  # each begins with those before
    for model, seed in itertools.product(models, range(seeds)):
        if all((level, model, seed) in kept.by for level in levels):
            continue
        like = kept.by.get((levels[0], model, 0))
        settings = json.loads(like["settings"]) if like else None
        for one in rows(model, seed, levels, settings):
            if (one["level"], model, seed) not in kept.by:
                kept.add(one)
    return kept.table()


def kept(results: str | Path = SCRATCH) -> pd.DataFrame:
    """The rows that were made. Raises ``FileNotFoundError`` if there are none."""
    return made("studies.clicks", results, *NAMED, keys=KEYS)


def smoke() -> pd.DataFrame:
    """:func:`rows` of few short histories and passes; nothing is kept."""
    how: dict[str, Any] = {"trials": 1, "passes": 2, "num_users": 120}
    return pd.DataFrame([one for model in FAMILIES for one in rows(model, 0, LEVELS[:1], **how)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.clicks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--levels", type=int, nargs="*", default=LEVELS)
    parser.add_argument("--models", nargs="*", default=tuple(FAMILIES))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--smoke", action="store_true", help="few short histories, not kept")
    chosen = parser.parse_args(arguments)
    how = (chosen.results, chosen.levels, chosen.models, chosen.seeds)
    print((smoke() if chosen.smoke else study(*how)).round(3).to_string())


if __name__ == "__main__":
    main()
