"""regenerate(...): a training set rewritten by DR4SR (Yin et al., 2024, arXiv:2405.17795).

Patterns are mined from training histories, a regenerator learns to tell each history as one of
its patterns, and then rewrites all of them. What it wrote is kept in
``book/regenerated/<dataset>/``: ``sequences.parquet`` (a row an item), ``card.json``.

python -m seqrec_lib.studies.regeneration beauty [--start sasrec] [--results book/results]
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from seqrec_lib.data import datasets
from seqrec_lib.data.files import root, written_aside
from seqrec_lib.data.log import EventLog, bucketed
from seqrec_lib.data.patterns import SPAN, SUPPORT, histories, mine
from seqrec_lib.models.losses import Softmax
from seqrec_lib.models.regenerator import LONGEST, Regenerator
from seqrec_lib.records.provenance import commit, peak_bytes
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import trained_model
from seqrec_lib.records.store import SCRATCH, results_folder, write_json
from seqrec_lib.records.tables import beside
from seqrec_lib.training.device import device as resolved

logger = logging.getLogger(__name__)

Pair = tuple[torch.Tensor, torch.Tensor]  # a history, one of its patterns


@dataclass(frozen=True)
class Regeneration:
    """How to regenerate; values of the paper unless noted."""

    config: Regenerator.Config = field(default_factory=Regenerator.Config)
    per_history: int = 10  # patterns of a history, at most
    epochs: int = 20  # paper: 40
    batch_size: int = 256
    learning_rate: float = 1e-3
    held_out: float = 0.05  # share of the pairs, which chooses the epoch; paper: none
    gamma: float = 0.3  # chance that a token may be any item
    seed: int = 0


def contained(history: Int[np.ndarray, "T"], patterns: set[tuple], span: int = SPAN) -> list[tuple]:
    """The patterns that stand in a history, in order, within ``span`` events."""
    items = history.tolist()
    found = set()
    for start in range(len(items) - 1):
        window = items[start + 1 : start + span]
        for size in range(1, len(window) + 1):
            for rest in itertools.combinations(window, size):
                if (items[start], *rest) in patterns:
                    found.add((items[start], *rest))
    return sorted(found)


def pairs(log: EventLog, positions: Int[np.ndarray, "P"], how: Regeneration) -> list[Pair]:
    """(history, one of its patterns), up to ``per_history`` random ones of each history."""
    patterns = {tuple(row[:-1]) for row in mine(log, positions)}
    rng = np.random.default_rng(how.seed)
    found = []
    for history in histories(log, positions):
        history = history[-how.config.max_len :]
        own = contained(history, patterns)
        chosen = rng.permutation(len(own))[: how.per_history]
        source = torch.from_numpy(history.astype(np.int64))
        found += [(source, torch.tensor(own[i])) for i in chosen]
    return found


def train(
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    how: Regeneration,
    vectors: torch.Tensor | None = None,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> tuple[Regenerator, pd.DataFrame]:
    """A regenerator with the weights of its best epoch, and a row an epoch.

    With ``checkpoint`` the state is kept after each epoch and a later call goes on from there.
    """
    torch.manual_seed(how.seed)
    model = Regenerator(log.num_items, how.config)
    if vectors is not None:
        model.start_from(vectors)
    model.to(device)
    together = pairs(log, positions, how)
    order = np.random.default_rng(how.seed).permutation(len(together))
    cut = max(1, int(how.held_out * len(order)))
    valid, learn = np.split(order, [cut])
    steps = how.epochs * -(-len(learn) // how.batch_size)
    optimizer = torch.optim.Adam(model.parameters(), how.learning_rate, (0.9, 0.98), 1e-9)
    # paper: T_max 40, moved at every batch: it falls and rises every 80 (released code)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    state: dict[str, Any] = {"epoch": 0, "temperature": 1.0, "rows": [], "best": None}
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "schedule": schedule}
    if checkpoint and checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        if saved["how"] != repr(how):
            raise ValueError(f"{checkpoint} is of other settings; delete it or move it away")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        state = saved["state"]
        torch.set_rng_state(saved["chance"].cpu())
    bar = tqdm(total=how.epochs, initial=state["epoch"], desc="regenerator", unit="epoch")
    while state["epoch"] < how.epochs:
        began = time.monotonic()
        rng = np.random.default_rng([how.seed, state["epoch"]])
        model.train()
        lost = tokens = 0.0
        for batch in _batches(together, learn, how.batch_size, device, rng):
            loss, count = model.loss(batch[0], batch[1], state["temperature"], Softmax())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            state["temperature"] = max(0.1, state["temperature"] * 0.995)
            lost, tokens = lost + float(loss.detach()) * count, tokens + count
        model.eval()
        with torch.no_grad():
            found = [
                model.loss(batch[0], batch[1], 0.1, Softmax())
                for batch in _batches(together, valid, how.batch_size, device, rng)
            ]
        held = sum(float(loss) * count for loss, count in found) / sum(n for _, n in found)
        seconds = time.monotonic() - began
        state["epoch"] += 1
        row = {"epoch": state["epoch"], "loss": lost / tokens, "held_out": held, "seconds": seconds}
        if state["best"] is None or held < min(one["held_out"] for one in state["rows"]):
            state["best"] = copy.deepcopy(model.state_dict())
        state["rows"].append(row)
        logger.info("%s", row)
        bar.set_postfix_str(f"loss {row['loss']:.3f}, held out {held:.3f}")
        bar.update()
        if checkpoint:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            content = {name: part.state_dict() for name, part in parts.items()}
            content |= {"state": state, "how": repr(how), "chance": torch.get_rng_state()}
            with written_aside(checkpoint) as aside:
                torch.save(content, aside)
    model.load_state_dict(state["best"])
    return model.eval(), pd.DataFrame(state["rows"])


def _batches(
    together: list[Pair], rows: np.ndarray, batch_size: int, device: str, rng: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    lengths = np.array([len(together[i][0]) for i in rows])
    for group in bucketed(lengths, batch_size, rng):
        chosen = [together[i] for i in rows[group]]
        history, pattern = (
            pad_sequence(list(p), batch_first=True) for p in zip(*chosen, strict=True)
        )
        yield history.to(device), pattern.to(device)


def rewritten(
    model: Regenerator,
    log: EventLog,
    positions: Int[np.ndarray, "P"],
    how: Regeneration,
    batch_size: int = 128,
) -> pd.DataFrame:
    """What the regenerator makes of every history: a row an item written.

    ``sequence`` counts what was written, ``user`` (0-based) is whose history it was, ``way`` which
    of the K, ``log_chance`` that of the whole sequence. Sequences of one item teach nothing and
    are left out, and so is what two ways of a history tell alike.
    """
    device = model.items.weight.device
    generator = torch.Generator().manual_seed(how.seed)
    users = np.unique(log.user_of(positions))
    own = [history[-how.config.max_len :] for history in histories(log, positions)]
    order = np.argsort([len(one) for one in own], kind="stable")
    rows, count = [], 0
    for begin in tqdm(range(0, len(order), batch_size), desc="rewrite", unit="batch"):
        chosen = order[begin : begin + batch_size]
        history = pad_sequence(
            [torch.from_numpy(own[i].astype(np.int64)) for i in chosen], batch_first=True
        )
        written, chance = model.rewrite(history.to(device), how.gamma, LONGEST, generator)
        for user, ways, chances in zip(
            users[chosen], written.tolist(), chance.tolist(), strict=True
        ):
            told = set()
            for way, (items, log_chance) in enumerate(zip(ways, chances, strict=True)):
                items = tuple(item for item in items if item)
                if len(items) < 2 or items in told:
                    continue
                told.add(items)
                rows += [(count, user, way, log_chance, item) for item in items]
                count += 1
    names = ["sequence", "user", "way", "log_chance", "item"]
    kinds = ["int32", "int32", "int8", "float32", "int32"]
    return pd.DataFrame(rows, columns=names).astype(dict(zip(names, kinds, strict=True)))


def record(
    dataset: str, start: str | None = "sasrec", device: str = "auto"
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """What was written from ``dataset``, as :func:`regenerate` returns it, and its card.

    Made now, below ``build``, if there is nothing published.
    """
    folder = datasets.regenerated(dataset)
    if not folder.exists():
        regenerate(dataset, start=start, device=device, folder=folder)
    return pd.read_parquet(folder / "sequences.parquet"), json.loads(
        (folder / "card.json").read_text()
    )


def regenerate(
    dataset: str,
    how: Regeneration = Regeneration(),
    start: str | None = None,
    device: str = "auto",
    folder: Path | None = None,
) -> pd.DataFrame:
    """The sequences written from the training part of ``dataset``.

    ``<dataset>-regenerated`` has them, if none are published, from ``folder``, below ``build``.

    ``start`` names a published run, whose item vectors the regenerator begins with (paper: SASRec).
    """
    began, device = time.monotonic(), resolved(device)
    log, split = datasets.load(dataset)
    made_by = {"commit": commit(), "threads": torch.get_num_threads()}
    vectors = None
    if start is not None:
        (spec,) = published(dataset, start, [how.seed])
        source = trained_model(spec, device).model
        # as long as the positions' vectors, once they are multiplied by the root of the width
        vectors = F.normalize(source.item_vectors()[0].detach(), dim=-1)  # type: ignore[operator]
        vectors = vectors / how.config.embed_dim**0.5
        began = time.monotonic()  # training that run is no part of it
    shelf = datasets.folder(dataset)
    checkpoint = root() / "build" / "checkpoints" / f"{shelf}-regenerator-s{how.seed}.pt"
    model, history = train(log, split.train, how, vectors, device, checkpoint)
    written_from = time.monotonic()
    table = rewritten(model, log, split.train, how)
    card = made_by | {
        "how": asdict(how),
        "start": start,
        "span": SPAN,
        "support": SUPPORT,
        "pairs_and_training_seconds": round(written_from - began, 1),
        "rewriting_seconds": round(time.monotonic() - written_from, 1),
        "peak_bytes": peak_bytes(device),
        "data_digest": datasets.digest_of(dataset),
        "epochs": history.round(4).to_dict("records"),
        "sequences": int(table["sequence"].nunique()),
    }
    folder = folder or beside(SCRATCH, "regenerated", shelf, anew=True)
    with written_aside(folder) as aside:
        aside.mkdir()
        table.to_parquet(aside / "sequences.parquet", compression="zstd", index=False)
        write_json(aside / "card.json", card)
    checkpoint.unlink(missing_ok=True)
    return table


def main(arguments: list[str] | None = None) -> None:
    """Write a training set anew; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.regeneration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset")
    parser.add_argument("--start", default="sasrec", help="run whose item vectors it begins with")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--results",
        type=results_folder,
        default=SCRATCH,
        help="kept in regenerated beside this folder",
    )
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder = beside(chosen.results, "regenerated", datasets.folder(chosen.dataset), anew=True)
    table = regenerate(chosen.dataset, start=chosen.start, device=chosen.device, folder=folder)
    print(f"{chosen.dataset}: {table['sequence'].nunique():,} sequences written")


if __name__ == "__main__":
    main()
