"""What the benchmark makes of what the load wrote down."""

from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def loading(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import serving_load

    return serving_load


def test_what_is_sent_late_counts_from_when_it_was_due(loading, tmp_path):
    # ten a second; the third is held up by the second, which took 250 ms
    rows = [(1_000_000, 200, 5_000), (1_100_000, 200, 250_000), (1_350_000, 503, 1_000)]
    path = tmp_path / "load.tsv"
    path.write_text("".join(f"{a}\t{b}\t{c}\n" for a, b, c in reversed(rows)) + "torn\t2")
    table = loading.read(path, 10.0)
    assert table[:, 1].tolist() == [200, 200, 503]
    assert table[:, 3].tolist() == [5_000, 250_000, 151_000]
    assert (loading.read(path, None)[:, 3] == table[:, 2]).all()
    found = loading.figures([table], cpu=0.006, rate=10.0)
    assert (found["n"], found["refused"], found["other"]) == (2, 1, 0)
    assert found["sent_per_s"] == pytest.approx(3 / 0.351)
    assert found["cpu_ms"] == pytest.approx(2.0)
    assert found["due_ms"]["p50"] == pytest.approx(127.5) and "p99" not in found["due_ms"]


def test_the_seconds_in_which_processes_start_count_for_processor_time_alone(loading):
    table = np.array([(i * 5e5, 200, 9e5 if i < 4 else 1e3, 9e5) for i in range(10)])
    found = loading.figures([table], cpu=0.05, rate=2.0, starting=2.0)
    assert (found["n"], found["cpu_ms"], found["left_out_s"]) == (6, 5.0, 2.0)
    assert found["sent_ms"]["p95"] == pytest.approx(1.0)
    assert found["answers_per_s"] == pytest.approx(6 / 2.501)


def test_a_p99_wants_a_thousand(loading):
    assert "p99" in loading.percentiles(np.arange(1000.0))
    assert loading.percentiles(np.arange(999.0)).keys() == {"p50", "p95"}
    assert loading.percentiles(np.array([])) == {}


def test_of_nothing_there_is_nothing_to_say(loading, tmp_path):
    (tmp_path / "load.tsv").write_text("")
    assert len(loading.read(tmp_path / "load.tsv", 5.0)) == 0
    found = loading.figures([], 0.0, 5.0)
    assert found["n"] == 0 and found["cpu_ms"] is None and found["answers_per_s"] == 0
