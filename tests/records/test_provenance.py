import datetime
import functools
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import seqrec_lib
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import root
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records import provenance
from seqrec_lib.records.provenance import code_digest, peak_bytes

CODE = '''"""A module."""
import math  # a reason

def area(radius: float) -> float:
    """Of a circle."""
    return math.pi * radius**2
'''


def bare(folder, code):
    path = folder / "module.py"
    path.write_text(code)
    return provenance._bare(path)


def test_comments_docstrings_and_layout_do_not_change_the_code(tmp_path):
    same = (
        CODE.replace("# a reason", "# another reason"),
        CODE.replace("Of a circle.", "Of a disc,\n\n    in square metres."),
        CODE.replace("A module", "Some module"),
        CODE.replace("math.pi * radius**2", "(\n        math.pi * radius ** 2\n    )"),
        CODE.replace("\n\n", "\n\n\n\n"),
    )
    for code in same:
        assert code != CODE and bare(tmp_path, code) == bare(tmp_path, CODE)


@pytest.mark.parametrize(
    ("old", "new"), [("radius**2", "radius**3"), ("def area", "def disc"), ("import math", "")]
)
def test_anything_that_runs_changes_the_code(tmp_path, old, new):
    assert bare(tmp_path, CODE.replace(old, new)) != bare(tmp_path, CODE)


def digests():
    return {name: code_digest(model) for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def read_once():
    return functools.cache(provenance._bare)


@pytest.mark.parametrize(
    ("changed", "affected"),
    [
        (
            "models/sasrec.py",
            {"sasrec", "sasrec-attributed", "duorec", "retrieval", "ensemble", "personalised"},
        ),
        ("models/attributed.py", {"sasrec-attributed", "ensemble"}),
        ("models/memory.py", {"retrieval", "ensemble"}),
        ("models/gru4rec.py", {"gru4rec", "retrieval", "ensemble"}),
        ("models/popular.py", {"popular", "recency"}),  # recency falls back on popularity
        ("models/base.py", set(MODELS)),
        ("models/losses.py", set(MODELS)),
        ("data/splits.py", set(MODELS)),
        ("training/loop.py", set(MODELS)),
        ("training/evaluation.py", set(MODELS)),
        ("report.py", set()),
    ],
)
def test_a_change_of_code_shows_in_the_models_that_pass_through_it(
    monkeypatch, read_once, changed, affected
):
    path = Path(seqrec_lib.__file__).parent / changed
    assert path.exists()
    monkeypatch.setattr(provenance, "_bare", read_once)
    before = digests()
    monkeypatch.setattr(provenance, "_bare", lambda file: read_once(file) + "x" * (file == path))
    after = digests()
    assert {name for name in MODELS if before[name] != after[name]} == affected
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in before.values())


def test_a_card_says_where_and_when():
    model = Popular(Catalogue(1, np.array([0, 1])), Popular.Config())
    card = provenance.provenance(model, "cpu")
    when = datetime.datetime.fromisoformat(card["date"])
    assert abs(datetime.datetime.now(datetime.UTC) - when) < datetime.timedelta(minutes=1)
    assert card["versions"]["torch"] == torch.__version__
    assert card["device"] and card["threads"] == torch.get_num_threads()
    assert card["code_digest"] == code_digest(Popular)


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
