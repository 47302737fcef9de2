"""Files of the hub arrive whole, of one revision, and with the content that it promised."""

import hashlib
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
from huggingface_hub import constants

from seqrec_lib.data.tecd import hub as tecd_hub
from seqrec_lib.data.tecd.hub import PINNED, fetch
from seqrec_lib.data.tecd.layout import TecdError
from seqrec_lib.data.tecd.manifest import MANIFEST, verify

EVENTS = "marketplace/events"
DAYS = (1294, 1295, 1296)
FILES = {
    f"dataset/small/{EVENTS}/{day:05d}.pq": b"PAR1" + bytes([day % 251]) * 300_000 for day in DAYS
}
FILES["dataset/small/users.pq"] = b"PAR1 users"
OTHER = "b" * 40
TOKEN = "hf_right"


class Hub(BaseHTTPRequestHandler):
    """The few pages of the hub that fetching needs; ``server.faults`` says what goes wrong."""

    def do_GET(self):
        path, faults = unquote(urlsplit(self.path).path), self.server.faults
        span = self.headers.get("Range")
        self.server.asked.append(path.rsplit("/", 1)[1] + (f" {span}" if span else ""))
        start = f"/api/datasets/{tecd_hub.REPOSITORY}/tree/"
        if path.startswith("/content/"):  # where the hub's redirects lead
            self.server.tokens_sent_on.append(self.headers.get("Authorization"))
            return self.content(FILES[path.removeprefix("/content/")], span)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            words = {"X-Error-Message": "Invalid credentials in Authorization header"}
            return self.refuse(401, words)
        if "gated" in faults and "/resolve/" in path:
            return self.refuse(403, {"X-Error-Code": "GatedRepo"})
        if PINNED not in path and OTHER not in path:
            return self.refuse(404, {"X-Error-Code": "RevisionNotFound"})
        if path.startswith(start):
            return self.tree(path.removeprefix(start).split("/", 1)[1])
        if "busy" in faults:
            return self.refuse(500, {})
        name = path.split("/", 6)[6]
        if "elsewhere" in faults:
            self.send_response(302)
            self.send_header(
                "Location", f"http://localhost:{self.server.server_port}/content/{name}"
            )
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.content(FILES[name], span)

    def tree(self, folder):
        found = {name: body for name, body in FILES.items() if name.rsplit("/", 1)[0] == folder}
        if not found:
            return self.refuse(404, {"X-Error-Code": "EntryNotFound"})
        entries = []
        for name, body in found.items():
            lfs = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 130}
            one = {"type": "file", "path": name, "size": len(body), "oid": "0" * 40, "lfs": lfs}
            entries.append(one)
        entries.append({"type": "directory", "path": f"{folder}/more", "oid": "0" * 40})
        body = json.dumps(entries).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def content(self, body, span):
        first = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
        self.send_response(206 if span else 200)
        if span:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        if "flip" in self.server.faults:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        if "cut" in self.server.faults:
            self.server.faults |= {"busy"}
            body = body[: len(body) // 3]
        self.wfile.write(body[first:])

    def refuse(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.tokens_sent_on, server.faults = [], [], set()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # the client goes on after the last whole chunk, of 10 MB unless told
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def names_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def path(folder, day=1294):
    return folder / f"dataset/small/{EVENTS}/{day:05d}.pq"


def test_the_tables_and_days_asked_for_arrive_in_the_layout_of_the_hub(hub, tmp_path):
    root = fetch([EVENTS, "users"], [1296, 1294], into=tmp_path)
    assert root == tmp_path / "dataset" / "small"
    days = [f"{EVENTS}/01294.pq", f"{EVENTS}/01296.pq"]
    assert names_in(root) == [MANIFEST, *days, "users.pq"]
    for name in [*days, "users.pq"]:
        assert (root / name).read_bytes() == FILES[f"dataset/small/{name}"]


def test_without_days_all_that_the_hub_has_arrive(hub, tmp_path):
    root = fetch([EVENTS], into=tmp_path)
    assert names_in(root / EVENTS) == [f"{day:05d}.pq" for day in DAYS]


def test_without_a_place_the_data_folder_gets_them(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path))
    assert fetch(["users"]) == tmp_path / "tecd" / "dataset" / "small"


def test_what_is_there_is_not_fetched_again(hub, tmp_path):
    fetch([EVENTS], [1294], into=tmp_path)
    hub.asked.clear()
    fetch([EVENTS], [1294, 1295], into=tmp_path)
    assert hub.asked == ["events", "01295.pq"]


def test_an_interrupted_download_goes_on_where_it_ended(hub, tmp_path):
    hub.faults = {"cut"}
    with pytest.raises(TecdError, match=r"01294.pq: not fetched \(.*it goes on where it ended"):
        fetch([EVENTS], [1294], into=tmp_path)
    assert not path(tmp_path).exists()
    hub.faults = set()
    hub.asked.clear()
    fetch([EVENTS], [1294], into=tmp_path)
    assert hub.asked == ["events", "01294.pq bytes=100000-"]
    assert path(tmp_path).read_bytes() == FILES[f"dataset/small/{EVENTS}/01294.pq"]
    assert names_in(tmp_path / "dataset/small") == [MANIFEST, f"{EVENTS}/01294.pq"]


def test_a_broken_connection_is_taken_up_again_within_a_call(hub, tmp_path):
    hub.faults = {"cut"}

    def mend():
        while "01294.pq" not in hub.asked or "busy" not in hub.faults:
            time.sleep(0.01)
        hub.faults = set()

    helper = threading.Thread(target=mend)
    helper.start()
    fetch([EVENTS], [1294], into=tmp_path)
    helper.join()
    assert hub.asked[1:] == ["01294.pq", "01294.pq bytes=100000-"]


def test_content_that_is_not_what_the_hub_promised_is_not_kept(hub, tmp_path):
    hub.faults = {"flip"}
    with pytest.raises(TecdError, match=r"01294.pq: wrong content \(sha256 .*not kept"):
        fetch([EVENTS], [1294], into=tmp_path)
    assert names_in(tmp_path) == [f"dataset/small/{MANIFEST}"]
    hub.faults = set()
    fetch([EVENTS], [1294], into=tmp_path)
    assert verify(tmp_path / "dataset" / "small") == 1


def test_the_token_is_not_sent_on_to_the_host_that_has_the_content(hub, tmp_path):
    hub.faults = {"elsewhere"}
    fetch([EVENTS], [1294], into=tmp_path)
    assert hub.tokens_sent_on == [None]
    assert path(tmp_path).read_bytes() == FILES[f"dataset/small/{EVENTS}/01294.pq"]


def test_verify_names_the_file_of_a_flipped_bit_and_the_one_that_is_gone(hub, tmp_path):
    root = fetch([EVENTS], into=tmp_path)
    assert verify(root) == 3
    body = bytearray(path(tmp_path).read_bytes())
    body[1000] ^= 4
    path(tmp_path).write_bytes(body)
    path(tmp_path, 1296).unlink()
    expected = r"2 of 3 files .*01294.pq \(damaged\), .*01296.pq \(not there\)"
    with pytest.raises(TecdError, match=expected):
        verify(root)
    hub.asked.clear()
    fetch([EVENTS], into=tmp_path)
    assert hub.asked == ["events", "01294.pq", "01296.pq"]
    assert verify(root) == 3


def test_the_manifest_is_one_that_sha256sum_reads(hub, tmp_path):
    root = fetch([EVENTS], into=tmp_path)
    told = subprocess.run(["sha256sum", "-c", MANIFEST], cwd=root, capture_output=True, text=True)
    assert (told.returncode, told.stdout.count(": OK"), told.stderr) == (0, 3, "")
    assert (root / MANIFEST).read_text().startswith(f"# t-tech/T-ECD {PINNED}\n")


def test_a_damaged_manifest_is_an_error_and_a_missing_one_too(tmp_path):
    with pytest.raises(TecdError, match="no SHA256SUMS"):
        verify(tmp_path)
    (tmp_path / MANIFEST).write_text(f"# t-tech/T-ECD {PINNED}\n12ab  users.pq\n")
    with pytest.raises(TecdError, match="line 2 is damaged"):
        verify(tmp_path)


def test_two_revisions_are_not_fetched_into_one_folder(hub, tmp_path):
    fetch(["users"], into=tmp_path)
    with pytest.raises(TecdError, match=f"holds revision {PINNED}, not {OTHER}"):
        fetch([EVENTS], revision=OTHER, into=tmp_path)
    assert names_in(tmp_path / "dataset/small") == [MANIFEST, "users.pq"]


def test_a_file_from_elsewhere_is_not_replaced(hub, tmp_path):
    path(tmp_path).parent.mkdir(parents=True)
    path(tmp_path).write_bytes(b"simulated")
    with pytest.raises(TecdError, match="01294.pq is not the hub's file of revision c55530a"):
        fetch([EVENTS], into=tmp_path)
    assert names_in(tmp_path) == [f"dataset/small/{EVENTS}/01294.pq"]
    assert path(tmp_path).read_bytes() == b"simulated"


def test_without_a_token_the_message_says_how_to_get_one(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(TecdError, match=r"gated.*Accept the terms at https.*HF_TOKEN"):
        fetch(["users"], into=tmp_path)
    assert not hub.asked


def test_a_token_given_goes_before_the_one_in_the_environment(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(TecdError, match="Is the token right"):
        fetch(["users"], into=tmp_path)
    assert fetch(["users"], token=TOKEN, into=tmp_path).is_dir()


def test_a_token_without_access_is_told_where_the_terms_are(hub, tmp_path):
    hub.faults = {"gated"}
    with pytest.raises(
        TecdError, match="accept the terms at https://huggingface.co/datasets/t-tech"
    ):
        fetch(["users"], into=tmp_path)


def test_a_day_that_the_hub_lacks_is_named_with_those_it_has(hub, tmp_path):
    expected = r"no day 1293, 1297-1298 of marketplace/events .* there are 1294-1296"
    with pytest.raises(TecdError, match=expected):
        fetch([EVENTS], [1293, 1294, 1297, 1298], into=tmp_path)
    assert not (tmp_path / "dataset").exists()


def test_tables_and_revisions_that_the_hub_lacks_are_named(hub, tmp_path):
    with pytest.raises(TecdError, match="no dataset/small/reviews in revision"):
        fetch(["reviews"], into=tmp_path)
    with pytest.raises(TecdError, match="no dataset/small/brands.pq in revision"):
        fetch(["brands"], into=tmp_path)
    with pytest.raises(TecdError, match="no revision aaaa"):
        fetch(["users"], revision="a" * 40, into=tmp_path)
    with pytest.raises(TecdError, match="dataset/small has no payments"):
        fetch(["payments/receipts"], into=tmp_path)


def test_misspelt_arguments_are_refused(hub, tmp_path):
    with pytest.raises(ValueError, match="no table 'user'"):
        fetch(["user"], into=tmp_path)
    with pytest.raises(ValueError, match="no size 'tiny'"):
        fetch(["users"], size="tiny", into=tmp_path)
    with pytest.raises(ValueError, match="'main' can move"):
        fetch(["users"], revision="main", into=tmp_path)
    assert not hub.asked


def test_a_disk_that_is_too_small_is_seen_before_anything_is_fetched(hub, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 500_000})
    monkeypatch.setattr(tecd_hub.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(TecdError, match="0.0 GB to fetch, 0.0 GB free"):
        fetch([EVENTS], into=tmp_path)
    assert hub.asked == ["events"]
    fetch([EVENTS], [1294], into=tmp_path)


def test_two_processes_do_not_fetch_the_same_file(hub, tmp_path):
    sha = hashlib.sha256(FILES[f"dataset/small/{EVENTS}/01294.pq"]).hexdigest()
    part = path(tmp_path).with_name(f".01294.pq.part-{sha[:12]}")
    part.parent.mkdir(parents=True)
    with part.open("wb") as busy:
        tecd_hub.fcntl.flock(busy, tecd_hub.fcntl.LOCK_EX)
        with pytest.raises(TecdError, match="another process is fetching it"):
            fetch([EVENTS], [1294], into=tmp_path)
    fetch([EVENTS], [1294], into=tmp_path)


def test_an_unreachable_hub_is_an_error_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the client's attempts
    with pytest.raises(TecdError, match="dataset/small: not fetched .*Is there a network"):
        fetch(["users"], token=TOKEN, into=tmp_path)


def test_the_command_line_fetches_days_from_first_to_last(hub, tmp_path):
    arguments = ["--tables", EVENTS, "--days", "1294", "1296", "--into", str(tmp_path), "--verify"]
    tecd_hub.main(arguments)
    assert names_in(tmp_path / "dataset/small" / EVENTS) == [f"{day:05d}.pq" for day in DAYS]
    with pytest.raises(SystemExit, match="no day 1297 of"):
        tecd_hub.main(["--tables", EVENTS, "--days", "1296", "1297", "--into", str(tmp_path)])
