"""A replay whose server is killed goes on and loses nothing; a file that lies is refused."""

import asyncio
import errno
import io
import json
import os
import signal
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from seqrec_lib.data.files import DiskError
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.serving.__main__ import main
from seqrec_lib.serving.app import create_app
from seqrec_lib.serving.kept import Kept
from seqrec_lib.serving.live import Paced, Wanted
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

    async def whole(kept):
        app = create_app([served(name) for name in names], replayed=replayed, kept=kept)
        async with app.router.lifespan_context(app):
            return await asyncio.wait_for(scene(app.state.live), 120)

    with closing(Kept(path)) as kept:
        return asyncio.run(whole(kept))


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def decided_in(path):
    """The positions that a file keeps, whoever holds it."""
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [one["position"] for one in map(json.loads, whole.splitlines()) if "position" in one]


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
    assert sorted(decided_in(tmp_path / "kept")) == test.tolist()


def test_a_whole_replay_is_measured_as_one_that_was_cut(served, log, tmp_path):
    async def whole(live):
        await live.change(Wanted(rate=500.0))
        return await rest(live)

    at_once = lived(served, log, tmp_path / "whole", whole)
    lived(served, log, tmp_path / "cut", some)
    assert lived(served, log, tmp_path / "cut", rest)["models"] == at_once["models"]


def test_a_replay_that_was_stopped_is_gone_and_one_that_is_over_is_shown(served, log, tmp_path):
    async def stopped(live):
        await some(live)
        await live.change(Wanted(stop=True))

    async def seen(live):
        await asyncio.sleep(0.2)
        return live.state

    lived(served, log, tmp_path / "kept", stopped)
    assert lived(served, log, tmp_path / "kept", seen) == "idle"
    lived(served, log, tmp_path / "other", some)
    found = lived(served, log, tmp_path / "other", rest)
    again = lived(served, log, tmp_path / "other", rest)
    assert again["models"] == found["models"] and again["counts"]["decided"] == 60
    lines = (tmp_path / "other").read_text().splitlines(keepends=True)
    assert lines.pop() == '{"played":true}\n'
    (tmp_path / "other").write_text("".join(lines))  # as an older server left it
    assert lived(served, log, tmp_path / "other", rest)["models"] == found["models"]
    # what was lost while it was played is not played after its end
    (tmp_path / "other").write_text("".join([*lines[:-9], '{"played":true}\n']))
    assert lived(served, log, tmp_path / "other", rest)["counts"]["decided"] == 51

    async def stops(live):
        await live.change(Wanted(stop=True))
        return live.state

    assert lived(served, log, tmp_path / "other", stops) == "stopped"
    assert lived(served, log, tmp_path / "other", seen) == "idle"
    assert lived(served, log, tmp_path / "never", seen) == "idle"


def test_it_goes_on_at_the_pace_it_had(served, log, tmp_path):
    async def steered(live):
        await live.change(Wanted(rate=0.001, paused=True))
        live.steer(Paced(paused=False, factor=4.0))

    async def seen(live):
        await asyncio.sleep(0.05)
        return live.shown, live.frame()["pace"]["factor"]

    path = tmp_path / "kept"
    lived(served, log, path, steered)
    assert lived(served, log, path, seen) == ("playing", 4.0)
    first, _ = path.read_text().splitlines(keepends=True)
    path.write_text(first)  # as an older server left it
    assert lived(served, log, path, seen) == ("paused", 1.0)
    for lies in ({"factor": 0}, {"factor": "x"}, {"speed": 1}, 5, [1]):
        path.write_text(first + json.dumps({"pace": lies}) + "\n")
        with pytest.raises(ValueError, match="name another file"):
            lived(served, log, path, seen)


def test_another_log_or_other_models_are_refused_in_words(served, log, tmp_path, table):
    path = tmp_path / "kept"
    lived(served, log, path, some)
    fewer = EventLog.build(table[table["user"] > table["user"].min()], log.items)
    for names, other in ((("gru",), log), (NAMES, fewer)):
        with pytest.raises(ValueError, match="keeps another replay .*start the server as it was"):
            lived(served, other, path, some, names)
    lines = path.read_text().splitlines()
    decision = json.loads(lines[-1])
    large = {"models": {"gru": {"masked": decision["models"]["gru"]["masked"] | {"rank": 10**30}}}}
    for lies in ({"position": 10**9}, {"models": []}, {"models": {"gru": 1}}, {"late": {}}, large):
        path.write_text("\n".join([*lines, json.dumps(decision | lies), ""]))
        with pytest.raises(ValueError, match="keeps another replay"):
            lived(served, log, path, some)


