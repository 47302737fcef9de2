"""Models of one data set for a reader's browser: scripts that a page loads from disk.

python -m seqrec_lib.serving.export movielens_small-shuffled --models popular markov gru sasrec \\
    --out book/_static/demo/movielens_small

A page that was opened from disk may load scripts and nothing else, so that everything is text in
files of JavaScript: titles, weights in half precision, a few people to replay. Models that count
travel as what they counted, the training histories, which take far less room than their tables.
``book/_static/demo/model.js`` has the other half.
"""

from __future__ import annotations

import argparse
import base64
import copy
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int

from seqrec_lib.data import datasets, movielens
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import root, written_aside
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.counts.markov import Markov
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.records import forecast
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import model_file, to_train, trained_model
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.report.styles import colour, label
from seqrec_lib.serving.served import Served
from seqrec_lib.training.evaluation import PROTOCOLS, ranks

logger = logging.getLogger(__name__)

FREE = "movielens_small"  # its rows may be passed on, under its terms: DATA_LICENCES.md
PEOPLE = 48  # whose last event is replayed
LEAST_KEPT = 0.998  # of lists of ten, after rounding to half precision
# of each kind, the settings that model.js reads, and those that it takes for granted
READ: dict[type, tuple[tuple[str, ...], dict[str, Any]]] = {
    Popular: ((), {"half_life_days": None}),
    Markov: (("order", "discount"), {}),
    GRU: (
        ("embed_dim", "hidden_dim", "num_layers", "temperature"),
        {"cell": "gru", "tied": True},
    ),
    SASRec: (
        ("embed_dim", "hidden_dim", "num_heads", "num_layers", "temperature"),
        {"places": "back", "tied": True},
    ),
}
HEAD = "// Made from MovieLens, under GroupLens's terms: README.md beside this file.\n"
TERMS = """# Models of films, for the page "Play"

Weights, titles, genres and histories, all derived from `movielens_small`; written by

    {command}

from the models whose files have these sha256:

{models}

They are passed on under the terms of MovieLens (GroupLens Research, University of Minnesota):

* for research; no commercial use, and none that earns money, without GroupLens's permission;
* passed on, changed or not, under these same conditions alone;
* no statement or hint that the University of Minnesota or GroupLens endorses you or your work;
* cite F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context.
  ACM Transactions on Interactive Intelligent Systems 5, 4, Article 19.
  https://doi.org/10.1145/2827872
* they come as they are: no warranty, no liability.

In full, with what was changed: `book/data/movielens_small/README.md`.
"""


def exported(
    models: Sequence[Served], log: EventLog, split: Split, films: pd.DataFrame
) -> dict[str, dict[str, Any]]:
    """The files of an export by name: ``items``, ``events``, ``replay``, and one a network.

    ``films`` has ``item`` (raw), ``title`` and ``genres``. Raises ``ValueError`` for a model that
    model.js does not know, for more than 65,535 items, for training positions that are not the
    first events of each user, and if half precision changes more than ``1 - LEAST_KEPT`` of lists.
    """
    if log.num_items >= 2**16:
        raise ValueError(f"{log.num_items} items; an export numbers at most 65,535")
    named = films.set_index("item").loc[log.items]
    genres = sorted(set(named["genres"]))
    files: dict[str, dict[str, Any]] = {
        "items": {
            "titles": named["title"].tolist(),
            "genres": genres,
            "genre": _packed(pd.Index(genres).get_indexer(named["genres"])),
            "learned": len(split.train),
            "people": len(split.test),
            "models": [],
        },
        "events": {"packed": _packed(_apart(log, _learned(log, split)))},
        "replay": _replay(log, split),
    }
    for one in models:
        table = ranks(one.model, log, split.test, one.length)
        about = {
            "name": one.name,
            "kind": _kind(one.model),
            "title": label(one.name),
            "colour": colour(one.name),
            "length": one.length,
            "config": _settings(one.model),
            "digest": one.digest,
            "hr": {p: round(hr(table[f"rank_{p}"].to_numpy(), 10).mean(), 4) for p in PROTOCOLS},
        }
        if not isinstance(one.model, Popular | Markov):
            weights = {name: value.half() for name, value in one.model.state_dict().items()}
            files[one.name] = {name: _packed(value.numpy()) for name, value in weights.items()}
            kept = _kept(one, weights, log, split.test)
            if kept < LEAST_KEPT:
                raise ValueError(f"{one.name}: half precision keeps {kept:.4f} of its lists")
            about["kept"] = round(kept, 4)
        files["items"]["models"].append(about)
    return files


def _kind(model: Recommender) -> str:
    if type(model) not in READ:
        raise ValueError(f"model.js has no {type(model).__name__}")
    return type(model).__name__.lower()


