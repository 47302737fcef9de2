"""Golden runs: every recipe run whole on a small world, in place of a digest of the code.

A golden run passes through all that a published run does: windows, training, validation, early
stopping, test ranks under both protocols, exposure. Its figures are committed; code may change
freely while it gives them again. Where one moves, exactly the records of that recipe are stale,
and the difference is the evidence. One thread and single precision, so that figures agree on
every processor and every Python; then two steps in the recipe's own precision, compared more
loosely.

Recipes keep their settings but for what makes a run long: three epochs, a patience of one, small
batches. The worlds have histories longer than a window, repeats, equal times, items that training
never sees, and batches of more rows than a softmax takes at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch

from seqrec_lib.data import datasets, files
from seqrec_lib.training import recipes, runs

# worlds by the data sets whose records they stand for; a file is a data set like any other
WORLDS = {
    "amazon": "golden.csv",
    "regenerated": "golden.csv-regenerated",
    "with-validation": "golden.csv-with-validation",
    "tecd": "tecd-golden.csv",
    "pairs": "tecd-golden.csv-pairs",
}
NUM_USERS, NUM_ITEMS, NUM_COLD, FAVOURITES = 40, 150, 6, 15
EPOCHS, PATIENCE = 3, 1
ROWS = {"gru4rec": 16, "item2vec": 300}  # of a batch, by model
WINDOWS = 4  # of a batch of any other


def events(seed: int = 0) -> pd.DataFrame:
    """The world: a rule that most events follow, and favourites that the last events go to.

    The favourites are learned first and the rule after them, so that validation falls while the
    loss does: patience strikes. ``user`` and ``item`` are integers, ``time`` seconds.
    """
    rng = np.random.default_rng(seed)
    follows = np.roll(rng.permutation(NUM_ITEMS), 1)
    rows = []
    for user in range(1, NUM_USERS + 1):
        length = int(rng.integers(5, 20)) if user % 4 else int(rng.integers(55, 75))
        items = [int(rng.integers(NUM_ITEMS))]
        for step in range(1, length):
            draw, new = rng.random(), [i for i in range(FAVOURITES) if i not in items]
            if step >= length - 2 and new and draw < 0.8:
                item = int(rng.choice(new))
            elif draw < 0.15:
                item = int(rng.integers(FAVOURITES))
            elif draw < 0.25:
                item = items[-1]
            elif draw < 0.9:
                item = int(follows[items[-1]])
            else:
                item = int(rng.integers(NUM_ITEMS))
            if step % 2 and item == items[-1]:  # two events at a time, and none twice
                item = (item + 1) % NUM_ITEMS
            items.append(item)
        if user <= NUM_COLD:
            items[-1] = NUM_ITEMS + user - 1  # training never sees it
        for step, item in enumerate(items):
            # a break of two hours after every fourth
            time = 1_600_000_000 + user * 60 + step // 2 * 600 + step // 4 * 7_200
            rows.append({"user": user, "item": item + 1, "time": time})
    return pd.DataFrame(rows)


def regenerated() -> pd.DataFrame:
    """What a regenerator might have written: sequences of a user's items, some of them twice."""
    rng = np.random.default_rng(1)
    rows, number = [], 0
    for user, items in events().groupby("user")["item"]:
        for _ in range(int(rng.integers(1, 4))):
            start = int(rng.integers(max(1, len(items) - 6)))
            written = items.to_numpy()[start : start + int(rng.integers(2, 5))]
            rows += [{"sequence": number, "user": user - 1, "item": item} for item in written]
            number += 1
    return pd.DataFrame(rows)


def attributes(dataset: str) -> np.ndarray:
    """Made-up attributes of the items, two or one each."""
    item = np.arange(NUM_ITEMS + NUM_COLD + 1)[:, None]
    table = np.hstack([item % 7 + 1, np.where(item % 3, item % 11 + 8, 0)])
    return (table * (item > 0)).astype(np.int32)


def small(recipe: tuple[Any, ...], epochs: int, rows: int, precision: str) -> tuple[Any, ...]:
    """A recipe cut to a golden run's length; 0 rows for those of its model."""
    model, config, training, *start = recipe
    shorter = {"warm_up": 0, "drawn": 8}  # of models that learn in two loops
    config = replace(config, **{k: v for k, v in shorter.items() if hasattr(config, k)})
    training = replace(
        training,
        epochs=min(training.epochs, epochs),
        batch_size=rows or ROWS.get(model, WINDOWS),
        precision=precision,
        patience=PATIENCE,
    )
    return model, config, training, *start


@contextlib.contextmanager
def world(folder: Path) -> Iterator[None]:
    """The worlds as files of ``folder``, which is the working folder inside the block."""
    folder.mkdir(parents=True, exist_ok=True)
    table = events()
    for name in ("golden.csv", "tecd-golden.csv"):
        table.to_csv(folder / name, index=False)
    before, threads = Path.cwd(), torch.get_num_threads()
    os.chdir(folder)
    torch.set_num_threads(1)
    try:
        written = files.root() / "book" / "regenerated" / "golden.csv"
        if hasattr(datasets, "regenerated") and not written.exists():
            written.mkdir(parents=True)
            codes = pd.Index(np.unique(table["item"]))
            sequences = regenerated()
            sequences["item"] = codes.get_indexer(sequences["item"]) + 1
            sequences.to_parquet(written / "sequences.parquet", index=False)
            digest = datasets.digest(*datasets.load("golden.csv"))
            (written / "card.json").write_text(json.dumps({"data_digest": digest}))
        yield
    finally:
        os.chdir(before)
        torch.set_num_threads(threads)


def figures(world: str, name: str, seed: int = 0) -> dict[str, Any]:
    """Run one recipe in one world; its figures, JSON values."""
    dataset = WORLDS[world]
    whole = _run(dataset, name, EPOCHS, 0, "fp32", "golden")
    found: dict[str, Any] = {
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
        for known in ("RECIPES", "TECD_RECIPES"):
            if whole := getattr(recipes, known, None):
                cut = {key: small(recipe, epochs, rows, precision) for key, recipe in whole.items()}
                stack.enter_context(mock.patch.dict(whole, cut))
        stack.enter_context(mock.patch.object(datasets, "attributes", attributes, create=True))
        return runs.run(dataset, name, [0], retrain=True, results=Path.cwd() / place).seeds[0]


def main(arguments: list[str]) -> None:
    """Write the figures of some golden runs, ``WORLD/RECIPE`` each, to a file of JSON.

    ``python golden.py FILE amazon/sasrec tecd/gru ...``: with PYTHONPATH at another commit's tree
    these are the figures of that commit.
    """
    path, *chosen = arguments
    logging.disable(logging.CRITICAL)
    os.environ["TQDM_DISABLE"] = "1"
    found = {}
    with world(Path(path).with_suffix("").absolute()):
        for one in chosen:
            try:
                found[one] = figures(*one.split("/"))
            except Exception as error:  # an older commit may not know the recipe
                found[one] = {"error": f"{type(error).__name__}: {error}"}
            print(one, found[one].get("loss", found[one].get("error")), flush=True)
    Path(path).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
