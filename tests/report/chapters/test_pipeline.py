"""What is served when segments arrive, and what other clocks make of it."""

import pytest

from seqrec_lib import report
from seqrec_lib.data.hybrid.faults import Faults, Stream
from seqrec_lib.data.hybrid.online import StoreError
from seqrec_lib.data.hybrid.registry import Feature, FeatureSet
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
