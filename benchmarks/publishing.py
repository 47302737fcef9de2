"""Where and how a benchmark's last published run is kept: benchmarks/results/<name>.json."""

import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from seqrec_lib.data.files import written_aside

HERE = Path(__file__).resolve().parent
# glibc keeps freed memory instead of giving it back at every step: the same for every system
KEPT = {"MALLOC_TRIM_THRESHOLD_": "1073741824", "MALLOC_MMAP_THRESHOLD_": "33554432"}


def keep_memory() -> None:
    """Begin the script anew if this process does not keep freed memory: glibc asks once."""
    if any(os.environ.get(name) != value for name, value in KEPT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEPT)


def machine() -> dict[str, Any]:
    """Processor, cores and system, nothing that names a host. ``load`` is the demand before us."""
    described = {
        "cpu": platform.processor() or platform.machine(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "python": platform.python_version(),
    }
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = [line.partition(":") for line in info.read_text().splitlines()]
        values = {name.strip(): value.strip() for name, _, value in fields}
        described["cpu"] = values.get("model name", described["cpu"])
        flags = values.get("flags", "").split()
        described["bf16_units"] = [flag for flag in flags if "bf16" in flag]
    return described


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def commit() -> str:
    """The commit measured, with ``-dirty`` if the code measured differs from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "../seqrec_lib", ".", ":(exclude)results")
    return (git("rev-parse", "--verify", "HEAD") or "unknown") + ("-dirty" if changed else "")


def publish(name: str, result: dict[str, Any], path: str | None = None) -> None:
    """Print the result, and write it whole or not at all to benchmarks/results/<name>.json."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = json.dumps({"date": today, "commit": commit(), **result}, indent=1) + "\n"
    print(text, end="")
    with written_aside(path or HERE / "results" / f"{name}.json") as aside:
        aside.write_text(text)
