"""Where, when and under which golden run a record was made.

A card names the digest of its recipe's golden run (:mod:`seqrec_lib.records.golden`) as it is
committed in ``book/golden/<world>/<recipe>.json``.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import platform
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import root
from seqrec_lib.records.spec import Spec

_PACKAGES = ("torch", "numpy", "pandas")


def now(device: str) -> dict[str, Any]:
    """Commit, date, device, threads and versions, as they are now."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor()
    return {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": name,
        "threads": torch.get_num_threads(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES}
        | {"python": platform.python_version(), "platform": sys.platform},
    }


def golden_of(spec: Spec) -> str | None:
    """The golden run that stands for a run of this recipe, ``world/recipe``; None if there is none.

    Logs of two channels, regenerated data, validation positions in training and tails of histories
    have worlds of their own for the recipes that the book runs on them; for any other the world
    without them stands.
    """
    worlds, dataset = ["amazon"], Dataset.parse(spec.dataset)
    if dataset.is_tecd:
        worlds = ["pairs" if dataset.pairs else "tecd"]
    elif dataset.split == "tail" and not dataset.is_file:
        worlds.insert(0, "tail")
    elif dataset.stores:
        worlds.insert(0, "stores")
    elif dataset.regenerated:
        worlds.insert(0, "regenerated")
    elif dataset.with_validation and not dataset.pairs:
        worlds.insert(0, "with-validation")
    names = [f"{world}/{spec.name}" for world in worlds]
    return next((name for name in names if golden_file(name).exists()), None)


def golden_file(name: str) -> Path:
    """Where the figures of a golden run are committed."""
    return root() / "book" / "golden" / f"{name}.json"


def golden(spec: Spec) -> str | None:
    """sha256 of the committed figures of the golden run behind ``spec``; None if there is none."""
    name = golden_of(spec)
    if name is None:
        return None
    figures = json.loads(golden_file(name).read_text())["figures"]
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()


def reset_peak(device: str) -> None:
    """Begin to measure the most memory anew, where the system can."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):  # no Linux: the peak is that of the process
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes(device: str) -> int:
    """The most memory held since :func:`reset_peak`: of a GPU what torch took, else the process."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        return int(peak) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


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
