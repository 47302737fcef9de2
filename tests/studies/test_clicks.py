"""Models told by clicks: what is learned, chosen, measured and kept."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data import files
from seqrec_lib.data.worlds import memory
from seqrec_lib.metrics.auc import auc
from seqrec_lib.models.base import Recommender
from seqrec_lib.studies import clicks

SETTINGS = {"learning_rate": 0.01, "item_std": 0.1}


@pytest.fixture(scope="module")
def world():
    return memory.draw(64, num_users=400)


class Counts(Recommender):
    """Knows what nobody is told: scores a candidate by its category's events in a history."""

    def __init__(self, world):
        super().__init__(clicks.Catalogue.learned(world.log, world.split.train))
        self.category = torch.from_numpy(world.category.astype(np.int64))

    def score(self, batch, candidates):
        of_event, asked = self.category[batch.item], self.category[candidates]
        return (of_event[:, None] == asked[..., None]).float().sum(-1)


def test_whole_histories_are_read_and_nothing_of_what_is_shown(world):
    found = clicks.told(Counts(world), world, world.split.test)
    users = world.log.user_of(world.split.test)
    clicked = world.clicked[users].ravel()
    # counts order as chances do
    assert auc(clicked, found.ravel()) == pytest.approx(auc(clicked, world.chance[users].ravel()))


def test_sums_learn_to_count(world):
    model, valid = clicks.learned(clicks.FAMILIES["pooling-sum"], world, SETTINGS, 0, 12)
    assert not model.training and valid > 0.6
    assert valid == pytest.approx(
        auc(
            world.clicked[world.log.user_of(world.split.valid)].ravel(),
            clicks.told(model, world, world.split.valid).ravel(),
        )
    )


def test_a_frequent_item_moves_a_sum_as_a_rare_one_does(world):
    times = clicks.Rarity(world)(torch.ones(world.log.num_items + 1, 1))[1:, 0].numpy()
    taught = world.log.offsets[len(world.split.train)]
    there = np.bincount(world.log.item[:taught], minlength=world.log.num_items + 1)[1:]
    assert there.min() > 0  # else one event is taken to be there
    np.testing.assert_allclose(times * there, len(world.split.train), rtol=1e-6)


def test_what_was_learned_goes_on_at_the_next_length(world):
    family = clicks.FAMILIES["pooling-sum"]
    first, _ = clicks.learned(family, world, SETTINGS, 0, 12)
    longer = memory.draw(200, num_users=400)
    on, valid = clicks.learned(family, longer, SETTINGS, 0, 1, first)
    _, drawn = clicks.learned(family, longer, SETTINGS, 0, 1)
    assert valid > drawn + 0.05
    # weights are those that were learned, vectors smaller as items are more frequent
    still = clicks.learned(family, longer, SETTINGS | {"learning_rate": 1e-12}, 0, 1, first)[0]
    small, large = (
        clicks.Rarity(one)(torch.ones(longer.log.num_items + 1, 1)) for one in (longer, world)
    )
    torch.testing.assert_close(still.items.weight / small, first.items.weight / large)
    assert not torch.equal(on.items.weight, still.items.weight)


def test_a_row_has_the_area_its_error_and_the_limits():
    how = {"passes": 2, "num_users": 200}
    found, longer = clicks.rows("pooling-sum", 1, [80, 64], SETTINGS, **how)
    world = memory.draw(64, 1, 200)
    users = world.log.user_of(world.split.test)
    clicked = world.clicked[users].ravel()
    assert found["best"] == pytest.approx(auc(clicked, world.chance[users].ravel()))
    assert found["nothing"] == 0.5 < found["top 2"] < found["best"]
    assert 0.3 < found["auc"] < 1 and 0.01 < found["error"] < 0.1
    assert json.loads(found["settings"]) == SETTINGS and found["trials"] == 1
    assert (found["level"], longer["level"]) == (64, 80)


def test_settings_are_chosen_by_validation_at_the_shortest_length(monkeypatch):
    asked = []

    def learned(family, world, chosen, seed, passes, start=None):
        asked.append((chosen, passes, start))
        return Counts(world), chosen["learning_rate"]

    monkeypatch.setattr(clicks, "learned", learned)
    short, long = clicks.rows("din", 0, [64, 70], trials=5, passes=3, num_users=60)
    drawn = [clicks.drawn(clicks.SPACE, trial) for trial in range(5)]
    assert [(one, passes) for one, passes, start in asked[:-1] if start is None] == [
        (one, 3) for one in drawn
    ]
    best = max(drawn, key=lambda one: one["learning_rate"])
    assert json.loads(short["settings"]) == best and short["trials"] == 5
    (chosen, passes, start) = asked[-1]
    assert (chosen, passes) == (best, clicks.LATER) and isinstance(start, Counts)
    assert json.loads(long["settings"]) == best and long["trials"] == 1


@pytest.mark.usefixtures("nothing_kept")
def test_other_seeds_take_what_was_chosen_and_no_row_that_is_kept_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "root", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="python -m seqrec_lib.studies.clicks makes it"):
        clicks.kept()
    asked = []

    def rows(model, seed, levels, settings):
        asked.append((seed, list(levels), settings))
        own = json.dumps(settings or {"learning_rate": 0.5})
        for level in levels:
            yield {"level": level, "model": model, "seed": seed, "auc": len(asked), "settings": own}

    monkeypatch.setattr(clicks, "rows", rows)
    found = clicks.study(levels=(1_000,), models=["din"], seeds=2)  # and those before
    chosen = {"learning_rate": 0.5}
    assert asked == [(0, [100, 1_000], None), (1, [100, 1_000], chosen)]
    assert len(found) == 4 and (tmp_path / "build/worlds/clicks.csv").exists()
    again = clicks.study(levels=(100,), models=["din"], seeds=2)
    assert len(asked) == 2
    pd.testing.assert_frame_equal(again, found)
    more = clicks.study(levels=(100, 1_000, 10_000), models=["din"], seeds=1)
    assert asked[2:] == [(0, [100, 1_000, 10_000], chosen)]
    assert more["auc"].tolist() == [1, 1, 2, 2, 3]
    apart = clicks.study(tmp_path / "mine/results", (100,), ["din"], seeds=1, anew=True)
    assert len(apart) == 1 and len(clicks.kept()) == 5


def test_a_look_trains_every_model_and_keeps_nothing(capsys, monkeypatch):
    monkeypatch.setattr(clicks, "FAMILIES", {n: clicks.FAMILIES[n] for n in ("din", "twin-v2")})
    monkeypatch.setattr(clicks, "Growing", None)
    clicks.main(["--smoke"])
    assert "twin-v2" in capsys.readouterr().out
