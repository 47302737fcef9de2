"""Does a record still stand? Compared are settings, data, the golden run and the starting runs."""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import root
from seqrec_lib.records import provenance
from seqrec_lib.records.forecast import cards
from seqrec_lib.records.recipes import asked, sources_of
from seqrec_lib.records.settings import completed
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.store import (
    RESULTS,
    SCRATCH,
    Run,
    load,
    places,
    ranks_digest,
    summarise,
)

logger = logging.getLogger(__name__)


def differences(record: Run, spec: Spec, results: str | Path = RESULTS) -> list[str]:
    """In what a record differs from the run that ``spec`` asks for today, in words.

    Settings, data (where they are at hand), the golden run of its recipe as it is committed, and
    the committed ranks of the runs that it starts from.
    """
    stored = completed(record.spec)
    if Dataset.parse(spec.dataset).is_file:  # wherever it lies now: its digest tells it
        stored["dataset"] = spec.dataset
    found = _settings(stored, _plain(spec))
    card, today = record.card, data_digest(spec.dataset)
    if today is not None and today != card["data_digest"]:
        found.append(f"data (digest {card['data_digest'][:8]} stored, {today[:8]} today)")
    if card.get("golden") != provenance.golden(spec):
        found.append(f"golden run ({provenance.golden_of(spec)})")
    then = card.get("starts_from", {})
    for source in sources_of(spec):
        folder = source.folder(root() / home(source, results))
        now = ranks_digest(load(folder).ranks) if folder.exists() else None
        if then.get(str(source)) != now:
            found.append(f"the run it starts from ({source})")
    return found


def answering(spec: Spec, results: str | Path) -> str | Path | None:
    """The results folder whose record is the run that ``spec`` asks for; None if it is to be made.

    It is the first of :func:`seqrec_lib.records.store.places` that has one. One of other settings
    (of fewer epochs, in a trial) is no answer, but a committed one whose recipe has changed since
    is: it is read, and found not to stand.
    """
    for place in places(results):
        folder = spec.folder(root() / place)
        if folder.exists():
            stored = load(folder).spec
            if not _settings(completed(stored), _plain(spec)):
                return place
            if place == RESULTS and asked(stored) == spec:
                return place
    return None


def home(source: Spec, results: str | Path) -> str | Path:
    """The results folder in which a run of ``results`` finds, or makes, one that it starts from.

    What has no record yet is made beside it, but not among the committed records, which nobody
    asked for: then in scratch. Raises ``ValueError`` where another folder has a record of other
    settings in its place.
    """
    if place := answering(source, results):
        return place
    if root() / results in (root() / RESULTS, root() / SCRATCH):
        return SCRATCH
    if (folder := source.folder(root() / results)).exists():
        raise ValueError(
            f"{folder} was trained with other settings than what starts from it asks for: name "
            "another --results, or train it again with --retrain"
        )
    return results


def stale(results: str | Path = RESULTS) -> Iterator[tuple[str, list[str]]]:
    """Records that do not stand, as paths relative to the project's folder, with the reasons.

    Beside :func:`differences`, ranks and card must tell the same; every golden run is run, and one
    that moved takes the records of its recipe with it. A record that cannot be read is listed with
    what is wrong.
    """
    from seqrec_lib.records import golden  # here: golden runs pass through this module

    there = [name for name in golden.known() if provenance.golden_file(name).exists()]
    moved = {name: golden.moved(name, found) for name, found in golden.run_all(there).items()}
    for card in sorted((root() / results).glob("*/*/s*/card.json")):
        try:
            record = load(card.parent)
            spec = asked(record.spec)
            reasons = differences(record, spec, results)
            reasons += moved.get(provenance.golden_of(spec) or "", [])
            if not _tells_its_ranks(record):
                reasons.append("its card does not tell what its ranks give")
        except (OSError, ValueError) as error:
            reasons = [str(error)]
        if reasons:
            yield os.path.relpath(card.parent, root()), reasons


def by_lot(lot: int, minutes: float | int, results: str | Path = RESULTS) -> str:
    """A record drawn by ``lot``, relative to the project's folder: of those whose data are at hand,
    and that took a processor no more than so many minutes, with the runs that they start from.

    Raises ``ValueError`` if there is none.
    """
    found = [
        (card["folder"], name)
        for name, card in cards("*", root() / results)
        if card["total_seconds"] + card["scoring_seconds"] <= 60 * minutes and not card["gpu"]
    ]
    hand = {name for name in {name for _, name in found} if datasets.at_hand(name)}
    drawn = [os.path.relpath(folder, root()) for folder, name in found if name in hand]
    if not drawn:
        raise ValueError(
            f"no record in {root() / results} took {minutes:g} minutes or less on a processor, of "
            "data that are at hand; give more minutes, or fetch the data first"
        )
    return random.Random(lot).choice(drawn)


def data_digest(dataset: str) -> str | None:
    """The digest of a data set as it is today; None, with a word, where its files are not here."""
    if not datasets.at_hand(dataset):
        logger.warning("%s is not at hand: its records are taken as they are", dataset)
        return None
    return datasets.digest_of(dataset)


def _tells_its_ranks(record: Run) -> bool:
    told, given = record.card["summary"], summarise(record.ranks)
    return all(
        np.isclose(told[protocol][name], value, rtol=0, atol=1e-12)
        for protocol, metrics in given.items()
        for name, value in metrics.items()
    )


def _plain(spec: Spec) -> dict:
    """A spec as it would be read back."""
    return json.loads(json.dumps(spec.as_dict()))


def _settings(stored: dict, asked: dict, prefix: str = "") -> list[str]:
    """Names of the settings in which two plain specs differ."""
    found = []
    for name in stored.keys() | asked.keys():
        old, new = stored.get(name), asked.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _settings(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name} ({old!r} stored, {new!r} asked)")
    return sorted(found)
