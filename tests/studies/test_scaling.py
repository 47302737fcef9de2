"""Sizes that are drawn are those asked for, and arithmetic on paper is that by hand."""

import json
import subprocess

import numpy as np
import pytest

from seqrec_lib.studies import scaling


def test_a_drawn_log_has_its_sizes_and_a_head_as_zipf_says():
    log = scaling.drawn(1000, 100_000)
    assert len(log) == 100_000 and log.num_users == 2000 and log.num_items == 1000
    assert log.item.min() == 1 and log.item.max() <= 1000
    count = np.bincount(log.item, minlength=1001)[1:] / len(log)
    # the inverse of the continuous 1 / x: item r has log((r + 1) / r) / log(1001)
    expected = np.log1p(1 / np.arange(1, 1001)) / np.log(1001)
    np.testing.assert_allclose(count[:5], expected[:5], rtol=0.05)
    assert (log.item == scaling.drawn(1000, 100_000).item).all()


def test_a_row_tells_steps_and_memory_apart():
    whole, sampled = (scaling.row(500, 60_000, one, steps=2, warm=1) for one in scaling.LOSSES)
    for one in (whole, sampled):
        assert 0 < one["step_s"] < 60 and one["begin_s"] > 0 and one["broke"] == ""
        assert one["targets"] == pytest.approx(scaling.BATCH * 49, rel=0.12)
        assert one["peak_mb"] > one["model_mb"] > 4 * 4 * 501 * 64 / 1e6


@pytest.mark.usefixtures("nothing_kept")
def test_what_breaks_is_kept_with_the_reason_and_nothing_is_made_twice(tmp_path, monkeypatch):
    made = {"step_s": 0.1, "targets": 10.0, "begin_s": 1.0, "log_mb": 1.0, "model_mb": 2.0,
            "peak_mb": 3.0, "broke": ""}  # fmt: skip
    asked = []

    def run(command, **how):
        asked.append(command[-3:])
        if command[-3:] == ["100", "2000", "whole"]:
            return subprocess.CompletedProcess(command, -9, "", "")
        if command[-3:] == ["100", "2000", "sampled"]:
            raise subprocess.TimeoutExpired(command, 1)
        if command[-2] == "9000":
            return subprocess.CompletedProcess(command, 1, "", "x\nMemoryError: 9 GB\n")
        return subprocess.CompletedProcess(command, 0, "noise\n" + json.dumps(made), "")

    monkeypatch.setattr(scaling.subprocess, "run", run)
    sizes = {"items": (100,), "events": (1000, 2000, 9000)}
    found = scaling.study(tmp_path / "results", **sizes)
    assert found["broke"].tolist() == [
        "", "", "killed by signal 9", "more than 1800 s", "MemoryError: 9 GB", "MemoryError: 9 GB",
    ]  # fmt: skip
    count = len(asked)
    again = scaling.study(tmp_path / "results", **sizes)
    assert len(asked) == count and again.equals(found)
    paper = scaling.passes(found, 49_000 * 50, 100, "whole")
    assert paper["hours"] == pytest.approx(49_000 * 49 / 100 / 3600)
    assert paper["log GB"] == pytest.approx(49_000 * 50 / 1000 / 1e3)
    halved = scaling.passes(found, 49_000 * 50, 100, "whole", processes=2)["hours"]
    assert halved == pytest.approx(paper["hours"] / 2)
    with pytest.raises(LookupError, match="nothing was measured of 7 items"):
        scaling.passes(found, 1e9, 7, "whole")


@pytest.mark.usefixtures("nothing_kept")
def test_nothing_kept_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="seqrec_lib.studies.scaling makes it"):
        scaling.kept(tmp_path / "results")
