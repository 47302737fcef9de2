"""Two gloo processes started by torchrun learn what one process learns, or refuse in words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from seqrec_lib.data.files import root
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.registry import MODELS
from seqrec_lib.training.loop import fit

# the halves of a batch agree to 2e-7; eighty steps of their rate let rounding grow further: by 1e-5
# to 2e-4, by model and processor (SIM's soft search came to 8e-6, DIN and TWIN to 6e-6)
GROWN = dict.fromkeys(("surge", "twin-v2", "pooling", "tim", "dien", "transact", "sim-soft"), 5e-4)
SCRIPT = Path(__file__).with_name("recipe_steps.py")
# whose batches stay together: PinnerFormer's is its negatives, Dice keeps means of it
WHOLE = {"gru4rec", "duorec", "item2vec", "personalised", "amazon pinnerformer", "tail din-dice"}

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this build of torch has no gloo",
)


def in_two_processes(*words):
    """Run a script in both, as torchrun starts them; what they print."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(root()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What a pair of processes finds in a small run and on its way through all recipes."""
    path = tmp_path_factory.mktemp("spread") / "seen.json"
    in_two_processes(SCRIPT, path)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def script():
    """The script's functions, to call them in one process."""
    import recipe_steps

    return recipe_steps


@pytest.fixture(scope="module")
def one_process(script):
    model, *rest = script.small_run.prepare("sasrec", dropout=0.0, averaging=0.0)
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


def test_some_batches_have_too_few_rows_to_go_round(script):
    """So that a process without rows of its own is part of what is compared."""
    model, log, split, training = script.small_run.prepare("sasrec")
    steps = model.training_batches(
        log, split.train, training.batch_size, training.max_len, np.random.default_rng([0, 0])
    )
    rows = [len(batch.item) for batch in steps]
    assert any(n % 2 for n in rows)


@pytest.mark.slow
def test_the_command_under_torchrun_writes_one_record(tmp_path):
    words = ("-m", "seqrec_lib.records", "train", "simulated", "sasrec", "--epochs", "1")
    shown = in_two_processes(*words, "--results", tmp_path)
    assert shown.count("simulated sasrec s0 masked: HR@10 0.") == 1
    assert (tmp_path / "simulated" / "sasrec" / "s0" / "ranks.parquet").exists()


def test_two_processes_have_the_loss_of_one_in_every_recipe_or_refuse(two_processes, script):
    with pytest.MonkeyPatch.context() as patch:
        script.held_draws(patch.setattr)
        alone = script.steps()
    spread = two_processes["steps"]
    learned = {
        f"{published} {name}": kind
        for published, recipes in script.PUBLISHED.items()
        for name, (kind, _, training, *_) in recipes.items()
        if training.epochs and not issubclass(MODELS[kind], CountModel)
    }
    assert spread.keys() == alone.keys() == learned.keys()
    for name, kind in learned.items():
        if kind in WHOLE or name in WHOLE:
            assert "cannot be spread over processes: " in spread[name], name
            assert "; use one process" in spread[name], name
            assert alone[name] > 0.1, name
        else:
            close = pytest.approx(alone[name], rel=GROWN.get(kind, 1e-5))
            assert spread[name] == close, name
            assert alone[name] > 0.1, name


def test_process_0_decides_for_all_when_to_stop(two_processes):
    assert two_processes["epochs"] == [4, 4]  # two epochs after its second, none was better
