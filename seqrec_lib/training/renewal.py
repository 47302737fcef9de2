"""Records made by older code: which they are, and whether today's code still makes them.

An edit of shared code changes the digest on every card, even where no figure moves, and training
a run again takes up to an hour. Its first epoch takes a minute and passes through every line of a
training step and of a validation; what it cannot show stands in CONTRIBUTING.md.
"""

from __future__ import annotations

import datetime
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from seqrec_lib.data import datasets
from seqrec_lib.data.files import root, written_aside
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.models import MODELS
from seqrec_lib.models.base import CountModel, Recommender
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.loop import Training, _Run, fit
from seqrec_lib.training.model_file import completed, config_of
from seqrec_lib.training.provenance import code_digest, commit
from seqrec_lib.training.records import RESULTS, Run, Spec, load, write_json
from seqrec_lib.training.runs import untrained

# Relative. A loss is in single precision, 6e-8. After an epoch of Beauty, vectors normalised after
# they are looked up instead of before show as 2e-8 of it, and no rank moves (sasrec-sampled);
# bfloat16 sums in chunks of another size show as 3e-6 and a rank moves, a learning rate a
# thousandth higher as 2e-5 (sasrec).
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Finding:
    """What came of one record: was it renewed, and the evidence for or against it in words."""

    record: str  # path relative to the project's folder
    renewed: bool
    evidence: str


def stale(results: str | Path = RESULTS) -> list[str]:
    """Records made by other code than today's, as paths relative to the project's folder."""
    return [os.path.relpath(record.folder, root()) for record, _ in _stale(results)]


def renew(results: str | Path = RESULTS, device: str = "cpu", epochs: int = 1) -> Iterator[Finding]:
    """Renew each stale record that today's code still makes; yields a finding a record.

    A model that learns is trained for its first ``epochs`` epochs, as the record was: same seed,
    schedule and number of threads; loss and validation must agree to ``TOLERANCE``. A model
    that counts is counted and ranked in full, and every rank must be equal. The card of a record
    that passes gets today's code digest and a line in ``renewed``; any other stays as it is.
    Interrupted, what was renewed stays so, and the next call goes on with the rest. Raises
    ``ValueError`` for less than an epoch.
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}: without one trained again there is no evidence")
    # digests now: files may change while this goes on, and the code at work does not
    found, today, threads = _stale(results), commit(), torch.get_num_threads()
    load_data = functools.lru_cache(maxsize=1)(datasets.load)
    try:
        for record, digest in tqdm(found, desc="renew", unit="record"):
            torch.set_num_threads(record.card["threads"])
            try:
                spec = _spec(record)
                log, split = load_data(spec.dataset)
                if datasets.digest(log, split) != record.card["data_digest"]:
                    raise ValueError("its data are not today's")
                model = untrained(spec, log, split, device)
            except (TypeError, ValueError, OSError) as error:  # a setting, or data, no longer there
                same, evidence = False, f"cannot be made again: {error}"
            else:
                same, evidence = _made_again(record, spec, model, log, split, epochs)
            if same and load(record.folder).card != record.card:
                same, evidence = False, "it was made anew meanwhile"
            if same:
                _write(record, spec, digest, {"commit": today, "evidence": evidence})
            yield Finding(os.path.relpath(record.folder, root()), same, evidence)
    finally:
        torch.set_num_threads(threads)


def _stale(results: str | Path) -> list[tuple[Run, str]]:
    """Stale records and the digest of today's code."""
    records = (load(card.parent) for card in sorted((root() / results).glob("*/*/s*/card.json")))
    dated = [(record, code_digest(MODELS[record.spec["model"]])) for record in records]
    return [(record, digest) for record, digest in dated if record.card["code_digest"] != digest]


def _spec(record: Run) -> Spec:
    source = record.folder / "spec.json"
    stored = completed(record.spec, source)
    config, training = config_of(stored, source), Training(**stored["training"])
    return Spec(**stored | {"config": config, "training": training})


def _made_again(
    record: Run, spec: Spec, model: Recommender, log: EventLog, split: Split, epochs: int
) -> tuple[bool, str]:
    """Does today's code give what the record holds, as far as it is made again; both figures."""
    if isinstance(model, CountModel) or not spec.training.epochs:
        fit(model, log, split, spec.training)
        then = record.ranks
        now = ranks(model, log, split.test, spec.training.max_len)[then.columns]
        moved = int((now != then).any(axis=1).sum())
        words = f"{moved} of {len(then)} rows differ" if moved else f"all {len(then)} rows equal"
        return moved == 0, f"counted and ranked again in full: {words}"
    run, same, figures = _Run(model, log, split, spec.training, None), True, []
    for epoch, then in enumerate(record.history.to_dict("records")[:epochs], start=1):
        for batch in tqdm(run.remaining_batches(), desc=f"{spec.dataset} {spec.name}", leave=False):
            run.learn(batch)
        now = run.finish_epoch()
        for name in ("loss", "valid_ndcg@10", "valid_hr@10"):
            same &= abs(now[name] - then[name]) <= TOLERANCE * abs(then[name])
            figures.append(f"epoch {epoch} {name} {then[name]!r} then, {now[name]!r} now")
    return same, f"trained again: {'; '.join(figures)}"


def _write(record: Run, spec: Spec, digest: str, line: dict[str, str]) -> None:
    line["date"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    renewed = [*record.card.get("renewed", []), line]
    card = record.card | {"code_digest": digest, "renewed": renewed}
    # the card last: until it is written the record is stale, and nothing is lost
    for part, content in (("spec.json", spec.as_dict()), ("card.json", card)):
        with written_aside(record.folder / part) as aside:
            write_json(aside, content)
