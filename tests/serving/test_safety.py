"""A server as it is started, and clients that mean it no good: an error in words, and the next
question is answered, with nobody else's answer."""

import contextlib
import json
import re
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import numpy as np
import pytest

from seqrec_lib.records.model_file import save_model, stored_spec
from seqrec_lib.serving.__main__ import main
from seqrec_lib.serving.live import MOST_STREAMS
from seqrec_lib.serving.served import Question, Served
from tests.serving.test_app import process

JSON = "Content-Type: application/json\r\n"
LONG = "Content-Length: 1000\r\n\r\n"
PATIENCE = 2.0


@pytest.fixture(scope="module")
def server(kept, table, tmp_path_factory):
    """The address of a server with a model of numbers and one of words, and a log to play."""
    path = tmp_path_factory.mktemp("safety") / "log.csv"
    table.to_csv(path, index=False)
    words = (kept("gru")[0], kept("markov", text=True)[0], "--dataset", path, "--sort")
    with process(*words, "--patience", PATIENCE) as (address, running):
        yield address, running


@pytest.fixture
def client(server):
    """Asks the server; it must be there, and well, when the test is over."""
    with httpx.Client(base_url=server[0], timeout=60) as found:
        yield found
        health = found.get("/health")
        assert health.status_code == 200 and server[1].poll() is None
        right = found.post("/v1/top", json={"history": [101, 102], "models": ["gru-False"]})
        assert len(right.json()["models"]["gru-False"]["items"]) == 10


def place(server):
    return "127.0.0.1", int(server[0].rpartition(":")[2])


def said(server, sent, wait=30.0):
    """All that a connection answers to these bytes."""
    with socket.create_connection(place(server)) as one:
        one.settimeout(wait)
        found = b""
        try:
            one.sendall(sent if isinstance(sent, bytes) else sent.encode())
            while part := one.recv(65536):
                found += part
        except (ConnectionError, TimeoutError):
            pass
        return found.decode(errors="replace")


def status(answer):
    return [int(one) for one in re.findall(r"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE)]


# --- bodies -----------------------------------------------------------------------------------

DEEP = b"[" * 500_000
PATHS = ("top", "replay", "pace", "items", "search", "attention")


BODIES = (
    b"", b"null", b"true", b"0", b'""', b"{", b"{]}", b"\x00", b"\xff\xff", DEEP,
    b'{"a":' * 100_000, b"NaN", b"-Infinity", b'{"history": NaN, "users": NaN, "items": NaN}',
    b'{"history": [1e999], "rate": 1e999, "items": [1e999], "words": 1e999}',
    b'{"__class__": "os.system", "history": ["id"]}', b'"' + b"x" * 900_000,
    b'{"history": [' + b"1" * 10_000 + b'], "users": ' + b"9" * 10_000 + b"}",
    "{\"history\": ['a']}".encode("utf-16"), b'{"history": ["a"}]',
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BODIES, ids=[f"body {i}" for i in range(len(BODIES))])
def test_what_is_no_question_is_told_so_everywhere(client, path, body):
    answer = client.post(f"/v1/{path}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (409, 422) and list(answer.json()) == ["error"]
    assert 0 < len(answer.json()["error"]) < 600


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"history": [101.0]}, "history.0"),
        ({"history": [10**30]}, "history.0"),
        ({"history": [{"id": 101}]}, "history.0"),
        ({"history": {"0": 101}}, "valid array"),
        ({"history": None}, "either a history or a user"),
        ({"history": [101], "k": 0}, "greater than or equal to 1"),
        ({"history": [101], "k": -(10**18)}, "greater than or equal to 1"),
        ({"history": [101], "k": 10**6}, "less than or equal to 1000"),
        ({"history": [101], "k": 1.5}, "valid integer"),
        ({"history": [101], "k": True}, "valid integer"),
        ({"history": [101] * 100_000}, "at most 10000 items"),
        ({"history": [101], "models": ["nobody"]}, "no model is called 'nobody'"),
        ({"history": [101], "models": ["../../etc/passwd\u202e"]}, "no model is called"),
        ({"history": [101], "models": ["gru-False"] * 101}, "at most 100"),
        ({"history": [101], "models": [None]}, "models.0"),
        ({"history": [101], "protocol": ["masked"]}, "protocol"),
        ({"history": [101], "Host": "x"}, "Extra inputs"),
    ],
)
def test_a_question_of_the_wrong_kind_is_refused_in_words(client, body, words):
    answer = client.post("/v1/top", json=body)
    assert answer.status_code in (404, 422) and words in answer.json()["error"]


