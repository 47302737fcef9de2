"""Model cards: what a model is, what it reads, how it was trained, where, and what came of it.

Taken from the models' own files and from the records; words that stand nowhere else are in
:mod:`seqrec_lib.report.chapters.card_words`. Data cards are a module of their own.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import root
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import CountModel, Recommender, SequenceEncoder
from seqrec_lib.models.rankers.base import CandidateRanker
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records import provenance
from seqrec_lib.records.settings import completed, config_of
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.store import RESULTS, SCRATCH, Runs, load_all
from seqrec_lib.report.cells import with_half_width
from seqrec_lib.report.chapters import data_cards
from seqrec_lib.report.chapters.card_words import CARDS, USES
from seqrec_lib.report.chapters.results import minutes
from seqrec_lib.report.dropdowns import Dropdowns
from seqrec_lib.report.show import Shown
from seqrec_lib.training.settings import Training

KINDS = {
    CountModel: "counts, without passes",
    CandidateRanker: "scores each candidate by a network of its own",
    SequenceEncoder: "turns a history into a state that is compared with all items",
}


# --- records ------------------------------------------------------------------------------------


def records(results: str | Path = SCRATCH) -> list[Runs]:
    """Every run that has committed records, by data set and name, and of a folder of one's own.

    What lies in scratch is nobody's card.
    """
    places = [RESULTS] + ([] if root() / results == root() / SCRATCH else [str(results)])
    found: dict[tuple[str, str], Runs] = {}
    for place in places:
        for folder in sorted((root() / place).glob("*/*")):
            if runs := load_all(folder):
                dataset = runs[0].spec["dataset"]
                found[dataset, folder.name] = Runs(folder.name, dataset, runs)
    return list(found.values())


# --- one card -----------------------------------------------------------------------------------


def idea(model: str) -> str:
    """The first paragraph of the docstring of a model's file."""
    return re.sub(r"\s+", " ", _docstring(model).split("\n\n")[0])


def sources(model: str) -> str:
    """What the docstring of a model's file cites, in the order in which it does."""
    cited = re.findall(r"\(([^()]*\b(?:19|20)\d\d\b[^()]*)\)", _docstring(model))
    return "; ".join(dict.fromkeys(re.sub(r"\s+", " ", one) for one in cited))


def _docstring(model: str) -> str:
    whole = sys.modules[MODELS[model].__module__].__doc__ or ""
    return inspect.cleandoc(whole).replace("``", "`")


def settings(config: Any) -> str:
    """The settings that are not at their defaults, in words.

    >>> settings(Training(epochs=40, cosine=True))
    'epochs 40, cosine yes'
    """
    usual, words = type(config)(), []
    for name in (field.name for field in fields(config) if field.name != "seed"):
        value = getattr(config, name)
        if value != getattr(usual, name):
            words.append(f"{name.replace('_', ' ')} {_value(value)}")
    return ", ".join(words)


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + "; ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not is_dataclass(value):
        return f"{value:g}" if isinstance(value, float) else str(value)
    inside = settings(value)
    name = type(value).__qualname__.removesuffix(".Config")
    return f"{name} ({inside})" if inside else name


def reads(runs: Sequence[Runs]) -> str:
    """What the model reads of a history in some of its runs, and of items."""
    found: dict[str, None] = {}
    for run in runs:
        spec = completed(run.seeds[0].spec)
        empty = Catalogue(3, np.zeros(4, dtype=np.int64))
        model: Recommender = MODELS[spec["model"]](empty, config_of(spec))  # type: ignore[call-arg]
        found |= dict.fromkeys(["items", *model.reads])
        found |= {"attributes of items": None} if model.reads_attributes else {}
    words = {"asked_basket": "the basket asked about", "asked_at": "the time of the question"}
    return ", ".join(words.get(name, name) for name in found)


