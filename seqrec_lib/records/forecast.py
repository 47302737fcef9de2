"""How long what is about to be trained will take, by the cards of the same recipe, and said so."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqrec_lib.data import datasets
from seqrec_lib.data.files import root
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.settings import completed
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.store import RESULTS, shared_examples

logger = logging.getLogger(__name__)


def announce(specs: Sequence[Spec], device: str, results: str | Path) -> None:
    """Log what is about to be trained, where to, and its expected minutes; counters go unsaid."""
    learned = [spec for spec in specs if spec.training.epochs and not _counts(spec)]
    if not learned:
        return
    found = [minutes(spec, device) for spec in learned]
    for spec, one in zip(learned, found, strict=True):
        long = f"{_about(one[0])} by {one[1]}" if one else "no card says how long"
        logger.info("to be trained: %s, at most %d epochs, %s", spec, spec.training.epochs, long)
    total = sum(one[0] for one in found if one)
    known = _about(total) if any(found) else "for an unknown time"
    more = " and what no card says" if any(found) and not all(found) else ""
    logger.info(
        "together %s%s on %s; records go to %s. Stopped and started again, it goes on where it was",
        *(known, more, device, results),
    )


def minutes(spec: Spec, device: str) -> tuple[float, str] | None:
    """Expected minutes, and by whose cards; None if no card of this recipe is of such a device, or
    only those of other data of which a sample of users was ranked, whose size nobody knows.

    The median over the cards of the own data set, or else of the one that has most events, in
    proportion to the events and the epochs. Cards of the same settings go before all others: a
    recipe may have others on other data.
    """
    known = [card for card in cards(spec.name) if card[1]["gpu"] == device.startswith("cuda")]
    if not known:
        return None
    asked = _how(spec.as_dict())
    known = [(name, card) for name, card in known if _how(card["spec"]) == asked] or known
    by_data: dict[str, list[dict[str, Any]]] = {}
    for name, card in known:
        by_data.setdefault(name, []).append(card)
    of = spec.dataset
    if of not in by_data:
        of = max(by_data, key=lambda name: _events(by_data[name][0]["folder"]) or 0)
    chosen = by_data[of]
    seconds = float(np.median([card["own_seconds"] / card["epochs"] for card in chosen]))
    size = 1.0
    if of != spec.dataset:
        events = _events(chosen[0]["folder"])
        if events is None:
            return None
        size = len(datasets.load(spec.dataset)[0]) / events
    threads = f"{chosen[0]['threads']} thread" + "s" * (chosen[0]["threads"] > 1)
    maker = f"{chosen[0]['device']}, {threads}" if not chosen[0]["gpu"] else chosen[0]["device"]
    return seconds * spec.training.epochs * size / 60, f"the cards of {of} ({maker})"


def cards(name: str, results: str | Path = RESULTS) -> Iterator[tuple[str, dict[str, Any]]]:
    """(data set, card) of the records of a recipe, ``*`` for all, with its ``folder``, its
    ``spec``, the ``epochs`` it was given, and whether a ``gpu`` trained it."""
    for path in sorted((root() / results).glob(f"*/{name}/s*/card.json")):
        card, spec = (json.loads(path.with_name(f"{x}.json").read_text()) for x in ("card", "spec"))
        more = {
            "folder": path.parent,
            "spec": spec,
            "epochs": max(1, spec["training"]["epochs"]),
            "gpu": "NVIDIA" in card["device"],
        }
        yield spec["dataset"], card | more


def _how(stored: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the model, and of its training but for the seed and the number of epochs."""
    whole = completed(stored)
    return whole["config"], whole["training"] | {"seed": 0, "epochs": 0}


def _events(folder: Path) -> int | None:
    """About as many events as the data of a record have: the longest known history of each user.

    None where the record's are the only ones on these data, and of a sample of users.
    """
    card, spec = (json.loads((folder / f"{x}.json").read_text()) for x in ("card", "spec"))
    path = shared_examples(folder, card, spec)
    if not path.exists():
        return None
    table = pd.read_parquet(path, columns=["user", "history_length"])
    return int(table.groupby("user")["history_length"].max().sum() + table["user"].nunique())


def _about(minutes: float) -> str:
    return f"about {minutes:.0f} minutes" if minutes >= 1.5 else "a minute or less"


def _counts(spec: Spec) -> bool:
    return issubclass(MODELS[spec.model], CountModel)
