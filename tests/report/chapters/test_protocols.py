"""The same models asked in several ways: means by hand, pairs of the same users, orders."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.store import Runs
from seqrec_lib.report.chapters import asked as asked_runs
from seqrec_lib.report.chapters import protocols


@pytest.fixture
def asked(made):
    """``asked(name, ranks, users, *values)``: a run with a seed for each list of values by user."""

    def build(name, ranks, users, *values):
        kind = name if name in MODELS else name.split("-")[0]  # a variant is of its model
        run = made(name, *[np.array(ranks)] * len(values), model=kind)
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
    pairs = [("din", "markov"), ("din", "gru")]  # one of them is not there
    told = protocols.differences([one, other], kept, pairs, ["uniform AUC"])
    assert told == {"din-markov-uniform-auc": f"{difference:+.4f}"}
    with pytest.raises(ValueError, match="'gru' is not among"):
        protocols.table([one, other], kept, ["uniform AUC"], baseline="gru")


def test_a_difference_that_is_none_beside_others_says_so(asked):
    users, rng = np.arange(60), np.random.default_rng(3)
    base, noise = rng.uniform(0.4, 0.6, 60), rng.normal(0, 1, 60)
    noise += 2.1 * noise.std() / np.sqrt(60) - noise.mean()  # alone it is one, at p = .04
    runs, kept = [], {}
    for name, values in (("markov", base), ("din", base + noise / 99), ("tim", base - noise / 99)):
        run, frames = asked(name, np.ones(60), users, values)
        runs.append(run)
        kept[name] = frames
    pairs = [("din", "markov"), ("tim", "markov")]
    (alone,) = protocols.differences(runs, kept, pairs[:1], ["uniform AUC"]).values()
    assert alone.endswith("one seed")
    told = protocols.differences(runs, kept, pairs, ["uniform AUC"])
    assert told["din-markov-uniform-auc"] == f"{alone}, no difference"
    assert told["tim-markov-uniform-auc"].endswith("no difference")


def test_what_one_seed_was_asked_is_of_that_seed(asked):
    run, frames = asked("din", [1, 2], [0, 1], [0.1, 0.2], [0.5, 0.6], [0.9, 0.8])
    frames[1][protocols.BEHIND] = [0.3, 0.5]
    found = protocols.Means(run, frames, protocols.BEHIND)
    assert found.run.numbers == [1] and found.mean.mean == pytest.approx(0.4)
    assert found.mean.note == "one seed"
    assert protocols.Means(run, frames, "uniform AUC").run.numbers == [0, 1, 2]


def test_who_was_asked_more_is_cut_to_what_all_were_asked(asked):
    runs = []
    for name, ranks, users in (("markov", [9, 1, 1, 9], [0, 0, 1, 2]), ("din", [2, 3], [0, 1])):
        run, _ = asked(name, ranks, users, [0.5] * len(set(users)))
        run.seeds[0].ranks["history_length"] = [3, 4, 7, 5] if name == "markov" else [4, 7]
        runs.append(run)
    assert [one.ranks("masked").tolist() for one in asked_runs.alike(runs)] == [[[1, 1]], [[2, 3]]]


def test_seeds_without_a_record_are_left_out_where_others_have_one(tmp_path, monkeypatch):
    there = {"din": [0, 2], "tim": []}
    monkeypatch.setattr(
        asked_runs,
        "answering",
        lambda spec, results: results if spec.training.seed in there[spec.name] else None,
    )
    asked = []

    def of_seeds(dataset, name, seeds, *how):
        asked.append((name, list(seeds)))
        return Runs(name, dataset, [])

    monkeypatch.setattr(asked_runs, "of_seeds", of_seeds)
    how = ("simulated-tail", ["din", "tim", "sim-hard"], [0, 1, 2])
    rest = ("cpu", False, tmp_path)
    asked_runs.runs_of(*how, None, *rest)
    asked_runs.runs_of(*how, 3, *rest)  # a trial trains all that it is asked for
    every = [0, 1, 2]
    assert asked == [("din", [0, 2]), ("tim", every), ("din", every), ("tim", every)]


def test_variants_are_possible_where_they_are_published():
    names = ["tim", "tim-none", "sim-hard", "profile"]
    assert asked_runs.possible("simulated-tail", names) == ["tim", "tim-none"]
    assert asked_runs.possible("simulated", names) == ["tim"]
    assert asked_runs.possible("movielens_small-tail", names) == names


def test_other_questions_of_the_same_users_are_no_pair(asked):
    one, few = asked("markov", np.ones(4), [0, 0, 1, 2], [0.5, 0.5, 0.5])
    other, more = asked("din", np.ones(5), USERS, [0.6, 0.6, 0.6])
    kept = {"markov": few, "din": more}
    for measure in ("all masked", "uniform AUC"):
        pair = (protocols.Means(run, kept[run.name], measure) for run in (other, one))
        with pytest.raises(ValueError, match="din and markov were asked 5 and 4 questions"):
            protocols.gain(*pair)
        with pytest.raises(ValueError, match="markov and din were asked 4 and 5 questions"):
            protocols.agreements([one, other], kept, [measure, "all unmasked"])


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


def test_a_part_is_worth_what_a_run_with_it_has_above_one_without(asked, monkeypatch):
    users = np.arange(40)
    rng = np.random.default_rng(2)
    base = rng.uniform(0.4, 0.6, 40)
    runs, kept = [], {}
    for name, above in (("din", 0.1), ("din-softmax", 0.0), ("pooling", 0.0)):
        run, frames = asked(name, np.ones(40), users, base + above)
        for one in frames:
            one["popularity AUC"] = base - above
        runs.append(run)
        kept[name] = frames
    words = {"a softmax": ("din", "din-softmax"), "not there": ("din", "din-dice")}
    monkeypatch.setattr(protocols, "PARTS", words)
    found = protocols.parts(runs, kept)
    assert found.index.tolist() == ["a softmax"]  # what was not trained has no row
    (uniform, popular) = found.iloc[0]
    assert uniform.startswith("+0.1000") and "(higher)" in uniform
    assert popular.startswith("−0.1000") and "(lower)" in popular
    picture = protocols.gains(runs, kept, "din-softmax", ["uniform AUC", "popularity AUC"])
    rows = [f"{report.label(name)}, one seed" for name in ("din", "pooling")]
    assert picture.index.tolist() == rows
    assert picture.loc[rows[0], "AUC, uniform"].mean == pytest.approx(0.1)
    assert picture.loc[rows[1], "AUC, by popularity"].mean == pytest.approx(0)


def test_each_model_stands_where_two_measures_put_it(asked, ax):
    runs, kept = [], {}
    for name, rank, area in (("markov", 2, 0.6), ("din", 1, 0.5)):
        run, frames = asked(name, [rank] * 2, [0, 1], [area, area])
        runs.append(run)
        kept[name] = frames
    protocols.against(ax, runs, kept, "uniform AUC", "all masked")
    places = [tuple(one.lines[0].get_xydata()[0]) for one in ax.containers]
    assert places == [pytest.approx((0.6, 1 / np.log2(3))), pytest.approx((0.5, 1))]
    assert {word.get_text().replace("\n", " ") for word in ax.texts} == {
        report.label("markov"), report.label("din"),
    }  # fmt: skip
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("AUC, uniform", "NDCG@10 M, all items")


def test_of_how_much_is_read_each_model_has_a_row(asked):
    lengths, kept = {}, {}
    for name in ("pooling", "din"):
        own = [name if n == 300 else f"{name}-{n}" for n in protocols.READ]
        made = [asked(one, [1, 2], [0, 1], [0.5 + i / 10, 0.7]) for i, one in enumerate(own)]
        lengths[name] = [run for run, _ in made]
        kept |= {run.name: frames for run, frames in made}
    found = protocols.by_length(lengths, kept)
    assert found.columns.tolist() == list(protocols.READ)
    assert [cell[:6] for cell in found.loc["DIN"]] == ["0.6000", "0.6500", "0.7000", "0.7500"]


def test_who_reads_attributes_is_left_out_where_items_have_none():
    names = ("din", "sim-hard", "profile", "popular")
    assert asked_runs.possible("movielens_small-tail", names) == list(names)
    assert asked_runs.possible("simulated-tail", names) == ["din", "popular"]
