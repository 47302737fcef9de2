"""What the chapter on production shows of what is fresh: tables made up by hand, and its
words, held to what is kept."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.report.chapters import fresh
from seqrec_lib.report.tables import PROTOCOLS
from seqrec_lib.studies import new_products, updating


@pytest.fixture
def day():
    rows = []
    for model, counts in (("markov-1", (1, 4)), ("sasrec", (1,))):
        for state in updating.STATES:
            for number in counts:
                for protocol in PROTOCOLS:
                    mean = 0.1 + 0.2 * (state == "fresh") + 0.01 * number
                    gain = mean - 0.11
                    rows.append(
                        {"model": model, "state": state, "counts": number, "protocol": protocol,
                         "metric": "HR@10", "mean": mean, "low": mean - 0.01, "high": mean + 0.01,
                         "gain mean": gain, "gain low": gain - 0.02, "gain high": gain + 0.02}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def test_what_is_fresh_is_set_over_a_night_of_both(day):
    found = fresh.worth(day)
    chain = found.loc["markov-1"]
    assert chain["last night U"].mean == pytest.approx(0.11)
    assert chain["+ state U"].mean == pytest.approx(0.2)
    assert chain["+ counts M"].mean == pytest.approx(0.03)
    assert chain["+ both M"].mean == pytest.approx(0.23)
    assert chain["+ both M"].low == pytest.approx(0.21)
    # a network is counted once: of it the state alone is fresh
    assert found.loc["sasrec", "+ state U"].mean == pytest.approx(0.2)
    assert found.loc["sasrec"].isna().sum() == 4


def test_a_line_a_model_and_state_is_drawn(ax, day):
    fresh.draw_updating(ax, day)
    drawn = [line.get_ydata().tolist() for line in ax.lines if len(line.get_xdata()) == 2]
    assert [np.round(one, 2).tolist() for one in drawn[:2]] == [[0.11, 0.14], [0.31, 0.34]]
    words = [one.get_text() for one in ax.figure.legends[0].get_texts()]
    states = {"state fresh", "state of last night"}
    assert len(words) == 4 and set(words) == states | {"Markov chain, order 1", "SASRec"}


def test_figures_of_a_day_are_gains_over_a_night_of_both(day):
    more = [day.assign(counts=day["counts"].replace(4, number)) for number in (16, 256)]
    figures = fresh.fresh_figures(pd.concat(more).drop_duplicates())
    assert figures["state-gain"] == pytest.approx(0.2) and figures["sasrec-state"] > 0.19
    assert figures["counts-gain"] == pytest.approx(0.03)
    assert figures["counts-after"] == pytest.approx(0.03)
    assert "gru-state" not in figures


def test_over_all_questions_each_counts_once():
    rows = [
        {"way": way, "part": part, "protocol": "masked", "metric": metric, "mean": mean,
         "users": users}
        for way, part, metric, mean, users in (
            ("sasrec", "new", "HR@10", 0.0, 10), ("sasrec", "old", "HR@10", 0.2, 30),
            ("attributed", "new", "HR@10", 0.4, 10), ("attributed", "old", "HR@10", 0.1, 30),
            ("attributed", "old", "HR@10 among old", 0.3, 30),
        )
    ]  # fmt: skip
    figures = fresh.new_figures(pd.DataFrame(rows))
    assert figures["all-numbers"] == pytest.approx(0.15)
    assert figures["all-attributes"] == pytest.approx(0.175)
    assert figures["old-among"] == 0.3 and "all-alike" not in figures


def test_new_items_are_means_over_draws():
    rows = [
        {"way": "attributed", "part": "new", "protocol": "masked", "metric": "HR@10",
         "seed": seed, "mean": mean, "low": mean - 0.1, "high": mean + 0.1}
        for seed, mean in enumerate((0.2, 0.4))
    ]  # fmt: skip
    found = fresh.new_items(pd.DataFrame(rows))
    assert str(found.loc["SASRec, attributes", "new M"]) == "0.3000 [0.2000, 0.4000]"


def test_the_title_holds_for_the_day_that_is_kept(kept):
    """It is to be written anew otherwise: who reads the day gains, and sixteen counts suffice."""
    table = kept(updating.kept)
    table = table[table["dataset"] == "tecd-marketplace"]
    found, figures = fresh.worth(table), fresh.fresh_figures(table)
    assert all(one.low > 0 for one in found.drop(index="popular")["+ state U"])
    assert 0 < figures["counts-gain"] < figures["counts-after"] < figures["state-gain"]
    assert figures["most-gain"] - figures["sixteen-gain"] < 0.05 * figures["counts-after"]
    assert figures["popular-loss-m"] > 0


def test_attributes_find_new_items_which_crowd_out_old_ones(kept):
    table = kept(new_products.kept)
    found, figures = fresh.new_items(table), fresh.new_figures(table)
    own, numbers = found.loc["SASRec, attributes"], found.loc["SASRec, item numbers"]
    assert own["new M"].low > numbers["new M"].high and own["new M"].mean > own["old M"].mean
    assert own["old M"].high < numbers["old M"].low  # and so it is worse over all questions
    assert figures["all-attributes"] < figures["all-numbers"]
    assert figures["old-among"] > figures["old-numbers"]
