from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.labels import labels
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import initialised
from seqrec_lib.studies import maps
from seqrec_lib.training.evaluation import ranks


@pytest.fixture(scope="module")
def world():
    return datasets.load("simulated-pairs")


@pytest.fixture(scope="module")
def made(world):
    """The tables of the small world, of models that are not trained, laid out by chance."""
    log, split = world

    def untrained(spec, device):
        model = initialised(spec, Catalogue.learned(log, split.train)).eval()
        if isinstance(model, CountModel):
            model.count(log, split.train)
        return SimpleNamespace(model=model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "trained_model", untrained)
        patch.setattr(maps, "_layout", lambda v: {"x": v[:, 0], "y": v[:, 1]})
        return maps.make("simulated")


def test_every_model_is_measured_and_chance_beside_it(made):
    table = made.measures.set_index("model")
    assert table.index.tolist() == [*maps.NAMES, "random"]
    assert {"svd", "item2vec", "item2vec-report"} <= set(MODELS) | set(maps.NAMES)
    vectors = table.drop("popular")
    for name in ("domain", "category", "band"):
        if f"{name}_purity" in table:
            assert vectors[f"{name}_purity"].between(0, 1).all()
            assert vectors[f"{name}_chance"].nunique() == 1
    assert table.loc["random", "uniformity"] == pytest.approx(-4 + 8 / 64, abs=0.1)
    assert table.loc["random", "alignment"] == pytest.approx(2, abs=0.2)
    assert table.loc["svd", "alignment"] < 1.5
    assert (vectors["crossing"] + vectors["domain_purity"] == 1).all()
    assert (vectors["far_nearest"] <= vectors["cosine_nearest"] + 0.1).all()
    assert table.loc[list(maps.NAMES), "hr"].between(0, 1).all()
    assert (table["hr_low"].dropna() <= table["hr"].dropna()).all()


def test_recall_of_the_same_pairs_is_that_of_the_scoring_loop(made, world):
    log, split = world
    (spec,) = published("simulated-pairs", "item2vec", [0])
    model = initialised(spec, Catalogue.learned(log, split.train))
    found = ranks(model, log, split.test[::2])["rank_masked"].to_numpy()
    row = made.measures.set_index("model").loc["item2vec"]
    assert row["hr_apart"] == hr(found, 10).mean()
    assert row["mirror_gain"] == pytest.approx(row["hr_mirrored"] - row["hr_apart"])
    assert row["mirror_gain_low"] <= row["mirror_gain"] <= row["mirror_gain_high"]


def test_norms_tell_padding_items_with_pairs_and_items_without_apart():
    table = np.zeros((6, 2))
    table[1:, 0] = [1, 2, 3, 10, 20]
    norms = maps._norms(table, np.array([0, 5, 5, 5, 0, 0]))
    assert norms["rows"].unique().tolist() == ["padding", "items with pairs", "items without"]
    half = norms[norms["quantile"] == 0.5].set_index("rows")
    assert half["length"].to_dict() == {
        "padding": 0,
        "items with pairs": 2,
        "items without": 15,
    }
    assert half["count"].to_dict() == {"padding": 1, "items with pairs": 3, "items without": 2}


def test_the_nearest_are_those_of_the_most_popular_of_each_kind():
    things = pd.DataFrame(
        {
            "item": list("abcdef"),
            "popularity": [5, 9, 1, 7, 8, 100],
            "band": "1–9",
            "category": ["pen", "pen", "pen", "ink", "ink", "ink"],
            "showcased": [False] * 5 + [True],
        }
    )
    angle = np.radians([0, 10, 30, 90, 100, 50])
    vectors = np.r_[[[0, 0]], np.stack([np.cos(angle), np.sin(angle)], 1)]
    near = maps._nearest(vectors, np.arange(1, 7), things)
    assert near.groupby("query_item", sort=False)["item"].apply(list).to_dict() == {
        "b": ["a", "c", "f", "d", "e"],
        "e": ["d", "f", "c", "b", "a"],
    }
    assert near["cosine"].iloc[0] == pytest.approx(np.cos(np.radians(10)), abs=1e-4)
    assert near["query_category"].tolist() == ["pen"] * 5 + ["ink"] * 5


def test_tables_are_made_once_and_read_ever_after(made, tmp_path, monkeypatch):
    calls = []

    def make(dataset, device):
        calls.append(dataset)
        return made

    monkeypatch.setattr(maps, "make", make)
    first = maps.maps("simulated", tmp_path / "results")
    again = maps.maps("simulated", tmp_path / "results")
    assert calls == ["simulated"]
    pd.testing.assert_frame_equal(first.measures, again.measures)
    np.testing.assert_allclose(first.measures["hr"].dropna(), made.measures["hr"].dropna())
    maps.maps("simulated", tmp_path / "results", retrain=True)
    assert calls == ["simulated"] * 2
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["simulated"]


def test_the_map_shows_items_with_enough_pairs_and_what_is_known_of_them(made, world):
    log, split = world
    met = Catalogue.learned(log, split.train).frequency
    known = labels("simulated").set_index("item")
    assert 0 < len(made.points) <= maps.MAPPED
    place = np.searchsorted(log.items, made.points["item"]) + 1
    assert (met[place] >= maps.LEAST).all()
    assert (
        known.loc[made.points["item"], "popularity"].to_numpy() == made.points["popularity"]
    ).all()
    assert {"x", "y", "category", "band"} <= set(made.points)


@pytest.mark.slow
def test_a_layout_keeps_groups_together():
    rng = np.random.default_rng(0)
    centre = np.repeat(np.eye(3, 8), 40, axis=0)
    place = maps._layout(centre + 0.1 * rng.normal(size=(120, 8)))
    plane = torch.tensor(np.stack([place["x"], place["y"]], 1))
    nearest = torch.cdist(plane, plane).fill_diagonal_(torch.inf).argmin(1).numpy()
    assert (nearest // 40 == np.arange(120) // 40).mean() > 0.95
    again = maps._layout(centre + 0.1 * np.random.default_rng(0).normal(size=(120, 8)))
    np.testing.assert_array_equal(again["x"], place["x"])
