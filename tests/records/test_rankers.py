"""Recipes of target attention: which data sets have which."""

import dataclasses

import numpy as np
import pytest

from seqrec_lib.data import datasets
from seqrec_lib.models.base import from_config
from seqrec_lib.records.rankers import (
    LENGTH,
    QUESTIONS,
    RANKER_RECIPES,
    TAIL_RECIPES,
    TECD_RANKERS,
)
from seqrec_lib.records.recipes import RECIPES, asked, published, recipe

EVERY = [(f"{kind}/{name}", one)
         for kind, some in (("all", RANKER_RECIPES), ("tail", TAIL_RECIPES), ("tecd", TECD_RANKERS))
         for name, one in some.items()]  # fmt: skip


@pytest.mark.parametrize(("name", "made"), EVERY, ids=[name for name, _ in EVERY])
def test_a_model_tells_apart_as_many_places_as_it_reads(name, made, small_catalogue):
    _, config, training, *_ = made
    catalogue = dataclasses.replace(
        small_catalogue, attributes=np.arange(41, dtype=np.int32)[:, None] % 5
    )
    places = from_config(catalogue, config).max_len
    assert places is None or places >= training.max_len


def test_a_tail_has_recipes_of_its_own_and_everybody_answers_the_same_questions():
    for name in ("popular", "markov", *TAIL_RECIPES):
        model, config, training, *start = recipe(name, "movielens_small-tail")
        assert training.questions == QUESTIONS
        if name in TAIL_RECIPES:
            how = dataclasses.replace(training, questions=0)
            assert (model, config, how, *start) == TAIL_RECIPES[name]
    assert recipe("din", "movielens_small-tail-shuffled")[2].max_len == LENGTH
    assert recipe("din", "movielens_small") == RECIPES["din"]
    assert recipe("din", "omni-100") == RECIPES["din"]  # its plain split is a tail, of its own
    with pytest.raises(ValueError, match="'din-softmax' is not published"):
        recipe("din-softmax", "beauty")


def test_a_file_split_so_has_the_recipes_of_every_log(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text("user,item,time\n")
    assert recipe("din", f"{path}?split=tail") == RECIPES["din"]


def test_a_stored_spec_of_a_tail_asks_for_the_same_run_today():
    (spec,) = published("movielens_small-tail", "tim", [2])
    assert asked(spec.as_dict()) == spec and spec.training.questions == QUESTIONS


def test_so_many_questions_are_asked_and_most_histories_read_whole():
    log, split = datasets.load("movielens_small-tail")
    few = datasets.splits.asked_about(log, split, QUESTIONS)
    length = log.history_length(few.test)
    assert len(few.test) == 17_272 and len(few.valid) == 13_816
    assert (length <= LENGTH).mean() == pytest.approx(0.88, abs=0.005)
    assert (log.history_length(split.test) <= LENGTH).mean() == pytest.approx(0.53, abs=0.005)
