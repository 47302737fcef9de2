"""Asked by user: what is shown is what the store knew, late receipts among it."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from seqrec_lib.data import events
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.engine import connect
from seqrec_lib.data.hybrid import history, stream
from seqrec_lib.data.hybrid.journal import Journal
from seqrec_lib.data.hybrid.online import OnlineStore, StoreError
from seqrec_lib.data.hybrid.registry import SET_1, Feature, FeatureSet, RegistryError
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.model_file import save_model
from seqrec_lib.records.settings import plain
from seqrec_lib.serving.__main__ import main
from seqrec_lib.serving.app import create_app
from seqrec_lib.serving.events import KnownEvents, answer
from seqrec_lib.serving.recommend import recommend
from seqrec_lib.serving.served import Question, Served
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training
from tests.serving.test_app import asked

MICRO, USERS, ITEMS = 1_000_000, 12, 60
FEATURES = FeatureSet((*SET_1.features[:-1], Feature("last_9", 1, "last", 9)))


def simulated(rng, source, number, begin, end):
    """Events of one source between two seconds; receipts have several lines at one time."""
    table = {"event_id": np.arange(number), "user": rng.integers(1, USERS + 1, number)}
    table["time"] = np.sort(rng.integers(begin, end, number)) * MICRO + 250_000
    if source == "store":
        of = rng.integers(0, max(1, number // 3), number)  # three lines a receipt in the mean
        table = {name: column[of] for name, column in table.items()}
        table |= {"event_id": np.arange(number), "basket": begin * 1000 + of}
    table["item"] = 1 + rng.permutation(ITEMS)[:number]  # no line stands on a receipt twice
    table["event_id"] = table["event_id"] + begin * 1000
    table["action"] = np.repeat("view" if source == "online" else "buy", number)
    table["amount"] = np.ones(number, np.int64)
    return pa.table(table)


@pytest.fixture(scope="module")
def parts():
    """Segments in the order in which they become known: receipts of a day come after its end."""
    rng = np.random.default_rng(3)
    found = []
    for day in range(4):
        begin = day * 1000
        found += [("online", simulated(rng, "online", 40, begin + 500 * h, begin + 500 * (h + 1)))
                  for h in range(2)]  # fmt: skip
        if day:
            found.append(("store", simulated(rng, "store", 45, begin - 1000, begin)))
    return found


@pytest.fixture(scope="module")
def models(parts, tmp_path_factory):
    """Model files by name, made of all the journal's events; all but one name its features."""
    folder = tmp_path_factory.mktemp("from_store")
    journal = Journal(folder / "journal")
    for source, table in parts:
        journal.append(source, table)
    with connect("duckdb") as engine:
        history.write(engine, journal, FEATURES, folder / "log.parquet")
    log = EventLog.build(events.read(folder / "log.parquet"))
    split, files = leave_last_out(log), {}
    for name in ("popular", "store-encoder", "fpmc", "transact"):
        torch.manual_seed(0)
        config = MODELS[name].Config()
        model = MODELS[name](Catalogue.learned(log, split.train), config)
        training = Training(epochs=name == "store-encoder", max_len=7, precision="fp32")
        if training.epochs or name == "popular":
            fit(model, log, split, training)
        spec = {"model": name, "config": plain(config), "training": vars(training)}
        files[name] = folder / f"{name}.safetensors"
        about = {"features": FEATURES.digest()}
        save_model(model, spec, log.items, files[name], about)
    save_model(model, spec, log.items, folder / "silent.safetensors")
    return files | {"silent": folder / "silent.safetensors"}


@pytest.fixture
def shop(tmp_path):
    """A journal and an online store of its features, in one folder."""
    FEATURES.save(tmp_path / "features.json")
    yield Journal(tmp_path / "journal"), OnlineStore(tmp_path / "online.sqlite", FEATURES)


@pytest.fixture
def filled(shop, parts, tmp_path):
    for source, table in parts:
        shop[0].append(source, table)
    stream.run(*shop)
    return KnownEvents(tmp_path, clock=lambda: 5000.0)


