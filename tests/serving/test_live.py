"""A replay behind the application: what a page sees of it, and that watchers harm nobody."""

import asyncio
import json

import pytest

from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.serving.app import create_app
from seqrec_lib.serving.asking import Refused
from seqrec_lib.serving.live import HELD, MOST_STREAMS, Wanted
from seqrec_lib.training.evaluation import ranks


class Reader:
    """A browser that reads ``GET /v1/stream`` of an application, or stops to."""

    def __init__(self, app):
        self.frames, self.status, self.reads = [], None, asyncio.Event()
        self.reads.set()
        self.leaves = asyncio.Event()
        scope = {
            "type": "http", "method": "GET", "path": "/v1/stream", "query_string": b"",
            "headers": [(b"host", b"localhost")], "asgi": {"spec_version": "2.3"},
        }  # fmt: skip
        self.task = asyncio.create_task(app(scope, self.receive, self.send))

    async def receive(self):
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self.reads.wait()
        for part in message.get("body", b"").decode().split("\n\n"):
            if part.startswith("data: "):
                self.frames.append(json.loads(part.removeprefix("data: ")))


@pytest.fixture
def app(served, kept):
    log = kept("gru")[2]
    models = [served("gru"), served("markov")]
    return create_app(models, replayed=(log, leave_last_out(log)))


def scene_of(app, scene):
    async def whole():
        async with app.router.lifespan_context(app):
            return await asyncio.wait_for(scene(app.state.live), 120)

    return asyncio.run(whole())


async def until(true, seconds=60):
    for _ in range(int(seconds * 50)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to that")


def test_a_stream_shows_the_replay_to_its_end_and_what_the_evaluation_says(app, served, kept):
    log = kept("gru")[2]

    async def scene(live):
        reader = Reader(app)
        assert await live.change(Wanted(rate=200.0)) == {"state": "playing", "events": 60}
        await until(lambda: reader.frames and reader.frames[-1]["state"] == "played")
        return reader.frames

    last = scene_of(app, scene)[-1]
    test = leave_last_out(log).test
    assert last["counts"]["decided"] == 60 and last["response_ms"]["n"] == 60
    assert last["models"]["gru"]["masked"]["decided"] == 60
    assert last["waiting"] == {"gru": 0, "markov": 0}
    for name in ("gru", "markov"):
        expected = ranks(served(name).model, log, test, 5)
        for protocol in ("masked", "unmasked"):
            own = last["models"][name][protocol]
            assert own["HR@10"][0] == hr(expected[f"rank_{protocol}"].to_numpy(), 10).mean()
            assert own["HR@10"][1] < own["HR@10"][0] < own["HR@10"][2]
            assert len(own["calibration"]) <= 10 and own["by_history"]
    shown = last["latest"]["models"]["gru"]["masked"]
    assert len(shown["items"]) == 10 and last["latest"]["item"] in log.items.tolist()
    assert shown["rank"] is None or 1 <= shown["rank"] <= 10


def test_a_reader_who_stops_reading_loses_old_frames_and_nobody_waits(app):
    async def scene(live):
        slow, other = Reader(app), Reader(app)
        await until(lambda: len(live.streams) == 2)
        slow.reads.clear()
        for number in range(500):
            for stream in live.streams:
                stream.take(json.dumps({"number": number}))
            if number % 50 == 0:
                await asyncio.sleep(0.01)
        held = [len(stream._held) for stream in live.streams]
        await until(lambda: {"number": 499} in other.frames)
        slow.reads.set()
        await until(lambda: {"number": 499} in slow.frames)
        return held, [one["number"] for one in slow.frames if "number" in one]

    held, numbers = scene_of(app, scene)
    assert max(held) <= HELD and numbers == sorted(numbers) and len(numbers) <= 2 * HELD


def test_a_thousand_streams_are_refused_in_words_and_those_that_leave_are_forgotten(app):
    async def scene(live):
        readers = [Reader(app) for _ in range(1000)]
        await until(lambda: all(one.status for one in readers))
        status = [one.status for one in readers]
        for one in readers:
            one.leaves.set()
        await until(lambda: not live.streams)
        again = Reader(app)
        await until(lambda: again.status)
        return status, again.status

    status, again = scene_of(app, scene)
    assert status.count(200) == MOST_STREAMS and status.count(503) == 1000 - MOST_STREAMS
    assert again == 200


def test_streams_and_replays_end_with_the_server(app):
    readers = []

    async def scene(live):
        readers.append(Reader(app))
        await live.change(Wanted(speed=1.0))  # days
        await until(lambda: readers[0].frames)

    async def whole():
        async with app.router.lifespan_context(app):
            await scene(app.state.live)
        await asyncio.wait_for(readers[0].task, 5)
        return app.state.live

    live = asyncio.run(whole())
    assert live.state == "stopped" and not live.streams


def test_a_replay_is_replaced_and_stopped(app):
    async def scene(live):
        await live.change(Wanted(speed=1.0))
        first = live.monitor
        await live.change(Wanted(rate=500.0, users=7, seed=1))
        assert live.monitor is not first
        await until(lambda: live.state == "played")
        assert live.monitor.counts["decided"] == 7
        assert await live.change(Wanted(stop=True)) == {"state": "stopped", "events": 0}

    scene_of(app, scene)


def test_of_many_who_begin_a_replay_at_a_time_one_is_left_and_can_be_stopped(app):
    def playing():
        return [one for one in asyncio.all_tasks() if one.get_coro().__name__ == "_play"]

    async def scene(live):
        await live.change(Wanted(rate=100.0))
        await asyncio.gather(*(live.change(Wanted(rate=100.0)) for _ in range(4)))
        assert len(playing()) == 1
        await asyncio.gather(live.change(Wanted(rate=100.0)), live.change(Wanted(stop=True)))
        assert not playing() and live.state == "stopped"
        await live.change(Wanted(rate=100.0))
        await asyncio.gather(live.end(), live.change(Wanted(stop=True)), return_exceptions=True)
        assert not playing()
        with pytest.raises(Refused, match="the server is stopping"):
            await live.change(Wanted(rate=100.0))
        reader = Reader(app)
        await until(lambda: reader.status)
        assert reader.status == 503

    scene_of(app, scene)


def test_an_error_of_the_measures_is_told_and_the_ticking_goes_on(app, monkeypatch, caplog):
    def fails():
        raise ZeroDivisionError("of person 7")

    async def scene(live):
        reader = Reader(app)
        await live.change(Wanted(rate=200.0))
        await until(lambda: reader.frames and reader.frames[-1]["counts"]["decided"])
        with monkeypatch.context() as patch:
            patch.setattr(live.monitor, "snapshot", fails)
            await until(lambda: "ZeroDivisionError" in reader.frames[-1]["state"])
            for _ in range(3):
                live._written()
        await until(lambda: "counts" in reader.frames[-1])
        return reader.frames

    frames = scene_of(app, scene)
    wrong = [one for one in frames if "counts" not in one and "without" in one["state"]]
    assert wrong and all(one["waiting"] == {} for one in wrong)
    told = [one for one in caplog.messages if "without measures" in one]
    assert len(told) == 1 and "person" not in "".join(caplog.messages)
