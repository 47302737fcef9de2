"""The best possible answer in a world of :mod:`seqrec_lib.data.worlds.stores`.

The oracle knows the world's parameters and the history that a model is given, and nothing else. Its
belief is the exact distribution over a user's need and whether that need is satisfied, carried from
day to day (the forward recursion of a hidden Markov model; Rabiner, 1989, doi:10.1109/5.18626).
What it does not know, it sums over: a day of which no receipt is known yet may have seen a visit.
That none was made is knowledge too.

Ranking by the chance of each item to be next maximises every HR@k and NDCG@k in expectation: with
the same history, no model does better but by luck.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from seqrec_lib.data.worlds.stores import DAY_S, DELAYS, FIRST_DAY, StoreWorld, known_from

NEVER = "never"  # receipts are not known at all
BLOCK = 500  # users at a time
_END = np.iinfo(np.int64).max // 2  # a time at which all is known that ever will be


class Answers(NamedTuple):
    """The oracle's answers, one for each question."""

    rank: Int[np.ndarray, "Q"]  # of the item that came; the best is 1, ties count half
    log_chance: Float[np.ndarray, "Q"]  # of the item that came, natural logarithm, before masking
    top: Int[np.ndarray, "Q k"]  # the likeliest items, best first
    top_chance: Float[np.ndarray, "Q k"]


def ask(
    world: StoreWorld,
    events: pd.DataFrame,
    rows: Int[np.ndarray, "Q"],
    delay: str,
    masked: csr_array | None = None,
    top: int = 0,
) -> Answers:
    """Which item comes next, given the user's events before it as far as they are known by then?

    Args:
        events: a canonical table of the world, whole or some of its users.
        rows: the online events to be foretold, places in ``events``.
        delay: after which receipts are known: one of :data:`~seqrec_lib.data.worlds.stores.DELAYS`
            or :data:`NEVER`. Online events are known at once.
        masked: (Q, num_items + 1), true for items that may not be answered to a question. As in
            :mod:`seqrec_lib.training.evaluation`, a true item among them has the last rank.
        top: how many of the likeliest items to return.

    Raises ``ValueError`` for another delay, rows that are not online, and times outside the world.
    """
    rank, log_chance = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
    first, first_chance = np.empty((len(rows), top), dtype=np.int64), np.empty((len(rows), top))
    item = events["item"].to_numpy()[rows] - 1
    by_need = (1 - world.noise) * world.item_weights
    anyway = world.noise * world.popularity
    for place, belief in _blocks(world, events, rows, delay):
        chance = (belief[:, :, None] * by_need).reshape(len(place), -1) + anyway
        own = np.take_along_axis(chance, item[place, None], 1)
        log_chance[place] = np.log(own[:, 0])
        if masked is not None:
            question, barred = masked[place].nonzero()
            sold = (barred > 0) & (barred <= world.num_online)  # neither padding nor staples
            chance[question[sold], barred[sold] - 1] = -1
        out = np.take_along_axis(chance, item[place, None], 1)[:, 0] < 0
        found = 1 + (chance > own).sum(1) + (chance == own).sum(1) // 2
        rank[place] = np.where(out, world.num_items, found)
        if top:
            best = np.argsort(-chance, axis=1, kind="stable")[:, :top]
            first[place] = best + 1
            first_chance[place] = np.take_along_axis(chance, best, 1)
    return Answers(rank, log_chance, first, first_chance)


def beliefs(
    world: StoreWorld, events: pd.DataFrame, rows: Int[np.ndarray, "Q"], delay: str
) -> Float[np.ndarray, "Q K"]:
    """The chance of each need at each question; arguments and errors as of :func:`ask`."""
    found = np.empty((len(rows), world.num_needs))
    for place, belief in _blocks(world, events, rows, delay):
        found[place] = belief
    return found


