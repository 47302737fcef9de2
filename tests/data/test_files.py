"""Files are found in one place, arrive whole or not at all, and appear whole or not at all."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from seqrec_lib.data import files

CONTENT = b"1 1 2 3\n2 4 5\n" * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OLD = b"the old content"


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT at /whole, half of it and then silence at /cut, nothing elsewhere."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path not in ("/whole", "/cut"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[: len(CONTENT) // 2])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that SEQREC_DATA names."""
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path))
    return tmp_path


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_root_holds_the_library():
    assert (files.root() / "seqrec_lib" / "data" / "files.py").samefile(files.__file__)


def test_without_the_variable_data_is_looked_for_in_the_project_then_beside_it(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("SEQREC_DATA", raising=False)
    monkeypatch.setattr(files, "root", lambda: tmp_path / "project")
    beside = tmp_path / "shared" / "data" / "set.txt"
    inside = tmp_path / "project" / "data" / "set.txt"
    assert files.find("set.txt") is None
    for path in (beside, inside):
        path.parent.mkdir(parents=True)
        path.write_text("x")
        assert files.find("set.txt") == path


def test_the_folder_named_by_the_variable_is_the_only_one_looked_in(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "root", lambda: tmp_path / "project")
    elsewhere = tmp_path / "project" / "data" / "set.txt"
    named = tmp_path / "named" / "set.txt"
    for path in (elsewhere, named):
        path.parent.mkdir(parents=True)
    elsewhere.write_text("x")
    monkeypatch.setenv("SEQREC_DATA", str(named.parent))
    assert files.find("set.txt") is None
    named.write_text("x")
    assert files.find("set.txt") == named


def test_a_variable_that_names_no_folder_is_an_error_and_not_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path / "misspelt"))
    with pytest.raises(NotADirectoryError, match="SEQREC_DATA names .*misspelt"):
        files.find("set.txt")


def test_a_download_arrives_whole_with_a_progress_bar_and_is_not_fetched_again(
    server, folder, capsys
):
    for _ in range(2):
        path = files.download(f"{server.url}/whole", SHA256, "sets/set.txt")
        assert path == folder / "sets" / "set.txt"
        assert path.read_bytes() == CONTENT
    assert server.asked == ["/whole"]
    assert "100%" in capsys.readouterr().err
    assert everything_in(folder) == ["sets/set.txt"]


def test_without_the_variable_a_download_lands_in_the_project(server, tmp_path, monkeypatch):
    monkeypatch.delenv("SEQREC_DATA", raising=False)
    monkeypatch.setattr(files, "root", lambda: tmp_path / "project")
    path = files.download(f"{server.url}/whole", SHA256, "set.txt")
    assert path == tmp_path / "project" / "data" / "set.txt" == files.find("set.txt")


def test_a_download_with_wrong_content_is_refused_and_not_kept(server, folder):
    with pytest.raises(ValueError, match="expected 000.*not kept") as caught:
        files.download(f"{server.url}/whole", "0" * 64, "set.txt")
    assert SHA256 in str(caught.value) and str(folder / "set.txt") in str(caught.value)
    assert everything_in(folder) == []


@pytest.mark.parametrize("page", ["cut", "absent"])
def test_a_download_that_fails_leaves_nothing_and_says_where_to_put_the_file(server, folder, page):
    with pytest.raises(ConnectionError, match="SEQREC_DATA") as caught:
        files.download(f"{server.url}/{page}", SHA256, "sets/set.txt")
    assert f"{server.url}/{page}" in str(caught.value)
    assert str(folder / "sets" / "set.txt") in str(caught.value)
    assert server.asked == [f"/{page}"]
    assert everything_in(folder) == []


def test_without_a_network_the_error_says_where_to_put_the_file(server, folder):
    server.server_close()  # its port now refuses
    with pytest.raises(ConnectionError, match="SEQREC_DATA") as caught:
        files.download(f"{server.url}/whole", SHA256, "set.txt")
    assert str(folder / "set.txt") in str(caught.value)
    assert everything_in(folder) == []


