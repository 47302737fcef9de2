import dataclasses
import json
import pickle

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.counts.markov import Markov
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import GBCE
from seqrec_lib.records.model_file import completed, load_model, plain, save_model
from seqrec_lib.training.loop import Training


@pytest.fixture
def model(small_catalogue):
    torch.manual_seed(0)
    return SASRec(small_catalogue, SASRec.Config(8, 16, 1, max_len=20, objective=GBCE(7, t=0.5)))


def spec_of(model, name="sasrec"):
    return {"model": name, "config": plain(model.config)}


def test_a_config_is_written_as_plain_values_with_the_class_of_what_is_inside(model):
    values = plain(model.config)
    assert values["objective"] == {"class": "GBCE", "num_negatives": 7, "t": 0.5}
    assert values["embed_dim"] == 8 and values["temperature"] is None
    assert list(values) == [field.name for field in dataclasses.fields(SASRec.Config)]
    assert json.loads(json.dumps(values)) == values


def test_what_a_stored_spec_lacks_is_completed_with_todays_defaults(model):
    whole = completed(spec_of(model) | {"training": {"epochs": 3}})
    assert whole["training"] == dataclasses.asdict(Training(epochs=3))
    assert whole["pretrained"] is None and whole["config"] == plain(model.config)
    small = {"embed_dim": 8, "objective": {"class": "GBCE", "num_negatives": 7}}
    part = completed({"model": "sasrec", "config": small, "training": {}})["config"]
    assert part == plain(SASRec.Config(embed_dim=8, objective=GBCE(7)))
    assert part["objective"]["t"] == 0.75  # the default of the objective stored, not of the model


def test_a_model_comes_back_with_its_settings_and_the_items_raw_ids(model, tmp_path):
    items = np.array([f"B{i:04}" for i in range(40)])
    save_model(model, spec_of(model), items, tmp_path / "deep" / "model.pt")
    loaded, raw = load_model(str(tmp_path / "deep" / "model.pt"))
    assert loaded.config == model.config and loaded.objective == GBCE(7, t=0.5)
    np.testing.assert_array_equal(raw, items)
    assert not loaded.training  # ready to score
    batch = Batch(torch.tensor([[3, 1, 2], [5, 0, 0]]))
    assert loaded.score_all(batch).equal(model.eval().score_all(batch))


def test_counts_come_back_in_the_size_that_the_data_gave_them(
    small_catalogue, small_log, small_split, tmp_path
):
    model = Markov(small_catalogue, Markov.Config(order=2))
    model.count(small_log, small_split.train)
    save_model(model, spec_of(model, "markov"), small_log.items, tmp_path / "model.pt")
    loaded, _ = load_model(tmp_path / "model.pt")
    assert len(loaded.counts_2) == len(model.counts_2) > 100
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(loaded.state_dict()[name].equal(part) for name, part in model.state_dict().items())


def test_a_model_without_one_of_its_weights_is_refused(model, small_log, tmp_path):
    save_model(model, spec_of(model), small_log.items, tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    del content["weights"]["norm.weight"]
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(RuntimeError, match="norm.weight"):
        load_model(tmp_path / "model.pt")


def test_other_files_are_refused_by_name(model, small_log, tmp_path):
    whole = tmp_path / "model.pt"
    save_model(model, spec_of(model), small_log.items, whole)
    (tmp_path / "text.pt").write_text("user,item,time\n1,2,3\n")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "cut.pt").write_bytes(whole.read_bytes()[:-500])
    torch.save({"weights": {}}, tmp_path / "other.pt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    for name in ("text", "empty", "cut", "other", "tensor"):
        with pytest.raises(ValueError, match=f"{name}.pt: damaged, or not a model file written"):
            load_model(tmp_path / f"{name}.pt")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.pt"):
        load_model(tmp_path / "nowhere.pt")


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def test_nothing_in_a_file_is_executed(tmp_path):
    content = {"spec": "{}", "items": Trap(), "weights": {}}
    (tmp_path / "trap.pt").write_bytes(pickle.dumps(content))
    torch.save(content, tmp_path / "archive.pt")
    for name in ("trap", "archive"):
        with pytest.raises(ValueError, match=f"{name}.pt: damaged, or not a model file"):
            load_model(tmp_path / f"{name}.pt")


def test_an_interrupted_save_leaves_the_older_file(model, small_log, tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    save_model(model, spec_of(model), small_log.items, path)
    before = path.read_bytes()

    def fail(content, place):
        place.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("seqrec_lib.records.model_file.torch.save", fail)
    with pytest.raises(OSError, match="no space"):
        save_model(model, spec_of(model), small_log.items, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