def about(model: str, runs: Sequence[Runs]) -> pd.DataFrame:
    """What a model is, what it reads, what it is for and where it ends."""
    use, limits = USES[model]
    kind = next((words for of, words in KINDS.items() if issubclass(MODELS[model], of)), "")
    rows = {"idea": idea(model), "sources": sources(model)}
    rows |= {"kind": kind or "stands around other models", "reads": reads(runs)}
    rows |= {"meant for": use, "limits": limits}
    rows["API"] = f"{MODELS[model].__module__}.{MODELS[model].__qualname__}"
    return pd.DataFrame({"in words": rows})


def trained(runs: Sequence[Runs]) -> pd.DataFrame:
    """Runs by name and settings: what is not at its default, and on which data sets."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for run in runs:
        spec = completed(run.seeds[0].spec)
        training = {k: v for k, v in spec["training"].items() if k != "seed"}
        key = (run.name, settings(config_of(spec)), settings(Training(**training)))
        found.setdefault(key, []).append(data_cards.title(run.dataset))
    rows = [(report.label(n), m, t, "; ".join(sets)) for (n, m, t), sets in found.items()]
    heads = ["run", "of the model, beside defaults", "of its training, beside defaults", "on"]
    return pd.DataFrame(rows, columns=heads).set_index("run").rename_axis(None)


def figures(runs: Sequence[Runs]) -> dict[str, pd.DataFrame]:
    """HR@10 and NDCG@10 of each run under both protocols, with half-widths of 95 % intervals."""
    tabs = {}
    for protocol, letter in report.PROTOCOLS.items():
        rows = []
        for run in runs:
            row = {"seeds": _seeds(run)}
            for name, metric in (("HR@10", hr), ("NDCG@10", ndcg)):
                row[f"{name} {letter}"] = with_half_width(report.mean(run, protocol, metric))
            rows.append(row)
        tabs[f"figures {letter}"] = pd.DataFrame(rows, _called(runs))
    return tabs


def costs(runs: Sequence[Runs], results: str | Path = SCRATCH) -> pd.DataFrame:
    """What each run took (:attr:`seqrec_lib.records.store.Runs.costs`), in all with its starts
    (:func:`seqrec_lib.report.chapters.results.minutes`)."""
    found = [
        {
            "minutes, own": run.costs["own_seconds"] / 60,
            "minutes, in all": minutes(run, results),
            "seconds to score": run.costs["scoring_seconds"],
            "peak GiB": run.costs["peak_bytes"] / 2**30,
            "parameters": int(run.costs["parameters"]),
        }
        for run in runs
    ]
    return pd.DataFrame(found, _called(runs)).round(1)


def origin(runs: Sequence[Runs]) -> pd.DataFrame:
    """On what each run was trained, when, and under which golden run."""
    rows = []
    for run in runs:
        cards = [one.card for one in run.seeds]
        spec = Spec(run.dataset, run.name, run.seeds[0].spec["model"], None, Training())
        stands = all(card.get("golden") == provenance.golden(spec) for card in cards)
        rows.append(
            {
                "device": _distinct(card["device"] for card in cards),
                "torch": _distinct(card["versions"]["torch"] for card in cards),
                "day": _distinct(card["date"][:10] for card in cards),
                "golden run": f"{provenance.golden_of(spec)}{'' if stands else ', moved since'}",
            }
        )
    return pd.DataFrame(rows, _called(runs))


def _called(runs: Sequence[Runs]) -> list[str]:
    """What the rows of runs are called: the run and its data, which a digest tells apart where two
    logs of one's own are called alike."""
    names = [f"{report.label(run.name)}: {data_cards.asked(run)}" for run in runs]
    return [
        f"{name}, {data_cards.digest(run)}" if names.count(name) > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]


def _distinct(words: Iterable[str]) -> str:
    return "; ".join(sorted(set(words)))


def _seeds(run: Runs) -> str:
    return "none" if report.counts(run) else ", ".join(map(str, run.numbers))


