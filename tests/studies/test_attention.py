"""What SASRec attends to, on a small world; and the committed records of it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data import datasets
from seqrec_lib.data.files import root
from seqrec_lib.metrics.entropy import normalised_entropy
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.records import provenance, runs, standing
from seqrec_lib.records.recipes import RECIPES
from seqrec_lib.records.store import RESULTS, load
from seqrec_lib.studies import attention as module
from seqrec_lib.studies.attention import attention, looked_at, measured, permuted, uniform
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.settings import Training

CONFIG = SASRec.Config(8, 16, 2, 2, max_len=20, dropout=0.0)
RECORDS = sorted((root() / "book/attention").glob("*/*/card.json"))


@pytest.fixture(scope="module")
def model(small_catalogue):
    """Large random weights, so that attention is uneven."""
    torch.manual_seed(0)
    model = SASRec(small_catalogue, CONFIG).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.5)
    return model


@pytest.fixture
def weights():
    torch.manual_seed(1)
    ahead = torch.ones(6, 6, dtype=torch.bool).triu(1)
    return torch.randn(4, 2, 6, 6).masked_fill(ahead, -torch.inf).softmax(-1)


def test_uniform_attention_is_a_plain_mean_of_the_past(weights):
    found = uniform(weights)
    expected = torch.tensor([[1 / (t + 1) if s <= t else 0.0 for s in range(6)] for t in range(6)])
    torch.testing.assert_close(found, expected.expand(4, 2, 6, 6))


def test_permuted_attention_deals_the_same_weights_to_other_steps_of_the_past(weights):
    found = permuted(weights, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.sort(-1).values, weights.sort(-1).values, rtol=0, atol=0)
    assert found.triu(1).abs().max() == 0
    assert (found != weights)[..., 3:, :].float().mean() > 0.3


@pytest.fixture(scope="module")
def sample(model, small_log, small_split):
    return measured(model, small_log, small_split.test, 20, per_length=30)


def test_the_sample_has_as_many_of_each_length(sample, small_log, small_split):
    lengths = small_log.history_length(small_split.test)
    np.testing.assert_array_equal(sample["history_length"], lengths[sample["row"]])
    np.testing.assert_array_equal(sample["visible"], np.minimum(sample["history_length"], 20))
    assert sample["row"].is_monotonic_increasing and sample["row"].is_unique
    parts = np.digitize(sample["history_length"], (2, 11, 26))
    assert np.bincount(parts).tolist() == [0, 30, 30, min(30, (lengths >= 26).sum())]


def test_entropies_are_those_of_the_last_step(sample, model, small_log, small_split):
    for place in range(0, len(sample), 7):
        one = sample.iloc[place]
        batch = small_log.histories(small_split.test[[int(one["row"])]], 20)
        _, found = model.attended(batch)
        for layer, head in ((0, 0), (0, 1), (1, 0), (1, 1)):
            expected = normalised_entropy(found[layer, 0, head, -1].detach().numpy())
            assert one[f"entropy_{layer + 1}_{head + 1}"] == pytest.approx(expected, abs=1e-4)
    assert sample.filter(regex="entropy").std().min() > 0.02


def test_ranks_are_those_of_the_scoring_loop(sample, model, small_log, small_split):
    positions = small_split.test[sample["row"]]
    own = ranks(model, small_log, positions, 20)["rank_unmasked"]
    np.testing.assert_array_equal(sample["rank"], own)
    np.testing.assert_array_equal(sample["rank"], sample["rank_short"])  # none reads more than 50
    for changed in ("rank_uniform", "rank_permuted"):
        assert (sample[changed] != own).mean() > 0.3


def test_fewer_events_are_read_for_the_short_ranks(model, small_log, small_split, monkeypatch):
    monkeypatch.setattr(module, "SHORT", 3)
    found = measured(model, small_log, small_split.test, 20, per_length=30)
    expected = ranks(model, small_log, small_split.test[found["row"]], 3)["rank_unmasked"]
    np.testing.assert_array_equal(found["rank_short"], expected)
    assert (found["rank_short"] != found["rank"]).mean() > 0.3


def test_a_model_whose_queries_are_zero_attends_to_all_alike(
    small_catalogue, small_log, small_split
):
    torch.manual_seed(0)
    blind = SASRec(small_catalogue, CONFIG).eval()
    with torch.no_grad():
        for weight in blind.parameters():
            weight.add_(torch.randn_like(weight) * 0.5)
        for block in blind.blocks:
            block.attention.project.weight[:8] = block.attention.project.bias[:8] = 0
    found = measured(blind, small_log, small_split.test, 20, per_length=30)
    assert (found.filter(regex="entropy") > 0.9999).all().all()
    agree = found["rank"] == found["rank_uniform"]
    assert agree.mean() > 0.98  # but for rounding
    assert (found["rank"] == found["rank_permuted"]).mean() > 0.98


# --- the record --------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Runs of a quick SASRec and of a counter, in a project's folder of their own."""
    for one in (runs, standing, provenance):
        monkeypatch.setattr(one, "root", lambda: tmp_path)
    training = Training(epochs=2, batch_size=64, max_len=20, precision="fp32")
    monkeypatch.setitem(RECIPES, "attends", ("sasrec", CONFIG, training))
    return runs.run("simulated", "attends"), runs.run("simulated", "markov")


