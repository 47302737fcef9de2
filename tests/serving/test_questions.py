"""A replay of a log with stores asks by what was known, and decides what an evaluation does."""

import asyncio
import dataclasses
import json
import threading

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.channels import joined
from seqrec_lib.data.splits import tail
from seqrec_lib.models.registry import MODELS
from seqrec_lib.models.stores.encoder import StoreEncoder
from seqrec_lib.models.stores.pools import Attention
from seqrec_lib.serving import questions
from seqrec_lib.serving.app import create_app
from seqrec_lib.serving.live import Wanted
from seqrec_lib.serving.monitor import Monitor
from seqrec_lib.serving.questions import Told, unheard
from seqrec_lib.serving.replay import Replay
from seqrec_lib.serving.served import Served
from seqrec_lib.training.evaluation import PROTOCOLS, ranks

from .conftest import SASREC_8
from .test_live import scene_of, until
from .test_replay import played

DAY = 86_400


def shopping(online="online", users=25, seed=0):
    """Events in a browser and lines of receipts, which are loaded at the next midnight, some of
    them in the very second of a question."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for number in range(12):
            when = int(rng.integers(1, 60 * DAY)) if number % 4 else DAY * int(rng.integers(1, 60))
            rows.append((f"u{user}", f"i{rng.integers(30)}", when, online, -1, when))
        for receipt in range(int(rng.integers(0, 9))):
            when = int(rng.integers(1, 60 * DAY))
            known = -(-when // DAY) * DAY
            for _ in range(int(rng.integers(1, 4))):
                item = f"i{rng.integers(30)}"
                rows.append((f"u{user}", item, when, "store", 100 * user + receipt, known))
    names = ["user", "item", "time", "channel", "basket", "known"]
    table = pd.DataFrame(rows, columns=names).sort_values(["user", "time"], kind="stable")
    return table.reset_index(drop=True)


@pytest.fixture(scope="module")
def log():
    return joined(shopping(), "known")


def models_of(log):
    """One that reads receipts by channel, one that reads items alone, and counts; untrained."""
    catalogue = Catalogue.learned(log, tail(log).train)
    configs = {
        "store-encoder": StoreEncoder.Config(SASREC_8, Attention.Config(), marked=True),
        "sasrec": SASREC_8,
        "popular": MODELS["popular"].Config(),
    }
    torch.manual_seed(0)
    made = {name: MODELS[name](catalogue, config).eval() for name, config in configs.items()}
    return [Served(one, log.items, 7, name) for name, one in made.items()]


@pytest.fixture(scope="module")
def models(log):
    return models_of(log)


def agrees(log, models, positions, k=10):
    monitor = Monitor(Replay(log, positions), models, k=k)
    asyncio.run(played(monitor.replay, models, monitor, k))
    assert monitor.counts["decided"] == len(positions)
    hits = 0
    for one in models:
        expected = ranks(one.model, log, positions, one.length)
        for protocol in PROTOCOLS:
            rank = expected[f"rank_{protocol}"].clip(upper=k + 1)
            decided = monitor.decisions[one.name, protocol].latest(len(positions))
            assert decided["position"].tolist() == positions.tolist()
            assert decided["rank"].tolist() == rank.tolist(), (one.name, protocol)
            hits += (rank <= k).sum()
    return hits, monitor


@pytest.mark.parametrize("online", ["online", "web"])
def test_a_whole_replay_of_receipts_is_the_evaluation_of_the_same_positions(online):
    log = joined(shopping(online), "known")
    hits, monitor = agrees(log, models_of(log), tail(log).test)
    assert hits > 50
    # and a reader sees which events were a store's
    latest = monitor.latest
    assert len(latest["stores"]) == len(latest["history"]) and any(latest["stores"])
    json.dumps(latest, allow_nan=False)


def test_who_reads_receipts_answers_by_them(log, models):
    """The same questions without the stores' lines have other ranks: they did reach the model."""
    positions = tail(log).test
    without = joined(shopping(), "none")
    (encoder,) = (one for one in models if one.name == "store-encoder")
    both = [
        ranks(encoder.model, one, tail(one).test, encoder.length)["rank_unmasked"].to_numpy()
        for one in (log, without)
    ]
    assert len(positions) == len(both[1]) and (both[0] != both[1]).mean() > 0.3


