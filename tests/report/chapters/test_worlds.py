"""A history of a small world, and figures against difficulty, as they are drawn and told."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.worlds import clock, drift, noise
from seqrec_lib.report.chapters import worlds
from seqrec_lib.studies.worlds_plans import PLANS


@pytest.fixture
def table():
    """Two models at three levels, of two seeds; one is denied the answer at the two harder."""
    rows = [
        {
            "kind": "", "level": level, "model": model, "seed": seed, "best": 1.0, "k": 1,
            "test": value - 0.02 * seed, "limit": limit,
        }
        for model, values, limits in (
            ("sasrec", (1.0, 0.9, 0.8), (np.nan, np.nan, np.nan)),
            ("markov-1", (0.98, 0.52, 0.27), (np.nan, 0.5, 0.25)),
        )
        for level, value, limit in zip((0, 1, 4), values, limits, strict=True)
        for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_history_has_a_dot_an_event_and_a_ring_for_the_answer(ax):
    world = drift.draw(2, num_users=20)
    names = worlds.history(ax, world, 3)
    assert names[-2] == "request" and names[-1].startswith("accessory")
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    span = world.log.offsets[3:5]
    assert len(dots) == len(ax.texts) == np.diff(span)[0]
    rings = [dot for dot in dots if dot.get_markerfacecolor() == "white"]
    assert len(rings) == 1 and rings[0].get_xdata()[0] == 0
    # the ring's number is that of the version asked for
    answer = world.log.item[span[1] - 1]
    assert ax.texts[-1].get_text() == str((answer - 15) % 6 + 1)


def test_a_long_history_is_shown_by_its_end(ax):
    worlds.history(ax, noise.draw(1, num_users=20), 0, most=10)
    assert len(ax.texts) == 10


def test_a_history_stands_in_time_where_that_is_the_point(ax):
    world = clock.draw(1, num_users=20)
    worlds.history(ax, world, 0, timed=True)
    dots = np.concatenate([line.get_xdata() for line in ax.lines if line.get_marker() == "o"])
    assert ax.get_xscale() == "log" and dots.min() > 0 and ax.xaxis_inverted()


def test_curves_are_means_over_seeds_beside_the_best_and_the_limit(ax, table):
    found = worlds.curves(ax, table, "noise")
    assert found.columns.tolist() == ["SASRec", "Markov chain, order 1"]
    assert found.loc[4].tolist() == pytest.approx([0.79, 0.26])
    words = {text.get_text() for text in ax.texts}
    assert words == {"the best possible", *found.columns}
    dotted = [line for line in ax.lines if line.get_linestyle() == ":"]
    assert [line.get_ydata().tolist() for line in dotted] == [[0.5, 0.25]]
    assert dotted[0].get_xdata().tolist() == [1, 2]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "4"]
    assert ax.get_ylabel() == "HR@1" and "accidental" in ax.get_xlabel()


def test_a_kind_that_is_not_there_is_refused(ax, table):
    with pytest.raises(ValueError, match="no rows of kind 'xor'"):
        worlds.curves(ax, table, "union", "xor")


def test_shares_of_the_best_and_distances_from_limits_follow(table):
    found = worlds.reached(table)
    assert found.loc[("", "SASRec")].tolist()[:2] == pytest.approx([0.99, 0.79])
    assert np.isnan(found.loc[("", "SASRec"), "off its limit, at most"])
    assert found.loc[("", "Markov chain, order 1")].tolist() == pytest.approx([0.97, 0.26, 0.01])


def test_every_world_says_what_makes_it_harder():
    assert set(worlds.LEVELS) == set(PLANS)


def test_the_matrix_has_the_share_of_the_best_at_the_hardest_level(ax, table):
    table["best"] = 0.8
    none = table[table["kind"] == "none"]
    found = worlds.shares(dict.fromkeys(PLANS, none) | {"noise": table})
    assert found.columns.tolist() == ["noise"]
    assert found.index.tolist() == ["markov-1", "sasrec"]  # as the families are told
    assert found["noise"].tolist() == pytest.approx([0.26 / 0.8, 0.79 / 0.8])
    worlds.matrix(ax, found)
    assert [text.get_text() for text in ax.texts] == ["0.33", "0.99"]


def test_a_world_is_drawn_with_a_panel_for_each_kind(table):
    both = pd.concat([table.assign(kind="xor"), table.assign(kind="and")])
    figure, means = worlds.panels("union", both)
    assert len(figure.axes) == 3 and figure.axes[1].get_title() == "two, either or"
    assert means.loc[("and", 4), "SASRec"] == pytest.approx(0.79)


def test_worlds_can_be_made_small(monkeypatch):
    monkeypatch.setattr(worlds.study, "smoke", lambda name: pd.DataFrame({"world": [name]}))
    found = worlds.made("nowhere", 1, small=True)
    assert {name: table["world"][0] for name, table in found.items()} == {n: n for n in PLANS}