def test_a_record_is_made_once_and_read_ever_after(trained, tmp_path, monkeypatch):
    made = attention(*trained, per_length=20)
    folder = tmp_path / "build/attention/simulated/attends"
    assert {path.name for path in folder.iterdir()} == {
        "card.json",
        "sample.parquet",
        "histories.json",
    }
    monkeypatch.setattr(module, "measured", None)
    read = attention(*trained)
    pd.testing.assert_frame_equal(read.sample, made.sample)
    assert read.histories == made.histories
    assert list(read.heads) == [f"layer {one}, head {two}" for one in (1, 2) for two in (1, 2)]
    np.testing.assert_array_equal(read.heads["layer 2, head 1"], read.sample[["entropy_2_1"]].T)
    rates = {name: one.mean() for name, one in read.hits.items()}
    columns = ["rank", "rank_uniform", "rank_permuted", "rank_short"]
    assert list(rates.values()) == [(read.sample[one] <= 10).mean() for one in columns]
    recorded = trained[0].seeds[0].ranks["rank_unmasked"].to_numpy()[read.sample["row"]]
    np.testing.assert_array_equal(recorded, read.sample["rank"])


def test_a_record_of_another_training_is_refused_until_it_is_made_anew(trained, tmp_path):
    attention(*trained, per_length=20)
    again = runs.run("simulated", "attends", retrain=True)
    again.seeds[0].card["date"] = "later"
    with pytest.raises(ValueError, match="delete the folder"):
        attention(again, trained[1])
    attention(again, trained[1], remake=True, per_length=20)
    assert attention(again, trained[1]).histories


def test_a_model_file_that_is_missing_or_anothers_is_refused(trained, tmp_path):
    path = tmp_path / "build/results/models/simulated-attends-s0.safetensors"
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(FileNotFoundError, match="weights are not committed"):
        attention(*trained)
    path.write_bytes(kept)
    trained[0].seeds[0].ranks["rank_unmasked"] += 20
    with pytest.raises(ValueError, match="of another training"):
        attention(*trained)


def test_histories_show_what_the_models_read_and_listed(trained):
    log, split = datasets.load("simulated")
    one, other = (of.seeds[0] for of in trained)
    models = {of.name: module._model(of.seeds[0]) for of in trained}
    found = looked_at(log, split.test, models, {"attends": one, "markov": other})
    assert [look["case"] for look in found][-1] == "neither finds it" and len(found) >= 2
    for look in found:
        finds = {name: look["true"] in items for name, items in look["lists"].items()}
        assert finds == {name: rank <= 10 for name, rank in look["ranks"].items()}
        assert any(finds.values()) == (look["case"] != "neither finds it")
        assert all(len(items) == len(set(items)) == 10 for items in look["lists"].values())
        assert 10 <= len(look["items"]) < 16 and look["true"] not in look["items"]
        assert look["minutes_before"] == [1440.0 * n for n in range(len(look["items"]), 0, -1)]
        shares = np.array(look["weights"])
        assert shares.shape == (2, 2, len(look["items"]))
        assert shares.sum(-1) == pytest.approx(np.ones((2, 2)), abs=2e-3)


@pytest.mark.parametrize("card", RECORDS, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_a_committed_record_belongs_to_its_run(card):
    dataset, name = card.parts[-3:-1]
    made_from, results = json.loads(card.read_text()), root() / RESULTS
    for run, date in made_from.items():
        assert load(results / dataset / run / "s0").card["date"] == date
    run = load(results / dataset / name / "s0")
    sample = pd.read_parquet(card.parent / "sample.parquet")
    rows = run.ranks.iloc[sample["row"]]
    np.testing.assert_array_equal(rows["history_length"], sample["history_length"])
    assert ((rows["rank_unmasked"].to_numpy() <= 10) == (sample["rank"] <= 10)).mean() > 0.99
    assert sample.filter(regex="entropy").stack().between(0, 1).all()
    histories = json.loads((card.parent / "histories.json").read_text())
    assert 1 <= len(histories) <= 3
    assert sum(path.stat().st_size for path in card.parent.iterdir()) < 500_000
