"""The best k items for users of a log, by raw ids: a model file and histories in, lists out.

python -m seqrec_lib.serving.recommend build/models/beauty-sasrec-s0.safetensors new.csv lists.csv
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from seqrec_lib.data import events
from seqrec_lib.data.batch import Batch
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.options import add_options, options_of
from seqrec_lib.models.base import Recommender
from seqrec_lib.records.model_file import load_model, stored_spec

logger = logging.getLogger(__name__)

PROTOCOLS = ("masked", "unmasked")
ROWS = 256  # histories scored at a time


def recommend(
    model_file: Path | str,
    histories: pd.DataFrame | Mapping[Any, Sequence[Any]],
    k: int = 10,
    protocol: str = "masked",
    device: str = "cpu",
) -> pd.DataFrame:
    """The ``k`` items that a stored model puts first after each user's history.

    ``histories`` are raw ids: a table of events (columns ``user``, ``item``, ``time``, as
    :func:`seqrec_lib.data.events.read` gives them), or the items of each user, oldest first. The
    model reads as many of the last ones as it was trained on. ``masked`` leaves out all items of
    the history, read or not; ``unmasked`` lets them come again.

    Returns a row an item recommended: ``user``, ``rank`` (1 is best), ``item``, ``score``. Items
    that the model does not know are named in a warning and passed over, as are users who have no
    other. Raises ``ValueError`` if no user has an item that it knows, and as
    :func:`seqrec_lib.records.model_file.load_model` does.
    """
    if k < 1:
        raise ValueError(f"k is {k}; ask for one item or more")
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol is {protocol!r}; use {' or '.join(map(repr, PROTOCOLS))}")
    model, items = load_model(model_file)
    length = stored_spec(model_file)["training"]["max_len"]
    known = _known(_by_user(histories), items)
    users, lists = list(known), list(known.values())
    best, scores = _best(model.to(device), lists, k, length, protocol == "masked", device)
    row, place = np.nonzero(best)
    return pd.DataFrame(
        {
            "user": np.array(users)[row],
            "rank": place + 1,
            "item": items[best[row, place] - 1],
            "score": scores[row, place],
        }
    )


def _by_user(histories: pd.DataFrame | Mapping[Any, Sequence[Any]]) -> dict[Any, list[Any]]:
    if isinstance(histories, pd.DataFrame):
        table = events.check(histories, "histories")
        return table.groupby("user", sort=False)["item"].agg(list).to_dict()
    return {user: list(items) for user, items in histories.items()}


def _known(histories: dict[Any, list[Any]], items: np.ndarray) -> dict[Any, Int[np.ndarray, "_"]]:
    """Each history's items as the model numbers them, without those that it does not know."""
    # as text on both sides: a file of numbers alone is read as numbers, whatever the model's was
    number = {str(raw): index for index, raw in enumerate(items.tolist(), start=1)}
    found, strange, empty = {}, dict[str, None](), []
    for user, history in histories.items():
        ids = [(one, number.get(str(one))) for one in history]
        strange.update((str(one), None) for one, index in ids if index is None)
        if known := [index for _, index in ids if index is not None]:
            found[user] = np.array(known)
        else:
            empty.append(user)
    for what, who in (
        ("items are not among those that the model learned from; passed over", list(strange)),
        ("users have no item that the model knows; they get no list", empty),
    ):
        if who:
            logger.warning("%d %s: %s", len(who), what, _listed(who))
    if not found:
        some = (
            "there are no histories" if not histories else f"its items: {_listed(items.tolist())}"
        )
        raise ValueError(f"no history has an item that the model knows; {some}")
    return found


def _listed(values: Sequence[Any], most: int = 5) -> str:
    return ", ".join(repr(one) for one in values[:most]) + ", ..." * (len(values) > most)


@torch.inference_mode()
def _best(
    model: Recommender,
    histories: list[Int[np.ndarray, "_"]],
    k: int,
    length: int,
    masked: bool,
    device: str,
) -> tuple[Int[np.ndarray, "U K"], Float[np.ndarray, "U K"]]:
    """Numbers of the best items, 0 where there are no more, and their scores."""
    k = min(k, model.num_items)
    found = np.zeros((len(histories), k), dtype=np.int64)
    values = np.zeros((len(histories), k), dtype=np.float32)
    lengths = np.array([min(len(one), length) for one in histories])
    order = np.argsort(lengths, kind="stable")  # so that padding is nearly absent
    for begin in range(0, len(order), ROWS):
        rows = order[begin : begin + ROWS]
        item = np.zeros((len(rows), lengths[rows].max()), dtype=np.int64)
        for place, row in enumerate(rows):
            item[place, : lengths[row]] = histories[row][-length:]
        scores = model.score_all(Batch(torch.from_numpy(item).to(device))).float().clone()
        if masked:
            for place, row in enumerate(rows):
                scores[place, torch.from_numpy(np.unique(histories[row])).to(device)] = -torch.inf
        score, best = (part.cpu().numpy() for part in scores.topk(k))
        found[rows], values[rows] = np.where(score > -np.inf, best, 0), score
    return found, values


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.serving.recommend", description=__doc__.splitlines()[0]
    )
    parser.add_argument("model", type=Path, help="a model file, .safetensors")
    parser.add_argument("histories", type=Path, help="a log: .csv, .tsv, .parquet, .inter, ...")
    parser.add_argument("lists", type=Path, help="where to write: .csv or .parquet")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="masked")
    parser.add_argument("--device", default="cpu")
    add_options(parser)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if chosen.lists.suffix not in (".csv", ".parquet"):
        parser.error(f"{chosen.lists}: lists are written as .csv or .parquet")
    try:
        table = events.read(chosen.histories, **options_of(chosen))
        found = recommend(chosen.model, table, chosen.k, chosen.protocol, chosen.device)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(str(error))
    with written_aside(chosen.lists) as aside:
        found.to_csv(aside, index=False) if chosen.lists.suffix == ".csv" else found.to_parquet(
            aside
        )
    print(f"{found['user'].nunique()} users, {len(found)} rows: {chosen.lists}")


if __name__ == "__main__":
    main()
