"""Every run that has a record: how good it is, and what it took to get there.

Records are read as they stand; nothing is trained, and nothing compared with today's recipes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Real

from seqrec_lib import report
from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import root
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.store import SCRATCH, Runs, load_all, places
from seqrec_lib.report.chapters import tecd
from seqrec_lib.statistics.intervals import Interval

# the target's own basket, and on Beauty so its day, is history for neither: another question
SETS = ("sasrec-attne", "sasrec-lines")
METRICS = {"HR@10": hr, "NDCG@10": ndcg}


@dataclass(frozen=True)
class File:
    """One set of questions: a row's figures are of it, whatever was learned from.

    ``parts`` are the data sets whose runs answer them, each with what it adds to a run's name.
    Where a user is asked many times, ``population`` is one of
    :func:`seqrec_lib.report.chapters.tecd.weights`. ``only`` these runs are of it, or all but those
    ``without``. What the run ``like`` was asked, a sample, all others are shown on too.
    """

    name: str
    parts: Mapping[str, str]
    asks: str
    population: str = ""
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    like: str = ""


def _amazon(name: str) -> File:
    again = f"{name}-regenerated"
    parts = {name: "", again: "regenerated data"}
    if name == "beauty":
        parts |= {f"{again}-distinct": "regenerated data, each sequence once"}
        parts |= {f"{again}-released": "regenerated data as released"}
    return File(name.capitalize(), parts, "the last event of each user", without=SETS)


def _stores(name: str, source: str, asks: str, ending: str = "") -> File:
    parts = {f"{source}-stores-none{ending}": "online only", f"{source}-stores-known{ending}": ""}
    return File(name, parts, asks)


def _sampled(name: str, dataset: str, like: str, asks: str) -> File:
    return File(name, {dataset: ""}, asks, only=BESIDE, like=like)


_TAIL = "the last fifth of each user's events online"
# beside what is too slow to be asked everything: floors, encoders, and all ways to attend
BESIDE = (
    "popular", "recency", "profile", "markov-1", "markov", "slit", "gru", "sasrec", "caser",
    "nextitnet", "hstu", "surge", "pooling", "din", "dien", "attention", "sim-hard", "sim-soft",
    "eta", "twin", "twin-v2", "tim", "transact",
)  # fmt: skip
FILES = (
    *map(_amazon, ("beauty", "toys", "sports")),
    File("T-ECD, per event", {"tecd-marketplace": ""},
         "every event of the third day, of a fifth of its users", "events"),
    File("T-ECD, last events", {"tecd-marketplace": ""},
         "the last event of each of these users", "last"),
    _stores("shop, visits end needs", "omni-100", _TAIL),
    _stores("shop, half of them do", "omni-50", _TAIL),
    _stores("shop, none does", "omni-0", _TAIL),
    _stores("H&M, articles", "hm", "the last event online of each user", "-shuffled"),
    _stores("H&M, departments", "hm-department", "the last event online of each user",
            "-shuffled"),
    File("Beauty, own day hidden", {"beauty": ""}, "the last event, without those of its day",
         only=SETS),
    File("Online Retail", {"online_retail-shuffled": ""},
         "the last line, without those of its invoice", only=SETS),
    File("Online Retail, last lines", {"online_retail-tail-shuffled": ""},
         "the last fifth of each customer's lines"),
    File("MovieLens", {"movielens_small-tail-shuffled": ""},
         "the last fifth of each user's ratings"),
    _sampled("2,000 users of Beauty", "beauty", "transact", "the last event of each"),
    _sampled("100 users of MovieLens", "movielens_small-tail-shuffled", "dien",
             "ten at most of the last fifth of each one's ratings"),
    _sampled("200 users of T-ECD", "tecd-marketplace", "tim",
             "ten at most of the third day's events of each"),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A model on a file: its runs, its figures (``"NDCG@10 M"``, ...), its costs.

    ``minutes`` are those of training with all that the run starts from, ``own`` those of its own;
    ``seconds`` score all test questions, or the share of them that the file has of what the run was
    asked. All three are medians over the seeds of ``device``.
    """

    file: str
    model: str
    runs: Runs
    found: Mapping[str, Interval]
    own: float
    minutes: float
    seconds: float
    parameters: int
    device: str

    @property
    def seeds(self) -> str:
        """How many trainings; with a single one intervals are over users alone."""
        return "none" if report.counts(self.runs) else str(len(self.runs.seeds))

    @property
    def informed(self) -> bool:
        """Does it know attributes of the items or times, and not the items' numbers alone?"""
        spec = self.runs.seeds[0].spec
        timed = spec.get("config", {}).get("time", "none") not in ("none", "positions")
        named = "attributed" in self.runs.name
        return named or timed or MODELS[spec["model"]].reads_attributes


