"""What the chapter on production shows of the server and of a replay: tables made up by hand, and
its words, held to what is kept."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.data import files
from seqrec_lib.report.chapters import serving
from seqrec_lib.serving import played


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


def test_networks_are_as_sure_as_they_may_be_and_the_chain_is_not(kept):
    figures = serving.sure_figures(kept(played.kept))
    assert max(figures["error-gru"], figures["error-sasrec"]) < 0.02 < figures["error-markov"]
    assert figures["chain-said"] > 5 * figures["chain-came"]
    assert figures["sasrec-said-u"] > 3 * figures["sasrec-came-u"]


def test_what_was_published_of_the_server_is_what_the_chapter_says():
    if not (files.root() / "benchmarks" / "results" / "serving.json").exists():
        pytest.skip("nothing is published yet")
    of = report.benchmark("serving")
    assert of["killed"]["lost"] == of["killed"]["twice"] == 0
    assert of["small"]["1 connections"]["due_ms"]["p99"] < 10  # "a list takes milliseconds"
    assert of["overload"]["small"]["refused"] > of["overload"]["small"]["n"]
    wanted = serving.wanted(of)
    assert len(wanted) == 8 and (wanted["met"] == "yes").all()  # "all eight"
    small, large = of["small"], of["large"]
    apart = []
    for one in (
        small["1 connections"], small["32 connections"],
        large["exact, 1 connection"], large["index, 1 connection"],
    ):  # fmt: skip
        runs = sorted(one["p99_of_runs"])
        assert len(runs) == 3 and one["due_ms"]["p99"] == runs[1]
        apart += [abs(runs[i] / runs[1] - 1) for i in (0, 2)]
    *near, far = sorted(apart)
    assert near[-1] < 1 / 6  # "by less than a sixth, but for one"
    assert 1 / 3 < far < 1 / 2  # "by a third or more"
    index = large["index, 1 connection"]["due_ms"]["p99"]
    assert index < 5.5  # "as soon as one of twelve thousand"
    assert small["1 connections"]["cpu_ms"] > 3 * small["capacity"]["cpu_ms"]


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
