"""Clock, memory meter and arguments that all training benchmarks share.

Standard library only, so that it runs in any environment.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path


def peak_bytes() -> int:
    """The most memory this process has held at once (resident set), in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts kibibytes


def resident_bytes() -> int:
    """What this process holds now, in bytes; its peak where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:
        return peak_bytes()
    return pages * resource.getpagesize()


def arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what every system is given: the events, how long to train, and the model's size."""
    parser.add_argument("events", help="Parquet file of training events: user, item, time")
    parser.add_argument("--passes", type=int, default=1, help="whole passes, if --batches is 0")
    parser.add_argument("--batches", type=int, default=0, help="stop after so many timed batches")
    parser.add_argument("--warm-up", type=int, default=0, help="batches before the timed ones")
    parser.add_argument("--batch-size", type=int, default=256, help="rows in a batch")
    parser.add_argument("--width", type=int, default=64, help="of embeddings and states")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--length", type=int, default=50, help="of a history, in events")
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="fp32")
    parser.add_argument("--seed", type=int, default=0)
    return parser


class Meter:
    """Times batches one by one, and counts the rows and the real positions each one taught.

    Make it right after the imports, so that what they hold can be told apart. Call ``start`` at the
    beginning of each pass and ``done`` after each batch; what happens between a pass's last batch
    and the next ``start`` is not timed. The first ``warm_up`` batches do not count.
    """

    def __init__(self, warm_up: int):
        self.warm_up = warm_up
        self.imports_bytes = resident_bytes()
        self.began = self.last = time.perf_counter()
        self.preparation_seconds = 0.0
        self.seconds: list[float] = []
        self.rows: list[int] = []
        self.positions: list[int] = []

    def start(self) -> None:
        """A pass begins."""
        self.last = time.perf_counter()
        if not self.seconds:
            self.preparation_seconds = self.last - self.began

    def done(self, rows: int, positions: int) -> None:
        """A batch of so many rows, with so many targets (padding not counted), is over."""
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now
        self.rows.append(rows)
        self.positions.append(positions)

    def report(self, rows_per_pass: int, positions_per_pass: int, **more: object) -> None:
        """Print one JSON line: time of a pass, rate, memory.

        Where part of a pass was timed, its time is scaled up by rows: a padded row costs the same
        whatever it holds. Raises ``ValueError`` if whole passes taught another number of positions.
        """
        seconds = sum(self.seconds[self.warm_up :])
        passes = sum(self.rows[self.warm_up :]) / rows_per_pass
        taught = sum(self.positions[self.warm_up :])
        if not self.warm_up and passes.is_integer() and taught != passes * positions_per_pass:
            raise ValueError(
                f"{passes:.0f} passes taught {taught} positions, not {positions_per_pass} each"
            )
        peak = peak_bytes()
        line = {
            "positions_per_s": positions_per_pass * passes / seconds,
            "seconds_per_pass": seconds / passes,
            "positions_per_pass": positions_per_pass,
            "measured_seconds": seconds,
            "measured_passes": passes,
            "measured_batches": len(self.rows) - self.warm_up,
            "warm_up_batches": self.warm_up,
            "preparation_seconds": self.preparation_seconds,
            "peak_bytes": peak,
            "peak_above_imports_bytes": peak - self.imports_bytes,
        }
        print(json.dumps(line | more), flush=True)
