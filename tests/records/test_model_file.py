import dataclasses
import inspect
import json
import pickle

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import root
from seqrec_lib.models import losses
from seqrec_lib.models.counts.markov import Markov
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.counts.svd import SVD
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import GBCE
from seqrec_lib.models.registry import MODELS
from seqrec_lib.models.wrappers.ensemble import Ensemble
from seqrec_lib.models.wrappers.retrieval import Retrieval
from seqrec_lib.records.model_file import load_model, save_model, stored_about, stored_spec
from seqrec_lib.records.settings import OBJECTIVES, completed, config_of, plain
from seqrec_lib.training.settings import Training


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
    around = {"encoder": {"class": "SASRec.Config"} | small}
    whole = completed({"model": "retrieval", "config": around, "training": {}})["config"]
    assert whole["encoder"] == {"class": "SASRec.Config"} | part  # however deep


@pytest.mark.parametrize(
    ("name", "setting", "then"), [("sasrec", "places", "back"), ("gru", "cell", "gru")]
)
def test_a_model_file_older_than_a_setting_is_read_with_its_default(
    name, setting, then, small_log, small_catalogue, tmp_path
):
    torch.manual_seed(0)
    model = MODELS[name](small_catalogue, MODELS[name].Config(embed_dim=8))
    spec = spec_of(model, name)
    assert spec["config"].pop(setting) == then
    save_model(model, spec, small_log.items, tmp_path / "m.safetensors")
    loaded, _ = load_model(tmp_path / "m.safetensors")
    assert loaded.config == model.config
    batch = Batch(torch.tensor([[3, 1, 2], [5, 0, 0]]))
    assert loaded.score_all(batch).equal(model.eval().score_all(batch))


def test_a_model_comes_back_with_its_settings_and_the_items_raw_ids(model, tmp_path):
    items = np.array([f"B{i:04}" for i in range(40)])
    path = tmp_path / "deep" / "model.safetensors"
    save_model(model, spec_of(model), items, path)
    loaded, raw = load_model(str(path))
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
    save_model(model, spec_of(model, "markov"), small_log.items, tmp_path / "m.safetensors")
    loaded, _ = load_model(tmp_path / "m.safetensors")
    assert len(loaded.counts_2) == len(model.counts_2) > 100
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(loaded.state_dict()[name].equal(part) for name, part in model.state_dict().items())


@pytest.mark.parametrize(
    "items",
    [
        np.arange(40) * 10**15,
        np.arange(40, dtype=np.int32) - 20,
        np.arange(40, dtype=np.uint64) + 2**63,
        np.arange(40, dtype=np.float32) / 3,
        np.array([f"é\n{i}" for i in range(40)]),
        np.array([f"B{i}" for i in range(40)], dtype=object),
        np.array([i if i % 2 else str(i) for i in range(40)], dtype=object),
    ],
    ids=lambda items: f"{items.dtype}-{items[0]!r}",
)
def test_raw_ids_come_back_as_they_were(model, tmp_path, items):
    save_model(model, spec_of(model), items, tmp_path / "m.safetensors")
    _, raw = load_model(tmp_path / "m.safetensors")
    assert raw.dtype == items.dtype and raw.tolist() == items.tolist()
    assert list(map(type, raw.tolist())) == list(map(type, items.tolist()))


def test_raw_ids_that_cannot_be_kept_are_refused(model, tmp_path):
    path = tmp_path / "m.safetensors"
    dates = np.arange("2020-01-01", "2020-02-10", dtype="datetime64[D]")
    for items in (dates, np.array([(1, 2)] * 40, dtype="i4,i4"), np.array([None] * 40)):
        with pytest.raises(ValueError, match="use whole numbers or strings"):
            save_model(model, spec_of(model), items, path)
    with pytest.raises(ValueError, match="39 raw ids for a model of 40 items"):
        save_model(model, spec_of(model), np.arange(39), path)
    assert not path.exists()


