"""The trials of a search as a reader sees them."""

import pandas as pd
import pytest

from seqrec_lib.records import store
from seqrec_lib.report.chapters import searches
from seqrec_lib.studies.search import SPACES, STEPS


@pytest.mark.usefixtures("nothing_kept")
def test_the_best_trial_stands_first_under_words():
    path = store.root() / "book" / "searches" / "beauty" / "gru4rec.csv"
    path.parent.mkdir(parents=True)
    rows = {"trial": [0, 1], "passes": [9, 40], "best pass": [6, 38], "NDCG@10": [0.05, 0.06]}
    rows |= {"loss": ["softmax", "BPR-max"], "cosine": [False, True]}
    pd.DataFrame(rows).to_csv(path, index=False)
    found = searches.trials("beauty", "gru4rec")
    assert list(found.index) == ["draw 1", "first settings"]
    assert found["NDCG@10 (M), validation"].tolist() == [0.06, 0.05]
    assert found["rate falls"].tolist() == ["yes", "no"]
    assert not set(found) & {"NDCG@10", "cosine"}


@pytest.mark.usefixtures("nothing_kept")
def test_steps_are_no_draws():
    path = store.root() / "book" / "searches" / "beauty" / "sasrec-taught.csv"
    path.parent.mkdir(parents=True)
    rows = {"trial": [0, 1], "passes": 40, "best pass": 38, "NDCG@10": [0.05, 0.06], "share": 0.5}
    pd.DataFrame(rows).to_csv(path, index=False)
    found = searches.trials("beauty", "sasrec-taught")
    assert list(found.index) == ["step 1", "first settings"]
    assert found["share taught"].tolist() == [0.5, 0.5]


def test_every_setting_that_is_drawn_has_a_head():
    spaces = [*SPACES.values(), *(step for steps in STEPS.values() for step in steps)]
    assert {key for space in spaces for key in space} <= set(searches.HEADS)
