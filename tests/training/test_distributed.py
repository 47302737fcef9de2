"""Two gloo processes started by torchrun learn what one process learns."""

import json
import runpy
from pathlib import Path

import pytest
import torch

from seqrec_lib.training.loop import fit

SCRIPT = Path(__file__).with_name("small_run.py")

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this build of torch has no gloo",
)


@pytest.fixture(scope="module")
def two_processes(in_two_processes, tmp_path_factory):
    path = tmp_path_factory.mktemp("spread") / "seen.json"
    in_two_processes(SCRIPT, "spread", path)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def one_process():
    model, *rest = runpy.run_path(str(SCRIPT))["prepare"]("sasrec", dropout=0.0, averaging=0.0)
    return model, fit(model, *rest)


def test_two_processes_see_the_same_loss_as_one(two_processes, one_process):
    _, alone = one_process
    assert len(two_processes["history"]) == len(alone) == 3
    for ours, theirs in zip(two_processes["history"], alone, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
        assert ours["valid_ndcg@10"] == pytest.approx(theirs["valid_ndcg@10"], abs=0.02)
    assert alone[0]["loss"] > alone[-1]["loss"] + 0.01


def test_two_processes_end_with_the_weights_of_one(two_processes, one_process):
    model, _ = one_process
    alone = [weight.double().sum().item() for weight in model.parameters()]
    assert two_processes["weights"] == pytest.approx(alone, abs=2e-3)


def test_sessions_carried_from_batch_to_batch_cannot_be_spread(two_processes):
    words = "batches of GRU4Rec cannot be spread over processes: its rows go on"
    assert words in two_processes["refused"]


def test_some_batches_have_too_few_rows_to_go_round():
    """So that a process without rows of its own is part of what is compared."""
    import numpy as np

    model, log, split, training = runpy.run_path(str(SCRIPT))["prepare"]("sasrec")
    steps = model.training_batches(
        log, split.train, training.batch_size, training.max_len, np.random.default_rng([0, 0])
    )
    rows = [len(batch.item) for batch in steps]
    assert any(n % 2 for n in rows)


def test_the_command_under_torchrun_writes_one_record(in_two_processes, tmp_path):
    words = ("-m", "seqrec_lib.records", "train", "simulated", "sasrec", "--epochs", "1")
    shown = in_two_processes(*words, "--results", tmp_path)
    assert shown.count("simulated sasrec s0 masked: HR@10 0.") == 1
    assert (tmp_path / "simulated" / "sasrec" / "s0" / "ranks.parquet").exists()
