"""The same models asked in several ways: means by hand, pairs of the same users, orders."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.report.chapters import protocols


@pytest.fixture
def asked(made):
    """``asked(name, ranks, users, *values)``: a run with a seed for each list of values by user."""

    def build(name, ranks, users, *values):
        run = made(name, *[np.array(ranks)] * len(values))
        for one in run.seeds:
            one.ranks["user"] = users
        who, questions = np.unique(users, return_counts=True)
        frames = [
            pd.DataFrame({"user": who, "questions": questions, "uniform AUC": np.array(v, float)})
            for v in values
        ]
        return run, frames

    return build


USERS = [0, 0, 0, 1, 2]


def test_means_are_those_of_questions_by_every_measure(asked):
    run, frames = asked("sasrec", [1, 2, 20, 1, 3], USERS, [0.6, 0.9, 0.3], [0.8, 0.7, 0.1])
    full = protocols.Means(run, frames, "all masked").mean
    assert full.mean == pytest.approx(ndcg(np.array([1, 2, 20, 1, 3]), 10).mean())
    area = protocols.Means(run, frames, "uniform AUC").mean
    assert area.mean == pytest.approx(((0.6 + 0.8) / 2 * 3 + 0.8 + 0.2) / 5)
    found = protocols.table([run], {"sasrec": frames}, ["all masked", "uniform AUC"])
    assert found.loc["SASRec", "AUC, uniform"].startswith(f"{area.mean:.4f} ± ")
    assert found.columns.tolist() == ["NDCG@10 M, all items", "AUC, uniform"]
    told = protocols.figures([run], {"sasrec": frames}, ["uniform AUC", "all masked"])
    assert told == pytest.approx({"sasrec-uniform-auc": area.mean, "sasrec-all-masked": full.mean})


def test_differences_are_of_the_users_that_both_have(asked):
    users = np.arange(60)
    rng = np.random.default_rng(0)
    base = rng.uniform(0.4, 0.6, 60)
    one, one_kept = asked("markov", np.ones(60), users, base)
    other, other_kept = asked("din", np.ones(20), users[40:], base[40:] + 0.1)
    kept = {"markov": one_kept, "din": other_kept}
    difference = protocols.gain(
        *(protocols.Means(r, kept[r.name], "uniform AUC") for r in (other, one))
    )
    assert difference.mean == pytest.approx(0.1) and difference.half_width < 1e-6
    found = protocols.table([one, other], kept, ["uniform AUC"], baseline="markov")
    assert found.index.tolist() == ["DIN"] and "(higher)" in found.iloc[0, 0]
    with pytest.raises(ValueError, match="'gru' is not among"):
        protocols.table([one, other], kept, ["uniform AUC"], baseline="gru")


def test_orders_are_of_all_models_over_their_common_users(asked, ax):
    rng = np.random.default_rng(1)
    runs, kept = [], {}
    for level, name in enumerate(("markov", "gru", "sasrec", "din")):
        users = np.arange(100) if level else np.arange(50)
        ranks = np.full(len(users), 9 - 2 * level)  # the later the better
        run, frames = asked(name, ranks, users, -level + rng.normal(0, 0.1, len(users)))
        for one in frames:
            one["popularity AUC"] = level + rng.normal(0, 0.1, len(users))
        runs.append(run)
        kept[name] = frames
    measures = ["all masked", "uniform AUC", "popularity AUC"]
    found = protocols.agreements(runs, kept, measures)
    assert {pair: one.mean for pair, one in found.items()} == {
        ("all masked", "uniform AUC"): -1,
        ("all masked", "popularity AUC"): 1,
        ("uniform AUC", "popularity AUC"): -1,
    }
    protocols.squares(ax, found)
    drawn = [text.get_text() for text in ax.texts]
    assert drawn[0] == "−1.00\n[−1.00, −1.00]" and len(drawn) == 3


def test_what_was_asked_without_a_list_says_so(asked):
    run, frames = asked("sasrec", [1, 2], [0, 1], [0.5, 0.6])
    with pytest.raises(ValueError, match="asked without a list"):
        protocols.Means(run, frames, "reranked masked NDCG@10")
