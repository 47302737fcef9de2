"""What the page on families shows: each model by its family, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from seqrec_lib import report
from seqrec_lib.records.store import Runs

# in the order of the survey, with what a model keeps of a history
FAMILIES: dict[str, tuple[str, ...]] = {
    "counts": ("markov-1", "markov"),
    "factors": ("mf", "fpmc-last", "fpmc", "prme"),
    "recurrence": ("gru4rec", "gru"),
    "convolution": ("caser", "nextitnet"),
    "attention": ("sasrec", "hstu"),
    "filling in": ("bert4rec", "bert4rec-prefixes"),
}
FAMILY = {model: family for family, models in FAMILIES.items() for model in models}


def table(runs: Sequence[Runs]) -> pd.DataFrame:
    """A row a model, under its family: NDCG@10 with half-widths, what masking adds, what it took.

    Raises ``KeyError`` for a model of no family.
    """
    level = report.table(runs)[["seeds", "NDCG@10 M", "NDCG@10 U"]]
    added = report.masking(runs)[["added by masking, %"]].round(0)
    took = report.costs(runs)[["parameters", "own minutes"]]
    found = level.join(added).join(took.rename(columns={"own minutes": "minutes"}))
    kinds = [FAMILY[run.name] for run in runs]
    return found.set_axis(
        pd.MultiIndex.from_arrays([kinds, found.index], names=["family", "model"])
    )
