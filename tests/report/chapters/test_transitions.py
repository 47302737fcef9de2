"""Transitions by how often training saw them."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.report.chapters import transitions


def test_each_question_is_in_one_part_and_a_part_of_one_question_is_left_out():
    found = transitions.parts(np.array([0, 0, 1, 1, 2, 7]))
    assert found.columns.tolist() == list(transitions.SEEN)
    assert found.to_numpy().tolist() == [[1, 0, 0]] * 2 + [[0, 1, 0]] * 2 + [[0, 0, 1]] * 2
    assert "seen once" not in transitions.parts(np.array([0, 0, 1, 2, 2]))


def test_what_is_found_of_1000_adds_up_to_the_hit_rate(made):
    run = made("markov", np.array([1, 90, 10, 11, 2]))
    found = transitions.found_of_1000([run], transitions.parts(np.array([0, 0, 1, 1, 0])))
    means = {name: one.mean for name, one in found["Markov chain"].items()}
    assert means == {"never seen: 600 of 1,000": 400, "seen once: 400 of 1,000": 200}
    assert sum(means.values()) == pytest.approx(1000 * report.mean(run, "masked", hr).mean)


@pytest.fixture
def tables(made):
    """A model that has what the chain never saw, and lacks half of what it did."""
    times = np.repeat([0, 2], 300)
    chain, half = np.where(times == 0, 50, 1), np.where(np.arange(600) % 2, 50, 1)
    learned = made("sasrec", *[np.where(times == 0, 1, half)] * 3, unmasked=chain)
    return transitions.gains([learned], made("markov", chain), transitions.parts(times), hr)


def test_gains_are_those_of_the_part_with_its_users(tables):
    found = tables[report.WORDS["masked"]]
    assert found["users"].tolist() == [600, 300, 300]
    first = found["SASRec"].str.split().str[0]
    assert first.tolist() == ["+0.2500", "+1.0000", "−0.5000"]


def test_what_is_no_difference_stands_in_brackets(tables):
    found = tables[report.WORDS["unmasked"]]["SASRec"]
    assert found.str.startswith("(").all() and isinstance(found, pd.Series)