def test_of_two_keys_the_last_one_counts_as_everywhere_in_json(client, served):
    body = b'{"history": [101], "k": 90, "history": [105, 106], "k": 3}'
    found = client.post("/v1/top", content=body, headers={"content-type": "application/json"})
    (expected,) = served("gru").answer([Question([105, 106], 3)])
    assert found.json()["models"]["gru-False"]["items"] == expected.lists["masked"].items


def test_ids_of_any_script_are_compared_as_they_are(client):
    ids = [
        "é",
        "e\u0301",
        "🛒",
        "مرحبا",
        "\u0000",
        "\u202e101",
        "１０１",
        " 101",
        "101 ",
        "0101",
        "",
    ]
    found = client.post("/v1/top", json={"history": [*ids, "101"]}).json()["models"]
    for one in found.values():  # 101 is known to both, as text or as a number, and no other is
        assert (one["known"], one["unknown"]) == (1, len(ids))
        assert one["unknown_items"] == ids[:5]
    named = client.post("/v1/items", json={"items": ids}).json()["items"]
    assert [one["title"] for one in named] == ids
    for one in ids:
        assert client.post("/v1/search", json={"words": one}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"rate": 1e308}, {"rate": 1e-308}, {"rate": 5e-324}, {"speed": 5e-324}, {"speed": 1e308},
        {"users": 2**62, "rate": 1.0}, {"seed": 2**32 - 1, "rate": 1.0}, {"users": 2**63},
        {"users": -1}, {"seed": -1}, {"seed": 2**32}, {"rate": -1.0}, {"rate": "fast"},
    ],
)  # fmt: skip
def test_a_replay_of_any_speed_begins_or_is_refused_and_can_be_stopped(client, body):
    answer = client.post("/v1/replay", json=body)
    assert answer.status_code in (200, 422)
    for steered in ({"factor": 1000.0}, {"paused": True}, {"step": True}, {"factor": 1e-9}):
        assert client.post("/v1/pace", json=steered).status_code in (200, 409)
    with client.stream("GET", "/v1/stream") as stream:
        line = next(one for one in stream.iter_lines() if one.startswith("data: "))
    assert "state" in json.loads(line.removeprefix("data: "))
    stopped = client.post("/v1/replay", json={"stop": True})
    assert stopped.json()["state"] in ("stopped", "idle", "played")


# --- what comes by the wire ---------------------------------------------------------------------


