"""Another library's SASRec beside ours, from what the benchmark keeps."""

import json

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import files
from seqrec_lib.report.chapters import peers

OURS = np.r_[np.full(100, 1), np.full(100, 50)]  # NDCG@10 of a half
THEIRS = np.r_[np.full(50, 1), np.full(150, 50)]  # of a quarter


@pytest.fixture
def kept(tmp_path, monkeypatch):
    about = {"passes": 30, "best_pass": 20, "cpu_seconds": 600.0, "parameters": 900}
    about["validations"] = [{"ndcg@10": 0.02}, {"ndcg@10": 0.05}]
    folder = tmp_path / "benchmarks" / "results" / "peers" / "recbole"
    folder.mkdir(parents=True)
    ranks = {f"rank_{one}": THEIRS.astype(np.int32) for one in ("masked", "unmasked")}
    user = np.arange(len(THEIRS), dtype=np.int32)
    pd.DataFrame({"user": user, "item": user + 1} | ranks).to_parquet(folder / "ranks.parquet")
    (folder.parents[1] / "peers_quality.json").write_text(
        json.dumps({"systems": {"recbole": about}})
    )
    monkeypatch.setattr(files, "root", lambda: tmp_path)
    return peers.peers()


def test_theirs_minus_ours_is_of_the_same_users(kept, made):
    found = peers.compared(made("sasrec", OURS, OURS), kept)
    assert list(found.index) == ["this library", "RecBole"]
    assert found["seeds"].tolist() == ["2", "1"]
    assert found.loc["RecBole", "NDCG@10 M"].startswith("0.2500 ± 0.")
    assert found.loc["RecBole", "minus ours, NDCG@10 U"].startswith("−0.2500 [")
    assert found.loc["RecBole", "minus ours, NDCG@10 U"].endswith("(lower)")
    assert found.loc["this library", "minus ours, NDCG@10 M"] == ""


def test_what_each_took(kept, made):
    found = peers.efforts(made("sasrec", OURS, OURS, seconds=120.0), kept)
    assert found.loc["RecBole"].to_dict() == {
        "passes": 30,
        "best pass": 20,
        "minutes of a core": 10.0,
        "parameters": 900,
    }
    assert found.loc["this library", "minutes of a core"] == 2.0


def test_levels_and_minutes_stand_in_one_row(kept, made, ax):
    peers.draw(ax, made("sasrec", OURS, OURS, seconds=120.0), kept)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["this library", "RecBole"]
    written = [(text.get_text(), text.get_position()[1]) for text in ax.texts]
    assert ("2", 0) in written and ("10", 1) in written


def test_curves_are_of_each_seed_and_of_a_library_that_says_its_own(kept, made, ax):
    peers.curves(ax, made("sasrec", OURS, OURS), kept)
    drawn = [line.get_ydata().tolist() for line in ax.lines]
    assert drawn == [[0.1, 0.3, 0.2], [0.1, 0.3, 0.2], [0.02, 0.05]]
    kept["RecBole"].seeds[0].card["validations"] = [{"loss": 7.0}]
    before = len(ax.lines)
    peers.curves(ax, made("sasrec", OURS), kept)
    assert len(ax.lines) == before + 1


def test_what_the_prose_says_is_of_the_libraries_that_are_there(kept):
    assert peers.facts(kept) == pytest.approx({"RecBole-ndcg-m": 0.25, "RecBole-ndcg-u": 0.25})
    kept["RecBole"].seeds[0].card["own_test"] = {"ndcg@10": 0.3}
    kept["RecBole"].seeds[0].card["last"] = {
        way: {"NDCG@10": 0.2} for way in ("masked", "unmasked")
    }
    found = peers.facts(kept)
    assert found["RecBole-own"] == 0.3 and found["RecBole-last-m"] == 0.2


def test_of_other_data_nothing_is_kept():
    assert peers.peers("simulated") == {}
    assert peers.facts({}) == {}
