"""What the chapter on small worlds shows: a history of each, figures against difficulty, and who
reaches how much of the best there can be."""

from __future__ import annotations

import json
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seqrec_lib.data.worlds.base import World
from seqrec_lib.report.axes import SMALL, bare, named
from seqrec_lib.report.forest import rows
from seqrec_lib.report.styles import colour, label, marker
from seqrec_lib.studies import worlds as study
from seqrec_lib.studies.worlds_plans import FAMILIES, FOUND, PLANS

DAY_S = 86_400
# what makes each world harder
LEVELS = {
    "union": "fillers between the two",
    "noise": "accidental items a step, in the mean",
    "threads": "threads at once",
    "drift": "versions of each device",
    "clock": "activity of users, most over least",
    "reach": "events back to what the answer repeats",
    "staleness": "days since anything of a user was known",
    "complements": "events of each category",
}
# what is asked in each, by world and kind, in a word or two
ABILITIES = {
    ("union", "and"): "two together",
    ("union", "xor"): "two, either or",
    ("noise", ""): "noise",
    ("threads", ""): "threads",
    ("drift", "ordered"): "drift",
    ("clock", ""): "clock",
    ("reach", ""): "reach",
    ("staleness", ""): "staleness",
    ("complements", "complement"): "complements",
}
# what is left of a history to who is denied the rest (``World.limits``)
SEEN = {"nothing": "nothing", "last 1": "the last event", "nearest": "what is near the last item",
        "set": "all, without order", "sum": "each item by itself",
        "own category": "events of its own category"}  # fmt: skip
SETTINGS = {  # as the table calls what was searched
    "learning_rate": "learning rate", "item_std": "spread of item vectors at first",
    "num_layers": "blocks", "mask_share": "share hidden", "height": "steps at most",
    "horizontal": "filters of each height", "dilations": "distances", "decay": "fading over events",
    "alpha": "weight of the auxiliary loss",
}  # fmt: skip
TIMED = ("clock",)  # worlds whose histories stand in time
LIGHT = 1.9  # end of a scale of blues to one: its darkest bears black digits, in a dark page too
# Okabe and Ito's, then grey
INKS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#777777")


def named_here(model: str) -> str:
    """A model as this chapter calls it: how pooling pools was searched, and searches find fewer."""
    own = {"pooling": "pooling and MLP", "attention-recent": f"the latest {FOUND} events"}
    return own.get(model) or label(model)


def ability(world: str, kind: str) -> str:
    """What is asked in a world, in a word or two; of a kind that asks for none, a control."""
    return ABILITIES.get((world, kind), f"{world}, the control")


def history(ax: Axes, world: World, user: int, most: int = 16, timed: bool = False) -> list[str]:
    """The last events of a user, a dot each, and the answer to the last question, in a ring.

    A row holds the items of a role, numbered within it. With ``timed`` events stand at the days
    before the question, on a logarithmic scale. Returns the names of the rows, from the top.
    """
    log = world.log
    span = np.arange(*log.offsets[user : user + 2])[-most:]
    there = {
        name: items for name, items in world.roles.items() if np.isin(items, log.item[span]).any()
    }
    places = span - span[-1]
    if timed:
        days = (log.time[span[-1]] - log.time[span]) / DAY_S
        places = np.where(days > 0, days, days[days > 0].min() / 2)
        ax.set_xscale("log")
        ax.invert_xaxis()
    for number, (height, items) in enumerate(zip(rows(ax, there), there.values(), strict=True)):
        ink = INKS[min(number, len(INKS) - 1)]
        for event in np.flatnonzero(np.isin(log.item[span], items)):
            asked = event == len(span) - 1
            ax.plot(places[event], height, "o", ms=11.5, color=ink, mfc="white" if asked else ink)
            ax.annotate(str(1 + np.searchsorted(items, log.item[span[event]])),
                        (places[event], height), ha="center", va="center_baseline", fontsize=SMALL,
                        color=ink if asked else "white")  # fmt: skip
    ax.set_xlabel("days before the question" if timed else "events before the answer (ring)")
    ax.grid(axis="x", visible=False)
    return list(there)