def posted(head="", body='{"history": [101]}', host="Host: localhost\r\n"):
    length = f"Content-Length: {len(body)}\r\n"
    return f"POST /v1/top HTTP/1.1\r\n{host}{JSON}{length}Connection: close\r\n{head}\r\n{body}"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (posted(), [200]),
        (posted(host=""), [400]),
        (posted(host="Host: \r\n"), [403]),
        (posted(host="Host: evil.example\r\n"), [403]),
        (posted(host="Host: localhost.\r\n"), [403]),
        (posted(host="Host: localhost@evil.example\r\n"), [403]),
        (posted(host="Host: localhost\r\nHost: evil.example\r\n"), [400]),
        (posted("Origin: null\r\n"), [403]),
        (posted("Origin: https://evil.example\r\n"), [403]),
        (posted("Origin: http://localhost:1\r\n"), [403]),
        (posted("Origin: http://localhost\r\nOrigin: http://evil.example\r\n"), [403]),
        (posted("Sec-Fetch-Site: cross-site\r\n"), [403]),
        ("POST http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
         [403]),
        ("GET /health HTTP/1.0\r\n\r\n", [403]),
        ("GET /page/..%2f..%2fapp.py HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
         [404]),
        ("GET /page/%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", [404]),
        ("TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", [405]),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", [404]),
        ("CONNECT evil.example:1 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
         [400]),
        (f"GET /{'a' * 200_000} HTTP/1.1\r\nHost: localhost\r\n\r\n", [431]),
        (posted(f"X-Long: {'a' * 200_000}\r\n"), [431]),
        (posted("X-Many: a\r\n" * 20_000), [431]),
        (posted("Content-Length: 3\r\n"), [400]),
        (posted("Transfer-Encoding: gzip\r\n"), [400, 501]),
        ("POST /v1/top HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", [400]),
        (f"POST /v1/top HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {'9' * 18}\r\n\r\n",
         [413]),
        ("POST /v1/top HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + "9" * 5000 + "\r\n\r\n",
         [400, 413]),
        ("\r\n\r\n\r\nGET\r\n\r\n", [400]),
        ("SSH-2.0-OpenSSH_9.9\r\n", [400]),
        (bytes(range(256)), [400]),
    ],
)  # fmt: skip
def test_bytes_of_any_kind_have_one_answer_or_none(server, client, sent, expected):
    found = status(said(server, sent))
    assert len(found) <= 1 and set(found) <= set(expected), found
    assert found or 400 in expected  # what is no HTTP may be closed without a word


def test_a_length_and_chunks_together_do_not_smuggle_a_second_question(server, client):
    body = "0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    sent = posted("Transfer-Encoding: chunked\r\n", body)
    assert len(status(said(server, sent, PATIENCE + 3))) <= 1


def test_no_page_of_another_site_is_told_that_it_may_read(server, client):
    answer = said(server, posted("Origin: http://evil.example\r\n")).lower()
    assert "access-control" not in answer
    asked = "OPTIONS /v1/top HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
    asked += "Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n"
    answer = said(server, asked).lower()
    assert status(answer.upper()) == [403] and "access-control" not in answer


# --- clients that take their time -----------------------------------------------------------------


@contextmanager
def connections(server, count):
    # a process may open 1,024 files of many systems' own accord
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * count + 256)), hard))
    made = []
    try:
        for _ in range(count):
            made.append(socket.create_connection(place(server), 30))
        yield made
    finally:
        for one in made:
            one.close()


def dripped(one, sent, seconds):
    """Whether the connection was ended while a byte came every so often."""
    begun = time.monotonic()
    one.settimeout(0.1)
    try:
        for letter in sent:
            one.sendall(bytes([letter]))
            try:
                one.recv(100)  # nothing, or an answer before all was sent
                return True
            except TimeoutError:
                pass
            if time.monotonic() - begun > seconds:
                return False
    except ConnectionError:
        return True
    return False


def test_letters_that_drip_in_are_not_waited_for(server, client):
    head = posted("X-Slow: " + "a" * 1000 + "\r\n").encode()
    body = posted(body='{"history": [' + " " * 1000 + "101]}").encode()
    with connections(server, 2) as (first, second):
        second.sendall(body[: body.index(b"{") + 1])
        with ThreadPoolExecutor(2) as both:
            ended = both.map(dripped, (first, second), (head, body[-900:]), (PATIENCE + 5,) * 2)
            assert list(ended) == [True, True]


def test_lines_that_drip_in_after_an_answer_are_not_waited_for(server, client):
    with socket.create_connection(place(server)) as one:
        one.settimeout(30)
        one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status(one.recv(65536).decode()) == [200]
        assert dripped(one, b"\r\n" * 200, PATIENCE + 5)


