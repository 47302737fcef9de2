"""A search of settings on the small simulated world."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from seqrec_lib.data import datasets, files
from seqrec_lib.models.losses import BPRMax, SampledSoftmax
from seqrec_lib.models.wrappers.taught import Taught
from seqrec_lib.records import recipes
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import Trained, run, started
from seqrec_lib.records.settled import ENCODER, SASREC
from seqrec_lib.records.store import Run
from seqrec_lib.studies import search

SPACE = search.SPACES["gru4rec"]
ALL = sorted(search.SPACES)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "root", lambda: tmp_path)
    for module in ("runs", "standing", "provenance", "store"):
        monkeypatch.setattr(f"seqrec_lib.records.{module}.root", lambda: tmp_path)
    monkeypatch.setattr(search, "root", lambda: tmp_path)
    monkeypatch.setattr(search, "PASSES", 2)
    # no trial of a large net or of batches of a few: seconds
    small = {"hidden_dim": (8,)}
    monkeypatch.setitem(search.SPACES, "gru4rec", SPACE | small)
    return tmp_path


@pytest.mark.parametrize("name", ALL)
def test_every_value_of_a_space_is_drawn_and_no_other(name):
    drawn = [search.drawn(name, trial) for trial in range(1, 200)]
    found = {key: {one[key] for one in drawn} for key in drawn[0]}
    assert found == {key: set(values) for key, values in search.SPACES[name].items()}


@pytest.mark.parametrize("name", ALL)
def test_every_setting_of_a_space_is_one_of_the_recipe(name):
    (spec,) = published("beauty", name, [0])
    chosen = search.drawn(name, 1)
    asked = search._with(spec, chosen)
    parts = (asked.config, getattr(asked.config, "encoder", None), asked.training)
    for key in set(chosen) - {"loss", "alpha", "batch_share"}:
        held = [getattr(one, key) for one in parts if hasattr(one, key)]
        assert held == [chosen[key]], key


@pytest.mark.parametrize(
    ("dataset", "windows"), [("beauty", 32), ("movielens_small-tail-shuffled", 2)]
)
def test_a_ranker_has_a_share_of_its_first_batch_and_other_negatives(dataset, windows):
    """Of the first, not of its recipe's: that may come from a search."""
    (spec,) = published(dataset, "pooling", [0])
    asked = search._with(spec, {"batch_share": 0.25, "alpha": 0.5})
    assert asked.training.batch_size == windows
    assert search._own("pooling", spec)["batch_share"] == 0.125
    assert asked.config.objective.alpha == 0.5
    assert asked.config.objective.num_negatives == spec.config.objective.num_negatives


def test_a_ranker_validates_against_the_catalogue_with_a_question_a_user(elsewhere, monkeypatch):
    asked = []

    def watched(model, log, split, training):
        asked.append((training.validate, log.user_of(split.valid).tolist()))
        return [{"epoch": 1, "valid_ndcg@10": 0.1, "valid_hr@10": 0.2}]

    monkeypatch.setattr(search, "fit", watched)
    monkeypatch.setattr(search, "USERS", 5)
    found = search.search("simulated-tail", "pooling", 1)
    assert found.loc[0, "batch_share"] == 0.125
    for validate, users in asked:
        assert validate == "full" and len(users) == len(set(users)) == 5
    assert len(asked) == 2


def test_a_recipe_without_a_space_is_refused():
    with pytest.raises(ValueError, match="no space is declared for 'sasrec'.*gru4rec"):
        search.drawn("sasrec", 1)


@pytest.mark.parametrize(("loss", "kind"), [("softmax", SampledSoftmax), ("BPR-max", BPRMax)])
def test_what_is_drawn_is_what_is_trained(loss, kind):
    (spec,) = published("simulated", "gru4rec", [0])
    chosen = search.drawn("gru4rec", 1) | {"loss": loss, "alpha": 0.75, "learning_rate": 0.2}
    asked = search._with(spec, chosen)
    assert isinstance(asked.config.objective, kind) and asked.config.objective.alpha == 0.75
    for name in ("hidden_dim", "dropout_embed", "dropout_hidden"):
        assert getattr(asked.config, name) == chosen[name]
    for name in ("batch_size", "learning_rate", "cosine"):
        assert getattr(asked.training, name) == chosen[name]
    assert (asked.training.optimizer, asked.training.epochs) == ("adagrad", search.PASSES)


def test_a_pupil_has_the_recipe_s_teachers_and_other_settings_of_its_own(elsewhere, monkeypatch):
    taught = []

    def watched(model, log, split, training):
        kept, width = model.config.kept, model.encoder.config.embed_dim
        taught.append((len(model._teachers), model.config.share, width, kept))
        return [{"epoch": 1, "valid_ndcg@10": 0.1, "valid_hr@10": 0.2}]

    monkeypatch.setattr(search, "fit", watched)
    monkeypatch.setattr(search, "trained_sources", lambda spec, *_: dict(two_teachers(spec)))
    found = search.search("simulated", "sasrec-taught", 1)
    assert taught == [(2, 0.5, 64, 256), (2, 0.75, 128, 256)]
    assert found["embed_dim"].tolist() == [64, 128] and found["share"].tolist() == [0.5, 0.75]
    more = search.search("simulated", "sasrec-taught", 99)  # as many as there are steps
    assert len(more) == len(taught) == len(search.STEPS["sasrec-taught"]) > 2