def test_what_is_said_of_its_origin_comes_back(model, small_log, tmp_path):
    path, about = tmp_path / "m.safetensors", {"data_digest": "ab12", "starts_from": {"a/b": "c"}}
    save_model(model, spec_of(model), small_log.items, path, about)
    assert stored_about(path) == about and stored_spec(path) == spec_of(model)
    save_model(model, spec_of(model), small_log.items, path)
    assert stored_about(path) == {}


@pytest.mark.parametrize("carried", [None, torch.arange(30.0).view(1, 3, 10)])
def test_what_a_model_keeps_beside_its_weights_comes_back(
    small_catalogue, small_log, tmp_path, carried
):
    model = GRU4Rec(small_catalogue, GRU4Rec.Config(hidden_dim=10))
    model.carried = carried
    around = Ensemble(small_catalogue, Ensemble.Config((model.config,) * 2))
    around.start_from(model, model)
    for one, name in ((model, "gru4rec"), (around, "ensemble")):
        save_model(one, spec_of(one, name), small_log.items, tmp_path / "m.safetensors")
        loaded, _ = load_model(tmp_path / "m.safetensors")
        inner = loaded if one is model else loaded.members[1]
        assert inner.carried is None if carried is None else inner.carried.equal(carried)


def test_views_and_weights_under_two_names_are_kept_whole(small_catalogue, small_log, tmp_path):
    model = Popular(small_catalogue, Popular.Config())
    model.popularity = torch.arange(82.0).view(41, 2)[:, 1]  # every other number
    save_model(model, spec_of(model, "popular"), small_log.items, tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors")[0].popularity.equal(model.popularity)

    config = SASRec.Config(8, 16, 2)
    model = SASRec(small_catalogue, config)
    model.blocks[1].feed = model.blocks[0].feed
    save_model(model, spec_of(model), small_log.items, tmp_path / "m.safetensors")
    loaded, _ = load_model(tmp_path / "m.safetensors")
    assert all(loaded.state_dict()[name].equal(part) for name, part in model.state_dict().items())


def test_a_model_outlives_its_file(model, small_log, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(model, spec_of(model), small_log.items, path)
    loaded, _ = load_model(path)
    path.write_bytes(b"")
    assert loaded.items.weight.equal(model.items.weight)


def test_loading_draws_no_numbers_that_another_model_would_have_drawn_otherwise(
    model, small_log, tmp_path
):
    """Runs that start from a model file draw after it is read: as many numbers as ever."""
    path = tmp_path / "m.safetensors"
    save_model(model, spec_of(model), small_log.items, path)
    torch.manual_seed(3)
    load_model(path)
    after = torch.rand(4)
    torch.manual_seed(3)
    SASRec(Catalogue(40, np.zeros(41, dtype=np.int64)), model.config)
    assert after.equal(torch.rand(4))


# --- what a file may name -----------------------------------------------------------------------


def test_every_objective_may_be_named():
    public = [kind for name, kind in vars(losses).items() if not name.startswith("_")]
    here = [kind for kind in public if dataclasses.is_dataclass(kind) and inspect.isclass(kind)]
    assert set(OBJECTIVES) == set(here)


HOSTILE = [
    "torch.os.system",
    "torch.hub.load",
    "torch.nn.Module",
    "nn.Module",
    "Softmax.__call__",
    "Softmax.__init__",
    "Softmax.__class__",
    "SASRec",
    "SASRec.Config.__init__",
    "SASRec.encode",
    "dataclass",
    "_Table",  # a dataclass of losses, but no objective
    "Training",
    "Catalogue",
    "",
    None,
    3,
    ["Softmax"],
]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_but_objectives_and_settings_can_be_named(model, small_log, tmp_path, name):
    pwned = tmp_path / "pwned"
    call = {"class": name, "command": f"touch {pwned}"}
    bare = {"class": name}
    path = tmp_path / "m.safetensors"
    for hostile in (call, bare, {}):
        for model_name, config in (
            ("sasrec", plain(model.config) | {"objective": hostile}),
            ("retrieval", {"encoder": hostile}),
            ("ensemble", {"members": [hostile]}),
            ("ensemble", {"members": [{"class": "SASRec.Config", "objective": hostile}]}),
            ("sasrec", {"embed_dim": hostile}),
        ):
            spec = {"model": model_name, "config": config}
            save_model(model, spec, small_log.items, path)
            with pytest.raises(ValueError, match="m.safetensors: .* neither an objective nor"):
                load_model(path)
            with pytest.raises(ValueError, match="spec.json: .* neither an objective nor"):
                config_of(spec, "spec.json")
            with pytest.raises(ValueError, match="spec.json: .* neither an objective nor"):
                completed(spec | {"training": {}}, "spec.json")
    assert not pwned.exists()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "not the spec of a model"),
        ({"model": "sasrec"}, "not the spec of a model"),
        ({"model": "sasrec", "config": [1]}, "not the spec of a model"),
        ({"model": "torch", "config": {}}, "there is no model 'torch'"),
        ({"model": ["sasrec"], "config": {}}, "there is no model"),
        ({"model": "sasrec", "config": {"width": 3}}, "SASRec.Config has no setting 'width'"),
        ({"model": "sasrec", "config": {"class": "Softmax"}}, "has no setting 'class'"),
        ({"model": "sasrec", "config": {"__class__": 3}}, "has no setting '__class__'"),
        ({"model": "sasrec", "config": {"embed_dim": "8"}}, "embed_dim cannot be '8'.*int"),
        ({"model": "sasrec", "config": {"embed_dim": 8.0}}, "embed_dim cannot be 8.0"),
        ({"model": "sasrec", "config": {"num_layers": True}}, "num_layers cannot be True"),
        ({"model": "sasrec", "config": {"tied": 1}}, "tied cannot be 1"),
        ({"model": "sasrec", "config": {"dropout": None}}, "dropout cannot be None"),
        ({"model": "sasrec", "config": {"dropout": float("nan")}}, "dropout cannot be nan"),
        ({"model": "sasrec", "config": {"objective": None}}, "objective cannot be None"),
        ({"model": "sasrec", "config": {"objective": [{"class": "BCE"}]}}, "objective cannot be"),
        (
            {"model": "sasrec", "config": {"objective": {"class": "SASRec.Config"}}},
            "objective cannot be",
        ),
        (
            {"model": "sasrec", "config": {"objective": {"class": "BCE", "t": 1}}},
            "BCE has no setting 't'",
        ),
        ({"model": "retrieval", "config": {"encoder": 3}}, "encoder cannot be 3"),
        ({"model": "ensemble", "config": {"members": 3}}, "members cannot be 3"),
        ({"model": "ensemble", "config": {"shares": ["x"]}}, "shares cannot be"),
        ({"model": "retrieval", "config": {"encoder": {"class": "Softmax"}}}, "is the settings of"),
        ({"model": "sasrec", "config": {"embed_dim": -1}}, "do not fit"),
        ({"model": "sasrec", "config": {"embed_dim": 10**12}}, "do not fit"),
        ({"model": "sasrec", "config": {"embed_dim": 10**30}}, "do not fit"),
        ({"model": "sasrec", "config": {"max_len": 10**12}}, "do not fit"),
        ({"model": "sasrec", "config": {"num_layers": 10**12}}, "missing|far more than"),
        ({"model": "gru", "config": {"num_layers": 10**9}}, "far more than"),
        ({"model": "markov", "config": {"order": 10**9}}, "far more than"),
        ({"model": "gru4rec", "config": {"hidden_dim": 0}}, "do not fit"),
    ],
)
def test_settings_that_no_model_has_are_refused_in_words(model, small_log, tmp_path, spec, message):
    save_model(model, spec, small_log.items, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=f"m.safetensors: .*({message})"):
        load_model(tmp_path / "m.safetensors")


