"""By HTTP: what is answered, what is refused, and in which words."""

import asyncio
import json
import logging
import re
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest

from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.serving.__main__ import main
from seqrec_lib.serving.app import create_app
from seqrec_lib.serving.served import Question, Served

HOST = "http://127.0.0.1:8000"


@asynccontextmanager
async def opened(models, **how):
    """A client of an application for ``models``, started and stopped as a server does."""
    app = create_app(models, **how)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HOST, timeout=60) as client:
            client.app = app
            yield client


def asked(models, *bodies, headers=None, **how):
    """The answers to these bodies of POST /v1/top, one after the other."""

    async def scene():
        async with opened(models, **how) as client:
            found = []
            for body in bodies:
                kind = {"content-type": "application/json"} | (headers or {})
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                found.append(await client.post("/v1/top", content=data, headers=kind))
            return found

    return asyncio.run(scene())


def test_a_question_has_the_lists_of_all_models_and_where_the_time_went(served):
    models = [served(name) for name in ("popular", "gru", "retrieval", "ensemble", "reranked")]
    history = [101, "102", "never"]
    (answer,) = asked(models, {"history": history, "k": 7})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert list(found["models"]) == [one.name for one in models] and found["k"] == 7
    for one in models:
        own = found["models"][one.name]
        (expected,) = one.answer([Question(history, 7)])
        assert own["items"] == expected.lists["masked"].items and len(own["items"]) == 7
        assert own["digest"] == one.digest and len(own["digest"]) >= 64
        assert (own["known"], own["unknown"], own["unknown_items"]) == (2, 1, ["never"])
        assert set(own["ms"]) == {"queued", "read", "score", "select"}
        assert sum(own["ms"].values()) <= found["ms"]["total"]
        assert 0 < own["chance"] <= 1


def test_one_model_and_one_protocol_can_be_chosen(served):
    models = [served("markov"), served("gru")]
    (answer,) = asked(
        models, {"history": [101], "k": 90, "protocol": "unmasked", "models": ["gru"]}
    )
    found = answer.json()["models"]
    assert list(found) == ["gru"] and len(found["gru"]["items"]) == 90
    assert 101 in found["gru"]["items"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "Invalid JSON"),
        (b"\xff\xfe\x00", 422, "Invalid JSON"),
        (b'{"history": [101]', 422, "Invalid JSON"),
        (b"[" * 100_000, 422, "Invalid JSON"),
        (b'{"history": [NaN]}', 422, "history.0"),
        (b'{"history": [1e400]}', 422, "history.0"),
        (b'{"history": [' + b"9" * 5000 + b"]}", 422, ""),
        (b'{"history": ["\\ud800"]}', 422, ""),
        (b"[1, 2]", 422, "object"),
        ({}, 422, "give either a history or a user"),
        ({"history": "101"}, 422, "history: Input should be a valid array"),
        ({"history": [101, None]}, 422, "history.1"),
        ({"history": [True]}, 422, "history.0"),
        ({"history": [[101]]}, 422, "history.0"),
        ({"history": ["x" * 300]}, 422, "history.0: an id is text of at most 256 characters, or"),
        ({"user": 1.5}, 422, "user: an id is text of at most 256 characters, or a whole number"),
        ({"history": [101], "k": 0}, 422, "k: Input should be greater than or equal to 1"),
        ({"history": [101], "k": 10**6}, 422, "k: Input should be less than or equal to 1000"),
        ({"history": [101], "k": "10"}, 422, "k: Input should be a valid integer"),
        ({"history": [101], "protocol": "M"}, 422, "protocol: Input should be 'masked' or"),
        ({"history": [101], "models": []}, 422, "models"),
        ({"history": [101], "models": ["other"]}, 404, "no model is called 'other'; there are gru"),
        ({"history": [101], "modles": ["gru"]}, 422, "modles: Extra inputs are not permitted"),
        ({"history": [101] * 10_001}, 422, "at most 10000 items"),
        ({"history": ["ABCDEFGHIJ"] * 100_000}, 413, "more than 1048576 bytes; send fewer events"),
    ],
)
def test_what_is_no_question_is_refused_in_words_and_the_next_is_answered(
    served, body, status, words
):
    wrong, right = asked([served("gru")], body, {"history": [101]})
    assert wrong.status_code == status and list(wrong.json()) == ["error"]
    assert words in wrong.json()["error"] and len(wrong.json()["error"]) < 500
    assert "constrained" not in wrong.json()["error"]
    assert right.status_code == 200


