"""Two processes of a group, as torchrun starts them."""

import os
import subprocess
import sys

import pytest

from seqrec_lib.data.files import root


@pytest.fixture(scope="session")
def in_two_processes():
    """``in_two_processes("script.py", ...)`` runs it in both and returns what it printed."""

    def run(*words):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", "2", *map(str, words)]
        environment = os.environ | {"PYTHONPATH": str(root()), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run