def test_no_memory_is_taken_before_weights_are_compared(small_catalogue, small_log, tmp_path):
    model = SVD(small_catalogue, SVD.Config(embed_dim=8))
    spec = {"model": "svd", "config": {"embed_dim": 10**12}}  # takes its size from the file
    save_model(model, spec, small_log.items, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="factors has shape .41, 8., the settings ask for"):
        load_model(tmp_path / "m.safetensors")


def test_the_settings_of_every_committed_record_can_be_read():
    specs = sorted((root() / "book" / "results").glob("*/*/s*/spec.json"))
    assert len(specs) > 200
    for path in specs:
        stored = completed(json.loads(path.read_text()), path)
        config = config_of(stored, path)
        assert json.loads(json.dumps(plain(config))) == stored["config"]
        assert type(config) is MODELS[stored["model"]].Config


# --- files that are wrong -----------------------------------------------------------------------


@pytest.fixture
def changed(model, small_log, tmp_path):
    """Writes a file whose tensors and header have been tampered with."""
    path = tmp_path / "m.safetensors"

    def write(tamper=lambda tensors: None, edit=lambda header: None, of=model, name="sasrec"):
        save_model(of, spec_of(of, name), small_log.items, path)
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            tensors = {one: file.get_tensor(one).clone() for one in file.keys()}  # noqa: SIM118
        tamper(tensors)
        edit(header)
        save_file(tensors, path, header)
        return path

    return write


