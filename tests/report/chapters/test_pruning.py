"""Tables of the study of pruning: shares by hand, and the study from nothing."""

import pandas as pd
import pytest

from seqrec_lib.report.chapters import pruning


def rows():
    found = {"level": 1, "test": [0.3, 0.5, 0.6], "best": [0.5, 1.0, 0.8], "seed": [0, 1, 0]}
    found |= {"model": ["surge", "surge", "gru"], "kept": [0.4, 0.6, None]}
    return pd.DataFrame(found | {"precision": [0.9, 0.7, None], "chance": [0.6, 0.4, None]})


def test_a_row_a_model_is_the_mean_of_seeds_and_says_what_was_cut():
    table = pruning.table(rows())
    assert list(table.index) == [("1", "SURGE"), ("1", "GRU-CE")]
    assert table.loc[("1", "SURGE")].tolist() == ["0.550", "0.500 to 0.600", "50", "80", "50"]
    assert table.loc[("1", "GRU-CE")].tolist() == ["0.750", "0.750 to 0.750", "", "", ""]
    shares = {"1-surge": 0.55, "1-gru": 0.75, "1-surge-cut": 80, "1-surge-all": 50}
    assert pruning.figures(rows()) == pytest.approx(shares)


def test_it_is_made_anew_of_few_users_and_asked_for_where_it_is_not_kept(tmp_path):
    found = pruning.made(tmp_path / "results", small=True)
    assert sorted(found["model"]) == ["gru", "surge", "surge-unpruned"]
    assert (tmp_path / "worlds" / "pruning.csv").exists()
    table = pruning.table(found)
    assert table["pairs cut, %"].astype(bool).tolist() == [False, True, False]