def test_a_head_of_many_small_pieces_has_a_limit_too(server, client):
    with socket.create_connection(place(server)) as one:
        one.settimeout(30)
        one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        told = b""
        with pytest.raises(ConnectionError):
            for _ in range(20):  # 200 kB, long before it would be late
                one.sendall((b"X-Many: " + b"a" * 92 + b"\r\n") * 100)
                time.sleep(0.02)
        with contextlib.suppress(ConnectionError):
            told = one.recv(65536)
        assert not told or status(told.decode()) == [431]


HEADS = (
    f"POST /v1/top HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n{LONG}",
    f"POST /v1/top HTTP/1.1\r\nHost: evil.example\r\n{JSON}{LONG}",
    f"POST /nothing HTTP/1.1\r\nHost: localhost\r\n{JSON}{LONG}",
    f"PUT /v1/top HTTP/1.1\r\nHost: localhost\r\n{JSON}{LONG}",
    f"GET /health HTTP/1.1\r\nHost: localhost\r\n{LONG}",
    "GET /page/live.js HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n",
)


def test_the_rest_of_a_body_that_was_answered_unread_is_not_waited_for(server, client):
    begun = time.monotonic()
    with connections(server, 2 * len(HEADS)) as made:
        for one, head in zip(made, HEADS * 2, strict=True):
            one.settimeout(PATIENCE + 10)
            one.sendall(head.encode())
            assert status(one.recv(65536).decode())
        for one in made:
            one.sendall(b"x")
        with ThreadPoolExecutor(len(HEADS)) as many:  # half of them go on, half fall silent
            dripping = many.map(dripped, made[len(HEADS) :], [b"x" * 200] * 99, [PATIENCE + 5] * 99)
            for one in made[: len(HEADS)]:
                while one.recv(65536):  # what is left of the answer
                    pass
            assert all(dripping)
    assert time.monotonic() - begun < PATIENCE + 5


