from dataclasses import replace

import numpy as np
import pytest
import torch

from seqrec_lib.data import datasets, files
from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.attributed import AttributedSASRec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.registry import MODELS
from seqrec_lib.models.wrappers.ensemble import Ensemble
from seqrec_lib.records.model_file import load_model, save_model
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import started
from seqrec_lib.records.settings import plain
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training

CONFIG = AttributedSASRec.Config(embed_dim=4, hidden_dim=8, num_layers=1, temperature=0.5)
ATTRIBUTES = np.array([[0, 0], [1, 2], [2, 0], [0, 0], [1, 0]], dtype=np.int32)
BATCH = Batch(torch.tensor([[1, 2, 4], [3, 0, 0]]))


def catalogue(attributes=ATTRIBUTES, items=4):
    return Catalogue(items, np.zeros(items + 1, dtype=np.int64), attributes)


def built(attributes=ATTRIBUTES, seed=0, config=CONFIG, kind=AttributedSASRec):
    torch.manual_seed(seed)
    return kind(catalogue(attributes), config).eval()


def test_an_items_vector_is_its_own_plus_the_mean_of_its_attributes():
    model = built()
    own, kind = model.items.weight, model.attribute_vectors.weight
    vectors, bias = model.item_vectors()
    assert bias is None
    expected = torch.stack([own[0], own[1] + (kind[1] + kind[2]) / 2, own[2] + kind[2], own[3]])
    torch.testing.assert_close(vectors[:4], expected)
    torch.testing.assert_close(model.embedded(BATCH.item), vectors[BATCH.item])


def test_without_attributes_it_is_sasrec():
    one = built(None)
    config = SASRec.Config(**vars(CONFIG))
    other = built(None, seed=1, config=config, kind=SASRec)
    weights = {name: one.state_dict()[name] for name in other.state_dict()}
    other.load_state_dict(weights)
    torch.testing.assert_close(one.score_all(BATCH), other.score_all(BATCH))


def test_items_with_the_same_attributes_and_no_vector_of_their_own_score_alike():
    model = built(np.array([[0], [1], [2], [1], [2]], dtype=np.int32))
    model.items.weight.data.zero_()
    scores = model.score_all(BATCH)
    torch.testing.assert_close(scores[:, 1], scores[:, 3])
    torch.testing.assert_close(scores[:, 2], scores[:, 4])
    assert (scores[:, 1] != scores[:, 2]).all()


def test_its_file_brings_the_attributes_along(tmp_path):
    model = built()
    spec = {"model": "sasrec-attributed", "config": plain(CONFIG)}
    save_model(model, spec, np.array([10, 20, 30, 40]), tmp_path / "model.safetensors")
    loaded, _ = load_model(tmp_path / "model.safetensors")
    torch.testing.assert_close(loaded.score_all(BATCH), model.score_all(BATCH))


def test_a_model_around_it_takes_the_attributes_from_it():
    model = built()
    around = Ensemble(catalogue(None), Ensemble.Config((CONFIG,)))
    around.start_from(model)
    expected = model.score_all(BATCH).log_softmax(1)
    torch.testing.assert_close(around.eval().score_all(BATCH), expected)


def test_a_run_taken_up_again_goes_on_learning_the_attributes(
    small_log, small_split, tmp_path, monkeypatch
):
    rng = np.random.default_rng(0)
    attributes = rng.integers(0, 5, (small_log.num_items + 1, 3)).astype(np.int32)
    attributes[0] = 0
    known = Catalogue.learned(small_log, small_split.train, attributes)
    training = Training(epochs=2, batch_size=32, precision="fp32")

    def fresh():
        torch.manual_seed(0)
        return AttributedSASRec(known, replace(CONFIG, dropout=0.0))

    whole, first, again = fresh(), fresh(), fresh()
    fit(whole, small_log, small_split, training)
    with monkeypatch.context() as patch:
        patch.setattr("seqrec_lib.training.loop._Run.out_of_patience", property(stop_after(1)))
        with pytest.raises(KeyboardInterrupt):
            fit(first, small_log, small_split, training, tmp_path / "run.pt")
    fit(again, small_log, small_split, training, tmp_path / "run.pt")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)
    moved = again.attribute_vectors.weight - fresh().attribute_vectors.weight
    assert moved[1:].abs().amax(1).gt(1e-4).all()


def stop_after(epochs):
    def out_of_patience(run):
        if run.at.epoch >= epochs:
            raise KeyboardInterrupt
        return False

    return out_of_patience


def test_two_tables_are_refused():
    with pytest.raises(ValueError, match="tied"):
        built(config=replace(CONFIG, tied=False))


def test_a_catalogue_is_held_to_its_number_of_items():
    with pytest.raises(ValueError, match="5 rows"):
        catalogue(ATTRIBUTES[:3])
    with pytest.raises(ValueError, match="of zeros"):
        catalogue(ATTRIBUTES + 1)


def test_another_models_weights_are_refused():
    plain_weights = built(None, config=SASRec.Config(**vars(CONFIG)), kind=SASRec).state_dict()
    with pytest.raises(RuntimeError, match="attribute_vectors"):
        built().load_state_dict(plain_weights)


@pytest.mark.skipif(
    files.find("amazon/beauty_items.parquet") is None, reason="needs the attributes of Beauty"
)
def test_a_published_run_begins_with_the_attributes_of_its_data_set():
    (spec,) = published("beauty-regenerated", "sasrec-attributed", [0])
    model = started(spec, *datasets.load("beauty"))
    table = datasets.attributes("beauty")
    np.testing.assert_array_equal(model.attributes, table[table > 0])


def test_a_data_set_without_attributes_is_refused(small_log, small_split):
    (spec,) = published("simulated", "sasrec-attributed", [0])
    with pytest.raises(ValueError, match="simulated has none"):
        started(spec, small_log, small_split)


@pytest.mark.parametrize("name", ["simulated", "tecd-sim", "beauty-mine.csv", "./beautyful"])
def test_other_data_sets_have_no_attributes(name):
    assert datasets.attributes(name) is None


def test_it_a_profile_and_hard_search_alone_read_attributes():
    found = [name for name, kind in MODELS.items() if kind.reads_attributes]
    assert found == ["profile", "sasrec-attributed", "sim-hard"]
