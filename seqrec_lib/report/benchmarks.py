"""What benchmarks/ measured: a chapter shows the last published run."""

import json
from typing import Any

from seqrec_lib.data import files


def benchmark(name: str) -> dict[str, Any]:
    """The last published run of benchmarks/<name>.py, by its parts."""
    return json.loads((files.root() / "benchmarks" / "results" / f"{name}.json").read_text())
