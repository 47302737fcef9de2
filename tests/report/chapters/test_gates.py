"""How far back a gradient reaches, as it is drawn and said."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib.report.chapters import gates


@pytest.fixture
def table():
    rows = [
        {"cell": cell, "seed": seed, "moment": moment, "events back": back,
         "share": (0.5 + 0.1 * seed) ** (back - 1), "HR@1": hit}
        for cell in ("rnn", "gru")
        for seed in (0, 1)
        for moment, hit in (("before", np.nan), ("after", 0.2 + 0.4 * seed))
        for back in (1, 2, 40)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_each_seed_of_a_cell_is_a_line_that_ends_where_nothing_is_left(table):
    figure = gates.gradients(table)
    above, below = figure.axes
    assert [ax.get_title() for ax in figure.axes] == list(gates.MOMENTS.values())
    assert len(above.lines) == len(below.lines) == 4
    np.testing.assert_allclose(above.lines[1].get_ydata(), [1, 0.6, gates.SHOWN])
    assert len(figure.legends[0].get_texts()) == 2
    plt.close(figure)


def test_what_is_far_is_said_by_moment_and_cell(table):
    found = gates.far(table, 2)
    assert found["before-rnn"] == pytest.approx(55)
    assert found["gru-hr"] == pytest.approx(0.4)


def test_what_is_kept_is_shown_unless_it_is_to_be_made_small(table, monkeypatch):
    monkeypatch.setattr(gates.study, "kept", lambda results: table)
    assert len(gates.made("results", seeds=1)) == len(table) / 2
    small = gates.made("nowhere", 1, small=True)
    assert set(small["cell"]) == {"gru", "lstm", "rnn"} and set(small["seed"]) == {0}
