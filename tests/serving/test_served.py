"""One answer: what is in it, that company changes nothing, and that files do not lie."""

import copy
import dataclasses
import hashlib
import json

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import Recommender
from seqrec_lib.records.model_file import save_model, stored_spec
from seqrec_lib.serving.ranking import best
from seqrec_lib.serving.recommend import recommend
from seqrec_lib.serving.rerank import Reranker, reranked
from seqrec_lib.serving.served import Question, Served

BOTH = ("masked", "unmasked")
KINDS = ("popular", "markov", "gru", "sasrec", "retrieval", "din", "ensemble", "reranked")


def histories(log):
    bounds = zip(log.offsets[:-1], log.offsets[1:], strict=True)
    return [log.items[log.item[a:b] - 1].tolist() for a, b in bounds]


@pytest.mark.parametrize("name", KINDS)
def test_an_answer_is_the_same_alone_and_among_others(served, kept, name):
    model = served(name)
    asked = [
        Question(one, k, protocols)
        for one, k, protocols in zip(
            histories(kept("gru")[2]),
            [1, 7, 90] * 20,
            [BOTH, BOTH[:1], BOTH[1:], BOTH] * 15,
            strict=True,
        )
    ]
    together = model.answer(asked)
    for question, answer in list(zip(asked, together, strict=True))[::7]:
        (alone,) = model.answer([question])
        assert set(answer.lists) == set(question.protocols)
        for protocol, shown in answer.lists.items():
            assert 0 < len(shown.items) <= question.k
            assert shown.items == alone.lists[protocol].items
            np.testing.assert_allclose(shown.scores, alone.lists[protocol].scores, atol=1e-5)
            assert shown.chance == pytest.approx(alone.lists[protocol].chance, abs=1e-5)
        assert (answer.digest, answer.together) == (model.digest, 60) and alone.together == 1


@pytest.mark.parametrize("name", ["popular", "markov", "gru", "ensemble"])
@pytest.mark.parametrize("protocol", BOTH)
def test_an_answer_is_that_of_recommend(served, kept, name, protocol):
    path, _, log = kept(name)
    for history in histories(log)[::20]:
        (answer,) = served(name).answer([Question(history, 12, (protocol,))])
        expected = recommend(path, {1: history}, 12, protocol)
        assert answer.lists[protocol].items == expected["item"].tolist()
        np.testing.assert_allclose(answer.lists[protocol].scores, expected["score"], rtol=1e-6)


@pytest.mark.parametrize("name", ["popular", "markov", "sasrec", "ensemble"])
def test_the_chance_of_the_first_is_its_share_of_what_may_be_shown(served, kept, name):
    model = served(name)
    history = histories(kept(name)[2])[3]
    (answer,) = model.answer([Question(history, 1, BOTH)])
    ids = torch.tensor([[model.number[str(one)] for one in history]])
    chance = model.model.log_chances(Batch(ids[:, -model.length :])).exp()[0].detach()
    assert chance.sum() == pytest.approx(1, abs=1e-5)
    first = model.number[str(answer.lists["unmasked"].items[0])]
    assert answer.lists["unmasked"].chance == pytest.approx(float(chance[first]), rel=1e-4)
    chance[ids[0]] = 0
    first = model.number[str(answer.lists["masked"].items[0])]
    expected = float(chance[first] / chance.sum())
    assert answer.lists["masked"].chance == pytest.approx(expected, rel=1e-4)


def test_equal_scores_come_in_the_order_of_the_catalogue(served):
    model = served("popular")
    for k in (1, 5, 30):
        (answer,) = model.answer([Question([101], k, ("unmasked",))])
        count = {raw: float(model.model.popularity[i]) for raw, i in model.number.items()}
        order = sorted(count, key=lambda raw: (-count[raw], model.number[raw]))
        assert len(set(count.values())) < len(count)
        assert [str(one) for one in answer.lists["unmasked"].items] == order[:k]


@pytest.mark.parametrize("seed", range(20))
def test_the_best_are_those_of_a_sort_whatever_is_equal_or_left_out(seed):
    rng = np.random.default_rng(seed)
    values = [-np.inf, 0.0, 1.0, *rng.normal(size=rng.integers(0, 9))]  # few: many are equal
    scores = rng.choice(values, (6, 13)).astype(np.float32)
    scores[:2] = rng.normal(size=(2, 13))  # none
    scores[:, 0], scores[5] = -np.inf, -np.inf
    logits = torch.from_numpy(scores * rng.uniform(0.5, 2)).float()
    k = int(rng.integers(1, 16))
    for rows in (slice(None), slice(0, 2), slice(5, 6)):
        row, item, score, chance = best(torch.from_numpy(scores[rows]), logits[rows], k)
        for place, one in enumerate(scores[rows]):
            order = sorted(np.flatnonzero(one > -np.inf), key=lambda i: (-one[i], i))[:k]  # noqa: B023
            assert item[row == place].tolist() == order
            assert score[row == place].tolist() == one[order].tolist()
            likely = logits[rows][place].double().softmax(0)
            assert (
                np.isnan(chance[place])
                if not order
                else (chance[place] == pytest.approx(float(likely[order[0]]), rel=1e-5))
            )
        assert (np.diff(row) >= 0).all()


