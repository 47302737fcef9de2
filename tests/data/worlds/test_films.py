"""The world of films: what moves, and the least error of those who know."""

import numpy as np
import pytest

from seqrec_lib.data.worlds.films import FilmWorld, draw, floors, vectors


def parted(world):
    table = draw(world)
    late = (table.groupby("user").cumcount() >= 0.8 * world.num_films).to_numpy()
    return table, np.flatnonzero(~late), np.flatnonzero(late)


def errors(world):
    table, known, asked = parted(world)
    rating = table["rating"].to_numpy()[asked]
    found = floors(world, table, known, asked)
    return {name: float(((one - rating) ** 2).mean() ** 0.5) for name, one in found.items()}


def test_the_best_error_is_the_noise_and_what_ratings_leave_open_of_a_user():
    world = FilmWorld()
    table, known, asked = parted(world)
    film = vectors(world)
    # one user's ratings weigh alike in all: 48 known films, of which any may be asked
    open_ = []
    for user in range(50):
        rows = known[table["user"].to_numpy()[known] == user]
        had = film[table["item"].to_numpy()[rows]]
        left = np.linalg.inv(np.eye(3) + had.T @ had / world.noise**2)
        new = film[table["item"].to_numpy()[asked][table["user"].to_numpy()[asked] == user]]
        open_.append(np.einsum("ni,ij,nj->n", new, left, new).mean())
    expected = (world.noise**2 + np.mean(open_)) ** 0.5
    assert errors(world)["best"] == pytest.approx(expected, abs=0.006)
    assert 0.505 < expected < 0.52
    assert len(table) == 2000 * 60 and not table.duplicated(["user", "item"]).any()


def test_without_noise_a_user_is_known_from_three_ratings():
    world = FilmWorld(noise=1e-6, num_users=20)
    table, _, asked = parted(world)
    known = np.flatnonzero(table.groupby("user").cumcount() < 4)
    best = floors(world, table, known, asked)["best"]
    assert best == pytest.approx(table["expected"].to_numpy()[asked], abs=1e-3)


def test_what_stays_leaves_what_moves():
    found = errors(FilmWorld(strength=1.0))
    # seasons of .3 to .9 alone have a variance of about .2 beside the noise's .25
    assert found["still"] > (0.25 + 0.2) ** 0.5 > found["best"]
    still = errors(FilmWorld(strength=0.0))
    assert still["still"] < still["best"] < 0.52  # whoever knows users needs no ratings of theirs


def test_a_season_returns_after_a_year_and_an_award_stays():
    table = draw(FilmWorld(strength=1.0, num_users=4000, num_films=1, noise=0.0, seed=3))
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
