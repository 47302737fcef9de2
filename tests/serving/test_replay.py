"""A replay decides what an evaluation does, and its clock is honest."""

import asyncio
import json
import time
from contextlib import AsyncExitStack

import numpy as np
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import leave_last_out, tail
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import Recommender
from seqrec_lib.serving.batching import Batcher, Overloaded
from seqrec_lib.serving.monitor import Monitor
from seqrec_lib.serving.questions import asking
from seqrec_lib.serving.replay import Replay, play
from seqrec_lib.serving.served import Question, Served
from seqrec_lib.training.evaluation import PROTOCOLS, ranks

KINDS = ("popular", "recency", "markov", "gru", "sasrec", "retrieval", "ensemble", "reranked")


async def played(replay, models, monitor, k=10):
    async with AsyncExitStack() as stack:
        batchers = [await stack.enter_async_context(Batcher(one)) for one in models]

        ask = await stack.enter_async_context(asking(replay, batchers, k))
        await play(replay, ask, monitor)


@pytest.fixture(scope="module")
def log(kept):
    return kept("gru")[2]


@pytest.mark.parametrize("k", [10, 3])
def test_a_whole_replay_is_the_evaluation_of_the_same_positions(served, log, k):
    models = [served(name) for name in KINDS]
    positions = tail(log).test
    monitor = Monitor(Replay(log, positions), models, k=k)
    asyncio.run(played(monitor.replay, models, monitor, k))
    hits = 0.0
    said = json.loads(json.dumps(monitor.snapshot(whole=True), allow_nan=False))["models"]
    for model in models:
        name = model.name
        expected = ranks(model.model, log, positions, model.length)
        for protocol in PROTOCOLS:
            rank = expected[f"rank_{protocol}"].to_numpy()
            decided = monitor.decisions[name, protocol].latest(len(positions))
            assert decided["position"].tolist() == positions.tolist()
            assert decided["rank"].tolist() == np.minimum(rank, k + 1).tolist(), name
            assert decided["user"].tolist() == expected["user"].tolist()
            own = said[name][protocol]
            assert own[f"HR@{k}"][0] == hr(rank, k).mean()
            assert own[f"NDCG@{k}"][0] == ndcg(rank, k).mean()
            hits += hr(rank, k).sum()
            if protocol == "unmasked" and name != "popular":
                assert decided["first"].sum() == (expected["first"] == expected["item"]).sum()
    assert hits > 20
    assert monitor.counts == {
        "arrived": monitor.counts["arrived"], "answered": len(positions), "lost": 0,
        "decided": len(positions), "late": 0, "cold": 0, "unknown": 0,
    }  # fmt: skip


def test_ties_and_items_at_minus_infinity_are_ranked_as_in_the_evaluation(served, log):
    """Of 12 items most are masked, and the rest tie: lists are short, and ranks in the middle."""
    rng = np.random.default_rng(0)
    item = rng.integers(1, 13, 400).astype(np.int32)
    offsets = np.arange(0, 401, 20)
    days = np.arange(400) % 20
    small = EventLog(item, days, offsets, np.arange(20), np.array(list("abcdefghijkl")))

    class Coarse(Recommender):
        def score_all(self, batch):
            last = batch.item.gather(1, batch.length[:, None] - 1)
            scores = ((torch.arange(13) * 7 + last * 5) % 4).float()
            scores[scores == 3] = -torch.inf
            scores[:, 0] = -torch.inf
            return scores

    catalogue = Catalogue(12, np.zeros(13, dtype=np.int64))
    model = Coarse(catalogue)
    model.register_buffer("place", torch.zeros(1))
    models = [Served(model.eval(), small.items, 8, "coarse")]
    positions = np.flatnonzero(small.history_length(np.arange(400)) > 0)
    for k in (2, 5, 10, 12):
        monitor = Monitor(Replay(small, positions), models, k=k)
        asyncio.run(played(monitor.replay, models, monitor, k))
        expected = ranks(model, small, positions, 8)
        for protocol in PROTOCOLS:
            decided = monitor.decisions["coarse", protocol].latest(400)
            rank = expected[f"rank_{protocol}"].clip(upper=k + 1)
            assert decided["rank"].tolist() == rank.tolist()
            assert rank.nunique() > 1


# --- arrivals -------------------------------------------------------------------------------------