@pytest.mark.parametrize(
    "content",
    [
        "{}\n",
        "[1]\n",
        "no json\n",
        '{"replay": 1}\n[2]\n',
        '{"replay": 1}\n2\n',
        "[" * 99_999 + "\n",
    ],
)
def test_a_file_of_another_kind_is_not_touched(tmp_path, content):
    (tmp_path / "kept").write_text(content)
    with pytest.raises(ValueError, match="not what a replay keeps"):
        Kept(tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == content


def test_a_file_is_one_server_s_at_a_time(served, log, tmp_path):
    async def scene(live):
        await some(live)
        before = (tmp_path / "kept").read_text()
        with pytest.raises(ValueError, match="another server keeps its replay there"):
            Kept(tmp_path / "kept")
        assert (tmp_path / "kept").read_text().startswith(before)

    lived(served, log, tmp_path / "kept", scene)
    Kept(tmp_path / "kept").close()


def test_where_nothing_can_be_kept_is_said_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "file" / "k", Path("/proc/nothing/k"), tmp_path / "pipe"):
        with pytest.raises(ValueError, match=r"no replay can be kept there .*: name another file"):
            Kept(path)


def full(kept, monkeypatch, left):
    """From now on there is room for so many bytes."""
    room = [left]

    class Full(io.FileIO):
        def write(self, data):
            if room[0] == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            taken = super().write(data[: room[0]])
            room[0] -= taken
            return taken

    monkeypatch.setattr(kept, "_file", Full(os.dup(kept._file.fileno()), "ab"))


def test_a_full_disk_is_told_and_the_next_replay_begins(served, log, tmp_path, monkeypatch, caplog):
    path = tmp_path / "kept"

    async def scene(live):
        await some(live)
        with monkeypatch.context() as patch:
            full(live.kept, patch, 100)  # less than a decision
            await until(lambda: live.state.startswith("ended"))
            assert "cannot keep the replay in" in live.state
            assert "No space left on device" in live.state and "cannot keep" in caplog.text
            lines_of(path)  # none is torn
            for wanted in (Wanted(stop=True), Wanted(rate=100.0)):
                with pytest.raises(DiskError, match="No space left"):
                    await asyncio.wait_for(live.change(wanted), 5)
            assert live.state == "stopped"
        assert (await live.change(Wanted(rate=100.0)))["state"] == "playing"
        await until(lambda: live.monitor.counts["decided"] >= 5)

    lived(served, log, path, scene)
    assert lines_of(path)


def test_an_error_of_a_model_is_told_by_its_kind(served, log, tmp_path, monkeypatch, caplog):
    def fails(*_):
        raise ZeroDivisionError("of person 7")

    async def scene(live):
        await live.change(Wanted(rate=100.0, paused=True))
        monkeypatch.setattr(live.monitor, "decided", fails)
        live.steer(Paced(paused=False))
        await until(lambda: live.state.startswith("ended"))
        return live.state

    state = lived(served, log, tmp_path / "kept", scene)
    assert state == "ended by an error (ZeroDivisionError)"
    assert "ZeroDivisionError" in caplog.text and "person" not in caplog.text


def test_a_server_killed_in_mid_replay_is_started_again_and_loses_nothing(
    served, kept, log, table, tmp_path
):
    table.to_csv(tmp_path / "log.csv", index=False)
    words = (kept("gru")[0], "--dataset", tmp_path / "log.csv", "--sort", "--keep", tmp_path / "k")

    def decided():
        return len(decided_in(tmp_path / "k"))

    with process(*words) as (address, server):
        httpx.post(f"{address}/v1/replay", json={"rate": 40.0}).raise_for_status()
        with pytest.raises(SystemExit, match="another server keeps its replay there"):
            main([str(one) for one in words])
        end = time.monotonic() + 60
        while decided() < 10:
            assert time.monotonic() < end
            time.sleep(0.05)
        os.kill(server.pid, signal.SIGKILL)
        server.wait(20)
    before = decided()
    assert 10 <= before < 60
    with process(*words) as (address, server):
        frame = frame_of(address, "played")
        # a page that is open keeps no server from its end
        with httpx.stream("GET", f"{address}/v1/stream", timeout=60) as page:
            lines = page.iter_lines()
            next(lines)
            server.terminate()
            list(lines)  # to its end
        server.wait(20)
        told = server.stderr.read()
        assert "Finished server process" in told
        assert "Traceback" not in told and "Cancel" not in told and "rror" not in told
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
