"""Gains in per cent, and a trial by halves, from ranks of which they are known."""

import numpy as np
import pytest

from seqrec_lib.metrics.ranking import hr
from seqrec_lib.report.chapters import stores


def of(run, stores_known):
    run.__dict__["dataset"] = f"omni-100-stores-{stores_known}"
    return run


@pytest.fixture
def pair(made):
    rank = np.tile([1, 1, 20, 20], 50)
    base = of(made("sasrec", rank, rank, rank), "none")
    return of(
        made("sasrec-attne", *[np.tile([1, 1, 1, 20], 50)] * 3, model="sasrec"), "known"
    ), base


def test_a_gain_is_in_per_cent_of_the_base(pair):
    found = stores.gain(*pair, metric=hr)
    assert found.mean == pytest.approx(50) and 30 < found.low < found.high < 70


def test_the_table_has_a_verdict_for_each_run_but_the_base(pair):
    run, base = pair
    table = stores.gains([base, run], [base, base])
    assert [stores.known(one) for one in (base, run)] == ["online only", "known next morning"]
    assert table.iloc[:, -1].tolist() == ["", "higher"]
    assert table["HR@10 U"].tolist() == ["0.5000", "0.7500"]
    assert table.iloc[1]["HR gain, %"].startswith("+50.0 [")


def test_a_trial_compares_those_who_were_treated_with_those_who_were_not(pair):
    run, _ = pair
    lucky = np.arange(200) % 4 < 2
    found = stores.removed(run, lucky, hr)  # 1 against .5
    assert found.mean == pytest.approx(100) and found.low > 50


def test_costs_are_those_of_the_published_benchmarks_and_nan_of_what_they_do_not_know(pair):
    unknown = pair[0]
    unknown.__dict__["name"] = "gru4rec"
    assert np.isnan(stores.cost([unknown])).all() and stores.cost([pair[1]])[0] > 0
    assert np.isnan(stores.read_ms(["last 3"])).all()
    assert (np.array(stores.read_ms(list(stores.study.SPANS))) > 0).all()