# --- from records to rows -----------------------------------------------------------------------


def of_file(dataset: str) -> File:
    """The file that a data set is the first part of; one of its own if it is none of ours."""
    known = (one for one in FILES if next(iter(one.parts)) == dataset)
    return next(known, None) or File(
        Dataset.parse(dataset).name, {dataset: ""}, "as the data set is split"
    )


def recorded(dataset: str, seeds: Sequence[int], results: str) -> list[Runs]:
    """The runs of a data set that have records of these seeds, by name; none is trained.

    All seeds of a run are from one results folder, the first of
    :func:`seqrec_lib.records.store.places` that has it. What lies in scratch is shown of data sets
    alone that have no committed records: a page must not depend on who trained what before it.
    """
    found: dict[str, Runs] = {}
    for place in places(results):
        if found and root() / place == root() / SCRATCH:
            break
        for folder in sorted((root() / place / datasets.folder(dataset)).glob("*")):
            if folder.name not in found and (there := load_all(folder, seeds)):
                found[folder.name] = Runs(folder.name, dataset, there)
    return [found[name] for name in sorted(found)]


def weights(file: File) -> Real[np.ndarray, "Q"] | None:
    """How much each test question counts; None: all alike."""
    if not file.population:
        return None
    (dataset,) = file.parts
    log, split = datasets.load(dataset)
    return tecd.weights(dataset, log, split)[file.population].to_numpy()


def means(runs: Runs, weight: Real[np.ndarray, "Q"] | None = None) -> dict[str, Interval]:
    """HR@10 and NDCG@10 under both protocols, with 95 % intervals over users and seeds."""
    return {
        f"{name} {letter}": report.mean(runs, protocol, metric, weight=weight)
        for protocol, letter in report.PROTOCOLS.items()
        for name, metric in METRICS.items()
    }


def rows(file: File, seeds: Sequence[int], results: str) -> list[Row]:
    """A row for each run of a file that has records, the best under M first.

    There is none where weights are needed and the data are not at hand, and none of a run that was
    asked fewer questions than others: it has its place beside others on a sample of the users.
    """
    if file.population and not datasets.at_hand(next(iter(file.parts))):
        return []
    found = [
        (run, more)
        for dataset, more in file.parts.items()
        for run in recorded(dataset, seeds, results)
        if run.name not in file.without and (not file.only or run.name in file.only)
    ]
    weight, made = weights(file), []
    if file.like:
        sample = next((run for run, _ in found if run.name == file.like), None)
        if sample is None:
            return []
        asked = [run.asked_as(sample) for run, _ in found]
    else:
        asked = [run for run, _ in found]
    most = max(map(_questions, asked), default=0)
    for (whole, more), run in zip(found, asked, strict=True):
        if _questions(run) < most:
            continue
        costs = run.costs
        made.append(
            Row(
                file.name,
                called(run.name, more),
                run,
                means(run, weight),
                float(costs["own_seconds"]) / 60,
                minutes(run, results),
                float(costs["scoring_seconds"]) * _questions(run) / _questions(whole),
                int(costs["parameters"]),
                device(run),
            )
        )
    return sorted(made, key=lambda row: -row.found["NDCG@10 M"].mean)


