"""Where and when a record was made: commit, device, versions, digest of the code behind it."""

from __future__ import annotations

import ast
import datetime
import hashlib
import importlib.metadata
import inspect
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

import seqrec_lib
from seqrec_lib.data.files import root
from seqrec_lib.models.base import Recommender

# the modules every figure passes through, beside the model's own
_SHARED = (
    "data/batch.py",
    "data/catalogue.py",
    "data/log.py",
    "data/splits.py",
    "models/layers.py",
    "models/losses.py",
    "training/evaluation.py",
    "training/loop.py",
    "training/optimizers.py",
)

_PACKAGES = ("torch", "numpy", "pandas")


def provenance(model: Recommender, device: str) -> dict[str, Any]:
    """Commit, date, device, threads, versions and code digest, as they are now."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else _processor()
    return {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": name,
        "threads": torch.get_num_threads(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES}
        | {"python": platform.python_version(), "platform": sys.platform},
        "code_digest": code_digest(type(model)),
    }


def peak_bytes(device: str) -> int:
    """The most memory held so far: of a GPU what torch took, else of the whole process."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def code_digest(kind: type[Recommender]) -> str:
    """sha256 of the code that a run of this model passes through; comments do not count."""
    package = Path(seqrec_lib.__file__).parent
    own = {Path(inspect.getfile(c)) for c in kind.__mro__ if c.__module__.startswith("seqrec_lib.")}
    files = sorted({package / name for name in (*_SHARED, *kind.uses)} | own)
    return hashlib.sha256("\n".join(_bare(path) for path in files).encode()).hexdigest()


def _bare(path: Path) -> str:
    """The code of a module without comments, docstrings and layout."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                body[0].value.value = ""
    return ast.unparse(tree)


def commit() -> str:
    """The checked-out commit, with ``+`` if the tree differs from it; ``unknown`` outside git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root()), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "seqrec_lib")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
