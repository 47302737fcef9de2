"""Two stages: who may be in a list, and what each of the two is given."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import Recommender
from seqrec_lib.serving.rerank import Reranker, reranked
from seqrec_lib.serving.served import Question, Served
from seqrec_lib.training.evaluation import best

BOTH = ("masked", "unmasked")


class Ordered(Recommender):
    """Scores each item by a number of its own, -inf some; tells what it was given."""

    def __init__(self, scores, reads=(), max_len=None):
        super().__init__(Catalogue(len(scores), np.zeros(len(scores) + 1, dtype=int)))
        self.register_buffer("scores", torch.tensor([-torch.inf, *scores]))
        self.reads, self.max_len, self.given = reads, max_len, []

    def score_all(self, batch):
        self.given.append(batch)
        return self.scores.repeat(len(batch.item), 1)


def histories(log):
    bounds = zip(log.offsets[:-1], log.offsets[1:], strict=True)
    return [log.items[log.item[a:b] - 1].tolist() for a, b in bounds]


@pytest.mark.parametrize("events", [3, 5, 30, 60])
def test_masking_leaves_as_many_others_however_long_the_history(served, events):
    model = reranked(served("gru"), served("din"), 20)
    for read in range(3):
        history = list(range(101 + read, 101 + read + events))
        (answer,) = model.answer([Question(history, 20)])
        assert len(answer.lists["masked"].items) == 20
        assert not set(answer.lists["masked"].items) & set(history)


def test_so_it_does_where_models_are_compared(log_of):
    """Item 9 is the ranker's best and no candidate: two others are before it in the first list."""
    log = log_of([1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 9])
    falling = [float(-n) for n in range(9)]
    model = Reranker(Ordered(falling), Ordered(falling[::-1]), 2)
    ((rows, lists),) = best(model, log, np.array([6, 10]), 3, length=2)
    found = {name: items[np.argsort(rows)].tolist() for name, (items, _) in lists.items()}
    assert found == {"masked": [[8, 7, 0], [2, 1, 0]], "unmasked": [[8, 7, 6], [8, 7, 2]]}


def test_what_was_bought_in_a_store_is_not_set_aside(log_of):
    log = dataclasses.replace(log_of([1, 2, 3, 4]), context=np.arange(4) < 1)
    model = Reranker(Ordered([0.0, -1, -2, -3]), Ordered([0.0, 1, 2, 3]), 1)
    ((_, lists),) = best(model, log, np.array([3]), 3, length=1)
    assert {name: items.tolist() for name, (items, _) in lists.items()} == {
        "masked": [[1, 0, 0]],
        "unmasked": [[3, 2, 1]],
    }


def test_what_the_first_model_rules_out_stays_out(log_of):
    log = log_of([1, 2, 3, 4])
    first, ranker = Ordered([0.0, 0, -np.inf, -np.inf]), Ordered([0.0, 1, 2, 3])
    ((_, lists),) = best(Reranker(first, ranker, 4), log, np.array([1]), 4, length=1)
    assert lists["unmasked"][0].tolist() == [[2, 1, 0, 0]]


def test_it_reads_what_either_reads_and_no_more_than_both_tell_apart(log_of):
    log = log_of([1, 2, 3])
    first, ranker = Ordered([0.0] * 3, (), 5), Ordered([0.0] * 3, ("time",), 2)
    for one, other in ((first, ranker), (ranker, first)):
        model = Reranker(one, other, 3)
        assert model.max_len == 2 and model.reads == ("time",)
        next(best(model, log, np.array([2]), 1, length=2))
        for part in (one, other):
            assert part.given[-1].time.tolist() == [log.time[:2].tolist()]


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
