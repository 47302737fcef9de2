"""What the chapter on long histories shows of models that learn to count over a life (W6)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.report.chapters.long_histories import LOOKS

# those of a way of the chapter have its look
MODELS = {
    "pooling-sum": ("sum of all events", ("#7F3C8D", "-", "X")),
    "pooling": ("mean of all events", ("#7F3C8D", ":", "x")),
    "din": ("DIN", ("#56B4E9", "-", "<")),
    "din-softmax": ("DIN, softmax", ("#56B4E9", ":", ">")),
    "attention": ("attention to all events", LOOKS["full"]),
    "attention-recent": ("attention to the latest 50", LOOKS["recent"]),
    "twin": ("those of highest weight (TWIN)", LOOKS["exact top"]),
    "twin-v2": ("clusters, ln n (TWIN-V2)", LOOKS["clusters"]),
    "twin-v2-unweighted": ("clusters, no ln n", LOOKS["clusters, unweighted"]),
}
LIMITS = {
    "best": "the best possible", "share": "of shares", "top 2": "of two events of each",
    "last 50": "of the latest 50", "nothing": "of nothing",
}  # fmt: skip


def means(table: pd.DataFrame) -> pd.DataFrame:
    """AUC by model and length, the mean over seeds, each a world with users of its own, and the
    half of its 95 % interval, over users."""
    rows = table.groupby(["model", "level"])
    half = rows["error"].agg(lambda own: 1.96 * (own**2).sum() ** 0.5 / len(own))
    found = pd.DataFrame({"mean": rows["auc"].mean(), "half": half})
    return found.loc[[model for model in MODELS if model in set(table["model"])]]


def limits(table: pd.DataFrame) -> pd.DataFrame:
    """AUC of the true chances, and the best of who sees a part: a row each, a column a length,
    means over seeds."""
    worlds = table.groupby(["level", "seed"])[list(LIMITS)].first()
    return worlds.groupby("level").mean().rename(columns=LIMITS).T


def curves(ax: Axes, table: pd.DataFrame, models: Sequence[str]) -> None:
    """AUC against the length of the longest life, a line a model, and the best possible."""
    top = limits(table).loc[LIMITS["best"]]
    ax.plot(top.index, top, color="#999999", lw=1.2, label=LIMITS["best"])
    found = means(table)
    for model in models:
        own, (word, (colour, dashes, marker)) = found.loc[model], MODELS[model]
        ax.errorbar(own.index, own["mean"], yerr=own["half"], color=colour, ls=dashes,
                    marker=marker, ms=4.5, lw=1.2, capsize=2, label=word)  # fmt: skip
    ax.axhline(0.5, color="#999999", lw=0.8, ls=":")
    ax.set(xscale="log", xlabel="events of the longest life", ylabel="AUC")
    report.legend_above(ax)


def in_full(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All that was reached, and what the best of who sees a part would reach: a column a length."""
    found = means(table)
    cells = found["mean"].map("{:.3f}".format) + " ± " + found["half"].map("{:.3f}".format)
    models = cells.unstack("level").reindex(found.index.unique("model")).fillna("")
    tables = {
        "models": models.rename(index={model: word for model, (word, _) in MODELS.items()}),
        "limits": limits(table).map("{:.3f}".format),
    }
    return {
        name: one.rename(columns="{:,} events".format).rename_axis(index=None, columns=None)
        for name, one in tables.items()
    }


def figures(table: pd.DataFrame) -> dict[str, float]:
    """AUC by model and length, as in ``twin-100000-auc``, and of limits, to glue."""
    best = limits(table)
    told = {f"{model}-{level}": value for (model, level), value in means(table)["mean"].items()}
    told |= {
        f"limit-{name}-{level}".replace(" ", "-"): value
        for name, word in LIMITS.items()
        for level, value in best.loc[word].items()
    }
    return {f"{name}-auc": float(value) for name, value in told.items()}  # not numpy's: for glue