def test_a_file_put_there_by_hand_is_taken_without_a_network(folder):
    (folder / "set.txt").write_bytes(CONTENT)
    assert files.download("http://127.0.0.1:1/", SHA256, "set.txt") == folder / "set.txt"


def test_a_file_put_there_by_hand_with_wrong_content_is_refused_and_left_alone(server, folder):
    (folder / "set.txt").write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match="set.txt: wrong content .* delete it"):
        files.download(f"{server.url}/whole", SHA256, "set.txt")
    assert (folder / "set.txt").read_bytes() == CONTENT[:-1]
    assert server.asked == []


def fill(path: Path, content: bytes, kind: str) -> None:
    """Write a file, or a folder with a folder in it."""
    if kind == "folder":
        (path / "deep").mkdir(parents=True)
        (path / "first.bin").write_bytes(content)
        path = path / "deep" / "second.bin"
    path.write_bytes(content)


def content_of(path: Path) -> dict[str, bytes]:
    paths = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {str(p.relative_to(path)): p.read_bytes() for p in paths}


@pytest.fixture(params=["file", "folder"])
def kind(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["over an old one", "at a new place"])
def target(request, tmp_path, kind):
    """A path to write to, in a folder of its own, with an old version there or not."""
    path = tmp_path / "only" / "log [1].bin"
    path.parent.mkdir()
    if request.param:
        fill(path, OLD, kind)
    return path


def test_what_is_written_aside_appears_at_the_end_and_alone(target, kind, tmp_path):
    fill(tmp_path / "expected", CONTENT, kind)
    before = content_of(target)
    with files.written_aside(target) as aside:
        fill(aside, CONTENT, kind)
        assert content_of(target) == before
        assert aside.parent == target.parent
    assert content_of(target) == content_of(tmp_path / "expected")
    assert os.listdir(target.parent) == [target.name]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_leaves_nothing_and_keeps_the_old_content(target, kind, error):
    before, names = content_of(target), os.listdir(target.parent)
    with pytest.raises(error), files.written_aside(target) as aside:
        fill(aside, CONTENT, kind)
        raise error
    assert content_of(target) == before
    assert os.listdir(target.parent) == names


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),  # Arrow
        RuntimeError("[enforce fail at inline_container.cc:664] unexpected pos 64 vs 0"),  # torch
    ],
)
def test_a_full_disk_is_called_one_whatever_the_writer_says(target, kind, error):
    before, names = content_of(target), os.listdir(target.parent)
    with pytest.raises(files.DiskError, match="is full: .* was not written.*Make room"):
        with files.written_aside(target) as aside:
            fill(aside, CONTENT, kind)
            raise error
    assert content_of(target) == before and os.listdir(target.parent) == names


def test_a_disk_that_has_no_room_left_is_full_even_if_the_writer_says_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    with pytest.raises(files.DiskError, match="is full"), files.written_aside(tmp_path / "new"):
        raise ValueError("unexpected end")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_told_with_the_remedy(tmp_path, monkeypatch, number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "touch", refused)
    with pytest.raises(files.DiskError, match=f"cannot be written .{os.strerror(number)}.: choose"):
        files.writable(tmp_path / "records")


def test_a_failed_rename_leaves_nothing_and_keeps_the_old_content(target, kind, monkeypatch):
    before, names = content_of(target), os.listdir(target.parent)
    rename = os.replace

    def fail(source, destination):
        if Path(destination) == target and OLD not in content_of(Path(source)).values():
            raise PermissionError("renaming is refused")
        rename(source, destination)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PermissionError), files.written_aside(target) as aside:
        fill(aside, CONTENT, kind)
    assert content_of(target) == before
    assert os.listdir(target.parent) == names


CHILD = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from seqrec_lib.data import files
target, kind = Path(sys.argv[1]), sys.argv[2]
with files.written_aside(target) as aside:
    if kind == "folder":
        aside.mkdir()
        aside = aside / "first.bin"
    with aside.open("wb") as file:
        file.write(b"half of")
        file.flush()
        print("ready", flush=True)
        time.sleep(60)
