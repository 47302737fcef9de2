import dataclasses
import functools
import json
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import SafetensorError

from seqrec_lib.data import datasets
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.hybrid.history import FEATURES
from seqrec_lib.data.simulator import small_world
from seqrec_lib.data.sources import SOURCES, Source
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.item2vec import Item2Vec
from seqrec_lib.models.encoders.pinnerformer import PinnerFormer
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import GBCE, SampledSoftmax
from seqrec_lib.models.rankers.transact import TransAct
from seqrec_lib.models.rankers.twin import TWIN
from seqrec_lib.records import provenance, runs, standing, store
from seqrec_lib.records.model_file import load_model, save_model, stored_about, stored_spec
from seqrec_lib.records.recipes import RECIPES, TECD_RECIPES, published, recipe, sources_of
from seqrec_lib.records.spec import Spec
from seqrec_lib.training.evaluation import exposure, ranks
from seqrec_lib.training.settings import Training

SASREC = SASRec.Config(8, 16, 1, max_len=20, objective=GBCE(3))
TRAINING = Training(epochs=2, batch_size=128, max_len=20, precision="fp32")
PARTS = {"spec.json", "card.json", "history.csv", "ranks.parquet", "exposure.parquet"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder of its own, in which two quick runs are published."""
    for module in (runs, standing, provenance):
        monkeypatch.setattr(module, "root", lambda: tmp_path)
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
    folder = project / "build/results/simulated/attention"
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
    run = runs.run("simulated", "attention", results=store.RESULTS).seeds[0]
    model, items = load_model(project / "build/models/simulated-attention-s0.safetensors")
    log, split = datasets.load("simulated")
    assert model.config == SASREC and items.tolist() == log.items.tolist()
    pd.testing.assert_frame_equal(ranks(model, log, split.test, 20), run.ranks)
    pd.testing.assert_frame_equal(exposure(model, log, split.test, length=20), run.exposure)
    assert log.history_length(split.test).max() > 20
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


def test_a_model_file_says_by_which_features_its_log_is_served(project, tmp_path):
    path = tmp_path / "shop.parquet"
    table = pa.Table.from_pandas(small_world(num_users=30), preserve_index=False)
    pq.write_table(table.replace_schema_metadata({FEATURES: "ab12"}), path)
    (run,) = runs.run(str(path), "list").seeds
    assert stored_about(runs.model_file(run.folder))["features"] == "ab12"


def test_epochs_may_be_given(project):
    (run,) = runs.run("simulated", "attention", epochs=1).seeds
    assert len(run.history) == 1 and run.spec["training"]["epochs"] == 1


def test_passes_are_nothing_to_a_model_that_counts(project):
    (whole,), (short,) = (published("simulated", "markov", [0], epochs) for epochs in (None, 1))
    assert whole == short


def test_a_file_is_a_data_set_and_its_stem_and_digest_name_the_record(project, trained, tmp_path):
    path = tmp_path / "shop.csv"
    small_world(num_users=30).to_csv(path, index=False)
    (run,) = runs.run(str(path), "list").seeds
    digest = datasets.digest_of(str(path))
    assert run.folder == project / f"build/results/shop-{digest[:8]}/list/s0"
    assert run.card["data_digest"] == digest and run.spec["dataset"] == str(path)
    (again,) = runs.run(str(path), "list").seeds
    assert again.folder == run.folder and len(trained) == 1


def test_another_results_folder_keeps_the_records_apart(project, trained):
    runs.run("simulated", "list", results="elsewhere")
    assert (project / "elsewhere/simulated/list/s0/card.json").exists()
    assert not (project / "book").exists()


def test_an_unpublished_name_is_refused_with_the_names_there_are(project):
    with pytest.raises(ValueError, match="'sasrek' is not published; use one of .*popular, "):
        runs.run("simulated", "sasrek")


def test_nothing_is_trained_into_committed_records_unless_they_are_named(project, trained):
    runs.run("simulated", "attention", seeds=(0,), epochs=1, results=store.RESULTS)
    committed = project / "book/results/simulated/attention"
    before = bytes_of(committed / "s0")
    (one, other) = runs.run("simulated", "attention", seeds=(0, 1), epochs=1).seeds
    assert one.folder == committed / "s0" and len(trained) == 2  # read, and only the other made
    assert other.folder == project / "build/results/simulated/attention/s1"
    (anew,) = runs.run("simulated", "attention", epochs=1, retrain=True).seeds
    assert anew.folder == project / "build/results/simulated/attention/s0"
    (trial,) = runs.run("simulated", "attention", epochs=2, retrain=True).seeds
    assert trial.folder == anew.folder and len(trained) == 4
    assert bytes_of(committed / "s0") == before and len(list(committed.iterdir())) == 1
    (mine,) = runs.run("simulated", "attention", epochs=1, results="mine", retrain=True).seeds
    (again,) = runs.run("simulated", "attention", epochs=1, results="mine").seeds
    assert mine.folder == again.folder == project / "mine/simulated/attention/s0"


def test_a_committed_record_whose_recipe_has_changed_is_told_and_not_trained_around(
    project, monkeypatch, trained
):
    runs.run("simulated", "attention", results=store.RESULTS)
    training = dataclasses.replace(TRAINING, epochs=3)
    monkeypatch.setitem(RECIPES, "attention", ("sasrec", SASREC, training))
    words = r"training.epochs \(2 stored, 3 asked\); pass retrain=True and results='book/results'"
    with pytest.raises(ValueError, match=words):
        runs.run("simulated", "attention")
    assert len(trained) == 1


def test_a_device_that_is_not_there_is_refused_before_data_are_loaded(project, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda _: pytest.fail("loaded"))
    with pytest.raises(ValueError, match="device is 'tpu'; this machine has"):
        runs.run("simulated", "list", device="tpu")


def test_a_folder_that_cannot_be_written_is_told_before_training(project, trained):
    (project / "mine").write_text("a file where a folder is needed")
    with pytest.raises(OSError, match="mine.* cannot be written .*choose another results folder"):
        runs.run("simulated", "attention", results="mine")
    assert not trained


# --- chance and leaks, on the way of a record --------------------------------------------------


def test_the_seed_alone_decides_the_first_weights(project):
    data, first = datasets.load("simulated"), []
    for seed in (0, 1, 0):
        (spec,) = published("simulated", "attention", [seed])
        torch.rand(7)  # whatever was drawn before
        first.append(runs.started(spec, *data).state_dict())
    assert all(first[0][part].equal(first[2][part]) for part in first[0])
    assert not first[0]["items.weight"].equal(first[1]["items.weight"])


# one a way to learn from times: as they are read, as what is hidden, as what lies ahead
TIMED = {
    "twin": ("twin", TWIN.Config(8, 2, cross=("gap",)), TRAINING),
    "transact": ("transact", TransAct.Config(8), TRAINING),
    "pinnerformer": ("pinnerformer", PinnerFormer.Config(8, 16, 1, max_len=20), TRAINING),
}


@pytest.mark.parametrize("name", TIMED)
def test_who_learns_from_times_is_not_given_places_for_them(project, monkeypatch, name):
    monkeypatch.setitem(RECIPES, name, TIMED[name])
    path = project / "shop.csv"
    rows = [f"u{n // 10:02d},i{n % 7},{n % 10}" for n in range(300)]
    path.write_text("\n".join(["user,item,time", *rows]))
    (spec,) = published(str(path), name, [0])
    with pytest.raises(ValueError, match=rf"{name} learns from when .* \(the last is 9\)"):
        runs.started(spec, *datasets.load(str(path)))
    untimed = {"twin": {"cross": ()}, "transact": {"window_s": 0.0}}
    if name in untimed:
        spec = dataclasses.replace(spec, config=dataclasses.replace(spec.config, **untimed[name]))
        runs.started(spec, *datasets.load(str(path)))
    path.write_text("\n".join(["user,item,time", *(f"{row}00000" for row in rows)]))
    (spec,) = published(str(path), name, [0])
    runs.started(spec, *datasets.load(str(path)))


def test_held_out_events_change_nothing_that_a_run_learns(
    project, monkeypatch, small_log, small_split, with_other_items
):
    """Negatives go by frequency, which must be that of the training positions."""
    config = dataclasses.replace(SASREC, objective=SampledSoftmax(8, alpha=0.5))
    monkeypatch.setitem(RECIPES, "attention", ("sasrec", config, TRAINING))
    other = with_other_items(small_log, np.r_[small_split.valid, small_split.test])
    weights = []
    for results, log in (("one", small_log), ("other", other)):
        monkeypatch.setattr(datasets, "load", lambda _, log=log: (log, small_split))
        # of one epoch: which one is the best is for validation to say
        (run,) = runs.run("simulated", "attention", epochs=1, results=results).seeds
        weights.append(load_model(runs.model_file(run.folder))[0].state_dict())
    assert all(weights[0][part].equal(weights[1][part]) for part in weights[0])


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
    monkeypatch.setitem(TECD_RECIPES, "start", ("sasrec", SASREC, TRAINING, "{pairs}/vectors"))
    return project / "build/models/simulated-pairs-vectors-s0.safetensors"


def test_a_run_starts_from_the_vectors_of_another_trained_if_need_be(pairs, trained):
    (run,) = runs.run("simulated", "start").seeds
    assert len(trained) == 2 and not pairs.exists()
    assert not (pairs.parents[2] / "book/results/simulated-pairs").exists()  # nobody asked for it
    aside = pairs.parents[1] / "results/models" / pairs.name
    source, items = load_model(aside)
    log, split = datasets.load("simulated")
    np.testing.assert_array_equal(items, log.items)
    (spec,) = published("simulated", "start", [0])
    (of,) = runs.sources_of(spec)
    model = runs.started(spec, log, split, {str(of): runs.trained_model(of)})
    start = torch.nn.functional.normalize(model.items.weight[1:], dim=1).detach()
    torch.testing.assert_close(start, torch.from_numpy(source.vectors()[1:]))
    record = runs.trained_model(of).record
    runs.run("simulated", "start")
    assert len(trained) == 2  # neither the source nor the run again
    assert run.card["starts_from"] == {str(of): store.ranks_digest(record.ranks)}


def test_a_source_whose_items_are_numbered_otherwise_is_refused(pairs):
    (spec,) = published("simulated", "start", [0])
    (of,) = runs.sources_of(spec)
    source = runs.trained_model(of)
    other = dataclasses.replace(source, items=source.items[::-1])
    with pytest.raises(ValueError, match="s0: its items are not those of simulated/start/s0"):
        runs.started(spec, *datasets.load("simulated"), {str(of): other})


def test_a_run_starts_from_the_source_of_its_own_seed_but_of_pairs_from_seed_0():
    for dataset, name, source in (
        ("beauty", "sasrec-retrieval", "beauty/sasrec/s2"),
        ("tecd-marketplace", "sasrec-pretrained", "tecd-marketplace-pairs/item2vec/s0"),
    ):
        (spec,) = published(dataset, name, [2])
        assert [str(one) for one in runs.sources_of(spec)] == [source]


def test_a_run_costs_its_own_seconds_and_in_total_those_of_what_it_starts_from(pairs, project):
    (source,) = runs.run("simulated-pairs", "vectors").seeds
    (run,) = runs.run("simulated", "start").seeds
    own, total = run.card["own_seconds"], run.card["total_seconds"]
    assert source.card["total_seconds"] == source.card["own_seconds"] > 0
    assert total == pytest.approx(own + source.card["total_seconds"], abs=0.11) and total > own
    assert own == pytest.approx(run.history["seconds"].iloc[-1], abs=0.06)


def test_a_run_starts_from_the_recipe_of_its_source_not_from_a_shorter_trial(pairs, trained):
    runs.run("simulated-pairs", "vectors", epochs=1, results="trial")
    with pytest.raises(ValueError, match="vectors/s0 was trained with other settings.*--results"):
        runs.run("simulated", "start", results="trial")
    assert len(trained) == 1


def test_a_trial_starts_from_a_trial_and_writes_nowhere_else(pairs, trained, project):
    (run,) = runs.run("simulated", "start", epochs=1, results="trial").seeds
    assert len(trained) == 2
    (source,) = runs.run("simulated-pairs", "vectors", epochs=1, results="trial").seeds
    assert len(trained) == 2 and len(source.history) == 1  # it is the one that was started from
    assert run.card["starts_from"] == {
        "simulated-pairs/vectors/s0": store.ranks_digest(source.ranks)
    }
    runs.run("simulated", "start", epochs=1, results="trial")
    assert len(trained) == 2 and not list((project / "build").glob("results/*"))
    # as many epochs as the recipe has are no trial
    (spec,) = published("simulated", "start", [0], TRAINING.epochs)
    assert spec == published("simulated", "start", [0])[0]


def test_a_run_does_not_stand_on_a_starting_run_made_anew(pairs, trained):
    runs.run("simulated-pairs", "vectors", results=store.RESULTS)
    runs.run("simulated", "start", results=store.RESULTS)
    runs.run(
        "simulated-pairs", "vectors", retrain=True, results=store.RESULTS
    )  # the same ranks: the same run
    runs.run("simulated", "start", results=store.RESULTS)
    card = pairs.parents[2] / "book/results/simulated-pairs/vectors/s0"
    table = store.load(card).ranks
    table["rank_masked"] = 1
    store.write_table(table, card / "ranks.parquet")
    words = r"the run it starts from \(simulated-pairs/vectors/s0\); pass retrain=True"
    with pytest.raises(ValueError, match=words):
        runs.run("simulated", "start", results=store.RESULTS)


def test_weights_that_are_not_those_of_the_record_are_made_again_aside(pairs, trained, project):
    (spec,) = published("simulated-pairs", "vectors", [0])
    runs.run("simulated-pairs", "vectors", results=store.RESULTS)
    record = runs.trained_model(spec).record
    before, (model, items) = bytes_of(record.folder), load_model(pairs)
    save_model(model, stored_spec(pairs), items, pairs, {"ranks": "another training's"})
    for _ in range(2):
        again = runs.trained_model(spec)
        assert again.record.folder == record.folder and bytes_of(record.folder) == before
        assert len(trained) == 2  # the second time its weights lay there
        pairs.unlink(missing_ok=True)
    assert (project / "build/results/simulated-pairs/vectors/s0/card.json").exists()


def test_what_is_announced_is_what_will_be_trained(pairs, trained, project):
    """A file of weights may be of another training, and what was made again may stand no more."""
    (spec,), (of,) = (
        published(f"simulated{x}", n, [0]) for x, n in (("", "start"), ("-pairs", "vectors"))
    )

    def announced():
        return [str(one) for one in runs.to_train([spec], False, "trial")]

    both = [str(of), str(spec)]
    assert announced() == both
    runs.run("simulated-pairs", "vectors", results=store.RESULTS)
    assert announced() == [str(spec)]
    model, items = load_model(pairs)
    save_model(model, stored_spec(pairs), items, pairs, {"ranks": "another training's"})
    assert announced() == both
    runs.trained_model(of)
    assert announced() == [str(spec)]
    again = project / "build/results/simulated-pairs/vectors/s0/spec.json"
    again.write_text(again.read_text().replace('"batch_size": 128', '"batch_size": 64'))
    assert announced() == both and len(trained) == 2


def test_weights_made_again_that_are_another_run_are_refused(pairs, monkeypatch):
    (spec,) = published("simulated-pairs", "vectors", [0])
    runs.run("simulated-pairs", "vectors", results=store.RESULTS)
    record = runs.trained_model(spec).record
    pairs.unlink()
    card = json.loads((record.folder / "card.json").read_text())
    card["summary"]["masked"]["NDCG@10"] += 0.1
    (record.folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="made again it is another run"):
        runs.trained_model(spec)


def test_a_record_is_remade_aside_and_compared(project):
    (run,) = runs.run("simulated", "attention", results=store.RESULTS).seeds
    before = bytes_of(run.folder)
    table = runs.remake("book/results/simulated/attention/s0")
    assert table["same"].all() and (table["old"] == table["new"]).all() and len(table) == 4
    assert bytes_of(run.folder) == before
    card = json.loads((run.folder / "card.json").read_text())
    card["summary"]["unmasked"]["HR@10"] += 0.1
    (run.folder / "card.json").write_text(json.dumps(card))
    assert not runs.remake("book/results/simulated/attention/s0")["same"].all()


# --- of other data, other code, other folders ---------------------------------------------------


def test_a_source_that_was_corrected_is_other_data(project, monkeypatch, trained):
    runs.run("simulated", "list")
    world = small_world(num_users=30)
    monkeypatch.setitem(SOURCES, "simulated", Source(lambda: world, studied=True))
    datasets._load.cache_clear(), datasets._digest.cache_clear()
    try:
        words = r"in data \(digest \w{8} stored, \w{8} today\); pass retrain=True"
        with pytest.raises(ValueError, match=words):
            runs.run("simulated", "list")
        runs.run("simulated", "list", retrain=True)
        runs.run("simulated", "list")
        assert len(trained) == 2
    finally:
        datasets._load.cache_clear(), datasets._digest.cache_clear()


def test_a_file_that_was_corrected_shares_nothing_with_what_it_was(project, tmp_path):
    path, world = tmp_path / "shop.csv", small_world(num_users=30)
    world.to_csv(path, index=False)
    (before,) = runs.run(str(path), "attention", epochs=1).seeds
    # within each user, so that their lengths stay
    turned = world.iloc[::-1].groupby("user")["item"].agg(list).explode().to_numpy()
    world.assign(item=turned).to_csv(path, index=False)
    (after,) = runs.run(str(path), "attention", epochs=1).seeds
    assert before.folder.parents[1].name != after.folder.parents[1].name
    assert after.card["data_digest"] != before.card["data_digest"]
    assert len(list(project.glob("build/results/models/shop-*-attention-s0.safetensors"))) == 2
    world.to_csv(path, index=False)
    assert runs.run(str(path), "attention", epochs=1).seeds[0].folder == before.folder


def test_two_files_of_one_name_share_nothing_and_one_file_in_two_places_all(
    project, tmp_path, trained
):
    found = []
    for folder, users in (("a", 30), ("b", 31), ("c", 30)):
        (tmp_path / folder).mkdir()
        small_world(num_users=users).to_csv(tmp_path / folder / "shop.csv", index=False)
        found += runs.run(str(tmp_path / folder / "shop.csv"), "list").seeds
    assert found[0].folder != found[1].folder and found[0].folder == found[2].folder
    assert len(trained) == 2
    assert list(standing.stale()) == []


def test_a_run_on_a_file_starts_from_runs_on_that_file(tmp_path):
    path = tmp_path / "a,b?.csv"
    small_world(num_users=30).rename(columns={"user": "who, that"}).to_csv(path, index=False)
    dataset = f"{path}?columns=user:who%2C that&most=20"
    (spec,) = published(dataset, "sasrec-markov", [0])
    shelf = datasets.folder(dataset)
    assert spec.pretrained == f"{shelf}/sasrec,{shelf}/markov-1"
    assert [str(one) for one in sources_of(spec)] == [f"{shelf}/sasrec/s0", f"{shelf}/markov-1/s0"]
    assert [one.dataset for one in sources_of(spec)] == [str(Dataset.parse(dataset))] * 2


def test_a_golden_run_that_moved_takes_the_record_with_it(project):
    golden = project / "book/golden/amazon/attention.json"
    golden.parent.mkdir(parents=True)
    golden.write_text(json.dumps({"figures": {"loss": [2.0, 1.0]}, "noise": {"loss 1": 0.0}}))
    runs.run("simulated", "attention")
    golden.write_text(json.dumps({"figures": {"loss": [2.0, 1.0]}, "noise": {"loss 1": 0.1}}))
    runs.run("simulated", "attention")  # a tolerance is no figure
    golden.write_text(json.dumps({"figures": {"loss": [2.0, 1.1]}, "noise": {"loss 1": 0.0}}))
    with pytest.raises(ValueError, match=r"in golden run \(amazon/attention\); pass retrain"):
        runs.run("simulated", "attention")


def test_model_files_of_two_results_folders_are_two(project):
    runs.run("simulated", "attention", results=store.RESULTS)
    kept = (project / "build/models/simulated-attention-s0.safetensors").read_bytes()
    runs.run("simulated", "attention", epochs=1, results="elsewhere")
    own = project / "elsewhere/models/simulated-attention-s0.safetensors"
    assert stored_spec(own)["training"]["epochs"] == 1
    assert (project / "build/models/simulated-attention-s0.safetensors").read_bytes() == kept


def test_a_checkpoint_of_other_data_is_not_gone_on_from(project, monkeypatch):
    seen, fit = [], runs.fit
    monkeypatch.setattr(runs, "fit", lambda *given: seen.append(given[-1]) or fit(*given))
    for users in (30, 31):  # under one name, and so in one folder
        world = small_world(num_users=users)
        source = dataclasses.replace(SOURCES["simulated"], read=lambda world=world: world)
        monkeypatch.setitem(SOURCES, "simulated", source)
        for name in ("_load", "_digest"):
            kept = getattr(datasets, name).__wrapped__
            monkeypatch.setattr(datasets, name, functools.cache(kept))
        runs.run("simulated", "attention", epochs=1, retrain=True)
    runs.run("simulated", "attention", epochs=1, retrain=True, results="elsewhere")
    assert len(set(seen)) == 3  # a file for each


def test_of_two_processes_the_second_finds_the_record_of_the_first(project, trained, monkeypatch):
    made = runs._made

    first = threading.Thread(target=runs.run, args=("simulated", "list"))
    waiting = threading.Event()
    monkeypatch.setattr(runs, "_made", lambda *given: (waiting.wait(10), made(*given))[1])
    first.start()
    second = threading.Thread(target=runs.run, args=("simulated", "list"))
    second.start()
    waiting.set()
    first.join(), second.join()
    assert len(trained) == 1


# --- whole or absent ---------------------------------------------------------------------------


@pytest.mark.parametrize("written", [0, 1, 2])  # tables on disk when it happens
def test_a_crash_while_writing_leaves_no_record(project, monkeypatch, written):
    tables, write_table = [], store.write_table

    def fail(table, path):
        if len(tables) == written:
            raise OSError("no space left")
        tables.append(write_table(table, path))

    monkeypatch.setattr(store, "write_table", fail)
    with pytest.raises(OSError, match="no space left"):
        runs.run("simulated", "list", results=store.RESULTS)
    left = [path for path in (project / "book/results").rglob("*") if path.is_file()]
    assert all(path.name.startswith("examples-") for path in left) and len(left) == min(written, 1)


def test_a_crash_while_retraining_leaves_the_older_record(project, monkeypatch):
    (run,) = runs.run("simulated", "list").seeds
    before = bytes_of(run.folder)
    monkeypatch.setattr(store, "write_json", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        runs.run("simulated", "list", retrain=True)
    assert bytes_of(run.folder) == before and list(run.folder.parent.iterdir()) == [run.folder]


def test_a_full_disk_ends_in_a_sentence_and_with_room_again_the_run_ends_well(project, monkeypatch):
    def full(*_):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patch:
        patch.setattr("seqrec_lib.records.model_file.save_file", full)
        with pytest.raises(OSError, match="is full: simulated-attention-s0.safetensors was not"):
            runs.run("simulated", "attention")
    (left,) = [
        path
        for path in (project / "build").rglob("*.*")
        if path.is_file() and path.suffix != ".lock"
    ]
    assert left.parent.name == "checkpoints"
    monkeypatch.setattr(SASRec, "training_batches", lambda *_: pytest.fail("trained again"))
    (run,) = runs.run("simulated", "attention").seeds
    assert runs.model_file(run.folder).exists() and not left.exists()


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
    assert standing._settings(plain, json.loads(json.dumps(spec.as_dict()))) == []
    kind = runs.MODELS[model]
    assert isinstance(config, kind.Config)
    assert isinstance(runs.initialised(spec, Catalogue(3, np.array([0, 1, 1, 1]))), kind)
