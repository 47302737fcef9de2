"""Errors of ratings, from sums by user of which the answer is known."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.worlds.films import FilmWorld
from seqrec_lib.report.chapters import ratings
from seqrec_lib.report.chapters.ratings import Errors

USERS = 400


def made(**errors):
    """Squared errors by model, alike for all users but for a little; three seeds."""
    rng = np.random.default_rng(0)
    count = rng.integers(1, 9, USERS)
    by_user = pd.DataFrame({"user": np.arange(USERS), "count": count, "long": count > 4})
    runs = []
    shared = rng.normal(1, 0.2, USERS)
    for name, square in errors.items():
        for seed in range(1 if name in ratings.FLOORS else 3):
            by_user[f"{name}/{seed}"] = (square * shared + 0.01 * rng.normal(size=USERS)) * count
            runs.append({"model": name, "seed": seed, "seconds": 10.0 + seed})
    return Errors(pd.DataFrame(runs), by_user)


def test_an_error_weighs_every_rating_alike_and_its_interval_holds_it():
    errors = made(rrn=0.81)
    found = ratings.rmse(errors, "rrn")
    totals = errors.by_user[["rrn/0", "rrn/1", "rrn/2"]].sum().mean()
    assert found.mean == pytest.approx((totals / errors.by_user["count"].sum()) ** 0.5)
    assert found.low < found.mean < found.high < 0.95
    few = ratings.rmse(errors, "rrn", long=True)
    kept = errors.by_user[errors.by_user["long"]]
    expected = (kept[["rrn/0", "rrn/1", "rrn/2"]].sum().mean() / kept["count"].sum()) ** 0.5
    assert few.mean == pytest.approx(expected) and few.half_width > found.half_width


def test_a_gain_is_the_difference_of_both_errors_and_paired():
    errors = made(svdpp=0.81, rrn=0.80, bias=0.81)
    found = ratings.gain(errors, "rrn", "svdpp")
    apart = ratings.rmse(errors, "svdpp").mean - ratings.rmse(errors, "rrn").mean
    assert found.mean == pytest.approx(apart) and found.low > 0
    assert found.half_width < ratings.rmse(errors, "rrn").half_width / 3
    back = ratings.gain(errors, "svdpp", "rrn")
    assert (back.mean, back.low) == (pytest.approx(-found.mean), pytest.approx(-found.high))
    assert not ratings.gain(errors, "bias", "svdpp").excludes_zero


def test_models_without_a_common_seed_are_not_compared():
    errors = made(svdpp=0.8, rrn=0.8)
    alone = Errors(errors.runs.copy(), errors.by_user)
    alone.runs.loc[alone.runs["model"] == "svdpp", "seed"] = [4, 5, 6]
    with pytest.raises(ValueError, match="no seed is common to rrn and svdpp"):
        ratings.gain(alone, "rrn", "svdpp")


def test_the_table_has_a_verdict_for_each_model_but_the_base():
    table = ratings.table(made(best=0.25, bias=0.9, svdpp=0.81, rrn=0.7))
    assert table.index.tolist() == ["biases", "SVD++", "RRN"]
    said = table.iloc[:, 2]
    assert "(worse)" in said["biases"] and "(better)" in said["RRN"] and said["SVD++"] == ""
    assert table["RMSE"]["RRN"].startswith("0.83") and table["seconds"].tolist() == [11.0] * 3


def test_the_worlds_are_drawn_between_what_can_be_known():
    found = {
        "films-0": made(best=0.25, still=0.25, svdpp=0.3, rrn=0.3),
        "films-50": made(best=0.25, still=0.6, svdpp=0.65, rrn=0.35),
    }
    figure, ax = plt.subplots()
    drawn = ratings.worlds(ax, found, ["svdpp", "rrn"])
    assert drawn.index.tolist() == [0.0, 0.5]
    assert drawn.loc[0.5, "what stays known"] == pytest.approx(0.6**0.5, abs=0.02)
    assert drawn.loc[0.5, "RRN"] < drawn.loc[0.5, "SVD++"]
    assert {"RRN", "SVD++"} <= {text.get_text() for text in ax.texts}
    plt.close(figure)


def test_a_film_is_drawn_with_all_its_ratings_around_the_line_of_the_world():
    world = FilmWorld(num_users=50, num_films=6, noise=0.1)
    figure, ax = plt.subplots()
    ratings.film(ax, 2, world)
    dots, line = ax.lines
    assert len(dots.get_xdata()) == len(line.get_xdata()) == 50  # everybody rates it once
    apart = dots.get_ydata() - line.get_ydata()
    assert np.std(apart) == pytest.approx(0.1, rel=0.3) and np.std(line.get_ydata()) > 0.2
    plt.close(figure)


def test_a_study_that_was_not_made_says_how(tmp_path):
    with pytest.raises(FileNotFoundError, match="studies.ratings movielens_small"):
        Errors.read("movielens_small", tmp_path / "results")