def of_user(parts, user, at, most=9):
    """The last events of a user that these parts hold, by a loop."""
    rows = []
    for source, table in parts:
        for row in table.to_pylist():
            if row["user"] == user and row["time"] <= at * MICRO:
                key = (row["time"], row["event_id"], source == "store")
                rows.append((key, row | {"channel": source, "basket": row.get("basket", -1)}))
    rows = [row for _, row in sorted(rows, key=lambda one: one[0])][-most:]
    names = ("user", "item", "time", "channel", "basket")
    table = pd.DataFrame([[row[name] for name in names] for row in rows], columns=names)
    return table.assign(time=table["time"] // MICRO, user=str(user))


def test_after_every_segment_answers_are_those_of_what_was_known_and_no_more(
    shop, parts, models, tmp_path
):
    journal, store = shop
    served = Served.load(models["store-encoder"])
    late = 0
    for number, (source, table) in enumerate(parts):
        journal.append(source, table)
        stream.run(journal, store)
        known = KnownEvents(tmp_path)
        at = 1000 + 500 * number  # as if asked long before the last segment, and after the first
        for user in range(1, USERS + 1):
            past = known.of(user, at)
            expected = of_user(parts[: number + 1], user, at)
            assert past.seq == number and past.at == at
            assert past.table.astype(str).values.tolist() == expected.astype(str).values.tolist()
            late += len(of_user(parts, user, at)) - len(expected) if len(expected) < 9 else 0
            if not len(expected):
                continue
            found = answer(served, past, 5).lists["masked"]
            told = recommend(models["store-encoder"], expected, 5, asked_at=at)
            assert [str(one) for one in found.items] == told["item"].astype(str).tolist()
            np.testing.assert_allclose(found.scores, told["score"], rtol=1e-6)
    assert late > 20  # events that had happened, and that nobody could know


def test_by_http_a_user_is_asked_in_the_place_of_a_history(filled, models):
    loaded = [Served.load(models[name]) for name in ("popular", "store-encoder")]
    bodies = [{"user": 3, "k": 4}, {"user": "3", "k": 4, "models": ["popular"]}, {"user": "new"}]
    bodies += [{"history": [1, 2]}, {"history": [1], "models": ["store-encoder"]}, {"k": 3}]
    bodies += [{"user": 3, "history": [1]}]
    first, text, new, items, refused, neither, both = asked(loaded, *bodies, known=filled)
    found = first.json()
    past = filled.of(3)
    assert found["known"] == {"events": 9, "segment": 10, "at": 5000} and len(past.table) == 9
    assert list(found["models"]) == ["popular", "store-encoder"]
    for one in loaded:
        own = answer(one, past, 4)
        assert found["models"][one.name]["items"] == own.lists["masked"].items
        assert (own.known, own.read, own.unknown) == (9, 7, 0)
    # a model of items alone answers as it would if it were given them
    (plain_answer,) = loaded[0].answer([Question(past.table["item"].tolist(), 4)])
    for own in found["models"].values():
        assert set(own["ms"]) == {"queued", "read", "score", "select"}
        assert sum(own["ms"].values()) + found["ms"]["store"] <= found["ms"]["total"]
    assert 0 < found["ms"]["store"] and "store" not in items.json()["ms"]
    assert text.json()["models"]["popular"]["items"] == plain_answer.lists["masked"].items
    assert new.status_code == 200 and new.json()["known"]["events"] == 0
    assert new.json()["models"]["store-encoder"]["items"] == []
    assert list(items.json()["models"]) == ["popular"]
    assert refused.status_code == 422 and "name a user" in refused.json()["error"]
    for wrong in (neither, both):
        assert wrong.status_code == 422
        assert wrong.json() == {"error": "give either a history or a user"}


def test_without_a_store_no_user_can_be_asked_about(models):
    (wrong,) = asked([Served.load(models["popular"])], {"user": 3})
    assert wrong.status_code == 404 and "--store" in wrong.json()["error"]
    with pytest.raises(ValueError, match="reads basket, asked_basket of each event"):
        create_app([Served.load(models["store-encoder"])])


def test_items_that_a_model_does_not_know_are_counted(filled, models, shop, parts):
    strange = parts[0][1].to_pylist()[:2]
    table = pa.Table.from_pylist(
        [
            one | {"user": 77, "event_id": 10**6 + number, "item": 900}
            for number, one in enumerate(strange)
        ]
    )
    shop[0].append("online", table)
    stream.run(*shop)
    found = answer(Served.load(models["popular"]), filled.of(77))
    assert (found.known, found.unknown, found.unknown_items) == (0, 2, ["900"])
    assert found.lists["masked"].items == []


def test_a_store_that_is_being_rebuilt_answers_later(filled, models, shop):
    shop[1].connection.execute("update meta set value = 99 where key = 'until'")
    loaded = [Served.load(models["popular"])]
    waits, works = asked(loaded, {"user": 3}, {"history": [1]}, known=filled)
    assert waits.status_code == 503 and "being rebuilt" in waits.json()["error"]
    assert works.status_code == 200


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("silent", "does not say by which features it is served"),
        ("fpmc", "fpmc reads user of each event, which the list of last events does not have"),
        ("transact", "transact reads action of each event"),
    ],
)
def test_a_model_that_the_store_cannot_serve_is_refused_at_the_start(filled, models, name, words):
    with pytest.raises(ValueError, match=words):
        create_app([Served.load(models[name])], known=filled)


def test_a_model_of_other_channels_than_the_store_s_is_refused(filled, models):
    served = Served.load(models["store-encoder"])
    served.model.reads = (*served.model.reads, "channel")
    served.model.names = {"channel": np.array(["shop", "web"])}
    with pytest.raises(ValueError, match="learned from the channels shop, web, and a store tells"):
        create_app([served], known=filled)


def test_features_of_another_store_are_refused(shop, models, tmp_path):
    other = FeatureSet((Feature("last_9", 2, "last", 9),))
    place = tmp_path / "other"
    place.mkdir()
    other.save(place / "features.json")
    OnlineStore(place / "online.sqlite", other).close()
    with pytest.raises(RegistryError, match="serve it with its own features"):
        create_app([Served.load(models["popular"])], known=KnownEvents(place))


def test_a_folder_without_what_is_needed_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="has no online store: 'python -m"):
        KnownEvents(tmp_path)
    counts = FeatureSet(SET_1.features[:3])
    counts.save(tmp_path / "features.json")
    OnlineStore(tmp_path / "online.sqlite", counts).close()
    with pytest.raises(ValueError, match="no feature lists the last events"):
        KnownEvents(tmp_path)
    (tmp_path / "features.json").unlink()
    FEATURES.save(tmp_path / "features.json")
    with pytest.raises(StoreError, match="rebuild it from the journal"):
        KnownEvents(tmp_path)


def test_the_command_ends_in_a_sentence_where_there_is_no_store(models, tmp_path):
    with pytest.raises(SystemExit, match="has no online store"):
        main([str(models["popular"]), "--store", str(tmp_path)])


def test_a_served_list_is_finite_json(filled, models):
    (found,) = asked([Served.load(models["store-encoder"])], {"user": 1, "k": 1000}, known=filled)
    own = json.loads(found.text)["models"]["store-encoder"]
    assert 0 < len(own["items"]) < ITEMS and np.isfinite(own["scores"]).all()
