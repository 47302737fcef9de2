"""All measures of a replay in one place, as plain numbers for a page or a file."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

import numpy as np

from seqrec_lib.serving import measures
from seqrec_lib.serving.measures import Decided, Latency, Rate
from seqrec_lib.serving.replay import Answers, Event, Replay
from seqrec_lib.serving.served import Served
from seqrec_lib.statistics.intervals import Interval
from seqrec_lib.training.evaluation import PROTOCOLS

WINDOW = 1000  # events of what is said of "now"
RECENT = 10_000  # events of what needs many
OFTEN = 5.0  # seconds for which what needs many is not counted anew


class Monitor:
    """Watches a replay: what each model decides under both protocols, and what serving took.

    ``models`` answer; ``learned`` are the training positions, against whose items drift is
    measured (None: it is not). The lists are to be of ``2 * k`` items. ``window`` events are
    "now"; of the whole every event is kept, the latest ``most``. ``keep`` is given each decision,
    so that another monitor can ``restore`` it.
    """

    def __init__(
        self,
        replay: Replay,
        models: Sequence[Served],
        learned: np.ndarray | None = None,
        k: int = 10,
        window: int = WINDOW,
        most: int = 100_000,
        clock: Callable[[], float] = monotonic,
        keep: Callable[[Mapping[str, Any]], None] | None = None,
    ):
        self.replay, self.k, self.window = replay, k, window
        self.models = {one.name: one for one in models}
        self.decisions = {
            (name, protocol): Decided(k, most) for name in self.models for protocol in PROTOCOLS
        }
        self._shown: dict[tuple[str, str], set[Any]] = {key: set() for key in self.decisions}
        self.latency, self.offered, self.achieved = Latency(), Rate(clock=clock), Rate(clock=clock)
        self.latencies = {name: Latency() for name in self.models}  # of each, in the server
        self.counts = Counter(arrived=0, answered=0, lost=0, decided=0, late=0, cold=0, unknown=0)
        self._band: np.ndarray | None = None
        self._expected: np.ndarray | None = None
        if learned is not None:
            self._band = measures.popularity_bands(replay.log, learned)
            self._expected = np.bincount(self._band[replay.log.item[learned]], minlength=11)
        self._arrived: deque[int] = deque(maxlen=window)
        self._many: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        self._clock, self._keep = clock, keep
        self.latest: dict[str, Any] | None = None  # the latest decision, as a page shows it

    # --- what it is told --------------------------------------------------------------------

    def arrived(self, event: Event) -> None:
        self.counts["arrived"] += 1
        if event.asks:
            self.offered.add()
        self._arrived.append(int(self.replay.log.item[event.position]))

    def answered(self, event: Event, seconds: float, answers: Answers) -> None:
        self.counts["answered"] += 1
        self.counts["cold"] += any(one.known == 0 for one in answers.values())
        self.counts["unknown"] += any(one.unknown > 0 for one in answers.values())
        self.achieved.add()
        self.latency.add(seconds)
        for name, answer in answers.items():
            self.latencies[name].add(sum(answer.ms.values()) / 1000)
            for protocol, shown in answer.lists.items():
                self._shown[name, protocol].update(shown.items[: self.k])

    def lost(self, event: Event) -> None:
        self.counts["lost"] += 1

    def decided(self, event: Event, answers: Answers, late: bool) -> None:
        log, position = self.replay.log, event.position
        at = np.array([position])
        user = int(log.user_of(at)[0])
        before = self.replay.history(position)
        (item,) = log.items[log.item[at] - 1].tolist()
        stores = self.replay.of_stores(position)
        seen = {str(one) for one, line in zip(before, stores, strict=True) if not line}
        models: dict[str, dict[str, Any]] = {name: {} for name in answers}
        for name, answer in answers.items():
            number = self.models[name].number
            known = sum(one in number for one in seen)
            for protocol, shown in answer.lists.items():
                masked = protocol == "masked"
                own = next((one for one in shown.items if str(one) == str(item)), item)
                if str(item) not in number or (masked and str(item) in seen):
                    rank = self.k + 1  # no list has it
                else:
                    left = len(number) - known * masked
                    rank = measures.rank_shown(shown, own, self.k, left)
                models[name][protocol] = {
                    "items": shown.items[: self.k],
                    "rank": rank,
                    "chance": shown.chance,
                    "first": bool(shown.items) and shown.items[0] == own,
                }
        decision = {"position": position, "late": late, "models": models}
        if self._keep is not None:
            self._keep(decision)  # first: what is told of has been kept
        self._take(decision)
        self.latest = {
            "position": position, "user": str(log.users[user]), "history": before,
            "stores": stores, "item": item, "seen": str(item) in seen, "late": late,
            "models": self._drawn(models),
        }  # fmt: skip
        # last: who reads it from another thread and finds an event counted finds it whole
        self.counts["late"] += late
        self.counts["decided"] += 1

    def restore(self, decisions: Iterable[Mapping[str, Any]]) -> None:
        """Take in what another monitor of the same replay decided and gave to its ``keep``.

        What took time is not among it: response times and rates begin anew.
        """
        for one in decisions:
            self._take(one)
            for protocol, lists in _by_protocol(one["models"]):
                self._shown[protocol].update(lists["items"])
            for name in ("arrived", "answered", "decided"):
                self.counts[name] += 1
            self.counts["late"] += one["late"]

    def _take(self, decision: Mapping[str, Any]) -> None:
        position = np.array([decision["position"]])
        user = int(self.replay.log.user_of(position)[0])
        length = int(self.replay.log.history_length(position)[0])
        for key, one in _by_protocol(decision["models"]):
            chance = np.nan if one["chance"] is None else one["chance"]
            self.decisions[key].add(
                int(position[0]), user, length, one["rank"], chance, one["first"]
            )

    def _drawn(self, models: Mapping[str, Any]) -> dict[str, Any]:
        """Of a decision what a page draws; no rank where the list has not the item."""
        return {
            name: {
                protocol: {
                    "items": one["items"],
                    "rank": one["rank"] if one["rank"] <= self.k else None,
                }
                for protocol, one in lists.items()
            }
            for name, lists in models.items()
        }

    # --- what it tells ----------------------------------------------------------------------

    def snapshot(self, whole: bool = False) -> dict[str, Any]:
        """All of it as JSON knows it; None where nothing can be said yet.

        Accuracy is that of the window, or of the ``whole`` replay. Calibration and the accuracy
        after short histories need more events than a window has.
        """
        found: dict[str, Any] = {
            "counts": dict(self.counts),
            "response_ms": self.latency.summary(),
            "model_ms": {name: one.summary() for name, one in self.latencies.items()},
            "offered_per_s": self.offered.value(),
            "achieved_per_s": self.achieved.value(),
            "drift_psi": self.drift(),
            "models": {name: {} for name in self.models},
        }
        for (name, protocol), decided in self.decisions.items():
            shown = len(self._shown[name, protocol]) / len(self.models[name].items)
            one: dict[str, Any] = {"decided": len(decided), "coverage": shown}
            if len(decided):
                now = decided.latest(len(decided) if whole else self.window)
                one |= _plain(measures.accuracy(now, self.k))
                one |= self._of_many((name, protocol), whole)
            found["models"][name][protocol] = one
        return found

    def drift(self) -> float | None:
        """PSI of the popularity of the latest items against training's; None before any."""
        if self._band is None or self._expected is None or not self._arrived:
            return None
        found = np.bincount(self._band[list(self._arrived)], minlength=len(self._expected))
        return measures.psi(self._expected, found)

    def _of_many(self, key: tuple[str, str], whole: bool) -> dict[str, Any]:
        at, found = self._many.get(key, (-np.inf, {}))
        if not whole and self._clock() - at < OFTEN:
            return found
        decided = self.decisions[key]
        many = decided.latest(len(decided) if whole else RECENT)
        bins = measures.calibration(many)
        found = {
            "by_history": _plain(measures.by_history(many, self.k)),
            "calibration": [one | {"came": _ends(one["came"])} for one in bins],
            "calibration_error": measures.calibration_error(bins) if bins else None,
        }
        self._many[key] = self._clock(), found
        return found


def _by_protocol(models: Mapping[str, Any]) -> list[tuple[tuple[str, str], Any]]:
    return [((name, p), one) for name, lists in models.items() for p, one in lists.items()]


def _ends(one: Interval) -> list[float]:
    return [one.mean, one.low, one.high]


def _plain(intervals: Mapping[str, Interval]) -> dict[str, list[float]]:
    return {name: _ends(one) for name, one in intervals.items()}