def test_who_sends_the_rest_of_such_a_body_is_answered_again(server, client):
    with socket.create_connection(place(server)) as one:
        one.settimeout(30)
        one.sendall(HEADS[0].encode())
        assert status(one.recv(65536).decode()) == [415]
        one.sendall(b"x" * 1000 + b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        one.sendall(b"Connection: close\r\n\r\n")
        told = b"".join(iter(lambda: one.recv(65536), b""))  # and what was left of the first
        assert status(told[told.index(b"HTTP/1.1") :].decode()) == [200]


def test_hundreds_that_say_nothing_keep_nobody_out_for_long(server, client):
    with connections(server, 400) as made:
        for one in made:
            one.sendall(b"POST /v1/top HTTP/1.1\r\nHost: localhost\r\nX-")
        begun = time.monotonic()
        assert client.post("/v1/top", json={"history": [101]}).status_code == 200
        assert time.monotonic() - begun < 5
        for one in made:
            one.settimeout(PATIENCE + 20)
            assert one.recv(10) == b""


def test_who_asks_and_never_reads_is_cut_off(server, client):
    """Answers wait in buffers until these are full; then the connection is ended."""
    body = json.dumps({"history": [101], "k": 1000, "protocol": "unmasked"})
    one = f"POST /v1/top HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {len(body)}\r\n\r\n"
    asked = socket.socket()
    asked.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asked.connect(place(server))
    asked.settimeout(1)
    end = time.monotonic() + 60
    with asked, pytest.raises((ConnectionError, BrokenPipeError)):
        while time.monotonic() < end:
            try:
                asked.sendall((one + body).encode() * 20)
            except TimeoutError:  # the server has stopped reading
                assert client.get("/health").status_code == 200


def test_a_thousand_streams_are_refused_and_forgotten(server, client):
    ask = b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connections(server, 1000) as made:
        told = []
        for one in made:
            try:
                one.sendall(ask)
                one.settimeout(30)
                told += status(one.recv(300).decode()) or [0]
            except ConnectionError:
                told.append(0)
        assert told.count(200) == MOST_STREAMS and set(told) <= {200, 503, 0}
        begun = time.monotonic()
    end = begun + 30
    while (found := client.get("/health")).status_code != 200:
        assert time.monotonic() < end, found.text
    while True:
        with client.stream("GET", "/v1/stream") as again:
            if again.status_code == 200:
                break
        assert time.monotonic() < end
        time.sleep(0.1)


def test_many_at_once_get_their_own_answers_while_others_misbehave(server, client, served):
    histories = [[100 + i, 101 + i] for i in range(1, 60)]
    expected = [
        one.lists["masked"].items
        for one in served("gru").answer([Question(history) for history in histories])
    ]

    def ask(number):
        if number % 3 == 0:
            said(server, bytes(range(256)))
        if number % 5 == 0:
            client.post("/v1/top", content=DEEP, headers={"content-type": "application/json"})
        body = {"history": histories[number], "models": ["gru-False"]}
        return client.post("/v1/top", json=body).json()["models"]["gru-False"]["items"]

    with ThreadPoolExecutor(16) as many:
        assert list(many.map(ask, range(len(histories)))) == expected


# --- model files that lie -------------------------------------------------------------------------


def test_a_file_that_is_cut_anywhere_is_no_model(kept, tmp_path):
    whole = kept("gru")[0].read_bytes()
    for length in (0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.safetensors").write_bytes(whole[:length])
        with pytest.raises(SystemExit) as ended:
            main([str(tmp_path / "cut.safetensors")])
        assert "damaged" in str(ended.value) and "\n" not in str(ended.value)


def with_settings(path, place, value, to):
    """A model file with another setting in its header, of which ``place`` says the way to it."""
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    spec = json.loads(header["__metadata__"]["spec"])
    inner = spec["config"]
    for name in place[:-1]:
        inner = inner[name]
    assert inner[place[-1]] != value
    inner[place[-1]] = value
    header["__metadata__"]["spec"] = json.dumps(spec)
    written = json.dumps(header).encode()
    to.write_bytes(len(written).to_bytes(8, "little") + written + whole[8 + size :])
    return to


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        *[("sasrec", ("num_heads",), value) for value in (0, -1, 10**6)],
        *[("retrieval", ("neighbours",), value) for value in (-1, 10**6)],
        *[("retrieval", ("alpha",), value) for value in (-1e300, 1e300)],
    ],
)
def test_a_setting_with_which_nothing_is_answered_is_refused_at_the_start(
    kept, tmp_path, name, place, value
):
    path = with_settings(kept(name)[0], place, value, tmp_path / "lies.safetensors")
    with pytest.raises(ValueError, match=r"lies.safetensors: (damaged|weights and settings)"):
        Served.load(path)


def test_two_items_of_one_id_are_refused_at_the_start(kept, tmp_path):
    path, model, log = kept("gru")
    items = log.items.copy()
    items[1] = items[0]
    save_model(model, stored_spec(path), items, tmp_path / "twins.safetensors")
    with pytest.raises(ValueError, match=r"damaged: it cannot answer .*the same id as text"):
        Served.load(tmp_path / "twins.safetensors")


def test_a_file_with_a_wrong_byte_serves_numbers_or_nothing(kept, tmp_path):
    whole = kept("gru")[0].read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / "wrong.safetensors"
    served = 0
    for place in [*range(0, 40), *rng.integers(40, len(whole), 160).tolist()]:
        wrong = bytearray(whole)
        wrong[place] ^= int(rng.integers(1, 256))
        path.write_bytes(wrong)
        try:
            (answer,) = Served.load(path).answer([Question([101, 102])])
            json.dumps(answer.lists["masked"].scores, allow_nan=False)
            served += 1
        except (ValueError, FloatingPointError) as error:
            assert str(error)
    assert 40 < served < 200  # most bytes are of weights, and any number is one
