"""What a small world is: histories made by a rule, questions, and the best answers there can be.

Everyone's last event is a question. Of some users it is asked to learn from, with the earlier
questions of theirs, of others to select and to test; every other event is history alone (context).
Nothing but the history bears on the answer, so that who asks says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split

LEARN, SELECT = 0.6, 0.1  # shares of the users; the rest tests
STEP_S = 3600  # between events, where a world says nothing of time


@dataclass(frozen=True)
class World:
    """A world as it came out.

    Attributes:
        outcomes: the items that can be an answer; an answer is ranked among these.
        best: the chance that the ideal ranking has the answer to each user's last question among
            its first ``k``.
        limits: the same for the ideal ranking of who sees a part of the history: ``nothing`` of it,
            its ``last n`` events, how near items are to the last (``nearest``: itself), its items
            as a ``set`` without order, a ``sum`` of what each item gives by itself, or for each
            item the events of its ``own category``. What is not named is not denied the answer.
        roles: what items are, for drawings: their numbers by a word.
    """

    log: EventLog
    split: Split
    outcomes: Int[np.ndarray, "C"]
    best: Float[np.ndarray, "U"]
    limits: Mapping[str, float]
    roles: Mapping[str, Int[np.ndarray, "R"]]
    k: int = 1

    @property
    def length(self) -> int:
        """Events of the longest history."""
        return int(np.diff(self.log.offsets).max()) - 1

    @property
    def attributes(self) -> Int[np.ndarray, "N 1"]:
        """The number of each item's role, from 1; of a world's items each has one."""
        number = np.zeros((self.log.num_items + 1, 1), dtype=np.int32)
        for role, items in enumerate(self.roles.values(), start=1):
            number[items] = role
        return number

    def ideal(self, positions: Int[np.ndarray, "P"]) -> float:
        """The best possible HR@k on these last questions."""
        return float(self.best[self.log.user_of(positions)].mean())


def grouped(word: str, count: int, size: int) -> dict[str, Int[np.ndarray, "R"]]:
    """Roles of items that lie in ``count`` groups of ``size``, one after the other."""
    return {f"{word} {g + 1}": 1 + size * g + np.arange(size) for g in range(count)}


def ends(users: int) -> tuple[int, int]:
    """How many users come before those who select, and before those who test."""
    learn = round(LEARN * users)
    return learn, learn + round(SELECT * users)


def assembled(
    item: Int[np.ndarray, "U T"],
    asked: Bool[np.ndarray, "U T"] | None,
    roles: Mapping[str, Int[np.ndarray, "R"]],
    outcomes: Int[np.ndarray, "C"],
    best: Float[np.ndarray, "U"] | float = 1.0,
    limits: Mapping[str, float] | None = None,
    k: int = 1,
    time: Int[np.ndarray, "U T"] | None = None,
) -> World:
    """The world of these histories, a row a user, items numbered from 1 (0: no event).

    ``asked`` marks questions; the last event is one, and the only one where it is ``None``.
    Times are in seconds, an hour apart if not given.
    """
    there = item > 0
    user, step = np.nonzero(there)
    events = pd.DataFrame({"user": user, "item": item[there]})
    events["time"] = step * STEP_S if time is None else time[there]
    every = np.sort(np.concatenate(list(roles.values())))
    log = EventLog.build(events, items=np.unique(every))
    last = log.offsets[1:] - 1
    question = np.zeros(len(log), dtype=bool) if asked is None else asked[there].copy()
    question[last] = True
    learn, select = ends(len(item))
    train = np.flatnonzero(question & (user < learn))
    train = train[log.history_length(train) > 0]
    log = replace(log, context=~question)
    split = Split(train, last[learn:select], last[select:])
    best = np.broadcast_to(np.asarray(best, dtype=float), len(item))
    return World(log, split, outcomes, best, limits or {}, roles, k)
