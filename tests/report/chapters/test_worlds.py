"""A history of a small world, and figures against difficulty, as they are drawn and told."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.worlds import clock, drift, noise
from seqrec_lib.records.tables import keep
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
    worlds.curves(ax, table.replace("markov-1", "pooling"), "noise")
    words = {text.get_text() for text in ax.texts}
    assert words == {"the best possible", "SASRec", "pooling and MLP"}
    means = [container.lines[0].get_ydata() for container in ax.containers]
    assert np.concatenate(means) == pytest.approx([0.99, 0.89, 0.79, 0.97, 0.51, 0.26])
    dotted = [line for line in ax.lines if line.get_linestyle() == ":"]
    assert [line.get_ydata().tolist() for line in dotted] == [[0.5, 0.25]]
    assert dotted[0].get_xdata().tolist() == [1, 2]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "4"]
    assert ax.get_ylabel() == "HR@1" and "accidental" in ax.get_xlabel()


def test_a_kind_that_is_not_there_is_refused(ax, table):
    with pytest.raises(ValueError, match="no rows of kind 'xor'"):
        worlds.curves(ax, table, "union", "xor")


def test_figures_are_named_by_world_kind_level_and_model(table):
    table["best"] = 0.8
    found = worlds.figures({"noise": table, "union": table.assign(kind="xor")})
    assert found["noise-4-sasrec"] == found["union-xor-4-sasrec"] == pytest.approx(0.79)
    assert found["noise-4-sasrec-share"] == pytest.approx(0.79 / 0.8)
    assert found["noise-4-markov-1-limit"] == 0.25
    best = table.groupby(["level", "model"])["test"].mean().groupby("level").max() / 0.8
    assert found["worlds-least"] == pytest.approx(best.min())
    assert "noise-4-sasrec-limit" not in found and "noise-0-markov-1-limit" not in found


def test_who_must_fail_stands_beside_its_limit(table):
    found = worlds.failing({"noise": table.sample(frac=1, random_state=0)})
    assert found.index.tolist() == [("noise", "Markov chain, order 1")]
    # off by .01 at the level of one, and of four
    row = found.iloc[0]
    assert row["sees"] == "the last event"
    assert row.iloc[1:].tolist() == pytest.approx([0.26, 0.25, 0.01])
    shuffled = table.assign(kind="shuffled")
    assert len(worlds.failing({"drift": pd.concat([shuffled, table.assign(kind="ordered")])})) == 1
    table["limit"] = table["limit"].where(table["limit"] != 0.5, 0.9)
    last = table.assign(kind="xor").replace("markov-1", "markov")
    found = worlds.failing({"union": last})
    assert found.loc[("two, either or", "Markov chain"), "sees"] == "the last 2 events"
    assert found["off at most"].tolist() == pytest.approx([0.9 - 0.51])


def test_figures_in_full_have_a_table_an_ability_with_the_best_above(table):
    table["best"] = 0.8
    both = pd.concat([table.assign(kind="shuffled"), table.assign(kind="ordered")])
    found = worlds.in_full({"drift": both})
    assert list(found) == ["drift, the control", "drift"]
    assert found["drift"].columns.tolist() == ["0", "1", "4"]
    names = ["the best possible", "SASRec", "Markov chain, order 1"]
    assert found["drift"].index.tolist() == names
    assert found["drift"]["4"].tolist() == pytest.approx([0.8, 0.79, 0.26])


def test_searches_show_what_was_chosen_at_the_hardest_level(table):
    learned = table["model"] == "sasrec"
    table["settings"] = np.where(learned, '{"item_std": 0.3, "pooling": "sum"}', "{}")
    harder = learned & (table["level"] == 4) & (table["seed"] == 0)
    table.loc[harder, "settings"] = '{"item_std": 0.02, "pooling": "mean"}'
    table = table.assign(parameters=20_000, trials=6)
    found = worlds.searches({"threads": table, "noise": table.replace("sasrec", "bert4rec")})
    assert found.index.tolist() == [("threads", "SASRec"), ("noise", "BERT4Rec")]
    assert found["chosen"].tolist() == ["spread of item vectors at first 0.02, pooling mean"] * 2
    passes = [PLANS["threads"].passes, 5 * PLANS["noise"].passes]  # BERT4Rec makes more
    assert found["passes"].tolist() == passes
    counted = worlds.searches({"noise": table.assign(parameters=0)})
    assert counted["passes"].tolist() == [1]


def test_every_world_says_what_makes_it_harder():
    assert set(worlds.LEVELS) == set(PLANS)


def test_the_matrix_has_the_share_of_the_best_at_the_hardest_level(ax, table):
    table["best"] = 0.8
    tables = {"noise": table, "drift": table.assign(kind="ordered").replace("sasrec", "din")}
    found = worlds.shares(tables)
    assert found.columns.tolist() == ["noise", "drift"]  # the others are not made yet
    assert found.index.tolist() == ["markov-1", "din", "sasrec"]  # as the families are told
    assert found["noise"].tolist() == pytest.approx([0.26 / 0.8, np.nan, 0.79 / 0.8], nan_ok=True)
    worlds.matrix(ax, tables)
    assert [text.get_text() for text in ax.texts] == ["0.33", "0.33", "0.99", "0.99"]
    # a frame around the chain alone, in both worlds
    assert [frame.get_y() for frame in ax.patches] == [-0.46, -0.46]
    assert [frame.get_x() for frame in ax.patches] == [-0.48, 0.52]


def test_black_digits_can_be_read_on_the_darkest_square(ax, table):
    worlds.matrix(ax, {"noise": table.assign(best=table["test"])})
    assert {text.get_color() for text in ax.texts} == {"black"}
    drawn = ax.images[0]
    light = np.array(drawn.cmap(drawn.norm(1.0))[:3])
    linear = np.where(light <= 0.03928, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    assert (linear @ [0.2126, 0.7152, 0.0722] + 0.05) / 0.05 > 7  # WCAG 2's contrast, level AAA


def test_a_world_is_drawn_with_a_panel_for_each_kind(table):
    both = pd.concat([table.assign(kind="xor"), table.assign(kind="and")])
    figure = worlds.panels("union", both)
    assert [ax.get_title() for ax in figure.axes] == ["", "two, either or", "two together"]
    shuffled = worlds.panels("drift", pd.concat([table.assign(kind="ordered"), both]))
    assert shuffled.axes[1].get_title() == "drift"


def test_worlds_can_be_made_small(monkeypatch):
    monkeypatch.setattr(worlds.study, "smoke", lambda name: pd.DataFrame({"world": [name]}))
    found = worlds.made("nowhere", 1, small=True)
    assert {name: table["world"][0] for name, table in found.items()} == {n: n for n in PLANS}


def test_worlds_that_are_kept_are_read_and_no_others_made(nothing_kept, table, monkeypatch):
    monkeypatch.setattr(worlds.study, "row", lambda *asked, **how: pytest.fail("trained"))
    with pytest.raises(FileNotFoundError, match="studies.worlds union makes it"):
        worlds.made("build/results", 1)
    keep(table, worlds.study.place("noise"))
    found = worlds.made("build/results", 1)
    assert list(found) == ["noise"]
    pd.testing.assert_frame_equal(found["noise"], table[table["seed"] == 0], check_dtype=False)


def test_all_worlds_are_made_anew_where_that_is_asked(nothing_kept, table, monkeypatch):
    asked = []

    def pretend(*of, **how):
        asked.append((*of, how))
        return table

    monkeypatch.setattr(worlds.study, "study", pretend)
    assert list(worlds.made("own/results", 2, retrain=True)) == list(PLANS)
    assert asked == [(name, "own/results", {"seeds": 2, "anew": True}) for name in PLANS]
