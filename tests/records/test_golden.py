"""Golden runs: what their worlds hold, what moves them, and which records go with them."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from seqrec_lib.data import datasets, splits
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.models import losses
from seqrec_lib.models.encoders import sasrec
from seqrec_lib.records import golden, golden_world, provenance
from seqrec_lib.records.recipes import (
    OMNI_RECIPES,
    RECIPES,
    STORE_RECIPES,
    TAIL_RECIPES,
    TECD_RECIPES,
    asked,
    published,
)
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.store import RESULTS, load
from seqrec_lib.training import evaluation, loop
from seqrec_lib.training.settings import Training

CARDS = sorted((provenance.root() / RESULTS).glob("*/*/s0/card.json"))
# a counter, and encoders with the softmax, another sampler, and a memory around them
FEW = ("amazon/popular", "amazon/sasrec", "amazon/sasrec-sampled", "amazon/sasrec-retrieval")


@pytest.fixture
def figures(tmp_path, monkeypatch):
    """Figures of golden runs as the code stands when asked."""

    def run(*names):
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        place.mkdir()
        (
            datasets._load.cache_clear(),
            datasets._digest.cache_clear(),
        )  # a split may have been changed
        with golden_world.world(place):
            return {name: golden.figures(name) for name in names}

    monkeypatch.setenv("TQDM_DISABLE", "1")
    yield run
    datasets._load.cache_clear(), datasets._digest.cache_clear()


def moved(found):
    return {name for name, one in found.items() if golden.moved(name, one)}


# --- the worlds ---------------------------------------------------------------------------------


def test_the_world_has_what_a_run_may_meet(tmp_path):
    with golden_world.world(tmp_path):
        log, split = datasets.load("golden")
        together, with_written = datasets.load("golden-regenerated")
    lengths = np.diff(log.offsets)
    assert lengths.min() < 10 and lengths.max() > Training().max_len + 2  # cut into windows
    user = log.user_of(np.arange(len(log)))
    again = (log.item[1:] == log.item[:-1]) & (user[1:] == user[:-1])
    at_once = (log.time[1:] == log.time[:-1]) & (user[1:] == user[:-1])
    assert again.sum() > 20 and at_once.sum() > 300 and not (again & at_once).any()
    trained = np.bincount(log.item[split.train], minlength=log.num_items + 1)
    assert (trained[log.item[split.test]] == 0).sum() >= golden_world.NUM_COLD
    assert len(split.train) > 3 * losses.Softmax().chunk  # of the one batch of the last two steps
    assert len(with_written.train) > len(split.train) and together.sources.max() < log.num_users


def test_every_recipe_has_a_golden_run_and_no_other_is_kept():
    names = golden.known()
    shelves = (RECIPES, TECD_RECIPES, STORE_RECIPES, OMNI_RECIPES, TAIL_RECIPES)
    every = {name for shelf in shelves for name in shelf}
    assert {name.split("/")[1] for name in names} == every
    assert all(provenance.golden_file(name).exists() for name in names)
    committed = {path.relative_to(golden.golden_file("x").parent) for path in
                 golden.golden_file("x").parent.glob("*/*.json")}  # fmt: skip
    assert {str(path.with_suffix("")) for path in committed} == set(names)


@pytest.mark.parametrize("shelf", sorted({card.parents[2] for card in CARDS}), ids=lambda p: p.name)
def test_every_record_names_the_golden_run_of_its_recipe(shelf):
    dataset = Dataset.parse(shelf.name)
    if not (dataset.about.studied or datasets.at_hand(dataset)):
        pytest.skip("its files are not here: whether people repeat themselves decides a recipe")
    for card in (card for card in CARDS if card.parents[2] == shelf):
        record = load(card.parent)
        spec = asked(record.spec)
        name = provenance.golden_of(spec)
        assert name in golden.known() and name.split("/")[1] == record.spec["name"]
        assert record.card["golden"] == provenance.golden(spec), card


def test_patience_strikes_and_the_best_epoch_is_not_always_the_last():
    kept = [json.loads(provenance.golden_file(n).read_text())["figures"] for n in golden.known()]
    learned = [one["valid_ndcg@10"] for one in kept if one["loss"]]
    assert sum(len(scores) < golden.EPOCHS for scores in learned) > 10
    assert sum(scores[-1] < max(scores) for scores in learned) > 10
    assert sum(len(scores) == golden.EPOCHS for scores in learned) > 10


# --- what moves them ----------------------------------------------------------------------------


def test_today_gives_the_committed_figures_whatever_is_logged(figures, monkeypatch):
    monkeypatch.setattr(loop.logger, "info", lambda *words: str(words))
    monkeypatch.setattr(loop._Run, "finish_epoch", annotated(loop._Run.finish_epoch))
    assert moved(figures(*FEW)) == set()


def annotated(function):
    """The same code with another line and other types."""

    def finish_epoch(self) -> dict[str, float]:
        return function(self)

    return finish_epoch


def higher_rate(patch):
    model, config, training = RECIPES["sasrec-sampled"]
    training = dataclasses.replace(training, learning_rate=1.01 * training.learning_rate)
    patch.setitem(RECIPES, "sasrec-sampled", (model, config, training))


def no_mask(patch):
    real = torch.nn.functional.scaled_dot_product_attention

    def looking_ahead(query, key, value, is_causal):
        return real(query, key, value, is_causal=False)

    patch.setattr(sasrec.F, "scaled_dot_product_attention", looking_ahead)


def other_sampler(patch):
    real = losses.sampled_items
    patch.setattr(
        losses, "sampled_items", lambda count, alpha, frequency: real(count, 0.1, frequency)
    )


def other_split(patch):
    whole = splits.leave_last_out

    def without_a_user(log):
        split = whole(log)
        return dataclasses.replace(split, train=split.train[log.user_of(split.train) > 0])

    patch.setattr(splits, "leave_last_out", without_a_user)


def ties_rounded_down(patch):
    real = evaluation.ranks_and_exposure

    def kinder(*given):
        table, shown = real(*given)
        return table.assign(rank_masked=(table["rank_masked"] - 1).clip(lower=1)), shown

    patch.setattr("seqrec_lib.records.runs.ranks_and_exposure", kinder)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (higher_rate, {"amazon/sasrec-sampled"}),
        (other_sampler, {"amazon/sasrec-sampled"}),
        (no_mask, set(FEW) - {"amazon/popular"}),
        (other_split, set(FEW)),
        (ties_rounded_down, set(FEW)),
    ],
)
def test_a_change_moves_the_golden_runs_that_it_touches_and_no_other(
    figures, monkeypatch, change, expected
):
    change(monkeypatch)
    assert moved(figures(*FEW)) == expected


def test_another_epoch_count_is_a_difference_of_settings_not_of_golden_runs():
    (spec,) = published("beauty", "sasrec", [0])
    longer = dataclasses.replace(spec, training=dataclasses.replace(spec.training, epochs=41))
    assert provenance.golden(spec) == provenance.golden(longer) is not None


# --- which one stands for a run -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "name", "expected"),
    [
        ("beauty", "sasrec", "amazon/sasrec"),
        ("shop.csv", "sasrec", "amazon/sasrec"),
        ("toys-regenerated", "sasrec", "regenerated/sasrec"),
        ("toys-regenerated-distinct", "gru", "amazon/gru"),  # none of its own
        ("beauty-with-validation", "sasrec-banked", "with-validation/sasrec-banked"),
        ("tecd-sim", "sasrec", "tecd/sasrec"),
        ("movielens_small-tail-shuffled", "din", "tail/din"),
        ("movielens_small-tail", "markov", "amazon/markov"),  # none of its own
        ("movielens_small", "din", "amazon/din"),
        ("shop.csv?split=tail", "din", "amazon/din"),
        ("tecd-sim-pairs-leaking", "item2vec", "pairs/item2vec"),
        ("beauty", "nothing", None),
    ],
)
def test_the_golden_run_of_a_run(dataset, name, expected):
    spec = Spec(dataset, name, "sasrec", sasrec.SASRec.Config(), Training())
    assert provenance.golden_of(spec) == expected
    assert (provenance.golden(spec) is None) == (expected is None)


# --- distances and tolerances -------------------------------------------------------------------


def test_distances_are_relative_for_losses_and_logarithmic_for_ranks():
    one = {"loss": [2.0, 1.0], "rank_masked": [1, 4], "shown_masked": [3, 1]}
    other = {"loss": [2.0, 1.01], "rank_masked": [2, 4], "shown_masked": [2, 2]}
    found = golden.distances(one, other)
    assert found["loss 1"] == 0 and found["loss 2"] == pytest.approx(0.01)
    assert found["rank_masked"] == 0.5 and found["shown_masked"] == 0.25
    assert golden.distances(one, other | {"loss": [2.0]})["loss"] == np.inf
    assert golden.distances(one, {})["rank_masked"] == np.inf


def test_a_figure_may_move_by_its_floor_or_ten_times_its_noise():
    found = golden.tolerances({"loss 1": 0.0, "loss 2": 1e-5, "loss_bf16 1": 0.0, "rank_masked": 0})
    assert found == {"loss 1": 2e-6, "loss 2": 1e-4, "loss_bf16 1": 1e-4, "rank_masked": 0.02}


def test_makes_that_part_in_the_number_of_epochs_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "golden_file", lambda name: tmp_path / f"{name}.json")
    makes = iter([{"a/x": {"loss": [2.0, 1.0]}}, *[{"a/x": {"loss": [2.0, 1.0]}}] * 3,
                  {"a/x": {"loss": [2.0]}}])  # fmt: skip
    monkeypatch.setattr(golden, "run_all", lambda names, make=None: next(makes))
    with pytest.raises(ValueError, match=r"a/x: makes of processors part .*LONGEST"):
        golden.write(["a/x"])
    both = {"a/x": {"loss": [2.0, 1.0]}, "a/y": {"loss": [1.0]}}
    makes = iter([both, *[both] * 3, both | {"a/x": {"loss": [2.0]}}])
    with pytest.raises(ValueError, match=r"^a/x: makes of processors part"):
        golden.write(["a/x", "a/y"])
    assert [path.stem for path in tmp_path.glob("a/*")] == ["y"]  # what took long is kept


def test_noise_is_the_most_that_another_make_of_processor_moves_a_figure(tmp_path, monkeypatch):
    """One alone may move what all of them together leave where it was."""
    monkeypatch.setattr(golden, "golden_file", lambda name: tmp_path / f"{name}.json")

    def run_all(names, make=None):
        moves = {"": 0.0, "MKL_CBWR": 0.25}.get(",".join(make or {}), 0.0)
        return {name: {"loss": [1.0 + moves, 2.0]} for name in names}

    monkeypatch.setattr(golden, "run_all", run_all)
    assert golden.write(["a/x"]) == ["a/x"]
    assert json.loads((tmp_path / "a/x.json").read_text())["noise"] == {"loss 1": 0.25, "loss 2": 0}


def test_a_figure_that_is_not_a_number_has_moved(tmp_path, monkeypatch):
    path = tmp_path / "amazon/x.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"figures": {"loss": [1.0]}, "noise": {"loss 1": 0.0}}))
    monkeypatch.setattr(golden, "golden_file", lambda name: tmp_path / f"{name}.json")
    assert golden.moved("amazon/x", {"loss": [1.0]}) == []
    assert golden.moved("amazon/x", {"loss": [1.0 + 1e-6]}) == []
    for other in ([1.0 + 1e-5], [float("nan")], [1.0, 1.0]):
        assert len(golden.moved("amazon/x", {"loss": other})) == 1
    assert golden.moved("amazon/y", {}) == ["there is none: make golden"]


def test_only_golden_runs_that_moved_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "golden_file", lambda name: tmp_path / f"{name}.json")
    given = {"a/x": {"loss": [1.0]}, "a/y": {"loss": [2.0]}}
    monkeypatch.setattr(golden, "run_all", lambda names, make=None: {n: given[n] for n in names})
    assert golden.write(["a/x", "a/y"]) == ["a/x", "a/y"]
    before = (tmp_path / "a/x.json").read_bytes()
    given["a/x"], given["a/y"] = {"loss": [1.0 + 1e-7]}, {"loss": [2.1]}
    assert golden.write(["a/x", "a/y"]) == ["a/y"]
    assert (tmp_path / "a/x.json").read_bytes() == before
    assert json.loads((tmp_path / "a/y.json").read_text())["figures"] == {"loss": [2.1]}


def test_a_recipe_is_cut_in_length_alone():
    for known in (RECIPES, TECD_RECIPES, STORE_RECIPES, OMNI_RECIPES):
        for name, recipe in known.items():
            model, config, training, *start = golden.small(recipe, 3, 0, "fp32")
            whole = recipe[2]
            assert (model, start) == (recipe[0], list(recipe[3:]))
            changed = {"epochs", "batch_size", "precision", "patience"}
            for field in dataclasses.fields(training):
                if field.name not in changed:
                    assert getattr(training, field.name) == getattr(whole, field.name), name
            # but for warming up and draws, and for how many of equal patterns are neighbours
            cut = {"warm_up", "drawn"}
            if getattr(config, "memory", "") == "patterns":
                cut |= {"neighbours"}
            for field in dataclasses.fields(config):
                if field.name not in cut:
                    assert getattr(config, field.name) == getattr(recipe[1], field.name), name
            assert known[name] is recipe  # as it was
