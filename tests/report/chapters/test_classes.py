"""Each item as a class."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.log import EventLog
from seqrec_lib.report.chapters import classes, tecd


def test_accuracy_is_the_share_ranked_first(days, third_day, random_runs):
    run = random_runs("gru", 1, 2)
    weights = tecd.weights("simulated", days, third_day)
    found = classes.classification([run], weights)
    for population, weight in weights.items():
        seeds = [np.average(seed == 1, weights=weight) for seed in run.ranks("unmasked")]
        assert found.loc[(population, "gru"), "accuracy"] == pytest.approx(np.mean(seeds))
    assert (found.to_numpy() > 0).all() and (found.to_numpy() < 1).all()


def test_an_item_is_of_the_class_of_its_earliest_training_event():
    # user 1 sees item 20 later than user 2 does; item 30 is held out
    events = {"user": [1, 1, 2, 2], "item": [10, 20, 20, 30], "time": [5, 9, 3, 99]}
    log = EventLog.build(pd.DataFrame(events))
    labels = np.array(["search", "u2i", "catalog", "u2i"])
    found = classes.first_seen(log, np.array([0, 1, 2]), labels)
    assert found[1:].tolist() == ["search", "catalog", "not in training"]


def test_precision_by_class_is_that_of_the_class_ranked_first(random_runs):
    run = random_runs("gru", 1)
    kinds = np.array(["", *np.resize(["even", "odd"], 30)], dtype=object)
    found = classes.precision_by_class([run], kinds)
    true, said = (kinds[run.seeds[0].ranks[name]] for name in ("item", "first"))
    for name in ("even", "odd"):
        assert found.loc[name, "support"] == (true == name).sum()
        assert found.loc[name, "gru predicted"] == pytest.approx((said == name).mean())
        assert found.loc[name, "gru"].mean == pytest.approx((true == name)[said == name].mean())
    places = classes.precision_by_class([run], np.where(kinds == "odd", "search", "new"))
    shown = classes.right_about_place(places, ["gru"])
    assert shown.index.tolist() == ["search"]  # what is no place is left out
    assert shown["true items, %"].tolist() == [100 * places.loc["search", "share"]]
    assert shown["GRU-CE first, %"].tolist() == [100 * places.loc["search", "gru predicted"]]
    assert (
        shown["GRU-CE right, %"]
        .iloc[0]
        .startswith(f"{100 * places.loc['search', 'gru'].mean:.1f} ±")
    )
    never = classes.precision_by_class([run], np.where(kinds == "odd", "odd", "rest"))
    assert never["share"].sum() == pytest.approx(1)


def test_a_class_that_is_never_first_has_no_precision(random_runs):
    run = random_runs("gru", 1)
    run.seeds[0].ranks["first"] = 1
    kinds = np.array(["", "a", *["b"] * 29], dtype=object)
    found = classes.precision_by_class([run], kinds)
    assert found.loc["b", "gru"] is None and found.loc["a", "gru"].mean < 0.2
    assert found["gru predicted"].tolist() == [0, 1]