def of(model: str, runs: Sequence[Runs], results: str | Path = SCRATCH) -> Shown:
    """The card of a model, its parts behind tabs; what its runs start from lies in ``results``."""
    tabs = {"about": about(model, runs), "settings": trained(runs)} | figures(runs)
    tabs |= {"costs": costs(runs, results), "machines": origin(runs)}
    return report.show(tabs, f"{name_of(model)}, from its file and its records.", digits=1)


def name_of(model: str) -> str:
    """What a reader calls a model."""
    own = {"store-encoder": "Encoder of receipts", "retrieval": "Retrieval"}
    name = (own | {"personalised": "DR4SR+"}).get(model) or report.label(model)
    return name[0].upper() + name[1:]


# --- all of them --------------------------------------------------------------------------------


def by_model(runs: Sequence[Runs]) -> dict[str, list[Runs]]:
    """Runs by model, in the order of the registry; models without records are left out."""
    found = {name: [r for r in runs if r.seeds[0].spec["model"] == name] for name in MODELS}
    return {name: own for name, own in found.items() if own}


def models(runs: Sequence[Runs], results: str | Path = SCRATCH) -> Dropdowns:
    """A card for every model that has records."""
    return Dropdowns(
        {
            f"{name_of(name)} · {_numbered(sum(len(run.seeds) for run in own))}": of(
                name, own, results
            )
            for name, own in by_model(runs).items()
        }
    )


def _numbered(records: int) -> str:
    return f"{records} record" + "s" * (records != 1)


def data() -> Dropdowns:
    """A card for every origin of data."""
    return Dropdowns({card.title: data_cards.of(card) for card in CARDS})


def machines(runs: Sequence[Runs]) -> pd.DataFrame:
    """What the records were trained on: a row a device and its versions, the commonest first."""
    made = [one.card for run in runs for one in run.seeds]
    table = pd.DataFrame([card | card["versions"] for card in made])
    table["hours"] = table["own_seconds"] / 3600
    by = ["device", "torch", "numpy", "python", "threads"]
    table = table.groupby(by)["hours"].agg(records="size", hours="sum").reset_index()
    table = table.rename(columns={"python": "Python"}).set_index("device").rename_axis(None)
    return table.sort_values("records", ascending=False)


def draw(ax: Axes, runs: Sequence[Runs]) -> pd.DataFrame:
    """How many records each model has on data of each origin; returns the numbers drawn."""
    origin = {name: card.title for card in CARDS for name in card.sets}
    rows = [
        (
            name_of(model),
            origin.get(Dataset.parse(run.dataset).source, "others"),
            len(run.seeds),
        )
        for model, own in by_model(runs).items()
        for run in own
    ]
    table = pd.DataFrame(rows, columns=["model", "data", "records"])
    found = table.pivot_table(index="model", columns="data", values="records", aggfunc="sum")
    order = [t for t in (*origin.values(), "others") if t in found]
    found = found.loc[list(dict.fromkeys(table["model"])), list(dict.fromkeys(order))]
    for (y, x), value in np.ndenumerate(found.to_numpy()):
        if value > 0:
            size = 12 + 16 * value**0.5  # so that the largest stays in its row
            ax.scatter(x, y, s=size, color=report.colour("gru4rec"), alpha=0.25, lw=0)
            ax.text(x, y, f"{value:.0f}", ha="center", va="center", fontsize=report.SMALL)
    ax.grid(False)  # no line goes through the digits
    ax.set_yticks(range(len(found)), found.index, fontsize=report.SMALL)
    ax.set_xticks(range(found.shape[1]), list(found), fontsize=report.SMALL, rotation=60, ha="left")
    ax.xaxis.tick_top()
    ax.set(xlim=(-0.6, found.shape[1] - 0.4), ylim=(len(found) - 0.5, -0.5))
    ax.tick_params(length=0)
    return found
