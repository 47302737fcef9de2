import datetime
import subprocess
from pathlib import Path

import pytest
import torch

from seqrec_lib.data.files import root
from seqrec_lib.records import provenance
from seqrec_lib.records.provenance import peak_bytes, reset_peak


def test_a_card_says_where_and_when():
    card = provenance.now("cpu")
    when = datetime.datetime.fromisoformat(card["date"])
    assert abs(datetime.datetime.now(datetime.UTC) - when) < datetime.timedelta(minutes=1)
    assert card["versions"]["torch"] == torch.__version__
    assert card["device"] and card["threads"] == torch.get_num_threads()


@pytest.mark.skipif(not (root() / ".git").exists(), reason="not in a git checkout")
def test_the_commit_is_marked_if_the_library_differs_from_it():
    def git(*arguments):
        command = ["git", "-C", str(root()), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    changed = bool(git("status", "--porcelain", "--", "seqrec_lib"))
    assert provenance.commit() == git("rev-parse", "HEAD") + "+" * changed


def test_outside_git_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "root", lambda: tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit() == "unknown"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="not on Linux")
def test_peak_memory_is_in_bytes_and_what_the_system_says():
    peak = peak_bytes("cpu")
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    assert peak == pytest.approx(int(status["VmHWM"].split()[0]) * 1024, rel=0.01)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="not on Linux")
def test_the_peak_of_what_was_before_can_be_forgotten():
    before = peak_bytes("cpu")
    held = torch.ones(before // 8 + 10**8 // 4, dtype=torch.float32)
    high = peak_bytes("cpu")
    del held
    reset_peak("cpu")
    assert high > before and peak_bytes("cpu") < high - 5 * 10**7