def curves(ax: Axes, table: pd.DataFrame, name: str, kind: str = "") -> None:
    """HR@k of a world's models against its level, a line each: means over seeds.

    Bars run from the least to the most of the seeds. Dashed stands what the best possible answers
    have, dotted what those have who are denied something. Raises ``ValueError`` for a kind that the
    table of :func:`seqrec_lib.studies.worlds.study` lacks.
    """
    table = table[table["kind"] == kind]
    if table.empty:
        raise ValueError(f"no rows of kind {kind!r}")
    levels = sorted(table["level"].unique())
    place = dict(zip(levels, range(len(levels)), strict=True))
    best = table.groupby("level")["best"].mean()
    ax.plot(best.index.map(place), best, color="black", ls="--", lw=1.2, zorder=1)
    denied = table.dropna(subset="limit").groupby(["model", "level"])["limit"].mean()
    for limit in {tuple(one.droplevel(0).items()) for _, one in denied.groupby("model")}:
        at, value = zip(*limit, strict=True)
        ax.plot([place[level] for level in at], value, ":_", color="0.45", lw=1.6, ms=9, zorder=1)
    tips = {"the best possible": (float(best.iloc[-1]), "black")}
    models = list(dict.fromkeys(table["model"]))
    for number, model in enumerate(models):
        over = table[table["model"] == model].groupby("level")["test"].agg(["mean", "min", "max"])
        at = over.index.map(place) + 0.03 * (number - (len(models) - 1) / 2)
        reach = [over["mean"] - over["min"], over["max"] - over["mean"]]
        ax.errorbar(at, over["mean"], yerr=reach, color=colour(model), marker=marker(model),
                    ms=5, lw=1.2, capsize=2)  # fmt: skip
        if over.index[-1] == levels[-1]:
            tips[named_here(model)] = (float(over["mean"].iloc[-1]), colour(model))
    ax.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
    k = "k" if table["k"].nunique() > 1 else table["k"].iloc[0]
    ax.set(xlabel=LEVELS[name], ylabel=f"HR@{k}", ylim=(0, 1.04), xlim=(-0.3, len(levels) - 0.7))
    named(ax, tips, len(levels) - 0.75)


