"""A started server and the load on it, for serving.py: processes of h2load, a connection each."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from publishing import HERE

WORK = HERE.parent / "build" / "serving"
BODIES = 8  # histories that are asked with
STARTING = 2.0  # seconds
# of libev, by which h2load waits: select wakes at microseconds; epoll would at whole milliseconds,
# and most of one would count as time that the server took
WAITS = {"LIBEV_FLAGS": "1"}


class Server:
    """A started server: where it is, and what it takes."""

    def __init__(self, *words):
        command = [sys.executable, *map(str, words)]
        # a file: nobody reads a pipe while the server works
        self.said = WORK / "server.log"
        with self.said.open("w") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file)
        end = time.monotonic() + 300
        while not (found := re.search(r"running on (http://127\.\S+)", self.said.read_text())):
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise SystemExit(self.said.read_text())
            time.sleep(0.1)
        self.address = found[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()

    def told(self):
        """What it printed of itself."""
        lines = [line for line in self.said.read_text().splitlines() if line.startswith("{")]
        return {k: v for line in lines for k, v in json.loads(line).items()}

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self):
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def load(server, path, connections, seconds, rate=None, together=1):
    """Offer ``rate`` requests a second, or as many as are answered, by processes of so many
    connections ``together``. A row of figures; what was late is known of one a process alone.

    The first ``STARTING`` seconds count for processor time alone: to start the processes takes the
    cores. A server that falls behind is still behind after them.
    """
    each = max(1, round((rate or 3000) * seconds * together / connections))
    cpu = server.cpu_seconds()
    running, logs = [], []
    for number in range(connections // together):
        logs.append(WORK / f"load-{number}.tsv")
        logs[-1].unlink(missing_ok=True)
        command = ["h2load", "--h1", "-c", together, "-t", "1", f"--log-file={logs[-1]}"]
        command += ["-H", "Content-Type: application/json", "-d", WORK / f"{number % BODIES}.json"]
        if rate:
            command += ["-n", each, f"--rps={rate / connections}"]
        else:
            command += ["-D", seconds]
        command.append(server.address + path)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running.append(subprocess.Popen([*map(str, command)], env=os.environ | WAITS, **quiet))
    end = time.monotonic() + 3 * seconds + 30
    for one in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.wait(max(0.1, end - time.monotonic()))
        one.kill()
    cpu = server.cpu_seconds() - cpu
    rows = [read(log, rate and rate / connections) for log in logs if log.exists()]
    starting = STARTING if seconds > 2 * STARTING else 0.0
    found = figures([row for row in rows if len(row)], cpu, rate, starting)
    return found if together == 1 else found | {"due_ms": {}}


def read(path, rate):
    """Of each request: when it was sent, its status, microseconds from sending, and from when it
    was due."""
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    rows = np.array(
        [[int(part) for part in one[:3]] for one in lines if len(one) >= 3], dtype=float
    )
    if not len(rows):
        return np.empty((0, 4))
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    due = rows[0, 0] + np.arange(len(rows)) * 1e6 / rate if rate else rows[:, 0]
    late = np.maximum(rows[:, 0] - due, 0)
    return np.column_stack([rows, rows[:, 2] + late])


def figures(rows, cpu, rate, starting=0.0):
    table = np.concatenate(rows) if rows else np.empty((0, 4))
    every = int((table[:, 1] > 0).sum())
    table = table[table[:, 0] >= table[:, 0].min(initial=np.inf) + starting * 1e6]
    good = table[table[:, 1] == 200]
    seconds = (table[:, 0] + table[:, 2]).max() / 1e6 - table[:, 0].min() / 1e6 if len(table) else 0
    return {
        "offered_per_s": rate,
        "sent_per_s": len(table) / seconds if seconds else 0.0,
        "answers_per_s": len(good) / seconds if seconds else 0.0,
        "n": len(good),
        "refused": int((table[:, 1] == 503).sum()),
        "other": int(len(table) - len(good) - (table[:, 1] == 503).sum()),
        "sent_ms": percentiles(good[:, 2]),
        "due_ms": percentiles(good[:, 3]),
        "cpu_ms": 1e3 * cpu / every if every else None,
        "left_out_s": starting,
    }


def percentiles(microseconds):
    """p99 of fewer than a thousand says nothing: the worst ones are a handful."""
    if not len(microseconds):
        return {}
    found = dict(zip(("p50", "p95", "p99"), np.quantile(microseconds, [0.5, 0.95, 0.99]) / 1e3,
                     strict=True))  # fmt: skip
    return {
        name: value for name, value in found.items() if name != "p99" or len(microseconds) > 999
    }


def until(true, seconds=300):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("it did not come to that")
        time.sleep(0.1)
