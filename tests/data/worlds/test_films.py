"""The world of films: what moves, and the least error of those who know."""

import numpy as np
import pytest

from seqrec_lib.data.worlds.films import FilmWorld, draw, floors


def errors(world):
    table = draw(world)
    late = (table.groupby("user").cumcount() >= 0.8 * world.num_films).to_numpy()
    found = floors(table, np.flatnonzero(~late), np.flatnonzero(late))
    rating = table["rating"].to_numpy()[late]
    return {name: float(((one - rating) ** 2).mean() ** 0.5) for name, one in found.items()}


def test_the_best_error_is_the_noise_and_what_stays_leaves_what_moves():
    world = FilmWorld()
    found, table = errors(world), draw(world)
    assert found["best"] == pytest.approx(0.5, abs=0.01)
    # seasons of .3 to .9 alone have a variance of about .2 beside the noise's .25
    assert found["still"] > (0.25 + 0.2) ** 0.5
    assert len(table) == 1000 * 60 and not table.duplicated(["user", "item"]).any()


def test_where_nothing_moves_both_are_the_noise():
    found = errors(FilmWorld(strength=0.0))
    assert found["still"] == pytest.approx(found["best"]) and found["best"] < 0.51


def test_a_season_returns_after_a_year_and_an_award_stays():
    table = draw(FilmWorld(num_users=4000, num_films=1, noise=0.0))
    moves = (table["expected"] - table["still"]).to_numpy()
    month = (table["time"] / (365.25 * 86_400) * 12).astype(int).to_numpy()
    mean = np.array([moves[month == one].mean() for one in range(72)])
    yearly = mean[12:] - mean[:-12]
    won = np.abs(yearly) > 0.5  # of the twelve months after it
    assert 11 <= won.sum() <= 13 and yearly[won].mean() == pytest.approx(1, abs=0.1)
    assert np.abs(yearly[~won]).mean() < 0.1


def test_the_histories_are_in_order_and_as_long_as_a_user_stays():
    time = draw(FilmWorld(num_users=50)).groupby("user")["time"]
    assert (time.diff().dropna() >= 0).all()
    spans = (time.max() - time.min()) / (365.25 * 86_400)
    assert spans.between(0.35, 0.5).all()
