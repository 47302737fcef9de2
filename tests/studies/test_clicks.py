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


def test_a_row_has_the_area_its_error_and_the_limits():
    found = clicks.row(64, "pooling-sum", 1, SETTINGS, passes=2, num_users=200)
    world = memory.draw(64, 1, 200)
    users = world.log.user_of(world.split.test)
    clicked = world.clicked[users].ravel()
    assert found["best"] == pytest.approx(auc(clicked, world.chance[users].ravel()))
    assert found["nothing"] == 0.5 < found["top 2"] < found["best"]
    assert 0.3 < found["auc"] < 1 and 0.01 < found["error"] < 0.1
    assert json.loads(found["settings"]) == SETTINGS and found["trials"] == 1


@pytest.mark.usefixtures("nothing_kept")
def test_longer_histories_take_what_was_chosen_and_nothing_is_made_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "root", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="python -m seqrec_lib.studies.clicks makes it"):
        clicks.kept()
    asked = []

    def row(level, model, seed, settings):
        asked.append((level, seed, settings))
        own = settings or {"learning_rate": level}
        return {"level": level, "model": model, "seed": seed, "auc": 0.5,
                "settings": json.dumps(own)}  # fmt: skip

    monkeypatch.setattr(clicks, "row", row)
    found = clicks.study(levels=(10_000, 100, 1_000), models=["din"], seeds=2)
    short, long = {"learning_rate": 100}, {"learning_rate": 1_000}
    assert asked == [
        *((100, 0, None), (100, 1, short), (1_000, 0, None), (1_000, 1, long)),
        *((10_000, 0, long), (10_000, 1, long)),
    ]
    assert len(found) == 6 and clicks.place() == tmp_path / "build/worlds/clicks.csv"
    again = clicks.study(levels=(100,), models=["din"], seeds=2)
    assert len(asked) == 6
    pd.testing.assert_frame_equal(again, found)
    apart = clicks.study(tmp_path / "mine/results", (100,), ["din"], seeds=1, anew=True)
    assert len(apart) == 1 and len(asked) == 7 and len(clicks.kept()) == 6


def test_a_look_trains_every_model_and_keeps_nothing(capsys, monkeypatch):
    monkeypatch.setattr(clicks, "FAMILIES", {n: clicks.FAMILIES[n] for n in ("din", "twin-v2")})
    monkeypatch.setattr(clicks, "keep", None)
    clicks.main(["--smoke"])
    assert "twin-v2" in capsys.readouterr().out
