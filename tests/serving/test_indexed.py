"""Lists that an index finds: the model's own where it looks everywhere, and how many elsewhere."""

import httpx
import numpy as np
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.serving.indexed import indexed
from seqrec_lib.serving.served import Question, Served
from tests.serving.test_app import process

BOTH = ("masked", "unmasked")
ITEMS = 4000


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    item = rng.integers(1, ITEMS + 1, 1200).astype(np.int32)
    day = np.arange(1200) % 6
    return EventLog(item, day, np.arange(0, 1201, 6), np.arange(200), np.arange(1, ITEMS + 1))


@pytest.fixture(scope="module", params=["cosines", "a table of its own"])
def served(request):
    torch.manual_seed(0)
    catalogue = Catalogue(ITEMS, np.zeros(ITEMS + 1, dtype=np.int64))
    if request.param == "cosines":
        model = SASRec(catalogue, SASRec.Config(embed_dim=16, hidden_dim=16, temperature=0.1))
    else:
        model = GRU(catalogue, GRU.Config(16, 16, tied=False))
        torch.nn.init.normal_(model.output.weight)
        torch.nn.init.normal_(model.output.bias, std=0.05)
    return Served(model.eval(), np.arange(1, ITEMS + 1), 5, "whole")


def questions(log, ks=(1, 10, 30)):
    bounds = list(zip(log.offsets[:-1], log.offsets[1:], strict=True))[:60]
    return [
        Question(log.items[log.item[a : b - 1] - 1].tolist(), ks[i % len(ks)], BOTH)
        for i, (a, b) in enumerate(bounds)
    ]


def test_an_index_that_looks_everywhere_gives_the_model_s_own_lists(served, log):
    found = indexed(served, log, leave_last_out(log).valid, recall=1.0)
    found.index.nprobe = found.index.nlist
    asked = questions(log)
    for question, ours, exact in zip(asked, found.answer(asked), served.answer(asked), strict=True):
        for protocol in BOTH:
            mine, whole = ours.lists[protocol], exact.lists[protocol]
            assert mine.items == whole.items and len(mine.items) == question.k
            np.testing.assert_allclose(mine.scores, whole.scores, rtol=1e-4, atol=1e-5)
            assert mine.chance is None
        assert not set(ours.lists["masked"].items) & set(question.history)


def test_as_few_lists_are_read_as_find_what_is_asked_for(served, log):
    few, many = (indexed(served, log, leave_last_out(log).valid, one) for one in (0.5, 0.95))
    assert 0.5 <= few.recall < many.recall and many.recall >= 0.95
    assert few.index.nprobe < many.index.nprobe < many.index.nlist
    asked = questions(log, (10,))
    pairs = zip(many.answer(asked), served.answer(asked), strict=True)
    shares = [np.isin(b.lists["masked"].items, a.lists["masked"].items).mean() for a, b in pairs]
    assert np.mean(shares) > 0.9
    assert many.digest == "+index" and many.name == "whole-indexed"


def test_what_no_index_finds_is_refused_in_words(served, log, kept):
    valid = leave_last_out(log).valid
    for name in ("markov", "ensemble", "retrieval"):
        path, _, own = kept(name)
        with pytest.raises(ValueError, match="no inner products"):
            indexed(Served.load(path), own, leave_last_out(own).valid)
    with pytest.raises(ValueError, match="on 0 histories"):
        indexed(served, log, valid[:0])
    with pytest.raises(ValueError, match="recall is 1.5"):
        indexed(served, log, valid, 1.5)
    with pytest.raises(ValueError, match="other items"):
        indexed(served, kept("gru")[2], valid[:10])


def test_a_history_that_leaves_little_has_a_short_list(kept):
    path, _, log = kept("gru")
    found = indexed(Served.load(path), log, leave_last_out(log).valid, 1.0)
    (answer,) = found.answer([Question(list(range(101, 189)), 50, BOTH)])
    assert len(answer.lists["masked"].items) <= 2 and len(answer.lists["unmasked"].items) == 50
    with pytest.raises(ValueError, match="k is 0"):
        found.answer([Question([101], 0)])


def test_the_command_line_serves_by_an_index(kept, table, tmp_path):
    table.to_csv(tmp_path / "log.csv", index=False)
    path = kept("gru")[0]
    words = (path, "--index", path, "--dataset", tmp_path / "log.csv", "--sort")
    with process(*words) as (address, _):
        found = httpx.post(f"{address}/v1/top", json={"history": [101, 102]}).json()["models"]
    assert list(found) == ["gru-False", "gru-False-indexed"]
    whole, own = (one["items"] for one in found.values())
    assert len(set(whole) & set(own)) >= 9
