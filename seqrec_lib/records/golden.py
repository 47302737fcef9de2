"""Golden runs: every recipe run whole on a small world, in place of a digest of the code.

A golden run passes through all that a published run does: windows, training, validation, early
stopping, test ranks under both protocols, exposure. Its figures are committed; code may change
freely while it gives them again. Where one moves, exactly the records of that recipe are stale,
and the difference is the evidence. One thread and single precision, so that figures agree on
every processor and every Python; then two steps in the recipe's own precision.

Recipes keep their settings but for what makes a run long: three epochs, a patience of one, small
batches. The worlds have histories longer than a window, repeats, equal times, items that training
never sees, and batches of more rows than a softmax takes at once.

How far figures may move is measured, not chosen: each golden is also run as other makes of
processor would, which sum in other orders (``MAKES``). A figure may move by ``MARGIN`` times the
most that moved it, and by ``FLOOR`` in any case; a learning rate one percent higher moves the first
loss further than that in all runs but three (``book/golden/sensitivity.csv``).
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from seqrec_lib.data.files import written_aside
from seqrec_lib.records import recipes, runs
from seqrec_lib.records.golden_world import world
from seqrec_lib.records.provenance import golden_file

Figures = dict[str, list[float]]

# worlds by the data sets whose records they stand for
WORLDS = {
    "amazon": "golden",
    "regenerated": "golden-regenerated",
    "with-validation": "golden-with-validation",
    "tecd": "golden-tecd",
    "pairs": "golden-tecd-pairs",
    "stores": "golden-omni-stores-known",
    "tail": "golden-tail",
}
EPOCHS, PATIENCE = 3, 1
ROWS = {"gru4rec": 64, "item2vec": 300}  # of a batch, by model
WINDOWS = 4  # of a batch of any other
# GRU4Rec's steps of a tenth let noise grow so fast that nothing else is left of a second epoch, as
# do those of target attention; and events on an edge, of a cluster or of what a search finds, go to
# one side or the other. On other makes of processor patience stops TransAct at another pass
LONGEST = dict.fromkeys(
    ("gru4rec", "target-attention", "sim-hard", "sim-soft", "eta", "twin", "twin-v2"), 1
) | {"transact": 2}
MARGIN = 10.0
# by the first words of a figure's name; one or two ranks may change places
FLOOR = {"loss_bf16": 1e-4, "loss": 2e-6, "valid": 1e-6, "rank": 0.02, "shown": 0.02}


def small(recipe: tuple[Any, ...], epochs: int, rows: int, precision: str) -> tuple[Any, ...]:
    """A recipe cut to a golden run's length; 0 rows for those of its model."""
    model, config, training, *start = recipe
    shorter = {"warm_up": 0, "drawn": 8}  # of models that learn in two loops
    if getattr(config, "memory", "") == "patterns":
        # many begin alike and are equally near: which of them are the last is a matter of luck
        shorter["neighbours"] = 400
    config = replace(config, **{k: v for k, v in shorter.items() if hasattr(config, k)})
    training = replace(
        training,
        epochs=min(training.epochs, epochs, LONGEST.get(model, epochs)),
        batch_size=rows or ROWS.get(model, WINDOWS),
        precision=precision,
        patience=PATIENCE,
    )
    return model, config, training, *start


def figures(golden: str) -> Figures:
    """Run one recipe in one world, ``world/recipe``; its figures."""
    place, name = golden.split("/")
    dataset = WORLDS[place]
    whole = _run(dataset, name, EPOCHS, 0, "fp32", "golden")
    found: Figures = {
        "loss": whole.history["loss"].tolist(),
        "valid_ndcg@10": whole.history["valid_ndcg@10"].tolist(),
        "rank_masked": whole.ranks["rank_masked"].tolist(),
        "rank_unmasked": whole.ranks["rank_unmasked"].tolist(),
        "shown_masked": whole.exposure["masked"].tolist(),
        "shown_unmasked": whole.exposure["unmasked"].tolist(),
    }
    if found["loss"] and not whole.spec.get("pretrained"):
        steps = _run(dataset, name, 2, 10**6, "bf16", "golden-bf16")
        found["loss_bf16"] = steps.history["loss"].tolist()
    return found


def _run(dataset: str, name: str, epochs: int, rows: int, precision: str, place: str) -> Any:
    with contextlib.ExitStack() as stack:
        every = (recipes.RECIPES, recipes.TECD_RECIPES, recipes.OMNI_RECIPES, recipes.TAIL_RECIPES)
        for known in every:
            cut = {key: small(recipe, epochs, rows, precision) for key, recipe in known.items()}
            stack.enter_context(mock.patch.dict(known, cut))
        return runs.run(dataset, name, [0], results=Path.cwd() / place).seeds[0]


# --- what is committed --------------------------------------------------------------------------


def known() -> list[str]:
    """All golden runs, ``world/recipe``."""
    counts = ("popular", "recency", "markov")
    of_pairs = [name for name in recipes.TECD_RECIPES if name.startswith(("item2vec", "svd"))]
    names = {
        "amazon": recipes.RECIPES,
        "regenerated": [
            *("sasrec", "sasrec-bce", "sasrec-longer", "sasrec-personalised", "duorec"),
            *("sasrec-retrieval", "duorec-retrieval"),
        ],
        "with-validation": ["sasrec", "sasrec-retrieval", "sasrec-banked"],
        "tecd": [*counts, *(name for name in recipes.TECD_RECIPES if name not in of_pairs)],
        "pairs": ["popular", "markov-1", *of_pairs],
        "stores": [*counts, "markov-1", *recipes.OMNI_RECIPES],
        "tail": recipes.TAIL_RECIPES,
    }
    return [f"{world}/{name}" for world, recipes in names.items() for name in recipes]