def _blocks(
    world: StoreWorld, events: pd.DataFrame, rows: np.ndarray, delay: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places in ``rows``, and what is believed of the need at each, (n, K)."""
    if delay != NEVER and delay not in DELAYS:
        raise ValueError(f"delay is {delay!r}; use one of {', '.join((NEVER, *DELAYS))}")
    store = (events["channel"] == "store").to_numpy()
    if store[rows].any():
        raise ValueError(f"{store[rows].sum()} rows are receipt lines; ask for online events alone")
    day = events["time"].to_numpy() // DAY_S - FIRST_DAY
    if len(day) and not 0 <= day.min() <= day.max() < world.num_days:
        raise ValueError(f"the events are not all in {world.num_days} days; is it another world's?")
    user = pd.factorize(events["user"])[0]
    order = np.argsort(rows, kind="stable")
    for first in range(0, int(user.max(initial=-1)) + 1, BLOCK):
        low, high = np.searchsorted(user, [first, first + BLOCK])
        own = order[slice(*np.searchsorted(rows[order], [low, high]))]
        if len(own):
            history = _History(world, events.iloc[low:high], delay)
            for place, belief in history.foretold(rows[own] - low):
                yield own[place], belief


class _History:
    """What is known of the users of a block, and what follows from it.

    A belief has the shape (users, 2, K): whether the need is satisfied, then the need.
    """

    def __init__(self, world: StoreWorld, events: pd.DataFrame, delay: str):
        self.world, self.delay = world, delay
        self.user = pd.factorize(events["user"])[0]
        self.time = events["time"].to_numpy()
        self.day = self.time // DAY_S - FIRST_DAY
        self.need = world.need_of(events["item"].to_numpy())
        store = (events["channel"] == "store").to_numpy()
        self.online = np.flatnonzero(~store)

        # how much likelier an item is if the need is its own, than if it is another
        shares = world.need_shares
        self.odds = 1 + (1 - world.noise) / (world.noise * shares)
        by_chance = (1 - world.focus) * (1 - world.staple_share) * shares
        receipts, online = np.flatnonzero(store), self.online
        self.session, self.of_session = self._factors(online, self.odds)
        self.visit, of_visit = self._factors(receipts, 1 + world.focus / by_chance)
        # beside a visit that is not linked
        self.of_visit = of_visit / (of_visit @ shares)[:, None]
        self.visit_time = np.zeros(self.visit.shape, dtype=np.int64)
        self.visit_time[self.user[receipts], self.day[receipts]] = self.time[receipts]

    def _factors(self, rows: np.ndarray, odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The likelihoods of needs by a user's events of a day, up to a factor common to all needs.

        Returns a row of likelihoods for each user and day, and the rows; in row 0 nothing happened.
        """
        shape = int(self.user[-1]) + 1, self.world.num_days
        session = self.user[rows] * self.world.num_days + self.day[rows]
        there, row = np.unique(session, return_inverse=True)
        places = np.zeros(shape, dtype=np.int64)
        places.flat[there] = np.arange(1, len(there) + 1)
        factors = np.ones((len(there) + 1, self.world.num_needs))
        need = self.need[rows]
        telling = need < self.world.num_needs  # staples say nothing
        np.multiply.at(factors, (row[telling] + 1, need[telling]), odds[need[telling]])
        return places, factors

    def foretold(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places in ``rows``, and what is believed of the need at each, day by day."""
        world, everybody = self.world, np.arange(int(self.user[-1]) + 1)
        seconds = DELAYS.get(self.delay, 0)
        reach = 1 if seconds is None else -(-seconds // DAY_S)  # days until a day is all known
        belief = np.zeros((len(everybody), 2, world.num_needs))
        belief[:, 0] = world.need_shares
        mornings: deque[np.ndarray] = deque(maxlen=reach + 1)
        for day in range(int(self.day[rows].max()) + 1):
            mornings.append(belief)
            place = np.flatnonzero(self.day[rows] == day)
            if len(place):
                user, time = self.user[rows[place]], self.time[rows[place]]
                now = mornings[0][user]
                for before in range(day - len(mornings) + 1, day):
                    now = self._next_morning(now, user, before, time)
                yield place, self._today(now, rows[place], day)
            ends = np.full(len(everybody), _END)
            belief = self._next_morning(belief, everybody, day, ends)

    def _today(self, belief: np.ndarray, rows: np.ndarray, day: int) -> np.ndarray:
        """The need, by a belief of this morning and what of today is known before ``rows``."""
        user = self.user[rows]
        need = belief.sum(1) * self._told(user, day, self.time[rows])[0]
        question, earlier = np.arange(len(rows)), np.searchsorted(self.online, rows)
        while len(question):
            question, earlier = question[earlier > 0], earlier[earlier > 0] - 1
            event = self.online[earlier]
            same = (self.user[event] == user[question]) & (self.day[event] == day)
            question, earlier, event = question[same], earlier[same], event[same]
            need[question, self.need[event]] *= self.odds[self.need[event]]
        return need / need.sum(1, keepdims=True)

    def _next_morning(
        self, belief: np.ndarray, user: np.ndarray, day: int, time: np.ndarray
    ) -> np.ndarray:
        """A belief of the morning after ``day``, by what is known of that day at ``time``."""
        world, shares = self.world, self.world.need_shares
        told, linked = self._told(user, day, time)
        belief = belief * self.of_session[self.session[user, day]][:, None]
        satisfied = belief[:, 1] * told + belief[:, 0] * linked
        still = belief[:, 0] * (told - linked)
        ended, kept = world.hazard * satisfied, (1 - world.hazard) * satisfied
        moved = np.empty_like(ended)
        moved[:, world.complements] = world.moves_on * ended
        anew = (1 - world.moves_on) * ended + world.drift * (kept + still)
        belief[:, 0] = (1 - world.drift) * still + moved + anew.sum(1, keepdims=True) * shares
        belief[:, 1] = (1 - world.drift) * kept
        return belief / belief.sum((1, 2), keepdims=True)

    def _told(self, user: np.ndarray, day: int, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How likely needs make what is known at ``time`` of the stores on ``day``: beside its
        likelihood if no visit was linked; and the part of it in which one was linked."""
        world, visited = self.world, self.visit_time[user, day]
        known = (visited > 0) & (self.delay != NEVER)
        if self.delay != NEVER:
            known &= known_from(visited, self.delay) <= time
        of_visit = world.strength * self.of_visit[np.where(known, self.visit[user, day], 0)]
        unknown = world.visit_rate * self._unknown(day, time)
        unknown = world.strength * unknown / np.maximum(1 - world.visit_rate + unknown, 1e-300)
        linked = np.where(known[:, None], of_visit, unknown[:, None])
        return np.where(known[:, None], linked + (1 - world.strength), 1), linked

    def _unknown(self, day: int, time: np.ndarray) -> np.ndarray:
        """The share of visits of ``day`` that are not known yet at ``time``."""
        if self.delay == NEVER:
            return np.ones(len(time))
        begin = np.array([(FIRST_DAY + day) * DAY_S])
        since = time - known_from(begin, self.delay)
        if DELAYS[self.delay] is None:
            return np.where(since < 0, 1.0, 0.0)
        return 1 - np.clip((since + 1) // 2, 0, DAY_S // 2) / (DAY_S // 2)  # odd seconds alone
