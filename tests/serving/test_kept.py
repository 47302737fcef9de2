"""A replay whose server is killed goes on and loses nothing; a file that lies is refused."""

import asyncio
import json
import os
import signal
import time

import httpx
import pytest

from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.serving.app import create_app
from seqrec_lib.serving.kept import Kept
from seqrec_lib.serving.live import Wanted
from seqrec_lib.training.evaluation import PROTOCOLS, ranks
from tests.serving.test_app import process
from tests.serving.test_live import until

NAMES = ("gru", "markov")


@pytest.fixture
def log(kept):
    return kept("gru")[2]


def lived(served, log, path, scene, names=NAMES):
    """What ``scene`` finds in an application that keeps a replay at ``path``."""
    replayed = (log, leave_last_out(log))
    app = create_app([served(name) for name in names], replayed=replayed, kept=Kept(path))

    async def whole():
        async with app.router.lifespan_context(app):
            return await asyncio.wait_for(scene(app.state.live), 120)

    return asyncio.run(whole())


async def some(live):
    await live.change(Wanted(rate=100.0))
    await until(lambda: live.monitor.counts["decided"] >= 12)
    return live.monitor.counts["decided"]


async def rest(live):
    await until(lambda: live.state == "played")
    return live.frame()


def test_what_a_server_had_decided_the_next_one_knows_and_plays_the_rest(served, log, tmp_path):
    before = lived(served, log, tmp_path / "kept", some)
    assert 12 <= before < 60
    with (tmp_path / "kept").open("a") as file:
        file.write('{"position": 5, "la')  # as a kill leaves it
    found = lived(served, log, tmp_path / "kept", rest)
    assert found["counts"]["decided"] == 60
    assert found["response_ms"]["n"] <= 60 - before  # the others were not asked again
    test = leave_last_out(log).test
    for name in NAMES:
        expected = ranks(served(name).model, log, test, 5)
        for protocol in PROTOCOLS:
            own, rank = found["models"][name][protocol], expected[f"rank_{protocol}"].to_numpy()
            assert own["HR@10"][0] == hr(rank, 10).mean()
            assert own["NDCG@10"][0] == ndcg(rank, 10).mean()
    positions = [one["position"] for one in Kept(tmp_path / "kept").decisions]
    assert sorted(positions) == test.tolist()


def test_a_whole_replay_is_measured_as_one_that_was_cut(served, log, tmp_path):
    async def whole(live):
        await live.change(Wanted(rate=500.0))
        return await rest(live)

    at_once = lived(served, log, tmp_path / "whole", whole)
    lived(served, log, tmp_path / "cut", some)
    assert lived(served, log, tmp_path / "cut", rest)["models"] == at_once["models"]


def test_a_replay_that_is_over_or_was_stopped_does_not_go_on(served, log, tmp_path):
    async def stopped(live):
        await some(live)
        await live.change(Wanted(stop=True))

    async def seen(live):
        await asyncio.sleep(0.2)
        return live.state

    lived(served, log, tmp_path / "kept", stopped)
    assert lived(served, log, tmp_path / "kept", seen) == "idle"
    lived(served, log, tmp_path / "other", some)
    lived(served, log, tmp_path / "other", rest)
    assert lived(served, log, tmp_path / "other", seen) == "idle"
    assert lived(served, log, tmp_path / "never", seen) == "idle"


def test_another_log_or_other_models_are_refused_in_words(served, log, tmp_path, table):
    path = tmp_path / "kept"
    lived(served, log, path, some)
    fewer = EventLog.build(table[table["user"] > table["user"].min()], log.items)
    for names, other in ((("gru",), log), (NAMES, fewer)):
        with pytest.raises(ValueError, match="keeps another replay .*start the server as it was"):
            lived(served, other, path, some, names)
    lines = path.read_text().splitlines()
    lies = json.loads(lines[-1]) | {"position": 10**9}
    path.write_text("\n".join([*lines, json.dumps(lies), ""]))
    with pytest.raises(ValueError, match="keeps another replay"):
        lived(served, log, path, some)


@pytest.mark.parametrize("content", ["{}\n", "[1]\n", "no json\n", '{"replay": 1}\n[2]\n'])
def test_a_file_of_another_kind_is_not_touched(tmp_path, content):
    (tmp_path / "kept").write_text(content)
    with pytest.raises(ValueError, match="not what a replay keeps"):
        Kept(tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == content


def test_a_server_killed_in_mid_replay_is_started_again_and_loses_nothing(
    served, kept, log, table, tmp_path
):
    table.to_csv(tmp_path / "log.csv", index=False)
    words = (kept("gru")[0], "--dataset", tmp_path / "log.csv", "--sort", "--keep", tmp_path / "k")

    def decided():
        return len(Kept(tmp_path / "k").decisions)

    with process(*words) as (address, server):
        httpx.post(f"{address}/v1/replay", json={"rate": 40.0}).raise_for_status()
        end = time.monotonic() + 60
        while decided() < 10:
            assert time.monotonic() < end
            time.sleep(0.05)
        os.kill(server.pid, signal.SIGKILL)
        server.wait(20)
    before = decided()
    assert 10 <= before < 60
    with process(*words) as (address, _):
        frame = frame_of(address, "played")
    assert frame["counts"]["decided"] == decided() == 60
    assert frame["response_ms"]["n"] <= 60 - before
    own = EventLog.build(table)
    rank = ranks(served("gru").model, own, leave_last_out(own).test, 5)["rank_masked"].to_numpy()
    (model,) = frame["models"].values()
    assert model["masked"]["HR@10"][0] == hr(rank, 10).mean()


def frame_of(address, state):
    """The first frame of a stream that has come to a state."""
    with httpx.stream("GET", f"{address}/v1/stream", timeout=60) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                frame = json.loads(line.removeprefix("data: "))
                if frame["state"] == state:
                    return frame
    raise AssertionError(f"the stream ended before it came to {state}")
