"""fit(...): the only gradient loop, plain PyTorch; DistributedDataParallel under torchrun. A run
killed and started again ends with the weights of one never interrupted."""

from __future__ import annotations

import copy
import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import CountModel, Recommender
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.optimizers import optimizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """How to train. Selection is on validation NDCG@10 under the protocol ``select``."""

    epochs: int = 100
    batch_size: int = 256  # windows of average length
    max_len: int = 50
    optimizer: str = "adamw"  # or "adagrad", "sparse-adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0  # decoupled, on every weight but norms and biases
    cosine: bool = False  # let the learning rate fall to zero over the epochs
    plateau: int = 0  # divide it by ten after so many epochs without a better validation; 0: never
    averaging: float = 0.0  # decay of a running mean of the weights; 0: none
    patience: int = 10  # epochs without a better validation before stopping
    precision: str = "bf16"  # autocast data type of the loss and, on a GPU, the encoder; or "fp32"
    select: str = "masked"  # earlier items left out when validating; or "unmasked"
    seed: int = 0


@dataclass
class _Progress:
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


def fit(
    model: Recommender,
    log: EventLog,
    split: Split,
    training: Training,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> list[dict[str, int | float]]:
    """Train in place, keep the weights of the best validation epoch, return a row an epoch.

    Without validation positions the last epoch's are kept. With ``checkpoint`` the state is saved
    after each epoch and, of a model that can be taken up in ``mid_pass``, every
    ``checkpoint_seconds``; a run that finds its file goes on. Another run's raises ``ValueError``,
    a lost loss ``FloatingPointError``.
    """
    if isinstance(model, CountModel):
        model.count(log, split.train)
        return []
    if not training.epochs:  # it looks at the data and learns nothing by gradients
        model.begin_pass(log, split.train, training.max_len)
        return []
    run = _Run(model, log, split, training, checkpoint)
    run.resume()
    saved = time.monotonic()
    pause = checkpoint_seconds if model.mid_pass else math.inf
    with tqdm(
        desc=type(model).__name__,
        total=training.epochs * run.positions_per_epoch,
        initial=run.at.epoch * run.positions_per_epoch + run.at.positions,
        unit="pos",
        unit_scale=True,
        disable=run.rank > 0,
        mininterval=1.0 if sys.stderr.isatty() else 30.0,
    ) as bar:
        while run.at.epoch < training.epochs and not run.out_of_patience:
            for batch in run.remaining_batches():
                bar.update(run.learn(batch))
                if checkpoint and time.monotonic() - saved > pause:
                    run.save()
                    saved = time.monotonic()
            row = run.finish_epoch()
            bar.set_description(f"{type(model).__name__} epoch {row['epoch']:.0f}")
            bar.set_postfix_str(f"loss {row['loss']:.3f}, NDCG@10 {row['valid_ndcg@10']:.4f}")
            if checkpoint:
                run.save()
                saved = time.monotonic()
    model.load_state_dict(run.best_weights)
    return run.history


class _Run:
    """The moving parts of one training run."""

    def __init__(self, model, log, split, training, checkpoint):
        self.model, self.log, self.split, self.training = model, log, split, training
        self.checkpoint = checkpoint
        self.device = next(model.parameters()).device
        self.distributed = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if self.distributed else 0
        self.world = dist.get_world_size() if self.distributed else 1
        torch.manual_seed(training.seed * self.world + self.rank)
        self.wrapped = DistributedDataParallel(model) if self.distributed else model
        self.optimizer = optimizer(
            model, training.optimizer, training.learning_rate, training.weight_decay
        )
        self.average = (
            AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(training.averaging))
            if training.averaging
            else None
        )
        self.positions_per_epoch = int((log.history_length(split.train) > 0).sum())
        self.at = _Progress()
        self.history: list[dict[str, int | float]] = []
        self.best_weights = copy.deepcopy(model.state_dict())
        self.started = time.monotonic()

    def remaining_batches(self) -> Iterator[Batch]:
        """This epoch's batches from where the run stands; the order depends on seed and epoch."""
        rng = np.random.default_rng([self.training.seed, self.at.epoch])
        self.model.train()
        self.started = time.monotonic()
        batches = self.model.training_batches(
            self.log, self.split.train, self.training.batch_size, self.training.max_len, rng
        )
        for number, batch in enumerate(batches):
            if number >= self.at.step:
                yield batch

    def learn(self, batch: Batch) -> int:
        """One update; returns the number of positions learned from, over all processes."""
        count = int((batch.target > 0).sum())  # type: ignore[operator, union-attr]
        share, weight = self._share(batch, count)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        precise = self.training.precision == "fp32"
        with nullcontext() if precise else torch.autocast(self.device.type, torch.bfloat16):
            loss = self.wrapped(share.to(self.device))
        value = loss.detach() * weight
        self.optimizer.zero_grad(set_to_none=True)
        (loss * weight).backward()
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        if self.distributed:
            dist.all_reduce(value)
            value /= self.world
        if not math.isfinite(value := float(value)):
            raise FloatingPointError(
                f"the loss is {value} in epoch {self.at.epoch + 1}, batch {self.at.step + 1}; "
                "lower the learning rate or use precision='fp32'"
            )
        self.at.loss_sum += value * count
        self.at.positions += count
        self.at.step += 1
        self.at.updates += 1
        return count

    def _share(self, batch: Batch, count: int) -> tuple[Batch, float]:
        """This process's rows and the weight that makes the mean over processes the batch's."""
        if self.world == 1:
            return batch, 1.0
        if batch.previous is not None:
            raise ValueError("rows that continue the batch before cannot be spread over processes")
        rows = slice(self.rank, None, self.world) if self.rank < len(batch.item) else slice(0, 1)
        share = batch.rows(rows)
        own = int((share.target > 0).sum()) if self.rank < len(batch.item) else 0  # type: ignore[operator, union-attr]
        return share, own * self.world / count

    def _learning_rate(self) -> float:
        rate = self.training.learning_rate * 0.1**self.at.cuts
        if not self.training.cosine:
            return rate
        done = self.at.epoch + min(1.0, self.at.positions / self.positions_per_epoch)
        return rate * 0.5 * (1 + math.cos(math.pi * done / self.training.epochs))

    def finish_epoch(self) -> dict[str, int | float]:
        """Validate, keep the best weights, and move to the next epoch."""
        candidate = self.model if self.average is None else self.average.module
        held_out, found = self.split.valid, np.full(1, np.inf)  # nothing to choose by: no hit
        if len(held_out):
            table = ranks(candidate, self.log, held_out, self.training.max_len)  # type: ignore[arg-type]
            found = table[f"rank_{self.training.select}"].to_numpy()
        score = float(ndcg(found, 10).mean())
        at = self.at
        if score > at.best or not len(held_out):
            at.best, at.best_epoch = score, at.epoch
            self.best_weights = copy.deepcopy(candidate.state_dict())
        at.waited = 0 if at.best_epoch == at.epoch else at.waited + 1
        if self.training.plateau and at.waited >= self.training.plateau:
            at.waited, at.cuts = 0, at.cuts + 1
        at.seconds += time.monotonic() - self.started
        row = {
            "epoch": at.epoch + 1,
            "loss": at.loss_sum / max(1, at.positions),
            "valid_ndcg@10": score,
            "valid_hr@10": float(hr(found, 10).mean()),
            "seconds": round(at.seconds, 2),
        }
        self.history.append(row)
        logger.info("%s", row)
        at.epoch, at.step, at.loss_sum, at.positions = at.epoch + 1, 0, 0.0, 0
        self.started = time.monotonic()
        return row

    @property
    def out_of_patience(self) -> bool:
        return self.at.epoch - 1 - self.at.best_epoch >= self.training.patience

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to be this run's."""
        # of what learns: a memory is empty until the first pass fills it
        shapes = {name: list(value.shape) for name, value in self.model.named_parameters()}
        parts = (self.split.train, self.split.valid)
        return {
            "training": asdict(self.training),
            "model": type(self.model).__name__,
            "config": repr(getattr(self.model, "config", None)),
            "shapes": shapes,
            "positions": [[len(p), int(p.sum())] for p in parts],
            "world": self.world,
        }

    def save(self) -> None:
        if self.rank:
            return
        self.at.seconds += time.monotonic() - self.started
        self.started = time.monotonic()
        state = {
            "identity": self._identity(),
            "at": asdict(self.at),
            "history": self.history,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "best_weights": self.best_weights,
            "chance": torch.get_rng_state(),
            "chance_cuda": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(self.checkpoint) as aside:
            torch.save(state, aside)

    def resume(self) -> None:
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        if state["identity"] != self._identity():
            theirs, ours = state["identity"], self._identity()
            names = [name for name in ours if theirs.get(name) != ours[name]]
            raise ValueError(
                f"{self.checkpoint}: the checkpoint is another run's ({', '.join(names)} differ); "
                "delete it or choose another folder"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.at, self.history = _Progress(**state["at"]), state["history"]
        self.best_weights = state["best_weights"]
        if self.rank:  # the file has the chance of process 0 alone
            torch.manual_seed((self.training.seed + self.at.updates) * self.world + self.rank)
            return
        torch.set_rng_state(state["chance"])
        if state["chance_cuda"] is not None:
            torch.cuda.set_rng_state(state["chance_cuda"])
        logger.info(
            "resumed %s at epoch %d, batch %d", self.checkpoint, self.at.epoch + 1, self.at.step
        )
