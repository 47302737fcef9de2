"""Random search (Bergstra & Bengio, 2012): settings drawn from a declared space, judged on
validation alone; no test position is scored. Where a trial takes half an hour, each is chosen by
hand instead, for what those before it showed (``STEPS``).

``searches/<dataset>/<name>.csv`` beside the results has a row a trial. Trial 0 is the published
recipe, the others are drawn, each from its own number: a trial more changes none before it, and an
interrupted search goes on.

python -m seqrec_lib.studies.search beauty gru4rec --trials 12 --results book/results
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from seqrec_lib.data import datasets
from seqrec_lib.data.files import root
from seqrec_lib.data.refusals import one_line
from seqrec_lib.data.splits import of_each_user, of_sampled_users
from seqrec_lib.models.losses import BPRMax, SampledSoftmax
from seqrec_lib.models.rankers.base import CandidateRanker
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.rankers import LENGTH, WINDOWS
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import started, trained_sources
from seqrec_lib.records.settled import RANKING
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.standing import answering, differences
from seqrec_lib.records.store import SCRATCH, Run, load, results_folder
from seqrec_lib.records.tables import Growing, made
from seqrec_lib.studies import spaces
from seqrec_lib.training.device import device as resolved
from seqrec_lib.training.loop import fit

_factors: dict[str, tuple[Any, ...]] = {
    "embed_dim": (64, 128),
    "dropout": (0.0, 0.25, 0.5),
    "learning_rate": (1e-3, 3e-3, 1e-2),
    "weight_decay": (0.0, 0.01, 0.1),
}
_cosines: dict[str, tuple[Any, ...]] = {
    "dropout": (0.3, 0.5, 0.6),
    "temperature": (0.05, 0.07, 0.1),
    "learning_rate": (5e-4, 1e-3, 2e-3),
    "weight_decay": (0.0, 0.1, 0.3),
}
# a share of a ranker's first batch: how often it learns; and from which negatives
_ranking: dict[str, tuple[Any, ...]] = {
    "batch_share": (1.0, 0.5, 0.25, 0.125),
    "alpha": (0.0, 0.5, 0.75, 1.0),
    "dropout": (0.0, 0.1, 0.3),
    "learning_rate": (1e-3, 3e-3, 1e-2, 2e-2),
    "weight_decay": (0.0, 0.01, 0.1),
}
_filling = _cosines | {"mask_share": (0.2, 0.4, 0.6, 0.8), "num_layers": (1, 2, 3)}
SPACES: dict[str, dict[str, tuple[Any, ...]]] = {
    # what the official code lets one set, as wide as the other encoders, and the patience and the
    # falling rate that SASRec has
    "gru4rec": {
        "loss": ("softmax", "BPR-max"),
        "alpha": (0.0, 0.25, 0.5, 0.75, 1.0),
        "hidden_dim": (64, 128),
        "dropout_embed": (0.0, 0.25, 0.5),
        "dropout_hidden": (0.0, 0.25, 0.5),
        "batch_size": (128, 256),
        "learning_rate": (0.02, 0.05, 0.1, 0.2),
        "cosine": (False, True),
    },
    # the survey's encoders: what their papers set, around SASRec's own settings
    "fpmc": _factors,
    "prme": _factors | {"share": (0.2, 0.5, 0.8)},
    "caser": {
        "height": (3, 5, 10),
        "horizontal": (4, 16, 32),
        "vertical": (2, 4, 8),
        "user": (True, False),  # who asks
    }
    | _cosines
    | {"dropout": (0.3, 0.5, 0.7)},
    "nextitnet": _cosines | {"dilations": ((1, 2), (1, 4), (1, 2, 1, 2), (1, 4, 1, 4, 1, 4))},
    "hstu": _cosines | {"num_layers": (1, 2, 3), "num_heads": (1, 2, 4)},
    "bert4rec": _filling,
    "bert4rec-prefixes": _filling,
    # target attention has the settings of what it is measured against
    "pooling": _ranking,
}
_taught: dict[str, Any] = {"share": 0.5, "embed_dim": 64, "dropout": 0.5, "kept": 256}
STEPS: dict[str, tuple[dict[str, Any], ...]] = {
    "sasrec-taught": (
        _taught,
        _taught | {"share": 0.75, "embed_dim": 128},
        _taught | {"share": 0.9, "embed_dim": 128, "kept": 1024},
        _taught | {"share": 1.0, "embed_dim": 128, "kept": 1024},
        _taught | {"share": 0.9, "embed_dim": 256, "kept": 1024},
    ),
    "sasrec-taught-twice": (
        _taught | {"share": 1.0, "embed_dim": 256, "kept": 1024},
        _taught | {"share": 1.0, "embed_dim": 128, "kept": 1024},
    ),
}
_LOSSES: dict[type, str] = {SampledSoftmax: "softmax", BPRMax: "BPR-max"}
PASSES, PATIENCE = 40, 10  # at most, and without a better validation: SASRec's
# who learns one next item a history and pass, and whom a pass takes longer
OTHER: dict[str, dict[str, Any]] = {
    "bert4rec-prefixes": {"epochs": 160, "patience": 40},
    "pooling": {"epochs": 5},
}
USERS = 2000  # one question of so many validates a ranker


def kept(dataset: str, name: str, results: str | Path = SCRATCH) -> pd.DataFrame:
    """The trials that were made. Raises ``FileNotFoundError`` if there are none."""
    where = _named(dataset, name)
    return made(f"studies.search {dataset} {name}", results, *where, keys=["trial"])


def _named(dataset: str, name: str) -> tuple[str, ...]:
    return "searches", datasets.folder(dataset), f"{name}.csv"


def drawn(name: str, trial: int) -> dict[str, Any]:
    """The settings of a trial: its step, or each uniform over its values. Raises ``ValueError`` for
    a recipe without either, and after the last step."""
    if trial < len(steps := STEPS.get(name, ())):
        return steps[trial]
    if steps:
        raise ValueError(f"{name} has {len(steps)} steps, from 0; append the next one to STEPS")
    if name not in SPACES:
        known = ", ".join([*SPACES, *STEPS])
        raise ValueError(f"no space is declared for {name!r}; there is one for {known}")
    return spaces.drawn(SPACES[name], trial)


def search(
    dataset: str, name: str, trials: int, results: str | Path = SCRATCH, device: str = "auto"
) -> pd.DataFrame:
    """A row a trial: its settings, passes made, the best of them, and its validation figures (the
    recipe's own ``select``), of seed 0. Trials that are kept are not made again, nor is one trained
    that is a run on record, or that has the settings of an earlier one; of steps there are as many
    as are declared.

    Raises ``ValueError`` if a trial was kept under other settings than are declared for it now.
    """
    trials = min(trials, len(STEPS[name]) - 1) if name in STEPS else trials
    rows = Growing(results, *_named(dataset, name), keys=["trial"])
    for (trial,), row in sorted(rows.by.items()):
        if (trial or name in STEPS) and not _tells(row, chosen := drawn(name, trial)):
            raise ValueError(
                f"trial {trial} of {rows.path} was made with other settings than the declared "
                f"{chosen}; declare those again, or move the file aside to begin anew"
            )
    missing = sorted(set(range(trials + 1)) - {trial for (trial,) in rows.by})
    if not missing:
        return rows.table()
    device = resolved(device)
    log, split = datasets.load(dataset)
    (spec,) = published(dataset, name, [0])
    if issubclass(MODELS[spec.model], CandidateRanker):  # that rank a catalogue in minutes
        valid = of_each_user(log, of_sampled_users(log, split.valid, USERS), 1)
        split = replace(split, valid=valid)
        spec = replace(spec, training=replace(spec.training, validate="full"))
    # asked for by the first trial that is trained, and the same for all
    sources = functools.cache(lambda: trained_sources(spec, device, results))
    for trial in missing:
        own = not trial and name in SPACES
        chosen = _own(name, spec) if own else drawn(name, trial)
        if repeated := next((row for row in rows.rows if _tells(row, chosen)), None):
            rows.add(repeated | {"trial": trial})
            continue
        asked = spec if own else _with(spec, OTHER.get(name, {}) | chosen)
        if record := _recorded(asked, results):
            history, seconds = record.history, record.card["own_seconds"]
        else:
            model = started(asked, log, split, sources()).to(device)
            began = time.monotonic()
            history = pd.DataFrame(fit(model, log, split, asked.training))
            seconds = time.monotonic() - began
        best = history.loc[history["valid_ndcg@10"].idxmax()]
        row = {"trial": trial} | chosen
        row |= {"passes": len(history), "best pass": int(best["epoch"])}
        row |= {"HR@10": best["valid_hr@10"], "NDCG@10": best["valid_ndcg@10"]}
        row["minutes"] = seconds / 60
        rows.add(row)
    return rows.table()


def _tells(row: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
    """Whether a row, as it was read or made, is of these settings."""

    def alike(kept: Any, value: Any) -> bool:
        if isinstance(value, float):
            return isinstance(kept, (int, float)) and float(kept) == value
        return str(kept) == str(value)

    return all(alike(row.get(key), value) for key, value in chosen.items())


def _recorded(spec: Spec, results: str | Path) -> Run | None:
    """The run on record that a trial is, if it stands."""
    if (place := answering(spec, results)) is None:
        return None
    record = load(spec.folder(root() / place))
    return None if differences(record, spec, place) else record


def first_batch(spec: Spec) -> int:
    """Windows of a ranker's batch before any search, whatever its recipe has taken from one."""
    return WINDOWS if spec.training.max_len == LENGTH else RANKING.batch_size


def _own(name: str, spec: Spec) -> dict[str, Any]:
    """What the recipe has for each setting of its space."""
    objective, found = spec.config.objective, {}
    for key in SPACES[name]:
        parts = (spec.config, spec.training, objective)
        held = [one for one in parts if hasattr(one, key)]
        if held:
            found[key] = getattr(held[0], key)
        elif key == "batch_share":
            found[key] = spec.training.batch_size / first_batch(spec)
        else:
            found[key] = _LOSSES[type(objective)]
    return found


def _with(spec: Spec, chosen: dict[str, Any]) -> Spec:
    """The spec with what was drawn, in its config, its objective and its training. Raises
    ``ValueError`` for a setting that none of them has."""
    config = {k: v for k, v in chosen.items() if hasattr(spec.config, k)}
    if encoder := getattr(spec.config, "encoder", None):  # of a pupil
        inner = {k: v for k, v in chosen.items() if hasattr(encoder, k)}
        config["encoder"] = replace(encoder, **inner)
    if chosen.get("loss") == "softmax":
        config["objective"] = SampledSoftmax(2048, alpha=chosen["alpha"], in_batch=True, logq=True)
    if chosen.get("loss") == "BPR-max":
        config["objective"] = BPRMax(2048, alpha=chosen["alpha"])
    if "alpha" in chosen and "loss" not in chosen:
        config["objective"] = replace(spec.config.objective, alpha=chosen["alpha"])
    training: dict[str, Any] = {"epochs": PASSES, "patience": PATIENCE}
    if "batch_share" in chosen:
        training["batch_size"] = round(first_batch(spec) * chosen["batch_share"])
    training |= {k: v for k, v in chosen.items() if hasattr(spec.training, k)}
    taken = {*config, *training, *(inner if encoder else ()), "loss", "alpha", "batch_share"}
    if unknown := sorted(set(chosen) - taken):
        raise ValueError(f"{spec.name} has no setting {', '.join(unknown)}: nothing would change")
    return replace(
        spec,
        config=replace(spec.config, **config),
        training=replace(spec.training, **training),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.search", description=__doc__
    )
    parser.add_argument("dataset")
    parser.add_argument("name", choices=[*SPACES, *STEPS])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args(arguments)
    with one_line():
        found = search(chosen.dataset, chosen.name, chosen.trials, chosen.results, chosen.device)
    print(found.round(4).to_string())


if __name__ == "__main__":
    main()
