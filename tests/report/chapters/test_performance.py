"""What the chapter on performance says of the published runs, held to them."""

import matplotlib

matplotlib.use("Agg")

import pytest

from seqrec_lib import report
from seqrec_lib.data import files
from seqrec_lib.report.chapters import performance


@pytest.fixture
def found():
    return performance.beside().set_index("work")


def test_the_title_and_the_box_hold_for_what_was_published(found):
    """Another run of a benchmark may turn them; the chapter is to be written anew then."""
    training = found[found["part"] == "training"].iloc[:2]
    assert (training["times as fast"] > 10).all() and (training["times less memory"] > 1).all()
    assert found.loc["joining offline, beside Feast", "times as fast"] < 1
    assert found.loc["receipts, beside DuckDB rewriting", "times as fast"] < 1


def test_the_prose_holds_for_what_was_published(found):
    cleaning, feast = report.benchmark("cleaning"), report.benchmark("feast")
    assert cleaning["rewrite_seconds"] > cleaning["seconds"] / 2  # more than half is rewriting
    own = feast["ours"]["historical"]["seconds"]
    assert own < feast["feast"]["historical"]["seconds"] + feast["ours"]["export"]["seconds"]
    assert feast["agreement"]["written_after_the_request"]["with the filter"] == 0
    assert found.loc["writing, beside Feast", "times as fast"] > 1
    machines = [report.benchmark(name)["machine"] for name in performance.PUBLISHED]
    assert {one["cores"] for one in machines} == {2}
    assert report.benchmark("time_to_quality")["seconds"] is not None


def test_the_prose_on_networks_holds_for_what_was_published():
    families = report.benchmark("families")
    assert families["catalogue"]["2"] < 50_000
    slow = {name for name, rate in families["speeds"]["2"].items() if rate < 10_000}
    assert slow == {"fpmc", "prme", "caser", "bert4rec", "gru4rec"}
    assert set(families["speeds"]["2"]) == set(families["speeds"]["1"])
    steps = performance.steps()
    grown = steps.loc[400] / steps.loc[25]
    level = {"lstm", "nextitnet", "caser", "sasrec"}
    assert all((grown[name] < 1.5) == (name in level) for name in steps)
    assert grown.idxmax() == "gru" and steps.loc[400].idxmax() == "gru"


def test_steps_are_drawn_where_they_were_measured(ax):
    performance.draw_steps(ax)
    drawn = {tuple(line.get_ydata()) for line in ax.lines}
    assert drawn == {tuple(line) for _, line in performance.steps().items()}
    table = performance.networks()
    assert table["on two"].is_monotonic_decreasing
    assert table.loc["SASRec", "two, as a share of SASRec"] == "1.0"


def test_ratios_are_of_the_published_figures(found):
    published = report.benchmark("training")
    for name, words in performance.PEERS.items():
        row = found.loc[f"SASRec, beside {words}"]
        assert row["times as fast"] == pytest.approx(published[f"ratio_{name}"])
        assert 1 / row["times less memory"] == pytest.approx(published[f"memory_ratio_{name}"])


def test_words_of_rows_a_second_are_of_the_published_figures(found):
    for model, at in report.benchmark("rankers")["systems"].items():
        fastest = max(at["fuxictr"].values())
        row = found.loc[f"{model}, beside FuxiCTR*"]
        assert row["times as fast"] == pytest.approx(at["ours"] / fastest)
        assert row["times as fast"] > 10  # the page: many times


def test_a_pass_of_a_ranker_takes_no_more_than_three_minutes():
    seconds = report.benchmark("passes")["seconds"]
    assert {"pooling", "din", "sim-hard", "sim-soft", "twin", "tim"} == seconds.keys()
    assert max(seconds.values()) < 180  # what was asked


def test_every_comparison_is_drawn_at_its_ratio(found, ax):
    performance.draw_beside(ax, found.reset_index())
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots[::-1] == found["times as fast"].tolist()
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names[::-1] == found.index.tolist()
    low, high = ax.get_xlim()
    assert low < found["times as fast"].min() and high > found["times as fast"].max()


def test_the_curve_ends_where_it_meets_the_line(ax):
    performance.draw_quality(ax)
    curve, line = ax.lines[:2]
    target = report.benchmark("time_to_quality")["target_ndcg@10"]
    assert set(line.get_ydata()) == {target}
    *before, last = curve.get_ydata()
    assert max(before) < target <= last


def test_tables_have_a_row_for_each_and_the_median_between_least_and_most():
    table = performance.training()
    for name in table.index:
        least, most = (
            int(one.replace(",", "")) for one in table.loc[name, "least and most"].split(" to ")
        )
        assert least <= table.loc[name, "positions a second"] <= most
    assert list(performance.scoring().index) == ["SASRec", "DIN"]
    assert len(performance.shapes()) == len(performance.tables_of_events()) == 2
    assert performance.features()["Feast"].notna().all()
    assert 0 < performance.from_the_future() < 100


def test_every_published_benchmark_is_named():
    kept = {path.stem for path in (files.root() / "benchmarks" / "results").glob("*.json")}
    elsewhere = {
        "peers_quality",
        "published_quality",
        "same_weights",
    }  # of quality and of agreement, not of speed
    assert set(performance.PUBLISHED) == kept - elsewhere
    assert list(performance.runs().index) == list(performance.PUBLISHED.values())