def test_what_is_told_is_what_was_known_by_then(log, tmp_path):
    positions = tail(log).test
    told = Told(Replay(log, positions), tmp_path)
    events = [one.position for one in Replay(log, positions) if one.asks]
    seen = 0
    for position in events:
        past = told.after(position)
        user = log.user_of(np.array([position]))[0]
        whole = slice(log.offsets[user], position + 1)
        assert past.table["item"].tolist() == log.items[log.item[whole] - 1].tolist()
        assert (past.table["channel"] == "store").tolist() == log.context[whole].tolist()
        assert past.at == log.known[position]
        same = [pd.factorize(log.basket[whole])[0], pd.factorize(past.table["basket"])[0]]
        lines = log.context[whole]
        assert pd.factorize(same[0][lines])[0].tolist() == pd.factorize(same[1][lines])[0].tolist()
        seen += lines.sum()
    assert seen > 100
    refused = told.store.counts().refused
    told.store.close()
    assert refused == 0


class Held(Told):
    """A store that is told, or made, once ``go`` lets it; ``late``: nobody did in ten seconds, as
    when the event loop stands still."""

    go, at, late = threading.Event(), "after", False

    def __init__(self, *what):
        self.wait("made")
        super().__init__(*what)

    def after(self, position):
        self.wait("after")
        return super().after(position)

    def wait(self, at):
        if at == self.at and not self.go.wait(10):
            type(self).late = True


@pytest.fixture
def held(monkeypatch):
    """``held(at)``: from now on stores are of the kind that it gives, and held there."""

    def hold(at):
        kind = type("Held", (Held,), {"go": threading.Event(), "at": at})
        monkeypatch.setattr(questions, "Told", kind)
        return kind

    return hold


def test_a_store_that_is_slow_has_as_many_waiting_as_may_and_the_rest_are_lost(log, models, held):
    app = create_app(models, replayed=(log, tail(log)), waiting=5)
    kind = held("after")

    async def scene(live):
        await live.change(Wanted(rate=2000.0))
        await until(lambda: live.monitor.counts["lost"] > 20)
        waiting = live.frame()["waiting"]
        kind.go.set()
        await until(lambda: live.state == "played")
        return waiting, live.monitor.counts

    waiting, counts = scene_of(app, scene)
    assert waiting == {one.name: 5 for one in models}
    # whoever is not refused is answered with all that came, what was lost among it
    assert counts["answered"] == counts["decided"] >= 5
    assert counts["answered"] + counts["lost"] == len(tail(log).test)


@pytest.mark.parametrize("at", ["made", "after"])
def test_a_replay_that_is_at_work_on_its_store_is_stopped_while_others_are_served(
    log, models, held, at
):
    app = create_app(models, replayed=(log, tail(log)))
    kind = held(at)

    async def scene(live):
        await live.change(Wanted(rate=500.0))
        await asyncio.sleep(0.2)
        stopping = asyncio.create_task(live.change(Wanted(stop=True)))
        await asyncio.sleep(0.2)
        assert not stopping.done()
        kind.go.set()
        assert (await stopping)["state"] == "stopped"

    scene_of(app, scene)
    assert not kind.late


def test_what_a_replay_cannot_tell_is_refused_in_words(log, models):
    catalogue = Catalogue.learned(log, tail(log).train)
    config = dataclasses.replace(MODELS["hstu"].Config(), time="asked")
    timed = Served(MODELS["hstu"](catalogue, config).eval(), log.items, 7, "timed")
    assert "timed reads asked_at, time of each event" in unheard(log, timed)
    split = tail(log)
    with pytest.raises(ValueError, match="timed reads asked_at"):
        create_app([timed], replayed=(log, split))
    assert create_app(models, replayed=(log, split)).state.live.batchers.keys() == {
        one.name for one in models
    }
    # of a log without stores items are told, and nothing else
    plain = dataclasses.replace(log, context=None)
    assert "reads asked_basket, basket, channel" in unheard(plain, models[0])
    untold = dataclasses.replace(log, known=None)
    with pytest.raises(ValueError, match="when it was known"):
        Replay(untold, split.test)
    many = shopping()
    online = np.flatnonzero(many["channel"] == "online")[::2]
    many.loc[online, "channel"] = "app"
    two = joined(many, "known")
    replay = Replay(two, tail(two).test)
    with pytest.raises(ValueError, match="online events of app, online"):
        asyncio.run(played(replay, models[1:], Monitor(replay, models[1:])))