def as_bytes(content):
    return torch.frombuffer(bytearray(json.dumps(content).encode()), dtype=torch.uint8)


IDS = "catalogue.raw_ids"
TAMPERED = {
    "a weight is missing": (lambda t: t.pop("norm.weight"), "missing weights: .'norm.weight'"),
    "one is superfluous": (lambda t: t.update(more=torch.ones(2)), "superfluous ones: .'more'"),
    "an extra state is superfluous": (lambda t: t.update({"_extra_state.a": torch.ones(2)}), ""),
    "another shape": (lambda t: t.update({"norm.weight": torch.ones(9)}), "size mismatch for norm"),
    "no shape": (lambda t: t.update({"norm.weight": torch.ones(())}), "size mismatch for norm"),
    "another type": (lambda t: t.update({"norm.weight": torch.ones(8).half()}), "torch.float16"),
    "of whole numbers": (lambda t: t.update({"norm.weight": torch.ones(8).int()}), "torch.int32"),
    "no number": (lambda t: t["norm.weight"].fill_(torch.nan), "norm.weight has values that are"),
    "no finite number": (lambda t: t["items.weight"][3, 2:3].fill_(torch.inf), "items.weight has"),
    "no ids": (lambda t: t.pop(IDS), "lacks catalogue.raw_ids"),
    "ids no JSON": (lambda t: t.update({IDS: t[IDS][:-3]}), "raw ids cannot be read"),
    "ids no bytes": (lambda t: t.update({IDS: torch.ones(5)}), "raw ids cannot be read"),
    "ids a list": (lambda t: t.update({IDS: as_bytes([1, 2])}), "raw ids cannot be read"),
    "too few ids": (
        lambda t: t.update({IDS: as_bytes({"type": "int64", "values": [1, 2]})}),
        "items.weight has shape .41, 8., not one row|size mismatch for items.weight",
    ),
    "ids of another type": (
        lambda t: t.update({IDS: as_bytes({"type": "int64", "values": ["a"] * 40})}),
        "no list of type 'int64'",
    ),
    "ids of a hostile type": (
        lambda t: t.update({IDS: as_bytes({"type": "U999999999", "values": ["a"] * 40})}),
        "no list of type 'U999999999'",
    ),
    "ids too large": (
        lambda t: t.update({IDS: as_bytes({"type": "int8", "values": [999] * 40})}),
        "raw ids cannot be read",
    ),
}


@pytest.mark.parametrize(("tamper", "message"), TAMPERED.values(), ids=TAMPERED.keys())
def test_a_file_whose_parts_do_not_fit_is_refused(changed, tamper, message):
    load_model(changed())
    with pytest.raises(ValueError, match=f"(?s)m.safetensors: .*({message})"):
        load_model(changed(tamper))


def without(name):
    return lambda header: header.pop(name)