def test_events_arrive_in_the_order_of_time_each_after_those_of_its_user(log):
    positions = leave_last_out(log).test
    events = list(Replay(log, positions, speed=86_400.0))
    place = {one.position: i for i, one in enumerate(events)}
    assert set(place) == set(positions) | set(positions - 1)
    assert all(place[p - 1] < place[p] for p in positions.tolist())
    assert all(one.decides == (one.position in positions) for one in events)
    assert all(one.asks == (one.position + 1 in positions) for one in events)
    at = log.time[[one.position for one in events]]
    np.testing.assert_allclose([one.due for one in events], (at - at[0]) / 86_400)
    twice = [one.due for one in Replay(log, positions, speed=2 * 86_400.0)]
    np.testing.assert_allclose(twice, [one.due / 2 for one in events])


def test_poisson_arrivals_keep_the_order_and_have_the_rate_asked_for(small_log):
    positions = tail(small_log).test
    events = list(Replay(small_log, positions, rate=50.0, seed=3))
    due = np.array([one.due for one in events])
    order = [one.position for one in Replay(small_log, positions, speed=1.0)]
    assert [one.position for one in events] == order
    gaps = np.diff(due)
    assert len(gaps) > 500 and gaps.mean() == pytest.approx(0.02, rel=0.15)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.15)
    assert due.tolist() == [one.due for one in Replay(small_log, positions, rate=50.0, seed=3)]
    assert due.tolist() != [one.due for one in Replay(small_log, positions, rate=50.0, seed=4)]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"speed": 1.0, "rate": 1.0}, "not both"),
        ({"speed": 0.0}, "speed is 0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"positions": np.array([0])}, "first events"),
        ({"positions": np.array([], dtype=int)}, "no positions"),
    ],
)
def test_a_replay_of_nothing_is_refused(log, how, words):
    with pytest.raises(ValueError, match=words):
        Replay(**{"log": log, "positions": leave_last_out(log).test} | how)


def test_a_question_is_asked_with_what_came_before_and_nothing_later(log):
    positions = leave_last_out(log).test[:5]
    asked = []

    class Nobody:
        arrived = answered = lost = decided = lambda *_: None

    replay = Replay(log, positions)

    async def ask(position):
        asked.append(replay.history(position, beyond=1))
        return {}

    asyncio.run(play(replay, ask, Nobody()))
    starts = log.offsets[:5]
    expected = [
        log.items[log.item[a:b] - 1].tolist() for a, b in zip(starts, positions, strict=True)
    ]
    assert sorted(asked) == sorted(expected)


@pytest.mark.parametrize("blocking", [False, True])
def test_time_counts_from_the_scheduled_arrival(log, blocking):
    """A server that answers one question at a time, slower than they come, is seen to be late."""
    positions = leave_last_out(log).test[:12]
    took, seen = [], {"late": 0, "lost": 0}

    class Watching:
        def arrived(self, event): ...

        def answered(self, event, seconds, answers):
            took.append(seconds)

        def lost(self, event):
            seen["lost"] += 1

        def decided(self, event, answers, late):
            seen["late"] += late

    async def scene():
        lock = asyncio.Lock()

        async def ask(position):
            async with lock:
                if blocking:  # not even the clock of arrivals goes on
                    time.sleep(0.03)
                await asyncio.sleep(0 if blocking else 0.03)
            return {}

        # all users' events within a tenth of a second
        span = np.ptp(log.time[positions]) + 86_400
        await play(Replay(log, positions, speed=span / 0.1), ask, Watching())

    asyncio.run(scene())
    assert len(took) == 12 and max(took) > 0.2  # not the 0.03 s of the work alone
    assert blocking or seen["late"] > 0


def test_what_is_refused_decides_nothing(served, log):
    positions = leave_last_out(log).test
    models = [served("markov")]
    monitor = Monitor(Replay(log, positions), models, leave_last_out(log).train)
    number = iter(range(1000))

    async def ask(position):
        if next(number) % 3 == 0:
            raise Overloaded("full")
        history = monitor.replay.history(position, beyond=1)
        (answer,) = models[0].answer([Question(history, 20, PROTOCOLS)])
        return {"markov": answer}

    asyncio.run(play(monitor.replay, ask, monitor))
    assert monitor.counts["lost"] == 20 and monitor.counts["decided"] == 40
    said = monitor.snapshot()
    assert said["models"]["markov"]["masked"]["decided"] == 40
    assert said["drift_psi"] is not None and 0 < said["models"]["markov"]["masked"]["coverage"] <= 1
    assert said["response_ms"]["p50"] > 0 and said["response_ms"]["p99"] is None
    json.dumps(said, allow_nan=False)
