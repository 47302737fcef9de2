"""Surfaces, distances and linkage of T-ECD in words and figures."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from seqrec_lib.data.simulator import marginals
from seqrec_lib.report.chapters import marketplace


def test_the_shares_of_the_real_days_add_up_and_only_likes_have_no_surface():
    found = marketplace.by_surface(marginals.REAL.actions)
    assert found.to_numpy().sum() == pytest.approx(100, abs=0.01)
    assert found.index[0] == "u2i" and found.columns[0] == "view"
    nowhere = found.loc["-"]
    assert nowhere[nowhere > 0].index.tolist() == ["like"]


def test_a_bar_is_as_long_as_its_surface_and_names_it(ax):
    found = marketplace.by_surface({"view u2i ios": 0.7, "click u2i ios": 0.1, "like - ios": 0.2})
    marketplace.draw_surfaces(ax, found)
    ends = [bar.get_x() + bar.get_width() for bar in ax.containers[1]]
    assert ends == pytest.approx([80, 20])
    assert [text.get_text() for text in ax.texts] == ["80.0", "20.0"]


def test_every_distance_has_words_and_the_largest_stands_first():
    real = marginals.REAL
    found = marketplace.in_words(marginals.distances(real, real))
    assert found["how"].isin(marketplace.MEASURES.values()).all()
    assert not {"action, subdomain, os", "gaps within: their share"} & set(found.index)
    two = pd.DataFrame({"marginal": ["a", "b"], "measure": ["KS", "TV"], "distance": [0.1, 0.2]})
    assert marketplace.in_words(two).index.tolist() == ["b", "a"]


def test_each_panel_has_both_worlds():
    figure, axes = plt.subplots(4, 1)
    marketplace.draw_marginals(axes, marginals.REAL, marginals.REAL)
    assert [len(ax.lines) for ax in axes] == [2] * 4
    plt.close(figure)


def test_the_link_is_drawn_with_its_chance(ax):
    link = pd.DataFrame({"observed": [0.1, 0.5, 0.9], "chance": 0.1}, index=[0.0, 0.5, 1.0])
    marketplace.draw_linkage(ax, link)
    assert [line.get_ydata()[1] for line in ax.lines] == [0.5, 0.1]