def test_what_is_read_and_what_is_not_known_is_counted_and_named(served):
    history = ["never", 101, "102", "x1", "x1", *"abcdef", *range(103, 110)]
    (answer,) = served("gru").answer([Question(history)])
    assert (answer.known, answer.read, answer.unknown) == (9, 5, 9)
    assert answer.unknown_items == ["never", "x1", "a", "b", "c"]
    assert not set(answer.lists["masked"].items) & set(range(101, 110))
    assert all(value >= 0 for value in answer.ms.values()) and answer.ms["score"] > 0


def test_who_has_no_known_item_gets_an_empty_list_and_others_their_own(served):
    asked = [Question([]), Question([101, 102]), Question(["never"])]
    first, second, third = served("gru").answer(asked)
    assert first.lists["masked"].items == third.lists["masked"].items == []
    assert first.lists["masked"].chance is None and third.unknown == 1
    assert second.lists["masked"].items == served("gru").answer(asked[1:2])[0].lists["masked"].items
    (alone,) = served("gru").answer(asked[:1])
    assert alone.known == 0 and alone.lists["masked"].scores == []


def test_lists_hold_numbers_alone_and_end_where_nothing_is_left(served):
    history = list(range(101, 189))
    for name in ("gru", "reranked"):
        (answer,) = served(name).answer([Question(history, 50, BOTH)])
        assert len(answer.lists["masked"].items) <= 2
        json.dumps(dataclasses.asdict(answer), allow_nan=False)
    (answer,) = served("reranked").answer([Question([101], 90, ("unmasked",))])
    assert 20 <= len(answer.lists["unmasked"].items) <= 21  # the candidates, and what was read


class Strange(Recommender):
    """Scores whatever it is told to."""

    def __init__(self, like, value):
        super().__init__(like)
        self.value = torch.nn.Parameter(torch.tensor(value))

    def score_all(self, batch):
        scores = torch.zeros(len(batch.item), self.num_items + 1)
        scores[:, 0], scores[:, 3] = -torch.inf, self.value.detach()
        return scores


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_no_answer(served, value):
    gru = served("gru")
    strange = Served(Strange(_catalogue(gru), value).eval(), gru.items, 5)
    with pytest.raises(FloatingPointError, match="infinite or not a number"):
        strange.answer([Question([101])])


def _catalogue(served):
    return Catalogue(len(served.items), np.zeros(len(served.items) + 1, dtype=np.int64))


@pytest.mark.parametrize(
    ("question", "words"),
    [(Question([101], 0), "k is 0"), (Question([101], 1, ("M",)), "'masked' or 'unmasked'")],
)
def test_what_cannot_be_asked_is_refused(served, question, words):
    with pytest.raises(ValueError, match=words):
        served("gru").answer([question])


def test_a_model_that_reads_more_than_items_is_refused(kept):
    model = Served.load(kept("store-encoder")[0])
    with pytest.raises(ValueError, match="reads basket, asked_basket of each event"):
        model.answer([Question([101])])


def test_the_digest_is_the_file_s(kept):
    path, _, _ = kept("gru")
    found = Served.load(path)
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.name == "gru-False" and found.length == 5


@pytest.mark.parametrize("length", [0, -1, 2**40, "50", None, 51])
def test_a_file_that_lies_about_lengths_is_refused(kept, tmp_path, length):
    path, model, log = kept("sasrec")
    spec = stored_spec(path)
    spec["training"] = spec["training"] | {"max_len": length}
    save_model(model, spec, log.items, tmp_path / "lies.safetensors")
    with pytest.raises(ValueError, match="damaged: it"):
        Served.load(tmp_path / "lies.safetensors")


def test_two_items_of_one_name_are_refused(served):
    gru = served("gru")
    items = gru.items.astype(object)
    items[1] = str(items[0])
    with pytest.raises(ValueError, match="same id as text"):
        Served(gru.model, items, 5).answer([Question([101])])


# --- two stages -----------------------------------------------------------------------------------


def test_a_reranker_of_everything_is_the_ranker(served, kept):
    whole = reranked(served("gru"), served("din"), 90)
    assert whole.model.steps_at_once == served("din").model.steps_at_once  # what it can hold
    for history in histories(kept("gru")[2])[::15]:
        own, expected = (
            one.answer([Question(history, 90, BOTH)])[0].lists for one in (whole, served("din"))
        )
        for protocol in BOTH:
            assert own[protocol].items == expected[protocol].items


def test_a_reranker_orders_what_the_first_model_found(served, kept):
    for history in histories(kept("gru")[2])[::15]:
        first = served("gru").answer([Question(history, 20)])[0].lists["masked"].items
        found = served("reranked").answer([Question(history[-5:], 20)])[0].lists["masked"].items
        own = served("gru").answer([Question(history[-5:], 20)])[0].lists["masked"].items
        assert sorted(found) == sorted(own) and found != own
        assert len(first) == 20


def test_models_of_other_items_are_not_put_together(served):
    gru = served("gru")
    other = Served(gru.model, gru.items[::-1], 5)
    with pytest.raises(ValueError, match="they know other items"):
        reranked(gru, other)
    first, ranker = copy.deepcopy(gru), copy.deepcopy(gru)
    ranker.model.names = {"action": np.array(["buy", "view"])}
    assert list(reranked(first, ranker).model.names["action"]) == ["buy", "view"]
    first.model.names = {"action": np.array(["view"])}
    with pytest.raises(ValueError, match="they know other words of action"):
        reranked(first, ranker)
    with pytest.raises(ValueError, match="rerank one candidate or more"):
        Reranker(gru.model, gru.model, 0)
