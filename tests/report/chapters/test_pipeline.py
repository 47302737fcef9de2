"""What is served when segments arrive, and what other clocks make of it."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.data.hybrid.faults import Faults, Stream
from seqrec_lib.data.hybrid.online import StoreError
from seqrec_lib.data.hybrid.registry import SET_1, Feature, FeatureSet
from seqrec_lib.data.hybrid.skew import Trial
from seqrec_lib.report.chapters import pipeline


def refuse():
    raise StoreError("/tmp/x/store: rebuild it")


def test_by_event_time_receipts_are_known_too_early_and_by_arrival_they_are_not(tmp_path):
    features = FeatureSet((Feature("lines", 1, "count", 10**12, "store"),))
    stream = Stream(days=2, per_day=2, rows=30, users=5, faults=Faults.none())
    trial = Trial(tmp_path, stream, features)
    trial.work()
    found = pipeline.differences(trial)
    assert (found["requests"] == 20 * len(trial.journal.segments())).all()
    assert found["differing"].tolist()[:2] == [0, 0]
    late = found.loc["by event time"]
    assert 0 < late["differing"] == late["lines"] < late["requests"]


def test_what_is_not_refused_is_an_error():
    table = pipeline.said({"other features": refuse}, "/tmp/x")
    assert table.iloc[0].tolist() == ["other features", ".../store: rebuild it"]
    with pytest.raises(AssertionError, match="served: nothing was said"):
        pipeline.said({"served": dict})


def test_each_cost_of_the_published_benchmark_has_a_figure_and_a_unit():
    table = pipeline.cost_table(report.benchmark("pipeline"))
    assert table["measured"].str.fullmatch(r"[\d,.]+ (rows a second|s|ms)").all()


@pytest.fixture
def found():
    """Ten requests; by event time four differ, all in one feature."""
    rows = {"requests": 10, "differing": [0, 1, 4], "last_50_item": [0, 1, 4], "views_1h": 0}
    return pd.DataFrame(rows, index=list(pipeline.CLOCKS))


def test_every_feature_of_the_chapter_has_words():
    assert tuple(pipeline.FEATURES) == SET_1.columns


def test_differing_requests_are_in_percent_of_those_of_the_stream(found):
    table = pipeline.joined({"without faults": found})
    assert table.columns.tolist() == ["without faults: of 10 requests, %"]
    assert table.iloc[:, 0].tolist() == [0, 10, 40]
    assert table.index.tolist() == list(pipeline.JOINS.values())


def test_every_join_of_every_stream_has_a_bar(found):
    figure, ax = plt.subplots()
    pipeline.draw_joined(ax, {"without faults": found, "every fault": found})
    assert sorted(bar.get_width() for bar in ax.patches) == [0, 0, 10, 10, 40, 40]
    plt.close(figure)


def test_features_are_drawn_in_words_from_the_join_by_event_time(found):
    figure, ax = plt.subplots()
    pipeline.draw_features(ax, found)
    assert [bar.get_width() for bar in ax.patches] == [0, 40]
    assert ax.get_yticklabels()[1].get_text() == "last fifty events: items"
    plt.close(figure)


def test_wider_features_are_others():
    other = pipeline.wider(SET_1)
    assert other.columns == SET_1.columns and other.digest != SET_1.digest
    assert [one.window for one in other if one.kind == "count"] == [
        2 * one.window for one in SET_1 if one.kind == "count"
    ]


def test_a_receipt_is_drawn_apart_from_an_event_online():
    events = pd.DataFrame({"day": [0.5, 1.0], "late": [0.0, 17.0], "source": [0, 1]})
    figure, ax = plt.subplots()
    pipeline.draw_clocks(ax, events)
    assert [line.get_ydata()[0] for line in ax.lines[:2]] == [0, 17]
    plt.close(figure)