"""


def test_a_process_killed_in_mid_write_leaves_nothing_that_looks_real(
    target, kind, tmp_path, monkeypatch
):
    before = content_of(target)
    library = Path(files.__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(target), kind],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(library)},
    )
    with child:
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGKILL)
    assert content_of(target) == before

    (left,) = [path for path in target.parent.iterdir() if path != target]
    assert left.name.startswith(".") and ".part" in left.name and left.suffix != target.suffix
    monkeypatch.setenv("SEQREC_DATA", str(target.parent))
    assert (files.find(target.name) is None) == (not before)

    with files.written_aside(target) as aside:  # and the next one is not in its way
        fill(aside, CONTENT, kind)
    assert set(content_of(target).values()) == {CONTENT}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files need /proc")
def test_the_content_is_on_disk_before_it_takes_its_name(target, kind, monkeypatch):
    done, sync, rename = [], os.fsync, os.replace

    def synced(handle):
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    def renamed(source, destination):
        done.append("renamed" if Path(destination) == target else "set aside")
        rename(source, destination)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    with files.written_aside(target) as aside:
        fill(aside, CONTENT, kind)
        expected = {str(path) for path in [aside, *aside.rglob("*")]}
    place = done.index("renamed")
    assert expected <= set(done[:place])
    assert done[place + 1 :] == [str(target.parent)]  # and then the rename itself


def test_two_writers_of_one_place_do_not_touch_each_other(target, kind):
    with files.written_aside(target) as first:
        fill(first, b"first", kind)
        with files.written_aside(target) as second:
            fill(second, b"second", kind)
        assert set(content_of(target).values()) == {b"second"}
    assert set(content_of(target).values()) == {b"first"}
    assert os.listdir(target.parent) == [target.name]


def test_a_block_that_writes_nothing_is_an_error(target):
    before, names = content_of(target), os.listdir(target.parent)
    with pytest.raises(FileNotFoundError, match="nothing was written"):
        with files.written_aside(target):
            pass
    assert content_of(target) == before
    assert os.listdir(target.parent) == names


def test_a_function_that_adds_a_suffix_of_its_own_is_caught_and_cleaned_up_after(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing was written"):
        with files.written_aside(tmp_path / "item.npy") as aside:
            np.save(aside, np.arange(3))
    assert os.listdir(tmp_path) == []


def test_a_folder_never_replaces_a_file_nor_a_file_a_folder(kind, tmp_path):
    target = tmp_path / "target"
    fill(target, OLD, kind)
    before = content_of(target)
    with pytest.raises(OSError), files.written_aside(target) as aside:
        fill(aside, CONTENT, "file" if kind == "folder" else "folder")
    assert content_of(target) == before
    assert os.listdir(tmp_path) == ["target"]


def test_one_at_a_time_makes_a_thing_and_the_next_waits(tmp_path):
    seen, inside = [], threading.Event()

    def make(name, pause):
        with files.alone(tmp_path / "locks" / "run"):
            seen.append(f"{name} in")
            inside.set()
            pause.wait(10)
            seen.append(f"{name} out")

    hold = threading.Event()
    first = threading.Thread(target=make, args=("first", hold))
    first.start()
    inside.wait(10)
    done = threading.Event()
    done.set()
    second = threading.Thread(target=make, args=("second", done))
    second.start()
    second.join(0.3)
    assert seen == ["first in"]
    hold.set()
    first.join()
    second.join()
    assert seen == ["first in", "first out", "second in", "second out"]


def test_the_lock_of_a_process_that_died_is_free(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from seqrec_lib.data.files import alone\n"
        "with alone(Path(sys.argv[1])): os._exit(1)"
    )
    environment = os.environ | {"PYTHONPATH": str(files.root())}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], env=environment)
    with files.alone(tmp_path / "run"):
        pass
