"""Every published recipe, on two gloo processes: the loss of one, or refused in words."""

import json
from pathlib import Path

import pytest
import torch

from seqrec_lib.records.recipes import RECIPES, TECD_RECIPES

SCRIPT = Path(__file__).with_name("recipe_steps.py")

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this build of torch has no gloo",
)
WHOLE = {"gru4rec", "duorec", "item2vec", "personalised"}  # models whose batches stay together


@pytest.fixture(scope="module")
def two_processes(in_two_processes, tmp_path_factory):
    """What a pair of processes finds on its way through all recipes."""
    path = tmp_path_factory.mktemp("spread") / "seen.json"
    in_two_processes(SCRIPT, path)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def one_process():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        import recipe_steps

        recipe_steps.held_draws(patch.setattr)
        return recipe_steps.steps()


def test_two_processes_have_the_loss_of_one_in_every_recipe_or_refuse(two_processes, one_process):
    spread = two_processes["steps"]
    learned = {
        f"{published} {name}": kind
        for published, recipes in (("amazon", RECIPES), ("tecd", TECD_RECIPES))
        for name, (kind, _, training, *_) in recipes.items()
        if training.epochs and kind not in ("popular", "recency", "markov", "slit", "svd")
    }
    assert spread.keys() == one_process.keys() == learned.keys()
    for name, kind in learned.items():
        if kind in WHOLE:
            assert "cannot be spread over processes: " in spread[name], name
            assert "; use one process" in spread[name], name
            assert one_process[name] > 0.1, name
        else:
            assert spread[name] == pytest.approx(one_process[name], rel=1e-5), name
            assert one_process[name] > 0.1, name


def test_process_0_decides_for_all_when_to_stop(two_processes):
    assert two_processes["epochs"] == [4, 4]  # two epochs after its second, none was better