def test_values_are_not_repeated_in_refusals(served):
    (answer,) = asked([served("gru")], {"history": ["my secret", ["another secret"]]})
    assert answer.status_code == 422 and "secret" not in answer.text


def test_a_history_of_ten_thousand_events_is_answered(served):
    (answer,) = asked([served("gru")], {"history": [101, 102] * 5000})
    found = answer.json()["models"]["gru"]
    assert (found["known"], found["read"], len(found["items"])) == (10_000, 5, 10)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example:8000"}, 403),
        ({"host": ""}, 403),
        ({"host": "localhost"}, 200),
        ({"host": "LOCALHOST:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": HOST}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_pages_of_other_sites_are_kept_out(served, headers, status):
    (answer,) = asked([served("gru")], {"history": [101]}, headers=headers)
    assert answer.status_code == status
    assert ("error" in answer.json()) == (status != 200)
    assert "access-control-allow-origin" not in answer.headers


def test_other_names_are_answered_to_if_told(served):
    how = {"headers": {"host": "shop.example"}, "hosts": ("shop.example",)}
    (answer,) = asked([served("gru")], {"history": [101]}, **how)
    assert answer.status_code == 200


def test_a_history_that_takes_too_long_to_arrive_is_refused(served):
    async def slow():
        yield b'{"history": '
        await asyncio.sleep(1)
        yield b"[101]}"

    async def scene():
        async with opened([served("gru")], body_seconds=0.2) as client:
            kind = {"content-type": "application/json"}
            return await client.post("/v1/top", content=slow(), headers=kind)

    answer = asyncio.run(scene())
    assert answer.status_code == 408 and "more than 0.2 s" in answer.json()["error"]


def test_no_two_users_get_each_other_s_lists(served, kept):
    """Two hundred at once, a third of whom leave: each gets what they would get alone."""
    log = kept("gru")[2]
    models = [served("gru"), served("markov")]
    histories = [log.items[log.item[a : a + 1 + a % 4] - 1].tolist() for a in log.offsets[:-1]] * 3
    expected = [
        [one.answer([Question(history)])[0].lists["masked"].items for one in models]
        for history in histories
    ]

    async def scene():
        async with opened(models) as client:

            async def ask(history):
                answer = await client.post("/v1/top", json={"history": history})
                return [answer.json()["models"][one.name]["items"] for one in models]

            tasks = [asyncio.create_task(ask(history)) for history in histories]
            await asyncio.sleep(0.01)
            for task in tasks[::3]:
                task.cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(scene())
    kept_on = [i for i, one in enumerate(found) if not isinstance(one, asyncio.CancelledError)]
    assert len(kept_on) >= 120
    assert all(found[i] == expected[i] for i in kept_on)


def test_overload_answers_503_for_the_rest_and_recovers(served):
    async def scene():
        async with opened([served("gru")], limit=2, waiting=5) as client:
            many = [client.post("/v1/top", json={"history": [101, 102]}) for _ in range(100)]
            found = await asyncio.gather(*many)
            after = await client.post("/v1/top", json={"history": [101]})
            return found, after, (await client.get("/metrics")).text

    found, after, metrics = asyncio.run(scene())
    status = [one.status_code for one in found]
    assert set(status) == {200, 503} and status.count(200) >= 5
    refused = next(one for one in found if one.status_code == 503)
    assert refused.headers["retry-after"] == "1" and "ask again later" in refused.json()["error"]
    assert after.status_code == 200
    lost = status.count(503)
    assert f'seqrec_requests_total{{path="/v1/top",status="503"}} {lost:.1f}' in metrics


def test_who_comes_while_all_models_are_full_is_refused_unread(served):
    """Not before, and what is no question to a model passes."""

    async def scene(full):
        async with opened([served("gru"), served("markov")], waiting=1) as client:
            for name in full:
                client.app.state.batchers[name]._queue.append(None)
            found = [
                await client.post("/v1/top", content=b"no JSON"),
                await client.post("/v1/top", content=b"no JSON", headers={"host": "evil.example"}),
                await client.get("/v1/top"),
                await client.get("/health"),
            ]
            for name in full:
                client.app.state.batchers[name]._queue.clear()
            return [one.status_code for one in found]

    assert asyncio.run(scene(["gru", "markov"])) == [503, 403, 405, 200]
    assert asyncio.run(scene(["gru"])) == [415, 403, 405, 200]


def test_health_and_metrics_say_what_is_loaded_and_what_was_asked(served):
    async def scene():
        async with opened([served("gru"), served("markov")]) as client:
            await client.post("/v1/top", json={"history": [101, "x", "y"], "models": ["gru"]})
            await client.post("/v1/top", json={"history": ["z"]})
            await client.post("/v1/top", json={"history": 5})
            return await client.get("/health"), await client.get("/metrics")

    health, metrics = asyncio.run(scene())
    gru = health.json()["models"]["gru"]
    assert health.json()["status"] == "ok" and gru["digest"] == served("gru").digest
    assert (gru["kind"], gru["items"], gru["reads"], gru["waiting"]) == ("GRU", 90, 5, 0)
    for line in (
        'seqrec_requests_total{path="/v1/top",status="200"} 2.0',
        'seqrec_requests_total{path="/v1/top",status="422"} 1.0',
        'seqrec_unknown_items_total{model="gru"} 3.0',
        'seqrec_cold_total{model="gru"} 1.0',
        'seqrec_cold_total{model="markov"} 1.0',
        'seqrec_seconds_count{model="gru",part="score"} 2.0',
        'seqrec_waiting{model="gru"} 0.0',
        f'seqrec_model{{digest="{served("markov").digest}",model="markov"}} 1.0',
    ):
        assert line in metrics.text.splitlines()


def test_a_stopped_model_is_not_healthy(served):
    async def scene():
        async with opened([served("gru")]) as client:
            batcher = client.app.state.batchers["gru"]
            batcher._worker.cancel()
            await asyncio.sleep(0.01)
            found = await client.get("/health"), await client.post("/v1/top", json={"history": []})
            return found

    health, answer = asyncio.run(scene())
    assert health.status_code == answer.status_code == 503
    assert health.json()["models"]["gru"]["working"] is False


class Faulty(Served):
    def answer(self, questions):
        raise RuntimeError(f"who asked: {questions[0].history}")


def test_an_error_nobody_thought_of_repeats_no_history(served, caplog):
    gru = served("gru")
    faulty = Faulty(gru.model, gru.items, 5, "faulty", "0")
    with caplog.at_level(logging.DEBUG):
        (answer,) = asked([faulty], {"history": ["my secret"]})
    assert answer.status_code == 500 and "secret" not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text


def test_other_addresses_and_methods_are_refused_in_words(served):
    async def scene():
        async with opened([served("gru")]) as client:
            return await client.get("/v2"), await client.get("/v1/top"), await client.put("/health")

    nothing, *methods = asyncio.run(scene())
    assert nothing.status_code == 404 and "POST /v1/top" in nothing.json()["error"]
    assert [one.status_code for one in methods] == [405, 405]
    assert all("error" in one.json() for one in methods)


def test_models_have_names_of_their_own_and_are_asked_by_items(served, kept):
    for models, words in (
        ([], "models are none"),
        ([served("gru")] * 2, "rename a file whose name another one has"),
        ([Served.load(kept("store-encoder")[0])], "reads basket"),
    ):
        with pytest.raises(ValueError, match=words):
            create_app(models)


# --- the process ----------------------------------------------------------------------------------


@contextmanager
def process(*words):
    """``python -m seqrec_lib.serving`` on a free port: its address, and the process."""
    command = [sys.executable, "-m", "seqrec_lib.serving", *map(str, words), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        said = []
        for line in server.stderr:
            said.append(line)
            if found := re.search(r"running on (http://\S+)", line):
                yield found[1], server
                break
        else:
            raise AssertionError("".join(said))
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_a_process_serves_on_this_computer_alone_survives_bad_clients_and_stops(kept, served):
    models = (kept("gru")[0], "--rerank", kept("gru")[0], kept("din")[0], "--patience", 2)
    with process(*models) as (address, server):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        place = ("127.0.0.1", int(address.rpartition(":")[2]))
        # a head that never ends, a body that never comes, bytes that are no HTTP, and many idle
        bad = [socket.create_connection(place) for _ in range(60)]
        bad[0].sendall(b"POST /v1/top HTTP/1.1\r\nHost: localhost\r\nX-")
        bad[1].sendall(
            b"POST /v1/top HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000000\r\n\r\n{"
        )
        bad[2].sendall(b"\x16\x03\x01" + bytes(200))
        begun = time.monotonic()
        with httpx.Client(base_url=address, timeout=30) as client:
            body = {"history": [101, 102, 103], "k": 5}
            found = client.post("/v1/top", json=body)
            (expected,) = served("gru").answer([Question([101, 102, 103], 5)])
            names = ["gru-False", "din-False-of-gru-False"]
            assert list(found.json()["models"]) == names
            assert found.json()["models"][names[0]]["items"] == expected.lists["masked"].items
            large = client.post("/v1/top", json={"history": ["ABCDEFGHIJ"] * 100_000})
            assert large.status_code == 413
            large = client.post("/v1/top", json=body)
            assert large.status_code == 200
            assert client.get("/health", headers={"host": "evil.example"}).status_code == 403
        bad[1].settimeout(30)
        assert b"408" in bad[1].recv(4096).split(b"\r\n")[0]
        bad[0].settimeout(30)
        assert bad[0].recv(100) == b"" and time.monotonic() - begun > 1.9
        for one in bad:
            one.close()
        server.terminate()
        assert server.wait(20) in (0, -15)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no.safetensors"], "there is no such model file"),
        (["lies.safetensors"], "damaged, or no model file"),
        (["lies.safetensors", "--device", "tpu"], "device is 'tpu'"),
        (["--dataset", "x", "--keep", ".", "lies.safetensors"], "no replay can be kept there"),
    ],
)
def test_the_command_line_ends_in_a_sentence(tmp_path, words, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lies.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert said in str(ended.value) and "\n" not in str(ended.value)
    with pytest.raises(SystemExit):
        main([])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", ""], "a host without a name"),
        (["--host", " "], "a host without a name"),
        (["--name", ""], "a host without a name"),
        (["--port", "65536"], "--port is 65536: use one up to 65535"),
        (["--port", "-1"], "--port is -1"),
    ],
)
def test_where_nobody_can_listen_is_refused_before_anything_is_loaded(words, said, capsys):
    with pytest.raises(SystemExit):
        main(["no.safetensors", *words])
    assert said in capsys.readouterr().err


