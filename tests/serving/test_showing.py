"""What the live page is sent: its files, under a rule that lets nothing else in, and answers."""

import asyncio
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.serving import pages
from seqrec_lib.serving.items import Items
from seqrec_lib.serving.showing import titled
from tests.serving.test_app import opened

FOLDER = Path(pages.__file__).parent / "page"


def scene_of(served, scene, names=("gru", "sasrec"), **how):
    async def whole():
        async with opened([served(name) for name in names], **how) as client:
            return await scene(client)

    return asyncio.run(asyncio.wait_for(whole(), 60))


def test_the_page_and_all_that_it_loads_come_from_here_under_one_rule(served):
    async def scene(client):
        first = await client.get("/")
        parts = re.findall(r'(?:src|href)="([^"]+)"', first.text)
        return first, {part: await client.get(part) for part in parts}

    first, parts = scene_of(served, scene)
    assert first.status_code == 200 and first.headers["content-type"].startswith("text/html")
    assert len(parts) == 11 and all(part.startswith("/page/") for part in parts)
    for one in (first, *parts.values()):
        assert one.status_code == 200 and one.headers["x-content-type-options"] == "nosniff"
        rule = one.headers["content-security-policy"]
        assert "default-src 'none'" in rule and "unsafe" not in rule and "http" not in rule
    assert parts["/page/favicon.svg"].headers["content-type"] == "image/svg+xml"
    # what a rule of this kind would refuse is not written
    assert not re.search(r"<style|style=|<script>|\son\w+=", first.text)


def test_no_file_names_another_address_or_makes_elements_of_text():
    for path in FOLDER.rglob("*.*"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|eval\(", text)


@pytest.mark.parametrize("path", ["/page/none.js", "/page/../app.py", "/page/shared/lists.js"])
def test_nothing_else_of_the_disk_is_sent(served, path):
    answer = scene_of(served, lambda client: client.get(path))
    assert answer.status_code == 404 and "error" in answer.json()


def test_it_says_who_answers_and_what_items_are_called(served, kept):
    log = kept("gru")[2]
    how = {"replayed": (log, leave_last_out(log)), "dataset": "small"}
    how["items"] = Items(log.items, log, leave_last_out(log).train)

    async def scene(client):
        about = await client.get("/v1/about")
        named = await client.post("/v1/items", json={"items": [101, "x"]})
        found = await client.post("/v1/search", json={"words": "10", "most": 3})
        return about.json(), named.json()["items"], found.json()

    about, named, found = scene_of(served, scene, **how)
    assert (about["dataset"], about["plays"]) == ("small", True)
    gru, sasrec = about["models"]
    assert (gru["title"], gru["colour"], gru["items"], gru["length"]) == (
        "GRU-CE",
        "#56B4E9",
        90,
        5,
    )
    assert "no attention" in gru["attention"] and sasrec["attention"] == ""
    assert re.fullmatch(r"\d+ in training", named[0]["genres"]) and named[1]["title"] == "x"
    assert len(found["items"]) == 3 < found["all"]


def test_more_searches_than_may_wait_are_refused(served, kept):
    log, go = kept("gru")[2], threading.Event()

    class Slow(Items):
        def search(self, text, most):
            assert go.wait(10)
            return super().search(text, most)

    async def scene(client):
        tasks = [
            asyncio.create_task(client.post("/v1/search", json={"words": "10"})) for _ in range(9)
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        go.set()
        return [one.status_code for one in await asyncio.gather(*tasks)]

    status = scene_of(served, scene, items=Slow(log.items), waiting=2)
    assert status.count(200) == 2 and status.count(503) == 7


def test_attention_is_asked_of_all_and_who_has_none_says_so(served):
    async def scene(client):
        right = await client.post("/v1/attention", json={"history": [101, 102]})
        return right, await client.post("/v1/attention", json={"history": "101"})

    right, wrong = scene_of(served, scene)
    models = right.json()["models"]
    assert models["sasrec"]["places"] == [0, 1] and len(models["sasrec"]["layers"]) == 2
    assert list(models["gru"]) == ["lacks"]
    assert wrong.status_code == 422


def test_a_replay_is_paused_stepped_and_goes_on(served, kept):
    log = kept("gru")[2]

    async def scene(client):
        live = client.app.state.live
        none = await client.post("/v1/pace", json={"paused": True})
        begun = await client.post("/v1/replay", json={"rate": 0.001, "paused": True})
        seen = []
        for _ in range(3):
            told = await client.post("/v1/pace", json={"step": True})
            while live.monitor.counts["decided"] == len(seen):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            seen.append((told.json()["state"], live.monitor.counts["decided"]))
        late = live.monitor.counts["late"]
        frame = live.frame()
        await client.post("/v1/pace", json={"paused": False, "factor": 1000.0})
        wrong = await client.post("/v1/pace", json={"factor": 0})
        return none, begun.json(), seen, late, frame, live.shown, wrong

    how = {"replayed": (log, leave_last_out(log))}
    none, begun, seen, late, frame, state, wrong = scene_of(served, scene, **how)
    assert none.status_code == 409 and "nothing plays" in none.json()["error"]
    assert begun == {"state": "paused", "events": 60}
    assert seen == [("paused", 1), ("paused", 2), ("paused", 3)] and late == 0
    assert frame["state"] == "paused" and frame["pace"]["rate"] == 0.001
    assert frame["model_ms"]["gru"]["n"] >= 3 and frame["model_ms"]["gru"]["p50"] > 0
    latest = frame["latest"]
    assert latest["history"] == live_history(log, latest["position"])
    assert latest["seen"] == (latest["item"] in latest["history"])
    assert state == "playing" and wrong.status_code == 422


def live_history(log, position):
    start = log.offsets[log.user_of(np.array([position]))[0]]
    return log.items[log.item[start:position] - 1].tolist()


def test_models_of_one_name_are_told_apart():
    assert titled(["a-gru-s0", "a-gru-s1", "din-of-a-gru-s0", "own", "x-own"]) == {
        "a-gru-s0": "GRU-CE (seed 0)",
        "a-gru-s1": "GRU-CE (seed 1)",
        "din-of-a-gru-s0": "DIN of GRU-CE",
        "own": "own",
        "x-own": "x-own",
    }
