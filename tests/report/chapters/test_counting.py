"""Models that count over a life: means, errors, limits, and what is drawn of them."""

import pandas as pd
import pytest

from seqrec_lib.report.chapters import counting
from seqrec_lib.studies.clicks import FAMILIES


@pytest.fixture
def table():
    rows = [
        {"level": level, "model": name, "seed": seed, "auc": 0.6 + 0.1 * seed, "error": 0.03,
         "best": 0.7 + 0.1 * seed, "last 50": 0.5, "top 2": 0.6, "share": 0.65, "nothing": 0.5}
        for level, name, seeds in ((100, "twin", 2), (100, "din", 1), (1_000, "twin", 2))
        for seed in range(seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_every_model_has_a_word_and_a_look_of_its_own():
    assert list(counting.MODELS) and set(counting.MODELS) == set(FAMILIES)
    for part in (0, 1):
        assert len({one[part] for one in counting.MODELS.values()}) == len(FAMILIES)


def test_an_interval_is_over_the_users_of_all_seeds(table):
    found = counting.means(table)
    assert found.loc[("twin", 1_000), "mean"] == pytest.approx(0.65)
    assert found.loc[("twin", 1_000), "half"] == pytest.approx(1.96 * 0.03 / 2**0.5)
    assert found.loc[("din", 100), "half"] == pytest.approx(1.96 * 0.03)
    assert counting.figures(table)["twin-100-auc"] == pytest.approx(0.65)
    assert counting.figures(table)["limit-last-50-100-auc"] == 0.5
    assert {type(one) for one in counting.figures(table).values()} == {float}  # as text shows it


def test_a_world_counts_once_whoever_was_asked_in_it(table):
    found = counting.limits(table)
    assert found.loc["the best possible", 100] == pytest.approx(0.75)
    assert found.loc["of two events of each", 100] == pytest.approx(0.6)


def test_what_was_not_asked_is_empty(table):
    found = counting.in_full(table)["models"]
    assert found.index.tolist() == ["DIN", "those of highest weight (TWIN)"]
    assert found.columns.tolist() == ["100 events", "1,000 events"]
    assert found.loc["DIN"].tolist() == ["0.600 ± 0.059", ""]


def test_lines_are_drawn_with_the_best_possible(table, ax):
    counting.curves(ax, table, ["twin", "din"])
    words = ax.get_legend_handles_labels()[1]
    assert words[0] == "the best possible" and len(words) == 3 and ax.get_xscale() == "log"
