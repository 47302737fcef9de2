"""A replay as a table: its rows are those of the evaluation, and it is kept."""

import asyncio

import pytest

from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.serving import played
from seqrec_lib.training.evaluation import ranks


def test_a_row_a_measure_and_those_of_the_evaluation(served, kept):
    log = kept("gru")[2]
    split = leave_last_out(log)
    models = [served("gru"), served("markov")]
    found = played.table(asyncio.run(played.measured(models, log, split)), "small")
    for name in ("gru", "markov"):
        expected = ranks(served(name).model, log, split.test, 5)
        for protocol in ("masked", "unmasked"):
            rows = found[(found["model"] == name) & (found["protocol"] == protocol)]
            (own,) = rows[rows["measure"] == "HR@10"].to_dict("records")
            assert own["mean"] == hr(expected[f"rank_{protocol}"].to_numpy(), 10).mean()
            assert own["low"] < own["mean"] < own["high"]
            bins = rows[rows["measure"] == "calibration"]
            assert len(bins) == 10 and bins["events"].sum() == 60
            assert bins["chance"].is_monotonic_increasing
    assert set(found["dataset"]) == {"small"}


@pytest.mark.usefixtures("nothing_kept")
def test_the_command_keeps_what_it_played(tmp_path):
    played.main(["simulated", "--models", "popular", "--results", str(tmp_path / "results")])
    found = played.kept(tmp_path / "results")
    assert set(found["model"]) == {"popular"} and "HR@10" in set(found["measure"])
    with pytest.raises(SystemExit, match="nothing"):
        played.main(["nothing", "--results", str(tmp_path / "results")])
    with pytest.raises(FileNotFoundError, match="seqrec_lib.serving.played makes it"):
        played.kept(tmp_path / "elsewhere" / "results")
