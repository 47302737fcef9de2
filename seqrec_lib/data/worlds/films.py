"""Films: ratings that seasons and awards move, and the error of whoever knows all but the noise.

rating = mean + <u, m> + s cos(2 pi t / year + phase) + award, once it is won + noise. Everybody
rates every film once, within half a year of their own, so that others have always rated a film of
late. No model of what stays can be better than ``still`` of :func:`floors`: it knows users and
films exactly, but of how a film moves only the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

YEAR_S = 365.25 * 86_400


@dataclass(frozen=True)
class FilmWorld:
    strength: float = 1.0  # of seasons and awards; 0: nothing moves
    num_users: int = 1000
    num_films: int = 60
    years: float = 6.0
    stay: float = 0.5  # years from a user's first rating to the last
    noise: float = 0.5  # sd: the best RMSE that there can be
    seed: int = 0


def draw(world: FilmWorld) -> pd.DataFrame:
    """An event a row; ``expected`` is its rating without noise, ``still`` without what moves."""
    rng = np.random.default_rng(world.seed)
    users, films = world.num_users, world.num_films
    u, m = rng.normal(size=(users, 2)), rng.normal(scale=0.35, size=(films, 2))
    season, phase = rng.uniform(0.3, 0.9, films), rng.uniform(0, 2 * np.pi, films)
    won = rng.uniform(0, world.years, films)
    year = rng.uniform(0, world.years - world.stay, (users, 1))
    year = year + rng.uniform(0, world.stay, (users, films))
    moves = season * np.cos(2 * np.pi * year + phase) + (year > won)
    table = pd.DataFrame({"user": np.repeat(np.arange(users), films)})
    table["item"] = np.tile(np.arange(films), users)
    table["time"] = (year.ravel() * YEAR_S).astype(np.int64)
    table["still"] = (3.5 + u @ m.T).ravel()
    table["expected"] = table["still"] + world.strength * moves.ravel()
    table["rating"] = table["expected"] + rng.normal(scale=world.noise, size=len(table))
    return table.sort_values(["user", "time"], kind="stable", ignore_index=True)


def floors(
    table: pd.DataFrame, known: Int[np.ndarray, "P"], asked: Int[np.ndarray, "S"]
) -> dict[str, Float[np.ndarray, "S"]]:
    """Predictions of the rows ``asked``: ``best``, by all but the noise, and ``still``, which has
    in the place of what moves a film its mean over the rows ``known``."""
    moves = table["expected"] - table["still"]
    mean = moves.iloc[known].groupby(table["item"].iloc[known]).mean()
    still = table["still"] + table["item"].map(mean)
    return {
        name: one.to_numpy()[asked] for name, one in (("best", table["expected"]), ("still", still))
    }