def _questions(run: Runs) -> int:
    return len(run.seeds[0].ranks)


def called(name: str, more: str) -> str:
    """A run's name with what its data add to it, said once.

    >>> called("sasrec-bce", "regenerated data"), called("sasrec-longer", "regenerated data")
    ('SASRec, BCE, regenerated data', 'SASRec, regenerated data, more passes')
    """
    words = report.label(name)
    return words if not more or more in words else f"{words}, {more}"


def minutes(run: Runs, results: str | Path) -> float:
    """Minutes to train a run and, one after the other, all that it starts from.

    Of each the median over the seeds that the commonest device trained, so that what is put around
    a model takes longer than the model. A data set that was written anew takes its writing, which
    no card counts, and the encoder that the writer starts from.
    """
    total = float(run.costs["own_seconds"]) / 60
    starts = {name.rsplit("/", 1)[0] for one in run.seeds for name in one.card["starts_from"]}
    for start in sorted(starts):
        total += minutes(_started(start, results), results)
    dataset = Dataset.parse(run.dataset)
    if dataset.regenerated and not starts:
        card = json.loads((datasets.regenerated(dataset) / "card.json").read_text())
        total += (card["pairs_and_training_seconds"] + card["rewriting_seconds"]) / 60
        base = datasets.folder(dataset.but(regenerated=""))
        total += minutes(_started(f"{base}/{card['start']}", results), results)
    return total


def _started(name: str, results: str | Path) -> Runs:
    """A run that another starts from, ``<folder of the data set>/<name>``, of all its seeds.

    Raises ``FileNotFoundError`` if it has no record.
    """
    for place in places(results):
        if found := load_all(root() / place / name):
            return Runs(name.rsplit("/", 1)[1], found[0].spec["dataset"], found)
    raise FileNotFoundError(f"{name} has no record, though others start from it; train it again")


def device(run: Runs) -> str:
    """What most of the seeds were trained on, in a few words: ``CPU, AMD EPYC``."""
    name = pd.Series([one.card["device"] for one in run.seeds]).mode()[0]
    short = re.sub(r"\((R|TM)\)|Processor|NVIDIA|\d+GB|HBM\w*", "", name).split()
    return f"{'GPU' if 'NVIDIA' in name else 'CPU'}, {' '.join(short)}"


# --- from rows to tables ------------------------------------------------------------------------


def raw(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a file of values: means and ends of intervals, costs, and what they stand on."""
    lines = []
    for row in rows:
        line: dict[str, object] = {"file": row.file, "model": row.model}
        line |= {"data set": Dataset.parse(row.runs.dataset).name, "run": row.runs.name}
        line["seeds"] = 0 if report.counts(row.runs) else len(row.runs.seeds)
        for name, one in row.found.items():
            ends = {"": one.mean, " low": one.low, " high": one.high}
            line |= {f"{name}{end}": round(value, 6) for end, value in ends.items()}
        line["note"] = next((one.note for one in row.found.values() if one.note), "")
        line |= {"own minutes": round(row.own, 3), "minutes": round(row.minutes, 3)}
        line |= {"scoring seconds": row.seconds, "parameters": row.parameters}
        lines.append(line | {"device": row.device})
    return pd.DataFrame(lines)


def files(rows: Sequence[Row], known: Sequence[File] = FILES) -> pd.DataFrame:
    """What each file asks, of how many items, and how many models have answered."""
    table = {}
    for file in known:
        if own := [row for row in rows if row.file == file.name]:
            first = own[0].runs
            weight = weights(file)
            questions = _questions(first) if weight is None else int((weight > 0).sum())
            table[file.name] = {
                "a question is on": file.asks,
                "questions": questions,
                "items": len(first.seeds[0].exposure),
                "models": len(own),
            }
    return pd.DataFrame.from_dict(table, "index")
