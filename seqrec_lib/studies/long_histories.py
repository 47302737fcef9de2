"""What attention to a long history costs, and what is lost by every way to pay less.

``long_histories/ways.csv`` beside the results has a row a length, sharpness, seed and way of
:mod:`seqrec_lib.studies.long_histories_ways`. Histories are drawn, not real: how sharp attention is
decides what a part of a history can hold, so that this is varied. An interrupted study goes on.

python -m seqrec_lib.studies.long_histories --results book/results
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import Growing, made
from seqrec_lib.studies.long_histories_ways import (
    WAYS,
    Answer,
    Asked,
    History,
    attention,
    bytes_of,
    drawn,
    highest,
)

LENGTHS, SHARPNESS, SEEDS = (100, 1_000, 10_000, 100_000), (1.0, 2.0), 3
CANDIDATES = 32
REPEATS, ENOUGH_S = 5, 0.5  # of each timing: at least, and then until so many seconds have gone
KEYS = ["length", "sharpness", "seed", "way"]
NAMED = ("long_histories", "ways.csv")


def row(
    way: str,
    history: History,
    asked: Asked,
    seed: int = 0,
    repeats: int = REPEATS,
    enough_s: float = ENOUGH_S,
) -> dict[str, Any]:
    """What a way costs, and how near it comes to attention to the whole history.

    * ``prepare_ms``, ``ms``: once for the history, and for all candidates together; seconds of the
      processor, the median. ``flops``, ``word_ops``: of the latter, by formula. ``bytes``: kept.
    * ``read``: events that each candidate is matched with in the end, in the mean, or summaries.
    * ``recall``: of the events of highest weight; ``mass``: of all weight, what the events chosen
      hold; nan where no single ones are.
    * ``error``: the distance to the true output over the latter's length, mean over candidates.
    """
    one, length = WAYS[way], len(history.events)

    def prepared() -> tuple[np.ndarray, ...]:
        return one.prepare(history, np.random.default_rng([seed, 1]))

    cache = prepared()
    answer = one.answer(cache, asked)
    read = len(cache[0]) if answer.chosen is None else np.mean([*map(len, answer.chosen)])
    cost = one.cost(length, len(asked.queries), float(read))
    return {
        "way": way,
        **cost._asdict(),
        "bytes": bytes_of(cache),
        "prepare_ms": _ms(prepared, min(repeats, 3), 0.0),
        "ms": _ms(lambda: one.answer(cache, asked), repeats, enough_s),
        "read": float(read),
        **quality(answer, history, asked),
    }


def quality(answer: Answer, history: History, asked: Asked) -> dict[str, float]:
    """``recall``, ``mass`` and ``error`` of an answer, as :func:`row` has them."""
    logits = asked.queries @ (history.events @ history.projection).T
    weight = attention(logits.astype(float))
    true = weight @ history.events
    error = np.linalg.norm(answer.pooled - true, axis=1) / np.linalg.norm(true, axis=1)
    recall = mass = np.nan
    if answer.chosen is not None:
        pairs = list(zip(highest(logits), answer.chosen, strict=True))
        recall = float(np.mean([np.isin(top, chosen).mean() for top, chosen in pairs]))
        rows = zip(weight, answer.chosen, strict=True)
        mass = float(np.mean([one[chosen].sum() for one, chosen in rows]))
    return {"recall": recall, "mass": mass, "error": float(error.mean())}


def _ms(work: Callable[[], Any], repeats: int, enough_s: float) -> float:
    """Milliseconds of the processor: others may have it in between."""
    took: list[float] = []
    while len(took) < repeats or sum(took) < enough_s:
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return 1000 * float(np.median(took))


def study(
    results: str | Path = SCRATCH,
    lengths: Sequence[int] = LENGTHS,
    sharpness: Sequence[float] = SHARPNESS,
    seeds: int = SEEDS,
    anew: bool = False,
) -> pd.DataFrame:
    """:func:`row` of every length, sharpness, seed and way; none is made again, or, ``anew``, all
    are, beside ``results`` alone."""
    rows = Growing(results, *NAMED, keys=KEYS, anew=anew)
    for length, sharp, seed in itertools.product(lengths, sharpness, range(seeds)):
        missing = [way for way in WAYS if (length, sharp, seed, way) not in rows.by]
        if not missing:
            continue
        history, asked = drawn(length, CANDIDATES, sharp, np.random.default_rng([seed, length]))
        for way in missing:
            told = {"length": length, "sharpness": sharp, "seed": seed}
            rows.add(told | row(way, history, asked, seed))
    return rows.table()


def kept(results: str | Path = SCRATCH) -> pd.DataFrame:
    """The rows that were made. Raises ``FileNotFoundError`` if there are none."""
    return made("studies.long_histories", results, *NAMED, keys=KEYS)


def smoke() -> pd.DataFrame:
    """:func:`row` of every way on a short history, each timed once; nothing is kept."""
    told = {"length": 1_000, "sharpness": SHARPNESS[-1], "seed": 0}
    history, asked = drawn(1_000, CANDIDATES, SHARPNESS[-1], np.random.default_rng(0))
    rows = [told | row(way, history, asked, repeats=1, enough_s=0.0) for way in WAYS]
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.long_histories", description=__doc__
    )
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--lengths", type=int, nargs="*", default=LENGTHS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--smoke", action="store_true", help="a short history, not kept")
    chosen = parser.parse_args(arguments)
    found = smoke() if chosen.smoke else study(chosen.results, chosen.lengths, seeds=chosen.seeds)
    print(found.round(3).to_string())


if __name__ == "__main__":
    main()
