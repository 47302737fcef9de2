"""The study of ratings on a small world of films."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.report.chapters.ratings import Errors
from seqrec_lib.report.chapters.ratings import rmse as shown
from seqrec_lib.studies import ratings


@pytest.fixture
def small(tmp_path):
    return ratings.Study(ratings.SMALL, tmp_path / "results", trials=2, passes=2)


def test_every_value_of_a_space_is_drawn_and_is_a_setting():
    for name, space in ratings.SPACES.items():
        drawn = pd.DataFrame([ratings.drawn(name, trial) for trial in range(1, 200)])
        assert {key: set(drawn[key]) for key in drawn} == {k: set(v) for k, v in space.items()}
        fields = ratings.MODELS[name].Config.__dataclass_fields__
        assert set(space) - {*ratings.LEARNING, "started"} <= set(fields)
    assert set(ratings.FILM_FIRST) | set(ratings.FILM_SPACE) <= set(ratings.SPACES["rrn"])
    small = pd.DataFrame([ratings.drawn("rrn", trial, films=True) for trial in range(1, 200)])
    assert {key: set(small[key]) for key in ratings.FILM_SPACE} == {
        key: set(values) for key, values in ratings.FILM_SPACE.items()
    }
    assert ratings.drawn("svdpp", 3, films=True) == ratings.drawn("svdpp", 3)


def test_the_study_keeps_what_it_made_and_goes_on(small, monkeypatch):
    first = small.run(["bias", "svdpp"], [0])
    assert first["model"].tolist() == ["best", "still", "bias", "svdpp"]
    assert first.loc[0, "rmse"] < first["rmse"].iloc[2:].min()
    trials = small.search("svdpp")
    best = trials.loc[trials["valid"].idxmin()]
    row = first.iloc[3]
    assert (row["trial"], row["passes"]) == (best["trial"], best["passes"])
    seen = []
    real = ratings.fit

    def watched(model, known, valid, training):
        seen.append((valid is None, len(known)))
        return real(model, known, valid, training)

    monkeypatch.setattr(ratings, "fit", watched)
    more = small.run(["bias", "svdpp"], [0, 1])
    # no trial is made again; what is tested has learned from validation too
    assert seen == [(True, 160), (True, 160)]
    pd.testing.assert_frame_equal(more.iloc[:4], first)
    errors = Errors.read(small.dataset, small.results)
    assert errors.by_user["count"].sum() == 40 and errors.seeds("svdpp") == [0, 1]
    pooled = np.sqrt((more.loc[more["model"] == "svdpp", "rmse"] ** 2).mean())
    assert shown(errors, "svdpp").mean == pytest.approx(pooled, rel=1e-4)


def test_an_ablation_has_the_settings_of_its_model(small):
    one = replace(small, trials=1)
    found = one.run(["rrn-still-items", "rrn-gru"], [0])
    assert found["trial"].iloc[2:].tolist() == [0, 0]
    assert set(one.search("rrn")["trial"]) == {0}
    # some trials start from the factorisation, whose trials are kept beside its own
    kept = pd.read_csv(small.place("-trials.csv"))
    assert kept["model"].tolist() == ["biased-mf", "rrn"]
    log, _ = ratings.loaded(small.dataset)
    model = ratings.built("rrn-still-items", log, {"items_move": False, "embed_dim": 7}, 0)
    assert not model.config.items_move and model.user_factors.embedding_dim == 7


def test_what_is_made_anew_does_not_read_what_is_committed(small, tmp_path, monkeypatch):
    committed, mine = tmp_path / "book" / "results", tmp_path / "mine" / "results"
    monkeypatch.setattr("seqrec_lib.records.store.RESULTS", committed)
    replace(small, results=committed).run(["bias"], [0])
    assert replace(small, results=mine).place(".csv").exists()
    anew = replace(small, results=mine, anew=True)
    assert not anew.place(".csv").exists()
    assert anew.run(["bias"], [0])["model"].tolist() == ["best", "still", "bias"]
    assert anew.place(".csv").exists() and "mine" in str(anew.place(".csv"))


def test_settings_that_diverge_are_out_and_where_all_do_it_says_so(small, monkeypatch):
    monkeypatch.setitem(ratings.FIRST, "bias", {"learning_rate": 1e30})
    found = small.search("bias")
    assert found["valid"].isna().tolist() == [True, False]
    assert ratings.best_of(found)[0] == 1
    with pytest.raises(ValueError, match="every trial of bias diverged"):
        ratings.best_of(found.iloc[:1])
