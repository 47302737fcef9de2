"""Where and when a record was made: commit, device, versions."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from seqrec_lib.data.files import root

_PACKAGES = ("torch", "numpy", "pandas")


def provenance(device: str) -> dict[str, Any]:
    """Commit, date, device, threads and versions, as they are now."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else _processor()
    return {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": name,
        "threads": torch.get_num_threads(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES}
        | {"python": platform.python_version(), "platform": sys.platform},
    }


def peak_bytes(device: str) -> int:
    """The most memory held so far: of a GPU what torch took, else of the whole process."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated())
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