def distances(one: Figures, other: Figures) -> dict[str, float]:
    """How far each figure is from another run's, by name; losses and validation by epoch.

    Losses and validation relatively; ranks as the mean difference of their logarithms to base 2;
    exposure as the share of places that another item has. Infinite where the shapes differ.
    """
    found: dict[str, float] = {}
    for name in sorted(one.keys() | other.keys()):
        a, b = (np.array(each.get(name, []), dtype=float) for each in (one, other))
        if a.shape != b.shape:
            found[name] = np.inf
        elif name.startswith("rank"):
            found[name] = float(np.abs(np.log2(a) - np.log2(b)).mean())
        elif name.startswith("shown"):
            found[name] = float(np.abs(a - b).sum() / a.sum() / 2)
        else:
            apart = np.abs(a - b) / np.maximum(np.abs(a), 1e-12)
            found |= {f"{name} {epoch}": float(x) for epoch, x in enumerate(apart, start=1)}
    return found


def tolerances(noise: dict[str, float]) -> dict[str, float]:
    """How far each figure may move."""
    floor = {name: next(x for of, x in FLOOR.items() if name.startswith(of)) for name in noise}
    return {name: max(floor[name], MARGIN * x) for name, x in noise.items()}


def noise(figures: Figures, others: Sequence[Figures]) -> dict[str, float]:
    """The most that each figure is away from those of other makes of processor.

    Raises ``ValueError`` if another make trains another number of epochs.
    """
    apart = [distances(figures, other) for other in others]
    if any(one.keys() != apart[0].keys() for one in apart):
        raise ValueError(
            "makes of processors part in the number of epochs; give it fewer (LONGEST)"
        )
    return {name: max(one[name] for one in apart) for name in apart[0]}


def moved(name: str, found: Figures) -> list[str]:
    """Words for each figure that is further from the committed one than it may be."""
    path = golden_file(name)
    if not path.exists():
        return ["there is none: make golden"]
    kept = json.loads(path.read_text())
    allowed = tolerances(kept["noise"])
    return [
        f"{figure} moved by {apart:.1e}, may by {allowed.get(figure, 0.0):.1e}"
        for figure, apart in distances(kept["figures"], found).items()
        if not apart <= allowed.get(figure, 0.0)
    ]


# --- running many -------------------------------------------------------------------------------

# without vector units; with narrower ones in torch itself, in oneDNN, in MKL: each of the three
# sums in an order of its own, and one alone may move what all together leave where it was
MAKES: tuple[dict[str, str], ...] = (
    {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    {"ATEN_CPU_CAPABILITY": "avx2"},
    {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    {"MKL_CBWR": "AVX2"},
)


def run_all(names: Sequence[str], make: Mapping[str, str] | None = None) -> dict[str, Figures]:
    """Figures of golden runs, in two processes of their own; as a ``make`` of processor would."""
    if not names:  # outside the repository there are none
        return {}
    # those of a world together: they start from the same runs
    first = [name for name in names if name.startswith("amazon/")]
    shares = [share for share in (first, [n for n in names if n not in first]) if share]
    environment = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"} | dict(make or {})
    spawn = multiprocessing.get_context("spawn")
    with (
        mock.patch.dict(os.environ, environment),
        ProcessPoolExecutor(max(1, len(shares)), spawn, _quiet) as pool,
    ):
        found = {
            name: one for share in pool.map(_figures_of, shares) for name, one in share.items()
        }
    return {name: found[name] for name in names}


def _quiet() -> None:
    """Bars and words of a worker, and of libraries that it takes down with it, are nobody's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    logging.disable(logging.CRITICAL)


def _figures_of(names: Sequence[str]) -> dict[str, Figures]:
    with tempfile.TemporaryDirectory() as place, world(Path(place)):
        return {name: figures(name) for name in names}


def write(names: Sequence[str] | None = None) -> list[str]:
    """Write the figures of golden runs that are not committed or have moved; which those were."""
    names = list(names or known())
    there = run_all(names)
    changed = [name for name in names if moved(name, there[name])]
    if not changed:
        return []
    others = [run_all(changed, make) for make in MAKES]
    failed = []
    for name in changed:
        path = golden_file(name)
        try:
            apart = noise(there[name], [other[name] for other in others])
        except ValueError as error:  # the others took long, and are kept
            failed.append(f"{name}: {error}")
            continue
        content = {"figures": there[name], "noise": apart}
        with written_aside(path) as aside:
            aside.write_text(json.dumps(content) + "\n")
    if failed:
        raise ValueError("; ".join(failed))
    return changed


def sensitivity(higher: float = 0.01) -> pd.DataFrame:
    """The loss of the first epoch: its noise, how far it may move, and how far a learning rate
    higher by this share moves it; a row a golden run that learns.
    """
    real, rows = small, []

    def hastier(*given: Any) -> tuple[Any, ...]:
        model, config, training, *start = real(*given)
        rate = training.learning_rate * (1 + higher)
        return model, config, replace(training, learning_rate=rate), *start

    with mock.patch(f"{__name__}.small", hastier), tempfile.TemporaryDirectory() as place:
        with world(Path(place)):
            for name in known():
                kept = json.loads(golden_file(name).read_text())
                if kept["figures"]["loss"]:
                    (then, *_), (now, *_) = kept["figures"]["loss"], figures(name)["loss"]
                    apart, allowed = kept["noise"]["loss 1"], tolerances(kept["noise"])["loss 1"]
                    moves = abs(now - then) / abs(then)
                    rows.append({"golden": name, "noise": apart, "may": allowed, "moves": moves})
    return pd.DataFrame(rows)