@pytest.mark.parametrize(("name", "steps"), search.STEPS.items())
def test_the_steps_are_settings_of_the_recipe_no_two_alike_and_end(name, steps):
    (spec,) = published("beauty", name, [0])
    asked = [search._with(spec, search.drawn(name, trial)) for trial in range(len(steps))]
    assert len(set(map(repr, asked))) == len(steps)
    with pytest.raises(ValueError, match=f"{name} has {len(steps)} steps.*append the next"):
        search.drawn(name, len(steps))


def test_a_trial_that_is_a_run_on_record_is_not_trained_again(elsewhere, monkeypatch):
    untaught = ("taught", Taught.Config(SASREC, share=0.0), replace(ENCODER, epochs=2))
    monkeypatch.setitem(recipes.RECIPES, "sasrec-taught", untaught)
    steps = ({"share": 0.0}, {"share": 0.0, "dropout": 0.1})
    monkeypatch.setitem(search.STEPS, "sasrec-taught", steps)
    record = run("simulated", "sasrec-taught").seeds[0]
    trained = []

    def watched(model, log, split, training):
        trained.append(model.encoder.config.dropout)
        return [{"epoch": 1, "valid_ndcg@10": 0.1, "valid_hr@10": 0.2}]

    monkeypatch.setattr(search, "fit", watched)
    found = search.search("simulated", "sasrec-taught", 1)
    assert trained == [0.1]
    kept = record.history["valid_ndcg@10"].max()
    assert found["NDCG@10"].tolist() == pytest.approx([kept, 0.1])
    minutes = record.card["own_seconds"] / 60
    assert found.loc[0, "minutes"] == pytest.approx(minutes, rel=1e-5)  # six digits are kept


def two_teachers(spec):
    log, split = datasets.load(spec.dataset)
    for name in ("popular", "markov"):
        (one,) = published(spec.dataset, name, [0])
        yield name, Trained(started(one, log, split), log.items, Run(Path(), {}, {}))


def test_a_search_goes_on_where_it_was_left(elsewhere, monkeypatch):
    first = search.search("simulated", "gru4rec", 1)
    assert list(first["trial"]) == [0, 1]
    assert first["NDCG@10"].between(0, 1, inclusive="neither").all()
    (spec,) = published("simulated", "gru4rec", [0])  # trial 0 is the recipe as it is published
    assert first.loc[0, "hidden_dim"] == spec.config.hidden_dim
    assert first.loc[0, "loss"] == "softmax" and first.loc[0, "alpha"] == 0.5
    seen = []
    real = search.fit

    def watched(model, log, split, training):
        seen.append(training)
        return real(model, log, split, training)

    monkeypatch.setattr(search, "fit", watched)
    more = search.search("simulated", "gru4rec", 2)
    assert len(seen) == 1  # trials that are kept are not made again
    pd.testing.assert_frame_equal(more.iloc[:2], first)
    alone = pd.DataFrame([search.drawn("gru4rec", 2)])
    assert more.iloc[2][list(alone)].tolist() == alone.iloc[0].tolist()


def test_a_trial_of_settings_that_were_tried_is_not_trained_again(elsewhere, monkeypatch):
    monkeypatch.setitem(search.SPACES, "gru4rec", SPACE | {"hidden_dim": (8,)})
    monkeypatch.setattr(search.spaces, "drawn", lambda space, trial: {"hidden_dim": 8})
    trained = []

    def watched(model, log, split, training):
        trained.append(training)
        return [{"epoch": 1, "valid_ndcg@10": len(trained) / 10, "valid_hr@10": 0.2}]

    monkeypatch.setattr(search, "fit", watched)
    found = search.search("simulated", "gru4rec", 3)
    assert len(trained) == 2 and found["trial"].tolist() == [0, 1, 2, 3]
    assert found["NDCG@10"].tolist() == [0.1, 0.2, 0.2, 0.2]


def test_what_was_kept_of_other_settings_is_refused(elsewhere, monkeypatch):
    search.search("simulated", "gru4rec", 1)
    monkeypatch.setitem(search.SPACES, "gru4rec", SPACE | {"hidden_dim": (16,)})
    with pytest.raises(ValueError, match=r"trial 1 of .*gru4rec.csv was made with other settings"):
        search.search("simulated", "gru4rec", 2)


@pytest.mark.parametrize("path", sorted(files.root().glob("book/searches/*/*.csv")), ids=str)
def test_every_row_in_the_book_is_of_the_settings_that_are_declared(path):
    for row in pd.read_csv(path).to_dict("records"):
        if row["trial"] or path.stem in search.STEPS:
            assert search._tells(row, search.drawn(path.stem, row["trial"])), row["trial"]


def test_a_setting_that_nothing_has_is_refused():
    (spec,) = published("beauty", "sasrec-taught", [0])
    with pytest.raises(ValueError, match="sasrec-taught has no setting shar: nothing would change"):
        search._with(spec, {"shar": 0.9, "dropout": 0.1})
