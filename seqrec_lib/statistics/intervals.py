"""How far a mean over users and seeds may be trusted: intervals, p-values, and verdicts on them.

The mean of S seeds and U users varies because other users could have been met, and because another
training would have given another model. Both are estimated from a table of values, a row a seed
and a column a user, by its mean squares (:func:`over_seeds`). Verdicts of one table are corrected
together (:func:`verdicts`). :func:`bootstrap` is for one sample without seeds.

Users are taken as independent and each gives one value a seed. Bad input raises ``ValueError``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Real
from scipy.special import stdtr, stdtrit

CHUNK = 2**20  # multinomial counts held at once
ONE_SEED, TOO_FEW = "one seed", "too few seeds"
REACH = 2.0  # sd of three seeds, in standard errors over users, up to which they are enough
Verdict = Literal["higher", "lower", "no difference", "too few seeds"]


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its interval; prints them to four places or as the format asks.

    ``p`` is that of the hypothesis that the mean is 0 (two-sided; nan: not known). ``note`` says
    what the interval does not cover (``one seed``: other trainings; ``too few seeds``: them well
    enough), or on which seeds it stands; it is printed too.

    >>> print(Interval(0.0945, 0.0907, 0.0983))
    0.0945 [0.0907, 0.0983]
    >>> f"{Interval(-0.0021, -0.0042, 0.0001, note='one seed'):+.3f}"
    '−0.002 [−0.004, +0.000], one seed'
    """

    mean: float
    low: float
    high: float
    p: float = np.nan
    note: str = ""

    @property
    def half_width(self) -> float:
        """Half of what lies between the ends."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Are both ends on the same side of zero, neither touching it?"""
        return self.low > 0 or self.high < 0

    def __format__(self, spec: str) -> str:
        parts = (format(x, spec or "z.4f") for x in (self.mean, self.low, self.high))
        mean, low, high = (part.replace("-", "−") for part in parts)
        ends = mean if np.isnan(self.low) else f"{mean} [{low}, {high}]"
        return f"{ends}, {self.note}" if self.note else ends

    def __str__(self) -> str:
        return format(self)


# --- several verdicts ---------------------------------------------------------------------------


