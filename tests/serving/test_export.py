"""An export: what is in it, what JavaScript makes of it, and what it refuses."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.serving.export import PEOPLE, exported, main, write
from seqrec_lib.serving.served import Question, Served
from seqrec_lib.training.evaluation import PROTOCOLS, ranks
from tests.demo import answered, apart, contents, restored

NAMES = ("popular", "markov", "gru", "sasrec")


@pytest.fixture(scope="module")
def films(kept):
    log = kept("gru")[2]
    words = [f"Film {raw} </script> ☃" for raw in log.items]
    return pd.DataFrame({"item": log.items, "title": words, "genres": ["A|B", "C"] * 45})[::-1]


@pytest.fixture(scope="module")
def compared(kept, served):
    """By its name: a network that compares by cosines over a temperature, as the published do."""
    log, found = kept("gru")[2], {}
    for name, kind, more in (
        ("gru-retrieval", GRU, {"num_layers": 2}),
        ("sasrec-wide", SASRec, {"num_heads": 4}),
    ):
        config = kind.Config(embed_dim=8, hidden_dim=16, temperature=0.5, **more)
        torch.manual_seed(1)
        model = kind(Catalogue.learned(log, leave_last_out(log).train), config).eval()
        for weight in model.parameters():
            weight.data += 0.3 * torch.randn_like(weight)
        length = served("gru").length
        found[name] = Served(model, log.items, length, name, digest=f"of {name}")
    return found


@pytest.fixture(scope="module")
def models(served, compared):
    return {name: served(name) for name in NAMES} | compared


@pytest.fixture(scope="module")
def folder(models, kept, films, tmp_path_factory):
    """A small export of popularity, a chain, and networks of both kinds of scores."""
    log = kept("gru")[2]
    files = exported(list(models.values()), log, leave_last_out(log), films)
    path = tmp_path_factory.mktemp("export") / "small"
    write(path, files, "python -m seqrec_lib.serving.export")
    return path


def test_what_is_read_back_is_what_was_exported(folder, models, kept, films):
    files, log = contents(folder), kept("gru")[2]
    split = leave_last_out(log)
    assert set(files) == {"items", "events", "replay", *models} - {"popular", "markov"}
    assert files["items"]["titles"] == films.sort_values("item")["title"].tolist()
    learned = [log.item[a : b - 2].tolist() for a, b in pairs(log.offsets)]
    assert apart(files["events"]["packed"]) == learned
    for name, model in restored(folder).items():
        theirs = models[name].model.state_dict()
        for part, value in model.model.state_dict().items():
            np.testing.assert_allclose(value, theirs[part], rtol=1e-3, atol=1e-7)
    for about in files["items"]["models"]:
        one = models[about["name"]]
        table = ranks(one.model, log, split.test, one.length)
        assert about["digest"] == one.digest and one.digest in (folder / "README.md").read_text()
        assert about["hr"] == {
            p: pytest.approx((table[f"rank_{p}"] <= 10).mean(), abs=1e-4) for p in PROTOCOLS
        }


def pairs(offsets):
    return zip(offsets[:-1], offsets[1:], strict=True)


def test_what_is_replayed_are_whole_histories_and_test_events_in_their_order(folder, kept):
    log, replay = kept("gru")[2], contents(folder)["replay"]
    whole = [log.item[log.offsets[u] : log.offsets[u + 1]].tolist() for u in replay["users"]]
    assert apart(replay["packed"]) == whole
    assert len(set(replay["users"])) == PEOPLE
    last = log.time[log.offsets[1:][replay["users"]] - 1]
    assert (np.diff(last) >= 0).all()


@pytest.mark.browser
def test_javascript_gives_every_item_the_score_and_rank_of_the_library(folder, kept, tmp_path):
    log, k = kept("gru")[2], 90
    split = leave_last_out(log)
    start = log.offsets[:-1]
    asked = [
        (log.item[a:p].tolist(), int(log.item[p])) for a, p in zip(start, split.test, strict=True)
    ]
    asked[0] = (asked[0][0][:1], asked[0][1])  # one event, and a repetition
    asked[1] = (asked[1][0][-1:] * 3, asked[1][0][-1])
    found = answered(folder, [*asked, ([], 1)], tmp_path / "p", k)["answers"]
    for name, model in restored(folder).items():
        answers = model.answer([Question(history, k, PROTOCOLS) for history, _ in asked])
        for (history, following), ours, theirs in zip(asked, answers, found[:-1], strict=True):
            for protocol in PROTOCOLS:
                left = set(history) if protocol == "masked" else set()
                scores = dict(
                    zip(ours.lists[protocol].items, ours.lists[protocol].scores, strict=True)
                )
                listed = {one["item"]: one["score"] for one in theirs[protocol][name]["items"]}
                assert listed.keys() == scores.keys() == set(range(1, 91)) - left
                np.testing.assert_allclose(
                    [listed[item] for item in scores], list(scores.values()), rtol=1e-5, atol=2e-5
                )
                # by the scores of JavaScript, for what is all but tied may change places
                expected = 90
                if following not in left:
                    others = np.array([s for item, s in listed.items() if item != following])
                    own = listed[following]
                    expected = 1 + (others > own).sum() + -(-(others == own).sum() // 2)
                assert theirs[protocol][name]["rank"] == expected
                assert list(listed.values()) == sorted(listed.values(), reverse=True)
        if name in ("popular", "markov"):
            for ours, theirs in zip(answers, found, strict=False):
                assert [one["item"] for one in theirs["masked"][name]["items"]] == ours.lists[
                    "masked"
                ].items
        assert found[-1]["masked"][name] == {"items": [], "rank": None}


@pytest.mark.parametrize(
    ("name", "other", "message"),
    [
        ("gru", {"cell": "lstm"}, r"no GRU with other \['cell'\]"),
        ("gru", {"tied": False}, "tied"),
        ("sasrec", {"places": "absolute"}, "places"),
        ("popular", {"half_life_days": 9.0}, "half_life_days"),
    ],
)
def test_settings_that_javascript_does_not_know_are_refused(
    served, kept, films, name, other, message
):
    log, one = kept("gru")[2], served(name)
    kind, config = type(one.model), dataclasses.replace(one.model.config, **other)
    model = kind(Catalogue.learned(log, leave_last_out(log).train), config).eval()
    with pytest.raises(ValueError, match=message):
        exported([dataclasses.replace(one, model=model)], log, leave_last_out(log), films)


def test_a_model_that_javascript_does_not_know_is_refused(served, kept, films):
    log = kept("gru")[2]
    with pytest.raises(ValueError, match="has no Ensemble"):
        exported([served("ensemble")], log, leave_last_out(log), films)


def test_training_positions_with_a_gap_before_them_are_refused(served, kept, films):
    log = kept("gru")[2]
    split = leave_last_out(log)
    late = dataclasses.replace(split, train=split.train[log.history_length(split.train) > 0])
    with pytest.raises(ValueError, match="training positions come first"):
        exported([served("popular")], log, late, films)


def test_weights_that_half_precision_cannot_hold_are_refused(served, kept, films):
    log, one = kept("gru")[2], served("gru")
    model = copy.deepcopy(one.model)
    model.items.weight.data[3, 0] = 1e6
    with pytest.raises(ValueError, match="too large for half precision"):
        exported([dataclasses.replace(one, model=model)], log, leave_last_out(log), films)


@pytest.mark.parametrize("name", ["beauty", "tecd-marketplace", "hm", "orders.csv"])
def test_of_data_that_may_not_be_passed_on_nothing_is_exported(name, tmp_path):
    with pytest.raises(SystemExit, match="may not be passed on"):
        main([name, "--models", "popular", "--out", str(tmp_path / "out")])
    assert list(tmp_path.iterdir()) == []
