"""Spec: what is run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqrec_lib.data import datasets
from seqrec_lib.records.settings import plain
from seqrec_lib.training.settings import Training


@dataclass(frozen=True)
class Spec:
    """What is run: a model with its settings on a data set, from one seed (``training.seed``)."""

    dataset: str  # its spelling
    name: str  # the folder of the record: the model's name, or that of a published variant
    model: str
    config: Any
    training: Training
    # "folder/name" of the runs it starts from, commas between; in a trial "@1" for its epochs
    pretrained: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, nested; a setting that is an object of its own carries its class name."""
        return {
            "dataset": self.dataset,
            "name": self.name,
            "model": self.model,
            "config": plain(self.config),
            "training": asdict(self.training),
            "pretrained": self.pretrained,
        }

    @property
    def shelf(self) -> str:
        """The folder of its data set, which of a file carries the digest."""
        return datasets.folder(self.dataset)

    def __str__(self) -> str:
        return f"{self.shelf}/{self.name}/s{self.training.seed}"

    def folder(self, results: Path) -> Path:
        return results / str(self)
