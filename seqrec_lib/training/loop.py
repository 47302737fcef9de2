"""fit(...): the only gradient loop, plain PyTorch; DistributedDataParallel under torchrun. A run
killed and started again ends with the weights of one never interrupted."""

from __future__ import annotations

import copy
import logging
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import CountModel, Recommender
from seqrec_lib.training.candidates import sampled_ranks
from seqrec_lib.training.checkpoint import Progress, resume, save
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.optimizers import optimizer
from seqrec_lib.training.settings import Training

logger = logging.getLogger(__name__)

UNREAD = 64  # losses that wait on a GPU before they are read: reading waits for all its work


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
    as do settings that the model cannot be trained with; a lost loss ``FloatingPointError``.

    Processes that train together share the rows of each batch, draw dropout and negatives of their
    own, and see the mean of their gradients. Process 0 validates for all.
    """
    if model.max_len is not None and training.max_len > model.max_len:
        raise ValueError(
            f"{type(model).__name__} tells {model.max_len} places apart (its max_len), and "
            f"max_len is {training.max_len} in training; use a model of as many"
        )
    if isinstance(model, CountModel):
        model.count(log, split.train)
        return []
    if not training.epochs:  # it looks at the data and learns nothing by gradients
        model.begin_pass(log, split.train, training.max_len)
        return []
    run = _Run(model, log, split, training)
    if checkpoint:
        resume(run, checkpoint)
    saved = time.monotonic()
    pause = checkpoint_seconds if model.mid_pass else math.inf
    with tqdm(
        desc=type(model).__name__,
        total=training.epochs * run.positions_per_epoch,
        initial=run.at.epoch * run.positions_per_epoch + run.at.positions,
        unit="pos",
        unit_scale=True,
        # tqdm asks the variable only where nothing is said
        disable=run.rank > 0 or bool(os.environ.get("TQDM_DISABLE")),
        mininterval=1.0 if sys.stderr.isatty() else 30.0,
    ) as bar:
        while run.at.epoch < training.epochs and not run.out_of_patience:
            for batch in run.remaining_batches():
                bar.update(run.learn(batch))
                if checkpoint and time.monotonic() - saved > pause:
                    save(run, checkpoint)
                    saved = time.monotonic()
            row = run.finish_epoch()
            bar.set_description(f"{type(model).__name__} epoch {row['epoch']:.0f}")
            bar.set_postfix_str(f"loss {row['loss']:.3f}, NDCG@10 {row['valid_ndcg@10']:.4f}")
            if checkpoint:
                save(run, checkpoint)
                saved = time.monotonic()
    model.load_state_dict(run.best_weights)
    model.begin_scoring(log, split.train, training.max_len)
    return run.history


class _Run:
    """The moving parts of one training run."""

    def __init__(self, model, log, split, training):
        self.model, self.log, self.split, self.training = model, log, split, training
        self.device = next(model.parameters()).device
        self.distributed = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if self.distributed else 0
        self.world = dist.get_world_size() if self.distributed else 1
        if training.averaging and not model.averages:
            raise ValueError(f"{type(model).__name__} cannot be trained with averaging; use 0")
        torch.manual_seed(training.seed * self.world + self.rank)
        self.optimizer = optimizer(
            model, training.optimizer, training.learning_rate, training.weight_decay
        )
        if self.world > 1 and model.needs_one_process:
            raise ValueError(
                f"batches of {type(model).__name__} cannot be spread over processes: "
                f"{model.needs_one_process}; use one process"
            )
        # after the optimizer, which says whose gradients are sparse; buffers come from the data,
        # alike in all processes, and a memory is too large to be sent at every step
        self.wrapped = (
            DistributedDataParallel(model, broadcast_buffers=False) if self.distributed else model
        )
        self.average = (
            AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(training.averaging))
            if training.averaging
            else None
        )
        self.positions_per_epoch = model.num_targets(log, split.train, training.max_len)
        self.unread: list[tuple[torch.Tensor, int]] = []  # losses not in the sum, their positions
        self.at = Progress()
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
        self.at.positions += count
        self.at.step += 1
        self.at.updates += 1
        self.unread.append((value, count))
        if self.device.type == "cpu" or len(self.unread) >= UNREAD:
            self.read()
        return count

    def read(self) -> None:
        """Add the losses that wait to the sum; ``FloatingPointError`` if one is no number."""
        if not self.unread:
            return
        losses, counts = zip(*self.unread, strict=True)
        self.unread = []
        first = self.at.step - len(losses) + 1
        for step, (loss, count) in enumerate(
            zip(torch.stack(losses).tolist(), counts, strict=True), start=first
        ):
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} in epoch {self.at.epoch + 1}, batch {step}; "
                    "lower the learning rate or use precision='fp32'"
                )
            self.at.loss_sum += loss * count

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
        self.read()
        candidate = self.model if self.average is None else self.average.module
        score, hits = self._validated(candidate)
        at = self.at
        if score > at.best or not len(self.split.valid):
            at.best, at.best_epoch = score, at.epoch
            self.best_weights = copy.deepcopy(candidate.state_dict())
        at.waited = 0 if at.best_epoch == at.epoch else at.waited + 1
        if self.training.plateau and at.waited >= self.training.plateau:
            at.waited, at.cuts = 0, at.cuts + 1
        self.stop_clock()
        row = {
            "epoch": at.epoch + 1,
            "loss": at.loss_sum / max(1, at.positions),
            "valid_ndcg@10": score,
            "valid_hr@10": hits,
            "seconds": round(at.seconds, 2),
        }
        self.history.append(row)
        logger.info("%s", row)
        at.epoch, at.step, at.loss_sum, at.positions = at.epoch + 1, 0, 0.0, 0
        return row

    def stop_clock(self) -> None:
        """Add the seconds since it was started to the run's, and start it anew."""
        now = time.monotonic()
        self.at.seconds, self.started = self.at.seconds + now - self.started, now

    def _validated(self, candidate) -> tuple[float, float]:
        """NDCG@10 and HR@10 of the validation positions, 0 without any."""
        if not len(self.split.valid):
            return 0.0, 0.0
        found = torch.zeros(2, dtype=torch.float64)
        if self.rank == 0:
            candidate.begin_scoring(self.log, self.split.train, self.training.max_len)
            how = (candidate, self.log, self.split.valid, self.training.max_len)
            table = ranks(*how) if self.training.validate == "full" else sampled_ranks(*how)
            rank = table[f"rank_{self.training.select}"].to_numpy()
            found[0], found[1] = ndcg(rank, 10).mean(), hr(rank, 10).mean()
        if self.distributed:
            # one decides for all: another last bit, and a process would leave the loop alone
            found = found.to(self.device)
            dist.broadcast(found, 0)
        score, hits = found.tolist()
        return score, hits

    @property
    def out_of_patience(self) -> bool:
        return self.at.epoch - 1 - self.at.best_epoch >= self.training.patience
