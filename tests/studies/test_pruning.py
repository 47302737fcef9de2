"""What pruning takes out, where it is known: edges set by hand, and a run from nothing."""

import numpy as np
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.worlds import noise
from seqrec_lib.models.rankers.surge import SURGE
from seqrec_lib.studies import pruning


@pytest.fixture
def world():
    return noise.draw(1, num_users=20)


def test_accidents_are_of_another_cycle_than_the_answer(world):
    found = pruning.accidental(world, world.split.test)
    for row, position in zip(found, world.split.test, strict=True):
        history = world.log.item[position - world.length : position]
        own = (world.log.item[position] - 1) // noise.STEPS
        assert row.tolist() == [(item - 1) // noise.STEPS != own for item in history]


def test_without_noise_nothing_is_accidental():
    world = noise.draw(0, num_users=20)
    assert not pruning.accidental(world, world.split.test).any()


def test_vectors_that_know_their_cycle_prune_accidents_alone(world):
    model = SURGE(
        Catalogue.learned(world.log, world.split.train),
        SURGE.Config(noise.CYCLES, share=0.1),
    )
    with torch.no_grad():  # one direction a cycle: steps of one are alike, others are not at all
        model.items.weight[1:] = torch.eye(noise.CYCLES).repeat_interleave(noise.STEPS, 0)
        for weight in model.likeness.parameters():
            weight.fill_(1.0)
    found = pruning.pruned(model, world, world.split.test)
    assert found["precision"] == 1 and found["chance"] < 0.9  # two steps of the walk stay joined
    item = world.log.histories(world.split.test, world.length).item.numpy()
    cycle = (item - 1) // noise.STEPS
    alike = np.triu(cycle[:, :, None] == cycle[:, None, :], 1).sum()  # ties all stay
    assert found["kept"] == pytest.approx(
        alike / (len(item) * world.length * (world.length - 1) / 2)
    )


def test_all_edges_leave_nothing_to_count(world):
    catalogue = Catalogue.learned(world.log, world.split.train)
    model = SURGE(catalogue, SURGE.Config(8, pruned=False))
    found = pruning.pruned(model, world, world.split.test)
    assert np.isnan(found["precision"]) and found["kept"] == 1


@pytest.mark.usefixtures("nothing_kept")
def test_a_study_is_kept_and_not_made_again(tmp_path, monkeypatch):
    how = {"trials": 1, "seeds": 2, "levels": (1,), "passes": 1, "num_users": 60}
    found = pruning.study(tmp_path / "results", **how)
    assert found["model"].value_counts().to_dict() == dict.fromkeys(pruning.MODELS, 2)
    assert (found["best"] > 0.7).all() and found["test"].between(0, 1).all()
    monkeypatch.setattr(pruning, "searched", None)
    assert pruning.study(tmp_path / "results", **how).equals(found)
