"""Models in small worlds: what is tried, chosen, measured and kept."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data import files
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.worlds import drift, noise, reach, threads, union
from seqrec_lib.models.base import Recommender, from_config
from seqrec_lib.studies import worlds
from seqrec_lib.studies.worlds_plans import FAMILIES, PLANS

LEARNED = [name for name, one in FAMILIES.items() if one.space and name != "slit"]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "root", lambda: tmp_path)
    monkeypatch.setattr("seqrec_lib.records.store.root", lambda: tmp_path)
    return tmp_path


class Fixed(Recommender):
    """Gives every history the same scores."""

    def __init__(self, catalogue, scores):
        super().__init__(catalogue)
        self.register_buffer("fixed", torch.tensor([-torch.inf, *scores]))

    def score_all(self, batch):
        return self.fixed.repeat(len(batch.item), 1)


@pytest.mark.parametrize("name", LEARNED)
def test_all_models_are_as_large(name):
    world = reach.draw(4, num_users=40) if name.endswith(("-8", "-31")) else union.draw(2)
    catalogue = Catalogue.learned(world.log, world.split.train)
    for trial in range(4):
        chosen = worlds.drawn(FAMILIES[name].space, trial)
        del chosen["learning_rate"], chosen["item_std"]
        config = worlds.sized(FAMILIES[name], catalogue, world.length + 1, chosen)
        size = worlds.parameters(from_config(catalogue, config))
        assert size == pytest.approx(worlds.PARAMETERS, rel=0.1)


def test_every_value_of_a_space_is_drawn_and_no_other():
    space = FAMILIES["caser"].space
    drawn = pd.DataFrame([worlds.drawn(space, trial) for trial in range(100)])
    assert {key: set(drawn[key]) for key in drawn} == {key: set(v) for key, v in space.items()}


def test_an_answer_is_ranked_among_the_outcomes_alone_and_ties_are_broken_by_lot():
    world = union.draw(1, num_users=32)
    scores = np.zeros(46)
    scores[:44], scores[44] = 9, 1  # what is no answer stands above; the first answer next
    catalogue = Catalogue.learned(world.log, world.split.train)
    test = world.split.test
    found = worlds.hits(Fixed(catalogue, scores), world, test)
    assert found.tolist() == (world.log.item[test] == 45).tolist()
    scores[45] = 1
    assert worlds.hits(Fixed(catalogue, scores), world, test).tolist() == [0.5] * len(test)


@pytest.mark.parametrize(
    ("name", "module", "asked"),
    [
        ("popular", union, (2,)),
        ("markov-1", union, (2,)),
        ("markov-1", union, (0, "and")),
        ("markov-1", noise, (2,)),
        ("markov-1", threads, (3,)),
        ("markov-1", drift, (3,)),
        ("markov-1", reach, (4,)),
    ],
)
def test_who_counts_ends_where_the_limit_says(name, module, asked):
    world = module.draw(*asked)
    found = worlds.tried(FAMILIES[name], world, {}, 0, 1)
    denied = "nothing" if name == "popular" else "last 1"
    assert found.test == pytest.approx(world.limits[denied], abs=0.05)


def test_every_plan_names_models_and_limits_that_there_are():
    for plan in PLANS.values():
        assert set(plan.models) <= set(FAMILIES)
        drawn = [
            plan.draw(level, kind, num_users=20) for level in plan.levels for kind in plan.kinds
        ]
        known = set().union(*(world.limits for world in drawn)) | {""}
        assert set(plan.models.values()) <= known


def test_a_search_ends_with_the_best_there_can_be_and_takes_the_best_on_validation(monkeypatch):
    world, family = union.draw(1, num_users=32), FAMILIES["gru"]
    made = []

    def pretend(family, world, chosen, seed, passes):
        made.append(chosen)
        valid = (0.6, 0.8, 0.7, 0.995, 1.0)[len(made) - 1]
        return worlds.Tried(None, chosen, valid, 1 - valid, 1, 0.0)

    monkeypatch.setattr(worlds, "tried", pretend)
    found, count = worlds.searched(family, world, 3, 0, 1)
    assert (found.valid, count) == (0.8, 3) and found.chosen == made[1]
    made.clear()
    found, count = worlds.searched(family, world, 5, 0, 1)
    assert (found.valid, count) == (0.995, 4)


def test_a_study_goes_on_where_it_was_left(elsewhere, monkeypatch):
    real, made = worlds.row, []

    def small(*asked):
        made.append(asked[:6])
        return real(*asked[:7], 2, num_users=64)

    monkeypatch.setattr(worlds, "row", small)
    with pytest.raises(FileNotFoundError, match="studies.worlds noise makes it"):
        worlds.kept("noise")
    first = worlds.study("noise", trials=1, seeds=1, levels=[2], models=["markov-1", "fpmc"])
    again = worlds.study("noise", trials=1, seeds=2, levels=[2], models=["markov-1", "fpmc"])
    pd.testing.assert_frame_equal(again.iloc[:2], first)
    pd.testing.assert_frame_equal(worlds.kept("noise"), again)
    chosen = json.loads(first.loc[1, "settings"])
    assert set(chosen) == {"learning_rate", "dropout", "item_std"}
    assert made[2:] == [
        ("noise", "", 2, "markov-1", 1, {}),
        ("noise", "", 2, "fpmc", 1, chosen),
    ]
    assert again["trials"].tolist() == [1, 1, 0, 0]
    assert again["limit"].tolist() == pytest.approx([1 / 3] * 4, abs=1e-4)
    assert (again["best"] > again["limit"]).all() and again["test"].between(0, 1).all()
    assert again["parameters"].tolist()[:2] == [0, pytest.approx(worlds.PARAMETERS, rel=0.1)]
    worlds.study("noise", trials=1, seeds=1, levels=[2], models=["markov-1"], anew=True)
    assert made[4:] == [("noise", "", 2, "markov-1", 0, None)]
    assert len(worlds.kept("noise")) == 1


def test_what_no_plan_has_is_refused():
    with pytest.raises(ValueError, match="no plan for world 'fog'; there is one for union"):
        worlds.study("fog")
    with pytest.raises(ValueError, match=r"union lacks \['svd'\]; it has popular"):
        worlds.study("union", models=["svd"])


@pytest.mark.parametrize("name", PLANS)
def test_every_world_runs_within_seconds(name, capsys):
    worlds.main([name, "--smoke"])
    assert "gru" in capsys.readouterr().out


def test_who_learns_from_fewer_targets_makes_more_passes(monkeypatch):
    made = []
    monkeypatch.setattr(worlds, "fit", lambda *run: made.append(run[-1].epochs))
    monkeypatch.setattr(worlds, "hits", lambda *asked: np.zeros(1))
    world = union.draw(0, num_users=32)
    for name in ("sasrec", "bert4rec"):
        worlds.tried(FAMILIES[name], world, worlds.drawn(FAMILIES[name].space, 1), 0, 3)
    assert made == [3, 15]


@pytest.mark.parametrize("name", PLANS)
def test_a_committed_world_is_sound(name):
    """One model reaches the best possible, and who is denied the answer ends at its limit."""
    path = Path(__file__).parents[2] / "book" / "worlds" / f"{name}.csv"
    if not path.exists():
        pytest.skip("not made yet")
    table, plan = pd.read_csv(path, keep_default_na=False, na_values={"limit": [""]}), PLANS[name]
    for model, size in table.groupby("model").size().items():
        levels = 1 if model in plan.hardest else len(plan.levels)
        assert size == len(plan.kinds) * levels * worlds.SEEDS, model
    assert plan.hardest <= set(plan.models) and len(plan.models) > 2 * len(plan.hardest)
    mean = table.groupby(["kind", "level", "model"])[["test", "best", "limit"]].mean()
    share = (mean["test"] / mean["best"]).groupby(["kind", "level"]).max()
    assert share[share < 0.95].to_dict() == {}
    off = (mean["test"] - mean["limit"]).abs().dropna()
    assert len(off) and off[off > 0.05].to_dict() == {}