def having(**parts):
    return lambda header: header.update(parts)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        *((without(name), f"lacks {name}") for name in ("version", "spec", "about", "extra")),
        (lambda header: header.clear(), "lacks about, extra, spec, version"),
        (having(version="2"), "of format 2; this version reads 1"),
        (having(spec="{'model'"), "its spec is no JSON"),
        (having(spec="[" * 100_000), "its spec is no JSON"),
        (having(spec="3"), "its spec is no JSON object"),
        (having(about=""), "its about is no JSON"),
        (having(extra="[]"), "its extra is no JSON object"),
        (having(extra='{"a": 3}'), "do not fit"),
        (having(extra='{"_extra_state": {}}'), "do not fit"),
    ],
)
def test_a_header_that_is_wrong_is_refused(changed, edit, message):
    with pytest.raises(ValueError, match=f"(?s)m.safetensors: .*{message}"):
        load_model(changed(edit=edit))


def test_an_extra_state_that_is_gone_is_refused(changed, small_catalogue):
    model = GRU4Rec(small_catalogue, GRU4Rec.Config(hidden_dim=10))
    for extra in ("{}", '{"_extra_state": {}}'):
        path = changed(edit=having(extra=extra), of=model, name="gru4rec")
        with pytest.raises(ValueError, match="(?s)do not fit.*(_extra_state|carried)"):
            load_model(path)


def test_counts_and_memories_of_other_items_are_refused(changed, small_catalogue):
    popular = Popular(small_catalogue, Popular.Config())
    path = changed(lambda t: t.update(popularity=torch.ones(9)), of=popular, name="popular")
    with pytest.raises(ValueError, match="popularity has shape .9,., not one row for each of 40"):
        load_model(path)
    retrieval = Retrieval(small_catalogue, Retrieval.Config(SASRec.Config(8, 16, 1)))
    wide = {"memory.keys": torch.ones(5, 9)}
    path = changed(lambda t: t.update(wide), of=retrieval, name="retrieval")
    with pytest.raises(ValueError, match="memory.keys: shape .5, 9., not 8 wide"):
        load_model(path)


def test_other_files_are_refused_by_name(model, small_log, tmp_path):
    whole = tmp_path / "model.safetensors"
    save_model(model, spec_of(model), small_log.items, whole)
    content = whole.read_bytes()
    (tmp_path / "text").write_text("user,item,time\n1,2,3\n")
    (tmp_path / "empty").touch()
    (tmp_path / "cut").write_bytes(content[:-500])
    (tmp_path / "cut early").write_bytes(content[:100])
    (tmp_path / "long").write_bytes(content + b"more")
    (tmp_path / "no JSON").write_bytes(content[:8] + b"?" + content[9:])
    for name in ("text", "empty", "cut", "cut early", "long", "no JSON"):
        for read in (load_model, stored_spec, stored_about):
            with pytest.raises(ValueError, match=f"{name}: damaged, or no model file"):
                read(tmp_path / name)
    save_file({"x": torch.ones(2)}, tmp_path / "stranger")
    with pytest.raises(ValueError, match="stranger: not a model file written by save_model"):
        load_model(tmp_path / "stranger")


def test_a_path_that_is_no_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors: there is no such model file"):
        load_model(tmp_path / "nowhere.safetensors")
    with pytest.raises(ValueError, match=f"{tmp_path.name}: not a file"):
        load_model(tmp_path)


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def test_files_of_the_old_format_are_not_read(model, tmp_path):
    content = {"spec": "{}", "items": Trap(), "weights": {}}
    (tmp_path / "trap").write_bytes(pickle.dumps(content))
    torch.save(content, tmp_path / "archive")
    torch.save(content, tmp_path / "older", _use_new_zipfile_serialization=False)
    old = {"spec": json.dumps(spec_of(model)), "items": [1], "weights": model.state_dict()}
    torch.save(old, tmp_path / "harmless")
    for name in ("trap", "archive", "older", "harmless"):
        with pytest.raises(ValueError, match=f"{name}: of the old format.* train the model again"):
            load_model(tmp_path / name)


def test_an_interrupted_save_leaves_the_older_file(model, small_log, tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    save_model(model, spec_of(model), small_log.items, path)
    before = path.read_bytes()

    def fail(tensors, place, header):
        place.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("seqrec_lib.records.model_file.save_file", fail)
    with pytest.raises(OSError, match="no space"):
        save_model(model, spec_of(model), small_log.items, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
