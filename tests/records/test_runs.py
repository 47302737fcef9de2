import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.simulator import small_world
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.item2vec import Item2Vec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import GBCE
from seqrec_lib.records import runs, store
from seqrec_lib.records.model_file import load_model, stored_spec
from seqrec_lib.records.recipes import RECIPES, TECD_RECIPES, recipe
from seqrec_lib.records.spec import Spec
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.loop import Training

SASREC = SASRec.Config(8, 16, 1, max_len=20, objective=GBCE(3))
TRAINING = Training(epochs=2, batch_size=128, max_len=20, precision="fp32")
PARTS = {"spec.json", "card.json", "history.csv", "ranks.parquet", "exposure.parquet"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder of its own, in which two quick runs are published."""
    monkeypatch.setattr(runs, "root", lambda: tmp_path)
    monkeypatch.setitem(RECIPES, "attention", ("sasrec", SASREC, TRAINING))
    monkeypatch.setitem(RECIPES, "list", ("popular", Popular.Config(), TRAINING))
    return tmp_path


@pytest.fixture
def trained(monkeypatch):
    """How often a model was trained."""
    seen, fit = [], runs.fit
    monkeypatch.setattr(runs, "fit", lambda *given: seen.append(1) or fit(*given))
    return seen


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- load or train -----------------------------------------------------------------------------


def test_a_run_is_trained_once_and_loaded_ever_after(project, trained):
    first = runs.run("simulated", "attention", seeds=(0, 1))
    assert len(trained) == 2
    folder = project / "book/results/simulated/attention"
    assert {path.name for path in folder.iterdir()} == {"s0", "s1"}
    assert {path.name for path in (folder / "s1").iterdir()} == PARTS
    second = runs.run("simulated", "attention", seeds=(0, 1))
    assert len(trained) == 2
    for protocol in ("masked", "unmasked"):
        assert first.ranks(protocol).shape == (2, 400)
        np.testing.assert_array_equal(first.ranks(protocol), second.ranks(protocol))
    assert (first.ranks("masked")[0] != first.ranks("masked")[1]).any()
    assert second.examples.columns.tolist() == ["user", "item", "history_length", "repeat"]


def test_a_record_says_what_the_model_file_confirms(project):
    run = runs.run("simulated", "attention").seeds[0]
    model, items = load_model(project / "build/models/simulated-attention-s0.pt")
    log, split = datasets.load("simulated")
    assert model.config == SASREC and items.tolist() == log.items.tolist()
    pd.testing.assert_frame_equal(ranks(model, log, split.test, 20), run.ranks)
    assert run.card["parameters"] == sum(weight.numel() for weight in model.parameters())
    assert run.card["data_digest"] == datasets.digest(log, split)
    assert run.card["summary"]["masked"]["HR@10"] == (run.ranks["rank_masked"] <= 10).mean()
    assert run.card["coverage@10"]["masked"] == (run.exposure["masked"] > 0).mean()
    assert run.history["epoch"].tolist() == [1, 2]
    assert run.history.columns.tolist() == [
        *("epoch", "loss", "valid_ndcg@10", "valid_hr@10", "seconds")
    ]
    assert run.spec["config"]["objective"] == {"class": "GBCE", "num_negatives": 3, "t": 0.75}
    assert list(project.glob("build/checkpoints/*")) == []


def test_a_model_that_counts_takes_seed_0_alone(project, trained):
    (run,) = runs.run("simulated", "list", seeds=(2, 3)).seeds
    assert run.folder.name == "s0" and len(trained) == 1
    assert run.history.empty and run.card["parameters"] == 0
    assert run.ranks["rank_unmasked"].nunique() > 3


def test_epochs_may_be_given(project):
    (run,) = runs.run("simulated", "attention", epochs=1).seeds
    assert len(run.history) == 1 and run.spec["training"]["epochs"] == 1


def test_a_file_is_a_data_set_and_its_stem_names_the_record(project, trained, tmp_path):
    path = tmp_path / "shop.csv"
    small_world(num_users=30).to_csv(path, index=False)
    (run,) = runs.run(str(path), "list").seeds
    assert run.folder == project / "book/results/shop/list/s0"
    (again,) = runs.run(str(path), "list").seeds
    assert again.folder == run.folder and len(trained) == 1


def test_another_results_folder_keeps_the_records_apart(project, trained):
    runs.run("simulated", "list", results="elsewhere")
    assert (project / "elsewhere/simulated/list/s0/card.json").exists()
    assert not (project / "book").exists()


def test_an_unpublished_name_is_refused_with_the_names_there_are(project):
    with pytest.raises(ValueError, match="'sasrek' is not published; use one of .*popular, "):
        runs.run("simulated", "sasrek")


# --- what differs ------------------------------------------------------------------------------


def test_a_stored_run_that_differs_from_the_one_asked_for_raises_naming_the_fields(
    project, monkeypatch, trained
):
    runs.run("simulated", "attention", epochs=1)
    config = dataclasses.replace(SASREC, num_heads=1, objective=GBCE(5))
    monkeypatch.setitem(RECIPES, "attention", ("sasrec", config, TRAINING))
    with pytest.raises(ValueError) as error:
        runs.run("simulated", "attention")
    assert str(error.value).split(" in ", 1)[1].split(";")[0] == (
        "config.num_heads (2 stored, 1 asked), "
        "config.objective.num_negatives (3 stored, 5 asked), "
        "training.epochs (1 stored, 2 asked)"
    )
    assert "retrain=True" in str(error.value) and len(trained) == 1


def test_another_objective_is_a_difference(project, monkeypatch):
    runs.run("simulated", "attention", epochs=1)
    config = dataclasses.replace(SASREC, objective=SASRec.Config().objective)
    monkeypatch.setitem(RECIPES, "attention", ("sasrec", config, TRAINING))
    with pytest.raises(ValueError, match=r"objective.class \('GBCE' stored, 'Softmax' asked\)"):
        runs.run("simulated", "attention", epochs=1)


def older(folder, *without):
    """As a record of before these settings existed."""
    spec = json.loads((folder / "spec.json").read_text())
    for *parts, name in without:
        inside = spec
        for part in parts:
            inside = inside[part]
        del inside[name]
    (folder / "spec.json").write_text(json.dumps(spec))


def test_a_setting_that_did_not_exist_counts_as_its_default(project, monkeypatch, trained):
    (run,) = runs.run("simulated", "attention", epochs=1).seeds
    older(
        run.folder,
        *(("pretrained",), ("training", "select"), ("training", "averaging")),
        *(("config", "temperature"), ("config", "objective", "t")),
    )
    runs.run("simulated", "attention", epochs=1)
    assert len(trained) == 1
    config = dataclasses.replace(SASREC, temperature=0.1, objective=GBCE(3, t=0.5))
    training = dataclasses.replace(TRAINING, select="unmasked")
    monkeypatch.setitem(RECIPES, "attention", ("sasrec", config, training))
    with pytest.raises(ValueError) as error:
        runs.run("simulated", "attention", epochs=1)
    assert str(error.value).split(" in ", 1)[1].split(";")[0] == (
        "config.objective.t (0.75 stored, 0.5 asked), "
        "config.temperature (None stored, 0.1 asked), "
        "training.select ('masked' stored, 'unmasked' asked)"
    )


def test_a_setting_that_no_longer_exists_is_a_difference(project):
    (run,) = runs.run("simulated", "attention", epochs=1).seeds
    spec = json.loads((run.folder / "spec.json").read_text())
    spec["training"]["momentum"] = 0.9
    (run.folder / "spec.json").write_text(json.dumps(spec))
    with pytest.raises(ValueError, match=r"in training.momentum \(0.9 stored, None asked\);"):
        runs.run("simulated", "attention", epochs=1)


def test_retraining_replaces_the_record_and_prints_the_change(project, trained, capsys):
    (old,) = runs.run("simulated", "attention", epochs=1).seeds
    assert "->" not in capsys.readouterr().out
    (new,) = runs.run("simulated", "attention", epochs=2, retrain=True).seeds
    assert len(trained) == 2 and len(new.history) == 2
    printed = capsys.readouterr().out.splitlines()
    for line, protocol in zip(printed, ("masked", "unmasked"), strict=True):
        before, now = (run.card["summary"][protocol]["NDCG@10"] for run in (old, new))
        assert line == f"attention s0 {protocol}: NDCG@10 {before:.4f} -> {now:.4f}"


def test_retraining_gives_the_same_ranks(project):
    (old,) = runs.run("simulated", "attention").seeds
    before = old.ranks
    (new,) = runs.run("simulated", "attention", retrain=True).seeds
    pd.testing.assert_frame_equal(new.ranks, before)
    assert before["rank_masked"].nunique() > 10


# --- from another run's vectors -----------------------------------------------------------------


@pytest.fixture
def pairs(project, monkeypatch):
    """A run that starts from the vectors of another, which learns from co-viewed pairs."""
    config = Item2Vec.Config(embed_dim=8)
    monkeypatch.setitem(TECD_RECIPES, "vectors", ("item2vec", config, TRAINING))
    monkeypatch.setitem(TECD_RECIPES, "start", ("sasrec", SASREC, TRAINING, "{}-pairs/vectors"))
    return project / "build/models/simulated-pairs-vectors-s0.pt"


def test_a_run_starts_from_the_vectors_of_another_trained_if_need_be(pairs, trained):
    log, split = datasets.load("simulated")
    (spec,) = runs.published("simulated", "start", [0])
    model = runs.untrained(spec, log, split, "cpu")
    assert len(trained) == 1 and not (pairs.parents[2] / "book").exists()
    source, items = load_model(pairs)
    np.testing.assert_array_equal(items, log.items)
    start = torch.nn.functional.normalize(model.items.weight[1:], dim=1).detach()
    torch.testing.assert_close(start, torch.from_numpy(source.vectors()[1:]))
    runs.untrained(spec, log, split, "cpu")
    assert len(trained) == 1


def test_vectors_of_other_settings_are_made_again(pairs, trained, monkeypatch):
    log, split = datasets.load("simulated")
    (spec,) = runs.published("simulated", "start", [0])
    runs.untrained(spec, log, split, "cpu")
    model, config, training = TECD_RECIPES["vectors"]
    shorter = (model, config, dataclasses.replace(training, epochs=1))
    monkeypatch.setitem(TECD_RECIPES, "vectors", shorter)
    runs.untrained(spec, log, split, "cpu")
    assert len(trained) == 2 and stored_spec(pairs)["training"]["epochs"] == 1


# --- whole or absent ---------------------------------------------------------------------------


@pytest.mark.parametrize("written", [0, 1, 2])  # tables on disk when it happens
def test_a_crash_while_writing_leaves_no_record(project, monkeypatch, written):
    tables, to_parquet = [], pd.DataFrame.to_parquet

    def fail(table, path, **how):
        if len(tables) == written:
            raise OSError("no space left")
        tables.append(to_parquet(table, path, **how))

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fail)
    with pytest.raises(OSError, match="no space left"):
        runs.run("simulated", "list")
    left = [path for path in (project / "book/results").rglob("*") if path.is_file()]
    assert all(path.name.startswith("examples-") for path in left) and len(left) == min(written, 1)


def test_a_crash_while_retraining_leaves_the_older_record(project, monkeypatch):
    (run,) = runs.run("simulated", "list").seeds
    before = bytes_of(run.folder)
    monkeypatch.setattr(store, "write_json", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        runs.run("simulated", "list", retrain=True)
    assert bytes_of(run.folder) == before and list(run.folder.parent.iterdir()) == [run.folder]


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_record_that_lacks_a_part_is_refused_by_name(project, part):
    (run,) = runs.run("simulated", "list").seeds
    (run.folder / part).unlink()
    with pytest.raises(FileNotFoundError, match=f"s0: {part} is missing; delete the folder"):
        runs.run("simulated", "list")


# --- by whom and when --------------------------------------------------------------------------


def test_the_card_names_the_commit_as_it_was_when_training_began(project, monkeypatch):
    code, fit = ["at the start"], runs.fit
    monkeypatch.setattr("seqrec_lib.records.provenance.commit", lambda: code[0])
    monkeypatch.setattr(runs, "fit", lambda *given: code.__setitem__(0, "edited") or fit(*given))
    (run,) = runs.run("simulated", "list").seeds
    assert code == ["edited"] and run.card["commit"] == "at the start"


# --- counters, measured and not recorded; recipes -----------------------------------------------


def test_a_counter_can_be_measured_on_a_log_at_hand(project, small_log, small_split):
    found = runs.measure("list", small_log, small_split)
    model = Popular(Catalogue.learned(small_log, small_split.train), Popular.Config())
    model.count(small_log, small_split.train)
    pd.testing.assert_frame_equal(found, ranks(model, small_log, small_split.test, 20))
    assert list(project.iterdir()) == []


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_written_and_read(name):
    model, config, training, *_ = recipe(name)
    spec = Spec("beauty", name, model, config, training)
    plain = json.loads(json.dumps(spec.as_dict()))
    assert runs._differences(plain, json.loads(json.dumps(spec.as_dict()))) == []
    kind = runs.MODELS[model]
    assert isinstance(config, kind.Config)
    assert isinstance(runs.initialised(spec, Catalogue(3, np.array([0, 1, 1, 1]))), kind)
