"""Gradients by distance, where they are known: a plain net of one unit, and no recurrence."""

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.gru import CELLS, GRU
from seqrec_lib.studies import gradients

CATALOGUE = Catalogue(3, np.zeros(4, dtype=np.int64))


@pytest.fixture
def one_unit():
    """h_t = tanh(w h_{t-1} + x_t), read out as it is."""
    model = GRU(CATALOGUE, GRU.Config(1, 1, dropout=0.0, cell="rnn")).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.gru.weight_ih_l0.fill_(1)
        model.gru.weight_hh_l0.fill_(0.5)
        model.project.weight.fill_(1)
    return model


def test_a_plain_net_loses_the_same_share_at_every_step(one_unit):
    batch = Batch(torch.tensor([[1, 2, 3, 1], [2, 2, 1, 3]]))
    # all vectors are zero, so that every state is, and the slope of tanh is one
    np.testing.assert_allclose(gradients.reaching(one_unit, batch), 0.5 ** np.arange(4), rtol=1e-6)


def test_without_recurrence_nothing_comes_from_before(one_unit):
    with torch.no_grad():
        one_unit.gru.weight_hh_l0.zero_()
    found = gradients.reaching(one_unit, Batch(torch.tensor([[1, 2, 3]])))
    assert found.tolist() == [1, 0, 0]


def test_the_table_has_every_cell_before_and_after(monkeypatch):
    monkeypatch.setattr(gradients, "LEVEL", 2)
    made = gradients.study(seeds=1, passes=1, num_users=40)
    assert set(made["cell"]) == set(CELLS) and set(made["moment"]) == {"before", "after"}
    newest = made[made["events back"] == 1]
    assert (newest["share"] == 1).all() and len(newest) == 2 * len(CELLS)
    assert newest["HR@1"].notna().sum() == len(CELLS)


@pytest.mark.usefixtures("nothing_kept")
def test_without_a_table_it_is_said_what_makes_it():
    with pytest.raises(FileNotFoundError, match="gradients.csv: nothing is kept; python -m"):
        gradients.kept()


def test_the_command_keeps_the_table(tmp_path, monkeypatch, capsys):
    table = pd.DataFrame(
        {"moment": ["before"], "cell": ["gru"], "events back": [1], "share": [1.0]}
    )
    monkeypatch.setattr(gradients, "study", lambda seeds: table)
    gradients.main(["--results", str(tmp_path / "results")])
    pd.testing.assert_frame_equal(gradients.kept(tmp_path / "results"), table, check_dtype=False)
