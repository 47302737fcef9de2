"""What a killed run goes on from: weights, optimizer, chance, and where it stood."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from seqrec_lib.data.files import written_aside
from seqrec_lib.training.settings import chosen

if TYPE_CHECKING:
    from seqrec_lib.training.loop import _Run

logger = logging.getLogger(__name__)


@dataclass
class Progress:
    """Where a run stands; everything a checkpoint holds beside weights."""

    epoch: int = 0
    step: int = 0  # batches done in this epoch
    updates: int = 0
    loss_sum: float = 0.0
    positions: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    best_epoch: int = -1
    waited: int = 0  # epochs without a better validation since the learning rate was last cut
    cuts: int = 0


def save(run: _Run, path: Path) -> None:
    """Write where ``run`` stands; of several processes the first one does."""
    run.read()
    if run.rank:
        return
    run.stop_clock()
    on_gpu = run.device.type == "cuda"
    state = {
        "identity": _identity(run),
        "at": asdict(run.at),
        "history": run.history,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "average": None if run.average is None else run.average.state_dict(),
        "best_weights": run.best_weights,
        "chance": torch.get_rng_state(),
        "chance_cuda": torch.cuda.get_rng_state(run.device) if on_gpu else None,
    }
    with written_aside(path) as aside:
        torch.save(state, aside)


def resume(run: _Run, path: Path) -> None:
    """Bring ``run`` to where the file says it stood; without a file it stays at its beginning.

    Raises ``ValueError`` naming what differs if the file is another run's.
    """
    if not path.exists():
        return
    state = torch.load(path, map_location="cpu", weights_only=True)
    theirs, ours = state["identity"], _identity(run)
    if names := [name for name in ours if theirs.get(name) != ours[name]]:
        raise ValueError(
            f"{path}: the checkpoint is another run's ({', '.join(names)} differ); "
            "delete it or choose another folder"
        )
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    if run.average is not None:
        run.average.load_state_dict(state["average"])
    run.at, run.history = Progress(**state["at"]), state["history"]
    run.best_weights = state["best_weights"]
    if run.rank:  # the file has the chance of process 0 alone
        torch.manual_seed((run.training.seed + run.at.updates) * run.world + run.rank)
        return
    torch.set_rng_state(state["chance"])
    if state["chance_cuda"] is not None:
        torch.cuda.set_rng_state(state["chance_cuda"], run.device)
    logger.info("resumed %s at epoch %d, batch %d", path, run.at.epoch + 1, run.at.step)


def _identity(run: _Run) -> dict[str, Any]:
    """What must be equal for a checkpoint to be this run's."""
    # of what learns: a memory is empty until the first pass fills it
    shapes = {name: list(value.shape) for name, value in run.model.named_parameters()}
    parts = (run.split.train, run.split.valid)
    config = getattr(run.model, "config", None)  # a model of one's own may have none
    return {
        "training": chosen(run.training),
        "model": type(run.model).__name__,
        "config": chosen(config) if is_dataclass(config) else repr(config),
        "shapes": shapes,
        "positions": [[len(p), int(p.sum())] for p in parts],
        "world": run.world,
    }
