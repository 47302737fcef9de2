"""What the chapter on production shows of tables that are made up, by hand; and its words, held to
those that are kept."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.data import files
from seqrec_lib.report.chapters import serving
from seqrec_lib.serving import played
from seqrec_lib.studies import new_products, scaling, updating


@pytest.fixture
def ax():
    figure, ax = plt.subplots(layout="constrained")
    yield ax
    plt.close(figure)


@pytest.fixture
def day():
    rows = []
    for model, counts in (("markov-1", (1, 4)), ("sasrec", (1,))):
        for state in updating.STATES:
            for number in counts:
                for protocol in serving.LETTERS:
                    mean = 0.1 + 0.2 * (state == "fresh") + 0.01 * number
                    gain = mean - 0.11
                    rows.append(
                        {"model": model, "state": state, "counts": number, "protocol": protocol,
                         "metric": "HR@10", "mean": mean, "low": mean - 0.01, "high": mean + 0.01,
                         "gain mean": gain, "gain low": gain - 0.02, "gain high": gain + 0.02}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def test_what_is_fresh_is_set_over_a_night_of_both(day):
    found = serving.worth(day)
    chain = found.loc["markov-1"]
    assert chain["last night U"].mean == pytest.approx(0.11)
    assert chain["+ state U"].mean == pytest.approx(0.2)
    assert chain["+ counts M"].mean == pytest.approx(0.03)
    assert chain["+ both M"].mean == pytest.approx(0.23)
    assert chain["+ both M"].low == pytest.approx(0.21)
    # a network is counted once: of it the state alone is fresh
    assert found.loc["sasrec", "+ state U"].mean == pytest.approx(0.2)
    assert found.loc["sasrec"].isna().sum() == 4


def test_a_line_a_model_and_state_is_drawn(ax, day):
    serving.draw_updating(ax, day)
    drawn = [line.get_ydata().tolist() for line in ax.lines if len(line.get_xdata()) == 2]
    assert [np.round(one, 2).tolist() for one in drawn[:2]] == [[0.11, 0.14], [0.31, 0.34]]
    words = [one.get_text() for one in ax.figure.legends[0].get_texts()]
    states = {"state fresh", "state of last night"}
    assert len(words) == 4 and set(words) == states | {"Markov chain, order 1", "SASRec"}


def run_of(p99, **more):
    return {"due_ms": {"p50": 1.0, "p99": p99}, "sent_ms": {"p99": p99}, "cpu_ms": 0.5,
            "answers_per_s": 3000.4, "n": 5000} | more  # fmt: skip


def test_what_came_stands_beside_what_was_asked_for():
    small = dict.fromkeys(serving.ASKED["small"], run_of(4.0))
    large = dict.fromkeys(serving.ASKED["large"], run_of(None)) | {"recall": 0.98}
    names = (
        "small, 1 connection: p99", "small, 32 connections: answers a second",
        "small, 32 connections: p99", "large, exact, 1 connection: p99",
        "large, index, 1 connection: p99", "large, index: recall@10",
        "overload: p99 of the accepted", "overload: seconds until well",
    )  # fmt: skip
    asked = dict(zip(names, (5, 2500, 3, 35, 5, 0.99, 100, 2), strict=True))
    over = {"small": run_of(90.0, well_after_s=2.5)}
    of = {"small": small, "large": large, "overload": over, "wanted": asked}
    met = serving.wanted(of)["met"].tolist()
    assert met == ["yes", "yes", "no", "too few", "too few", "no", "yes", "no"]
    table = serving.answers(of)
    assert len(table) == 8 and table["answers a second"].tolist() == [3000] * 8
    assert table.loc["12,101 items, one connection", "p99, ms"] == 4.0


def test_the_diagonal_is_where_things_come_as_often_as_said(ax):
    rows = [
        {"model": "gru", "protocol": "masked", "measure": "calibration", "mean": c / 2,
         "low": 0.0, "high": c, "chance": c}
        for c in (0.01, 0.1, 0.5)
    ]  # fmt: skip
    serving.draw_calibration(ax, pd.DataFrame(rows))
    diagonal, points = ax.lines[0], ax.lines[1]
    assert (diagonal.get_xdata() == diagonal.get_ydata()).all() and len(diagonal.get_xdata()) > 50
    assert points.get_ydata().tolist() == [0.005, 0.05, 0.25]


def test_a_replay_s_table_has_intervals_where_there_are_any():
    rows = [("HR@10", 0.1, 0.05, 0.2), ("calibration_error", 0.02, np.nan, np.nan)]
    table = pd.DataFrame(rows, columns=["measure", "mean", "low", "high"])
    found = serving.replayed(table.assign(model="gru", protocol="unmasked")).loc["gru"]
    assert str(found["HR@10 U"]) == "0.1000 [0.0500, 0.2000]"
    assert found["calibration error U"] == 0.02


def test_figures_of_a_day_are_gains_over_a_night_of_both(day):
    more = [day.assign(counts=day["counts"].replace(4, number)) for number in (16, 256)]
    figures = serving.fresh_figures(pd.concat(more).drop_duplicates())
    assert figures["state-gain"] == pytest.approx(0.2) and figures["sasrec-state"] > 0.19
    assert figures["counts-gain"] == pytest.approx(0.03)
    assert figures["counts-after"] == pytest.approx(0.03)
    assert "gru-state" not in figures


def test_over_all_questions_each_counts_once():
    rows = [
        {"way": way, "part": part, "protocol": "masked", "metric": metric, "mean": mean,
         "users": users}
        for way, part, metric, mean, users in (
            ("sasrec", "new", "HR@10", 0.0, 10), ("sasrec", "old", "HR@10", 0.2, 30),
            ("attributed", "new", "HR@10", 0.4, 10), ("attributed", "old", "HR@10", 0.1, 30),
            ("attributed", "old", "HR@10 among old", 0.3, 30),
        )
    ]  # fmt: skip
    figures = serving.new_figures(pd.DataFrame(rows))
    assert figures["all-numbers"] == pytest.approx(0.15)
    assert figures["all-attributes"] == pytest.approx(0.175)
    assert figures["old-among"] == 0.3 and "all-alike" not in figures


def test_new_items_are_means_over_draws():
    rows = [
        {"way": "attributed", "part": "new", "protocol": "masked", "metric": "HR@10",
         "seed": seed, "mean": mean, "low": mean - 0.1, "high": mean + 0.1}
        for seed, mean in enumerate((0.2, 0.4))
    ]  # fmt: skip
    found = serving.new_items(pd.DataFrame(rows))
    assert str(found.loc["SASRec, attributes", "new M"]) == "0.3000 [0.2000, 0.4000]"


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
    plan = serving.plan(grown, (1, 100))
    days = 135e9 * 0.98 / 1000 / 86_400
    assert plan.loc[("whole", "1"), "days of a pass"] == pytest.approx(days)
    assert plan.loc[("sampled", "100"), "days of a pass"] == pytest.approx(days / 100)
    assert plan.loc[("whole", "100"), "log, GB a process"] == pytest.approx(135e9 / 1e8 / 100)
    assert plan.loc[("whole", "1"), "model, GB a process"] == pytest.approx(1.0)
    assert len(serving.plan(grown[grown["loss"] == "whole"])) == 3


def test_steps_are_drawn_by_items_without_what_broke(ax, grown):
    serving.draw_scaling(ax, grown)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.1, 1.0]] * 2
    sizes = serving.sizes(grown)
    assert sizes["broke"].tolist().count("killed by signal 9") == 4 and "–" in set(sizes["broke"])


# --- the chapter's words ------------------------------------------------------------------------


def kept(read):
    try:
        return read("book/results")
    except FileNotFoundError:
        pytest.skip("nothing is kept yet: the chapter waits for its figures")


def test_the_title_holds_for_the_day_that_is_kept():
    """It is to be written anew otherwise: who reads the day gains, and sixteen counts suffice."""
    table = kept(updating.kept)
    table = table[table["dataset"] == "tecd-marketplace"]
    found, figures = serving.worth(table), serving.fresh_figures(table)
    assert all(one.low > 0 for one in found.drop(index="popular")["+ state U"])
    assert 0 < figures["counts-gain"] < figures["counts-after"] < figures["state-gain"]
    assert figures["most-gain"] - figures["sixteen-gain"] < 0.05 * figures["counts-after"]
    assert figures["popular-loss-m"] > 0


def test_attributes_find_new_items_which_crowd_out_old_ones():
    table = kept(new_products.kept)
    found, figures = serving.new_items(table), serving.new_figures(table)
    own, numbers = found.loc["SASRec, attributes"], found.loc["SASRec, item numbers"]
    assert own["new M"].low > numbers["new M"].high and own["new M"].mean > own["old M"].mean
    assert own["old M"].high < numbers["old M"].low  # and so it is worse over all questions
    assert figures["all-attributes"] < figures["all-numbers"]
    assert figures["old-among"] > figures["old-numbers"]


def test_networks_are_as_sure_as_they_may_be_and_the_chain_is_not():
    figures = serving.sure_figures(kept(played.kept))
    assert max(figures["error-gru"], figures["error-sasrec"]) < 0.02 < figures["error-markov"]
    assert figures["chain-said"] > 5 * figures["chain-came"]
    assert figures["sasrec-said-u"] > 3 * figures["sasrec-came-u"]


def test_the_number_of_events_costs_no_steps_and_that_of_items_does():
    table = kept(scaling.kept)
    whole = table[(table["broke"] == "") & (table["loss"] == "whole")].groupby("items")["step_s"]
    assert (whole.max() / whole.min() < 2).all()
    assert whole.median().iloc[-1] > 20 * whole.median().iloc[0]


def test_what_was_published_of_the_server_is_what_the_chapter_says():
    if not (files.root() / "benchmarks" / "results" / "serving.json").exists():
        pytest.skip("nothing is published yet")
    of = report.benchmark("serving")
    assert of["killed"]["lost"] == of["killed"]["twice"] == 0
    assert of["small"]["1 connections"]["due_ms"]["p99"] < 10  # "a list takes milliseconds"
    assert of["overload"]["small"]["refused"] > of["overload"]["small"]["n"]
    wanted = serving.wanted(of)
    assert (wanted["met"] == "yes").sum() == 3  # as the prose counts them
    assert wanted.loc[wanted["met"] == "yes"].index.tolist() == [
        "large, exact, 1 connection: p99", "large, index: recall@10", "overload: seconds until well"
    ]  # fmt: skip
    assert of["overload"]["small"]["sent_ms"]["p99"] > 100


def test_the_readme_has_the_published_response_times():
    if not (files.root() / "benchmarks" / "results" / "serving.json").exists():
        pytest.skip("nothing is published yet")
    of = report.benchmark("serving")
    small, large = of["small"], of["large"]
    text = (files.root() / "README.md").read_text()
    for items, one in (
        (f"{small['items']:,}", small["1 connections"]),
        (f"{large['items']:,}, exactly", large["exact, 1 connection"]),
        (f"{large['items']:,}, by an index (recall@10 {large['recall']:.3f})",
         large["index, 1 connection"]),
    ):  # fmt: skip
        due = one["due_ms"]
        row = f"| {items} | {one['offered_per_s']} | {due['p50']:.1f} | {due['p99']:.1f} |"
        assert row in text
    assert f"get {small['capacity']['answers_per_s']:,.0f} answers a second" in text
