"""A stored model that answers questions: raw ids in, finite lists out, and where the time went."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from seqrec_lib.data.log import EventLog
from seqrec_lib.models.base import Recommender, SequenceEncoder
from seqrec_lib.records.model_file import load_model, stored_about, stored_spec
from seqrec_lib.serving.ranking import Ranking, best, joined
from seqrec_lib.training.evaluation import PROTOCOLS, masked_out, scored

NAMED = 5  # unknown items that an answer names; it counts all


@dataclass(frozen=True)
class Question:
    """What comes after these items (raw ids, oldest first): ``k`` of them under each protocol."""

    history: Sequence[Any]
    k: int = 10
    protocols: tuple[str, ...] = ("masked",)


@dataclass(frozen=True)
class TopK:
    """Raw ids, best first, and their scores, all finite; fewer than k where no more are left.

    ``chance`` is the probability that the model gives to the first one among all items that the
    list might show; None where the list is empty.
    """

    items: list[Any] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    chance: float | None = None


@dataclass(frozen=True)
class Answer:
    """The lists by protocol, and what was made of the question.

    ``known`` events are of items that the model knows, of which it ``read`` the last ones;
    ``unknown`` counts the others, and ``unknown_items`` names some. ``ms`` says how many
    milliseconds each part took: reading ids, scoring, selecting, and waiting before these.
    """

    model: str
    digest: str
    lists: dict[str, TopK]
    known: int
    read: int
    unknown: int
    unknown_items: list[str]
    ms: dict[str, float]
    together: int = 1  # questions that were answered in the same batch


@dataclass
class Served:
    """A model in evaluation mode, the raw id of each of its items, and how much it reads."""

    model: Recommender
    items: np.ndarray
    length: int
    name: str = "model"
    digest: str = ""  # sha256 of its file
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | str, device: str = "cpu", name: str = "") -> Served:
        """From a model file, named after it unless told otherwise.

        Raises as :func:`seqrec_lib.records.model_file.load_model` does, and ``ValueError`` for a
        file that says nothing usable about the length of histories, has settings with which no
        question can be answered, or changes while it is read.
        """
        model, items = load_model(path)
        digest = _sha256(path)
        training = stored_spec(path).get("training")
        length = training.get("max_len") if isinstance(training, dict) else None
        if not isinstance(length, int) or not 1 <= length < 2**20:
            raise ValueError(f"{path}: damaged: it does not say how long histories it learned from")
        if model.max_len is not None and length > model.max_len:
            raise ValueError(
                f"{path}: damaged: it says that it reads {length} events, and its model tells "
                f"{model.max_len} places apart"
            )
        about = stored_about(path)
        if _sha256(path) != digest:
            raise ValueError(f"{path}: it was replaced while it was read; start again")
        name = name or Path(path).name.removesuffix(".safetensors")
        model.to(device).eval()
        for part in model.modules():
            if isinstance(part, SequenceEncoder):
                part.freeze()
        found = cls(model, items, length, name, digest, about)
        found._try(path)
        return found

    def _try(self, path: Path | str) -> None:
        """Raise ``ValueError`` for a file that fits together and answers nothing."""
        try:
            some = list(self.number)[:2]
            if not self.model.reads:
                self.answer([Question(some[:1], protocols=PROTOCOLS), Question(some)])
        # whatever a model makes of settings that its authors did not think of
        except Exception as error:
            why = error if type(error) is ValueError else type(error).__name__
            raise ValueError(f"{path}: damaged: it cannot answer ({why})") from error

    # --- raw ids ----------------------------------------------------------------------------

    @cached_property
    def _raw(self) -> list[Any]:
        return [one.item() if isinstance(one, np.generic) else one for one in self.items.tolist()]

    @cached_property
    def number(self) -> dict[str, int]:
        """Items by their ids as text: JSON, and a file of numbers alone, may have either."""
        found = {str(raw): number for number, raw in enumerate(self._raw, 1)}
        if len(found) < len(self._raw):
            raise ValueError(f"{self.name}: two of its items have the same id as text")
        return found

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer several questions in one pass; each is answered as it would be alone, up to the
        rounding of sums. (Of entries of a memory that are equally near, rounding decides which is
        the last to be read: there the scores may be others.)

        A history without an item that the model knows has empty lists. Raises ``ValueError`` for a
        model that reads more than items (:func:`seqrec_lib.serving.recommend.recommend` takes a
        table of events), for a ``k`` below 1 and an unknown protocol, ``FloatingPointError`` for a
        score that is not a number or infinite.
        """
        self.require_items_alone()
        begun = perf_counter()
        number = self.number
        ids, strange = [], []
        for one in questions:
            text = [str(item) for item in one.history]
            ids.append([number[item] for item in text if item in number])
            strange.append([item for item in text if item not in number])
        rows = [row for row, known in enumerate(ids) if known]
        lists: list[dict[str, TopK]] = [
            {protocol: TopK() for protocol in one.protocols} for one in questions
        ]
        ms = {"read": _ms(begun), "score": 0.0, "select": 0.0}
        if rows:
            log, asked = self.log_of([ids[row] for row in rows])
            most = max(one.k for one in questions)
            asked_for = {protocol for one in questions for protocol in one.protocols}
            ms["read"] = _ms(begun)
            rankings = self.top(log, asked, most, asked_for, ms)
            begun = perf_counter()
            for protocol, ranking in rankings.items():
                edges = np.searchsorted(ranking.row, np.arange(len(rows) + 1))
                for place, row in enumerate(rows):
                    if protocol in lists[row]:
                        first = int(edges[place])
                        last = min(int(edges[place + 1]), first + questions[row].k)
                        lists[row][protocol] = self.named(ranking, place, slice(first, last))
            ms["select"] += _ms(begun)
        return [
            Answer(
                *(self.name, self.digest, lists[row], len(known), min(len(known), self.length)),
                *(len(strange[row]), list(dict.fromkeys(strange[row]))[:NAMED], dict(ms)),
                len(questions),
            )
            for row, known in enumerate(ids)
        ]

    def require_items_alone(self) -> None:
        """Raise ``ValueError`` for a model that reads of a history more than its items."""
        if self.model.reads:
            raise ValueError(
                f"{self.name}: the model reads {', '.join(self.model.reads)} of each event, and is "
                "asked by items alone; pass a table to seqrec_lib.serving.recommend"
            )

    def log_of(self, histories: list[list[int]]) -> tuple[EventLog, Int[np.ndarray, "P"]]:
        """A log of these histories, each with an event that stands for the one to come."""
        offsets = np.cumsum([0, *(len(one) + 1 for one in histories)])
        item = np.ones(offsets[-1], dtype=np.int32)
        for start, one in zip(offsets[:-1], histories, strict=True):
            item[start : start + len(one)] = one
        users = np.arange(len(histories))
        return EventLog(item, np.zeros(len(item), np.int64), offsets, users, self.items), (
            offsets[1:] - 1
        )

    def named(self, ranking: Ranking, row: int, part: slice) -> TopK:
        """A part of a ranking, by raw ids; ``row`` is whose chance of the first is told."""
        items = [self._raw[number - 1] for number in ranking.item[part].tolist()]
        chance = float(ranking.chance[row])  # not finite where all that has a chance is masked
        said = chance if items and np.isfinite(chance) else None
        return TopK(items, ranking.score[part].tolist(), said)

    # --- scores -----------------------------------------------------------------------------

    def top(
        self,
        log: EventLog,
        positions: Int[np.ndarray, "P"],
        k: int = 10,
        protocols: Collection[str] = PROTOCOLS,
        ms: dict[str, float] | None = None,
    ) -> dict[str, Ranking]:
        """The k items at the top before each position of a log, by protocol.

        Of equal scores the item that comes first in the catalogue is first, whatever else is asked
        at the same time. What scores minus infinity is in no list. ``ms`` takes the milliseconds of
        ``score`` and ``select``. Raises as :meth:`answer` does.
        """
        checked(k, protocols)
        ms = {"score": 0.0, "select": 0.0} if ms is None else ms
        parts: dict[str, list[Any]] = {protocol: [] for protocol in protocols}
        begun = perf_counter()
        with torch.inference_mode():
            for rows, batch, scores in scored(self.model, log, positions, self.length):
                logits = scores
                if type(self.model).log_chances is not Recommender.log_chances:
                    logits = self.model.log_chances(batch).clone()
                ms["score"] += _ms(begun)
                begun = perf_counter()
                for protocol in sorted(protocols, reverse=True):  # masked last: it overwrites
                    if protocol == "masked":
                        out = masked_out(log, positions[rows], scores.device)
                        scores[out] = -torch.inf
                        if logits is not scores:
                            logits[out] = -torch.inf
                    parts[protocol].append((rows, *best(scores, logits, k)))
                ms["select"] += _ms(begun)
                begun = perf_counter()
        return {protocol: joined(found) for protocol, found in parts.items()}


def checked(k: int, protocols: Collection[str]) -> None:
    """Raise ``ValueError`` for what no list can be made of."""
    if k < 1:
        raise ValueError(f"k is {k}; ask for one item or more")
    if strange := set(protocols) - set(PROTOCOLS):
        known = " or ".join(map(repr, PROTOCOLS))
        raise ValueError(f"protocol is {sorted(strange)[0]!r}; use {known}")


def _sha256(path: Path | str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ms(begun: float) -> float:
    return (perf_counter() - begun) * 1000
