"""What cutting the weakest edges of a history does to accidental events (the study of pruning)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seqrec_lib.report.styles import label
from seqrec_lib.studies import pruning as study

SMALL: dict[str, Any] = {"trials": 1, "seeds": 1, "levels": (1,), "passes": 1, "num_users": 40}


def made(results: str | Path, retrain: bool = False, small: bool = False) -> pd.DataFrame:
    """The study's rows, kept; or made anew, to ``retrain``, or ``small``: of few users."""
    if small or retrain:
        return study.study(results, anew=True, **(SMALL if small else {}))
    return study.kept(results)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a number of accidents a step and model: how much of the best possible it reaches, the
    mean and the span of the seeds, and what stands in the pairs that have no edge."""
    rows = rows.assign(reached=rows["test"] / rows["best"])
    found = {}
    for (level, name), own in rows.groupby(["level", "model"], sort=False):
        share, cut = own["reached"], own["precision"].notna().any()
        found[f"{level:g}", label(name)] = {
            "of the best possible": f"{share.mean():.3f}",
            "least to most": f"{share.min():.3f} to {share.max():.3f}",
            "pairs cut, %": f"{100 * (1 - own['kept'].mean()):.0f}" if cut else "",
            "accidents among them, %": f"{100 * own['precision'].mean():.0f}" if cut else "",
            "among all pairs, %": f"{100 * own['chance'].mean():.0f}" if cut else "",
        }
    index = pd.MultiIndex.from_tuples(found, names=["accidents a step", "model"])
    return pd.DataFrame(list(found.values()), index=index)


def figures(rows: pd.DataFrame) -> dict[str, float]:
    """Means of the seeds, to glue: how much of the best possible a model reaches (``1-surge``);
    percent of accidents among the pairs cut (``1-surge-cut``) and among all (``1-surge-all``)."""
    found: dict[str, float] = {}
    for (level, name), own in rows.groupby(["level", "model"], sort=False):
        key = f"{level:g}-{name}"
        found[key] = float((own["test"] / own["best"]).mean())
        if own["precision"].notna().any():
            found[f"{key}-cut"] = 100 * float(own["precision"].mean())
            found[f"{key}-all"] = 100 * float(own["chance"].mean())
    return found