def holm(p: Real[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Adjusted p-values of tests that are made together, by Holm's step-down method (1979).

    Those up to 5 % are of differences of which all are real with 95 % certainty, however the tests
    depend on each other. A nan stands for no test: it stays, and does not count.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    made = np.flatnonzero(~np.isnan(p))
    if not ((p[made] >= 0) & (p[made] <= 1)).all():
        raise ValueError(f"p-values lie between 0 and 1, not {p[made].min()} to {p[made].max()}")
    order = made[np.argsort(p[made], kind="stable")]
    found = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    found[order] = np.minimum(1, np.maximum.accumulate(steps))
    return found


def verdicts(table: Sequence[Interval], level: float = 0.95) -> list[Verdict]:
    """The study's rule for the differences of one table: none, unless its corrected p is small.

    The p-values are corrected together (:func:`holm`), so that of all verdicts in the table one or
    more are wrong in 5 % of tables at most. The intervals stay those of each difference alone; one
    may exclude zero and be no difference. Where seeds are too few for an interval, that is said in
    place of a verdict. An interval of three nan (nothing compared) is no difference.

    >>> verdicts([Interval(0.3, 0.1, 0.5, p=0.004), Interval(-0.2, -0.4, -0.01, p=0.04)])
    ['higher', 'lower']
    >>> verdicts([Interval(0.3, 0.1, 0.5, p=0.03), Interval(-0.2, -0.4, -0.01, p=0.04)])
    ['no difference', 'no difference']
    """
    p = np.array([one.p for one in table], dtype=float)
    for one in table:
        if np.isnan(one.p) and not np.isnan(one.mean):
            raise ValueError(f"{one} has no p-value; a verdict needs one")
    words: list[Verdict] = []
    for one, adjusted in zip(table, holm(p), strict=True):
        if one.note == TOO_FEW:
            words.append("too few seeds")
        elif adjusted < 1 - level:  # false of nan
            words.append("higher" if one.mean > 0 else "lower")
        else:
            words.append("no difference")
    return words


# --- one sample ---------------------------------------------------------------------------------


def bootstrap(
    values: Real[np.ndarray, " users"], draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Mean over users and its percentile bootstrap interval (Efron, 1979): users are resampled.

    It covers the choice of users, for one trained model. It is too narrow below some 30 users, and
    has no width where all values are equal. It has no p-value, and so no verdict.

    Resampling users only decides how often each *distinct* value is met, and that number of times
    is multinomial. We draw it directly: a metric with few distinct values (HR@10 has 2, NDCG@10
    has 11) costs the same for any number of users.

    >>> print(bootstrap(np.array([0.0, 1.0] * 200)))
    0.5000 [0.4500, 0.5475]
    """
    _check(values[None], level, 2)
    if draws < 1:
        raise ValueError(f"draws is {draws}; at least 1")
    means = _resampled(values, draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired(
    values_a: Real[np.ndarray, " users"],
    values_b: Real[np.ndarray, " users"],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of a - b and its interval, the same users resampled for both.

    Row i of both must be the same user. What makes a user easy for both models cancels, so this
    is narrower than two separate intervals suggest.
    """
    if values_a.shape != values_b.shape:
        raise ValueError(
            f"values of {values_a.size} and of {values_b.size} users; pairs need the same users, "
            "in the same order"
        )
    return bootstrap(values_a - values_b, draws, level, seed)


# --- users and seeds ----------------------------------------------------------------------------


def over_seeds(
    values: Real[np.ndarray, "seeds users"],
    level: float = 0.95,
    learned: bool = True,
    note: str = "",
) -> Interval:
    """Mean over seeds and users and its interval, which covers other users *and* other trainings.

    Row s holds the values of the model trained from seed s, column u the same user throughout. Two
    models are compared by ``over_seeds(a - b)``. A single row covers users only, and says
    ``one seed``, unless nothing is ``learned``: a counter has no chance in it. One user has a mean
    and no interval: its ends are nan. Another ``note`` goes on an interval without one of its own.

    The mean varies by var(users) / U + var(seeds) / S + var(rest) / (S U), where the rest is what
    a seed does to a user beyond both. Of the mean squares, each over S U, that of users (A) holds
    the first and the third, that of seeds (B) the second and the third, that of the rest (C) the
    third alone. So the variance is A + B - C, with Satterthwaite's degrees of freedom (1946;
    Welch, 1947; for differences of mean squares Gaylor and Hopper, 1969)
    (A + B - C)² / (A² / (U - 1) + B² / (S - 1) + C² / ((S - 1) (U - 1))), and Student's t.
    Where B <= C seeds show no variance of their own: A, with U - 1 degrees.

    Measured: how often a 95 % interval covers the truth, by the sd of seeds over the standard
    error over users (100,000 trials, 400 users; ranges are over shares of C in A from 0 to 1):

    ===== ========= ========= ========= ========= ========= ========= ========= =========
    seeds 0         .5        1         1.5       2         3         4         10
    ===== ========= ========= ========= ========= ========= ========= ========= =========
    2     .951-.966 .952-.960 .936-.942 .910-.927 .888-.910 .868-.887 .866-.880 .883-.908
    3     .950-.969 .950-.965 .949-.955 .939-.945 .930-.938 .926-.929 .923-.929 .930-.948
    4     .950-.969 .949-.967 .951-.959 .948-.950 .944-.946 .939-.942 .937-.943 .939-.949
    5     .950-.970 .951-.968 .949-.964 .949-.956 .948-.951 .944-.946 .942-.948 .944-.950
    ===== ========= ========= ========= ========= ========= ========= ========= =========

    A + B alone covers up to .99, A + B - C with B - C in the degrees .88 at worst, and the
    pigeonhole bootstrap (Owen, 2007, doi:10.1214/07-AOAS122), which shows (S - 1) / S of the
    variance between seeds, .82 with three. Two seeds are always ``too few seeds``, and three where
    the ratio, as estimated, is above 2. The estimate is rough: three seeds are called too few in
    2 to 17 % of tables where the ratio is 1, 37 % where it is 2, 69 to 78 % where it is 4. Where
    nothing differs, at most 7.4 % of rows get a verdict of a difference, at any ratio.
    """
    _check(values, level, 1)
    if values.shape[1] == 1:
        return Interval(float(values.mean()), np.nan, np.nan, 1.0, "one user")
    found = estimate(values)
    mean, reach = float(found.mean), float(stdtrit(found.degrees, (1 + level) / 2) * found.error)
    if found.error > 0:
        p = float(2 * stdtr(found.degrees, -abs(mean) / found.error))
    else:
        p = float(mean == 0)  # all values are equal
    seeds = len(values)
    if seeds == 1:
        note = ONE_SEED if learned else note
    elif learned and (seeds == 2 or seeds == 3 and found.ratio > REACH):
        note = TOO_FEW
    return Interval(mean, mean - reach, mean + reach, p, note)


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard error and degrees of freedom; ``ratio``: sd of seeds, in standard
    errors over users (infinite where users do not differ). Each an array, a table of values an
    entry."""

    mean: Float[np.ndarray, "*tables"]
    error: Float[np.ndarray, "*tables"]
    degrees: Float[np.ndarray, "*tables"]
    ratio: Float[np.ndarray, "*tables"]


def estimate(values: Real[np.ndarray, "*tables seeds users"]) -> Estimate:
    """What :func:`over_seeds` says of each of many tables, by their mean squares."""
    seeds, users = values.shape[-2:]
    by_user, by_seed = values.mean(-2), values.mean(-1)
    mean = by_seed.mean(-1)
    of_users = ((by_user - mean[..., None]) ** 2).sum(-1) / (users - 1) / users
    of_seeds = of_rest = np.zeros_like(of_users)
    squares = of_users**2 / (users - 1)
    if seeds > 1:
        of_seeds = ((by_seed - mean[..., None]) ** 2).sum(-1) / (seeds - 1) / seeds
        rest = values - by_seed[..., None] - (by_user - mean[..., None])[..., None, :]
        of_rest = (rest**2).sum((-2, -1)) / (seeds - 1) / (users - 1) / (seeds * users)
        more = (of_seeds**2 + of_rest**2 / (users - 1)) / (seeds - 1)
        squares = squares + np.where(of_seeds > of_rest, more, 0)
    own = np.maximum(of_seeds - of_rest, 0)  # of seeds alone
    variance = of_users + own
    with np.errstate(divide="ignore", invalid="ignore"):  # all values, or all users, are equal
        degrees = np.where(squares > 0, variance**2 / squares, users - 1)
        ratio = np.where(own > 0, np.sqrt(seeds * own / of_users), 0)
    return Estimate(*map(np.asarray, (mean, np.sqrt(variance), degrees, ratio)))


def _check(values: Real[np.ndarray, "seeds users"], level: float, least: int) -> None:
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] < least:
        raise ValueError(f"values have shape {values.shape}; an interval needs two users or more")
    if not np.isfinite(values).all():
        raise ValueError(f"{(~np.isfinite(values)).sum()} values are missing or infinite")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it lies between 0 and 1")


def _resampled(
    values: Real[np.ndarray, " users"], draws: int, rng: np.random.Generator
) -> Float[np.ndarray, " draws"]:
    """Mean over resampled users, draw by draw, in chunks that do not change it."""
    distinct, counts = np.unique(values, return_counts=True)
    rows = max(1, CHUNK // len(counts))
    sizes = [min(rows, draws - start) for start in range(0, draws, rows)]
    chunks = [rng.multinomial(len(values), counts / len(values), size=n) @ distinct for n in sizes]
    return np.concatenate(chunks) / len(values)