def _settings(model: Any) -> dict[str, Any]:
    """What model.js must know of a model's settings; raises ``ValueError`` if it knows others."""
    read, granted = READ[type(model)]
    given = asdict(model.config)
    if differs := {name for name, value in granted.items() if given[name] != value}:
        raise ValueError(f"model.js has no {type(model).__name__} with other {sorted(differs)}")
    return {name: given[name] for name in read}


def _learned(log: EventLog, split: Split) -> list[slice]:
    """The training events of each user."""
    user = log.user_of(split.train)
    ends = log.offsets[:-1] + np.bincount(user, minlength=log.num_users)
    if (np.sort(split.train) >= ends[np.sort(user)]).any():
        raise ValueError("an export wants a split whose training positions come first of each user")
    return [slice(a, b) for a, b in zip(log.offsets[:-1], ends, strict=True)]


def _replay(log: EventLog, split: Split) -> dict[str, Any]:
    """Whole histories of some users and the event that came last, in the order of these events."""
    drawn = np.random.default_rng(0).permutation(split.test)[:PEOPLE]
    asked = drawn[np.argsort(log.time[drawn], kind="stable")]
    users = log.user_of(asked)
    whole = [slice(start, last + 1) for start, last in zip(log.offsets[users], asked, strict=True)]
    return {"users": users.tolist(), "packed": _packed(_apart(log, whole))}


def _apart(log: EventLog, parts: Sequence[slice]) -> Int[np.ndarray, "E"]:
    """The items of these parts of a log, a 0 before each."""
    return np.concatenate([np.r_[0, log.item[part]] for part in parts])


def _packed(values: np.ndarray) -> str:
    """Half precision, or whole numbers of two bytes, the lowest first, in base64."""
    kind = "<f2" if values.dtype.kind == "f" else "<u2"
    if not np.isfinite(values).all():
        raise ValueError("a weight is too large for half precision")
    return base64.b64encode(values.astype(kind).tobytes()).decode()


def _kept(served: Served, weights: dict[str, Any], log: EventLog, asked: np.ndarray) -> float:
    """The share of items that stay in the lists of ten when the weights are rounded."""
    rounded = copy.deepcopy(served.model)
    rounded.load_state_dict(weights)
    rows = [
        one.top(log, asked, 10, ("masked",))["masked"]
        for one in (served, replace(served, model=rounded))
    ]
    before, after = (set(zip(one.row.tolist(), one.item.tolist(), strict=True)) for one in rows)
    return len(before & after) / len(before)


def write(folder: Path, files: dict[str, dict[str, Any]], command: str) -> None:
    """A script for each of ``files``, and the terms beside them. What is there is replaced."""
    with written_aside(folder) as aside:
        aside.mkdir()
        for name, values in files.items():
            text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            place = f"((window.seqrec ||= {{}}).data ||= {{}})[{json.dumps(name)}]"
            (aside / f"{name}.js").write_text(f"{HEAD}{place} = {text};\n", encoding="utf-8")
        models = [f"* {one['name']}: `{one['digest']}`" for one in files["items"]["models"]]
        terms = TERMS.format(command=command, models="\n".join(models))
        (aside / "README.md").write_text(terms, encoding="utf-8")


def stored(spec: Spec, results: str) -> Served:
    """The model of a run, trained if it is not here."""
    trained_model(spec, "cpu", results)
    places = [model_file(spec.folder(root() / place)) for place in (results, SCRATCH)]
    return Served.load(next(filter(Path.exists, places)), name=spec.name)


def main(arguments: list[str] | None = None) -> None:
    """Parse, train what is missing, and write; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.serving.export", description=__doc__.splitlines()[0]
    )
    parser.add_argument("dataset", help=f"{FREE}, in any variant")
    parser.add_argument("--models", nargs="+", required=True, help="published runs")
    parser.add_argument(
        "--results", type=results_folder, default=SCRATCH, help="where the models' records are"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    try:
        dataset = Dataset.parse(chosen.dataset)
        if dataset.source != FREE:
            raise ValueError(
                f"{dataset}: rows of it may not be passed on (DATA_LICENCES.md); use {FREE}"
            )
        specs = [spec for name in chosen.models for spec in published(dataset, name, [0])]
        forecast.announce(to_train(specs, False, chosen.results), "cpu", chosen.results)
        models = [stored(spec, chosen.results) for spec in specs]
        files = exported(models, *datasets.load(dataset), movielens.films())
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    command = ["seqrec_lib.serving.export", str(dataset), "--models", *chosen.models]
    write(chosen.out, files, f"python -m {' '.join(command)} --out {chosen.out}")
    for path in sorted(chosen.out.iterdir()):
        logger.info("%s: %.2f MB", path, path.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