def test_a_port_that_another_has_is_told(kept, capfd):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            main([str(kept("markov")[0]), "--port", str(port)])
    assert f"cannot listen at 127.0.0.1, port {port}" in str(ended.value)
    assert "address already in use" in str(ended.value) and "another --port" in str(ended.value)


def test_a_log_of_other_items_is_told_with_what_to_do(kept, table, tmp_path, monkeypatch, caplog):
    other = table.assign(item="sku " + table["item"].astype(str))
    other.to_csv(tmp_path / "other.csv", index=False)
    monkeypatch.setattr("seqrec_lib.serving.__main__.run", lambda *_: None)
    how = ["--dataset", str(tmp_path / "other.csv"), "--sort", "--port", "0"]
    main([str(kept("markov")[0]), *how])
    assert "knows no item of" in caplog.text and "--columns item=" in caplog.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"rate": 0}, "rate: Input should be greater than 0"),
        ({"rate": 1, "speed": 2}, "not both"),
        ({"users": -1}, "users"),
        ({"page": 1}, "page: Extra inputs"),
    ],
)
def test_a_replay_that_makes_no_sense_is_refused(served, kept, body, words):
    log = kept("gru")[2]

    async def scene():
        async with opened([served("gru")], replayed=(log, leave_last_out(log))) as client:
            return await client.post("/v1/replay", json=body)

    answer = asyncio.run(scene())
    assert answer.status_code == 422 and words in answer.json()["error"]


def test_without_a_log_nothing_is_replayed(served):
    async def scene():
        async with opened([served("gru")]) as client:
            return await client.post("/v1/replay", json={}), await client.get("/v1/stream")

    for answer in asyncio.run(scene()):
        assert answer.status_code == 404 and "--dataset" in answer.json()["error"]