def means(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """HR@k, that of the best possible, and the limit of who is denied something, by world, kind,
    level and model; means over seeds."""
    keys = ["kind", "level", "model"]
    found = {
        name: table.sort_values("level", kind="stable")
        .groupby(keys, sort=False)[["test", "best", "limit"]]
        .mean()
        for name, table in tables.items()
    }
    return pd.concat(found, names=["world"])


def figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """HR@k by world, kind, level and model, as in ``union-xor-3-gru``; with ``-share`` its part of
    the best possible, with ``-limit`` the limit of who is denied something. ``worlds-least`` is the
    smallest part that the best model of a world and level has."""
    every = means(tables)
    share = (every["test"] / every["best"]).groupby(["world", "kind", "level"]).max()
    found = {"worlds-least": float(share.min())}
    for (name, kind, level, model), row in every.iterrows():
        key = "-".join(filter(None, (name, kind, f"{level:g}", model)))
        found[key] = float(row["test"])
        found[f"{key}-share"] = float(row["test"] / row["best"])
        if np.isfinite(row["limit"]):
            found[f"{key}-limit"] = float(row["limit"])
    return found


def failing(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Who is denied something, a row an ability and model: what it sees, its HR@k and its limit at
    the hardest level, and how far it is from its limit at any level, at most. Controls, of kinds
    that ask for no ability, are left out."""
    denied = means(tables).dropna(subset="limit")
    found = {}
    for (name, kind, model), own in denied.groupby(["world", "kind", "model"], sort=False):
        if (name, kind) not in ABILITIES:
            continue
        sees = PLANS[name].models[model]
        found[ability(name, kind), named_here(model)] = {
            "sees": SEEN.get(sees, f"the {sees} events"),
            "HR@k": own["test"].iloc[-1],
            "its limit": own["limit"].iloc[-1],
            "off at most": (own["test"] - own["limit"]).abs().max(),
        }
    return pd.DataFrame.from_dict(found, "index").rename_axis(["ability", "model"])


def in_full(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """HR@k by ability: a row a model, and the best possible above; a column a level."""
    found = {}
    for (name, kind), own in means(tables).groupby(["world", "kind"], sort=False):
        own = own.droplevel(["world", "kind"])
        levels = own.index.unique("level")
        table = own["test"].unstack("level")[levels].loc[own.index.unique("model")]
        table.index = table.index.map(named_here)
        best = own["best"].groupby("level").mean()[levels].to_frame("the best possible").T
        found[ability(name, kind)] = pd.concat([best, table]).rename(columns="{:g}".format)
    return found


def searches(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What a search found at the hardest level, a row an ability and model: its size, its passes,
    how many settings were tried, and which were chosen."""
    found = {}
    for name, table in tables.items():
        hardest = table[(table["seed"] == 0) & (table["level"] == table["level"].max())]
        for one in hardest[hardest["settings"] != "{}"].to_dict("records"):
            chosen = json.loads(one["settings"]).items()
            passes = PLANS[name].passes * FAMILIES[one["model"]].more
            found[ability(name, one["kind"]), named_here(one["model"])] = {
                "parameters": one["parameters"],
                "passes": passes if one["parameters"] else 1,  # what counts passes once
                "tried": one["trials"],
                "chosen": ", ".join(f"{SETTINGS.get(key, key)} {value}" for key, value in chosen),
            }
    return pd.DataFrame.from_dict(found, "index").rename_axis(["ability", "model"])


def made(
    results: str, seeds: int, retrain: bool = False, small: bool = False
) -> dict[str, pd.DataFrame]:
    """The table of each world: those that are kept; all, made anew, to ``retrain``; or all,
    ``small``: of few users, models and passes.

    Raises ``FileNotFoundError`` where none is kept.
    """
    if small:
        return {name: study.smoke(name) for name in PLANS}
    if retrain:
        return {name: study.study(name, results, seeds=seeds, anew=True) for name in PLANS}
    there = [name for name in PLANS if study.place(name, results).exists()]
    tables = {name: study.kept(name, results) for name in there or PLANS}
    return {name: table[table["seed"] < seeds] for name, table in tables.items()}


def panels(name: str, table: pd.DataFrame) -> Figure:
    """A history of a world above, and below a panel of :func:`curves` for each kind of it."""
    kinds = list(dict.fromkeys(table["kind"]))
    plan = PLANS[name]
    world = plan.draw(plan.levels[len(plan.levels) // 2], kinds[0], num_users=20)
    last = world.log.num_users - 1
    heights = [2.2, *[4.2] * len(kinds)]
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(5.2, sum(heights)), layout="constrained",
        gridspec_kw={"height_ratios": heights},
    )  # fmt: skip
    history(axes[0], world, last, timed=name in TIMED)
    for ax, kind in zip(axes[1:], kinds, strict=True):
        curves(ax, table, name, kind)
        if len(kinds) > 1:
            ax.set_title(ability(name, kind))
    return figure


def shares(tables: Mapping[str, pd.DataFrame], of: str = "test") -> pd.DataFrame:
    """Share of the best possible at the hardest level: a row a model, a column an ability; nan
    where a model was not run. Means over seeds. ``of`` may be ``limit``: nan for who has none."""
    hardest = means(tables).groupby(["world", "kind", "model"], sort=False).tail(1)
    share = (hardest[of] / hardest["best"]).droplevel("level").unstack(["world", "kind"])
    there = [asked for asked in ABILITIES if asked in share]
    table = share.loc[[model for model in FAMILIES if model in share.index], there]
    return table.set_axis([ABILITIES[asked] for asked in there], axis="columns")


def matrix(ax: Axes, tables: Mapping[str, pd.DataFrame]) -> None:
    """:func:`shares`, darker the nearer to the best; a frame around who is denied something."""
    table, limits = shares(tables), shares(tables, "limit")
    ax.imshow(table, cmap="Blues", vmin=0, vmax=LIGHT, aspect="auto")
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        if np.isfinite(value):
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=SMALL)
        if np.isfinite(limits.iloc[row, column]):
            ax.add_patch(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, fill=False, lw=0.9))
    ax.set_yticks(range(len(table)), [named_here(model) for model in table.index])
    ax.set_xticks(range(table.shape[1]), table.columns, rotation=35, ha="left")
    ax.xaxis.tick_top()
    bare(ax)
