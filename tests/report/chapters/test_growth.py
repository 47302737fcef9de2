"""What the chapter on production shows of what grows: tables made up by hand, and its
words, held to what is kept."""

import matplotlib

matplotlib.use("Agg")

import pandas as pd
import pytest

from seqrec_lib.report.chapters import growth
from seqrec_lib.studies import scaling


@pytest.fixture
def grown():
    rows = [
        {"items": items, "events": events, "loss": loss, "step_s": items / 1e6, "targets": 1000.0,
         "begin_s": 1.0, "log_mb": events / 1e5, "model_mb": items / 1e3, "peak_mb": 1.0,
         "broke": "killed by signal 9" if events == 10**8 else ""}
        for items in (10**5, 10**6) for events in (10**7, 10**8) for loss in scaling.LOSSES
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_plan_is_arithmetic_on_the_largest_step_that_did_not_break(grown):
    plan = growth.plan(grown, (1, 100))
    days = 135e9 * 0.98 / 1000 / 86_400
    assert plan.loc[("whole", "1"), "days of a pass"] == pytest.approx(days)
    assert plan.loc[("sampled", "100"), "days of a pass"] == pytest.approx(days / 100)
    assert plan.loc[("whole", "100"), "log, GB a process"] == pytest.approx(135e9 / 1e8 / 100)
    assert plan.loc[("whole", "1"), "model, GB a process"] == pytest.approx(1.0)
    assert len(growth.plan(grown[grown["loss"] == "whole"])) == 3


def test_steps_are_drawn_by_items_without_what_broke(ax, grown):
    growth.draw_scaling(ax, grown)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.1, 1.0]] * 2
    sizes = growth.sizes(grown)
    assert sizes["broke"].tolist().count("killed by signal 9") == 4 and "–" in set(sizes["broke"])


def test_the_number_of_events_costs_no_steps_and_that_of_items_does(kept):
    table = kept(scaling.kept)
    whole = table[(table["broke"] == "") & (table["loss"] == "whole")].groupby("items")["step_s"]
    assert (whole.max() / whole.min() < 2).all()
    assert whole.median().iloc[-1] > 20 * whole.median().iloc[0]
