"""Films: ratings that seasons and awards move, and the least error that there can be.

rating = mean + <u, m> + s cos(2 pi t / year + phase) + award, once it is won + noise; one number of
a user is how generous they are. Everybody rates every film once, within half a year of their own,
so that others have always rated a film of late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from seqrec_lib.data.ratings import YEAR_S

MEAN = 3.5


@dataclass(frozen=True)
class FilmWorld:
    strength: float = 0.5  # of seasons and awards; 0: nothing moves
    num_users: int = 2000
    num_films: int = 60
    years: float = 6.0
    stay: float = 0.5  # years from a user's first rating to the last
    noise: float = 0.5  # sd
    seed: int = 0


def vectors(world: FilmWorld) -> Float[np.ndarray, "F 3"]:
    """What meets a user's three numbers, normal of sd 1: two of taste, and one for all films."""
    taste = np.random.default_rng([world.seed, 1]).normal(scale=0.35, size=(world.num_films, 2))
    return np.c_[taste, np.full(world.num_films, 0.3)]


def draw(world: FilmWorld) -> pd.DataFrame:
    """An event a row; ``expected`` is its rating without noise, ``still`` without what moves."""
    rng = np.random.default_rng(world.seed)
    users, films = world.num_users, world.num_films
    season, phase = rng.uniform(0.3, 0.9, films), rng.uniform(0, 2 * np.pi, films)
    won = rng.uniform(0, world.years, films)
    year = rng.uniform(0, world.years - world.stay, (users, 1))
    year = year + rng.uniform(0, world.stay, (users, films))
    moves = season * np.cos(2 * np.pi * year + phase) + (year > won)
    table = pd.DataFrame({"user": np.repeat(np.arange(users), films)})
    table["item"] = np.tile(np.arange(films), users)
    table["time"] = (year.ravel() * YEAR_S).astype(np.int64)
    table["still"] = (MEAN + rng.normal(size=(users, 3)) @ vectors(world).T).ravel()
    table["expected"] = table["still"] + world.strength * moves.ravel()
    table["rating"] = table["expected"] + rng.normal(scale=world.noise, size=len(table))
    return table.sort_values(["user", "time"], kind="stable", ignore_index=True)


def floors(
    world: FilmWorld,
    table: pd.DataFrame,
    known: Int[np.ndarray, "P"],
    asked: Int[np.ndarray, "S"],
) -> dict[str, Float[np.ndarray, "S"]]:
    """Predictions of the rows ``asked``.

    * ``best``: by whoever knows the films and how they move, and of users their ``known`` ratings;
      the mean of what a user can be, given these, is least wrong.
    * ``still``: by whoever knows users and films, but of how a film moves only the mean.
    """
    moves = (table["expected"] - table["still"]).to_numpy()
    user, film = table["user"].to_numpy(), vectors(world)[table["item"].to_numpy()]
    mean = pd.Series(moves[known]).groupby(table["item"].to_numpy()[known]).mean()
    still = table["still"].to_numpy() + mean.reindex(table["item"]).to_numpy()
    # normal numbers, normal noise: a ridge regression for each user
    square = np.tile(world.noise**2 * np.eye(3), (world.num_users, 1, 1))
    np.add.at(square, user[known], film[known][:, :, None] * film[known][:, None, :])
    left = (table["rating"].to_numpy() - MEAN - moves)[known, None] * film[known]
    sums = np.zeros((world.num_users, 3))
    np.add.at(sums, user[known], left)
    numbers = np.linalg.solve(square, sums[:, :, None])[:, :, 0]
    best = MEAN + (numbers[user] * film).sum(1) + moves
    return {"best": best[asked], "still": still[asked]}
