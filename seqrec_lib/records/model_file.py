"""One file that carries a trained model: weights, settings and the items' raw ids."""

from __future__ import annotations

import json
import pickle
import zipfile
from dataclasses import asdict, fields, is_dataclass
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import written_aside
from seqrec_lib.models import losses
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.registry import MODELS
from seqrec_lib.training.loop import Training


def save_model(model: Recommender, spec: dict[str, Any], items: np.ndarray, path: Path) -> None:
    """Write ``model``, the plain ``spec`` it was made from, and the raw id of every item."""
    weights = {
        name: value.cpu() if isinstance(value, torch.Tensor) else value
        for name, value in model.state_dict().items()
    }
    content = {"spec": json.dumps(spec), "items": items.tolist(), "weights": weights}
    with written_aside(path) as aside:
        torch.save(content, aside)


def load_model(path: Path | str) -> tuple[Recommender, np.ndarray]:
    """The model of a file, ready to score, and the raw id of each item (item i at index i - 1).

    Nothing in the file is executed. Raises ``ValueError`` if it is not such a file.
    """
    content = _read(path)
    stored, items = json.loads(content["spec"]), np.array(content["items"])
    catalogue = Catalogue(len(items), np.zeros(len(items) + 1, dtype=np.int64))
    model = MODELS[stored["model"]](catalogue, config_of(stored))  # type: ignore[call-arg]
    model.load_state_dict(content["weights"])
    return model.eval(), items


def stored_spec(path: Path | str) -> dict[str, Any]:
    """The plain spec that a model file was written with; raises as :func:`load_model` does."""
    return json.loads(_read(path)["spec"])


def plain(config: Any) -> dict[str, Any]:
    """A config as nested plain values; an object inside it carries its class name."""
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return {"class": type(value).__qualname__} | plain(value) if is_dataclass(value) else value


def completed(stored: dict[str, Any]) -> dict[str, Any]:
    """A stored spec with every setting that did not exist when it was written, at its default.

    A new setting's default must therefore be what was done before there was a choice.
    """
    config = plain(MODELS[stored["model"]].Config()) | stored["config"]  # type: ignore[attr-defined]
    config = {name: _complete(value) for name, value in config.items()}
    training = asdict(Training()) | stored["training"]
    whole = {"pretrained": None} | stored | {"config": config, "training": training}
    return json.loads(json.dumps(whole))  # defaults as they would be read back


def _complete(value: Any) -> Any:
    if isinstance(value, list):
        return [_complete(part) for part in value]
    if isinstance(value, dict):
        return plain(_rebuilt({"class": value["class"]})) | value
    return value


def config_of(stored: dict[str, Any]) -> Any:
    """The config of a stored spec; raises ``TypeError`` for a setting that no longer exists."""
    config = {name: _rebuilt(value) for name, value in stored["config"].items()}
    return MODELS[stored["model"]].Config(**config)  # type: ignore[attr-defined]


def _rebuilt(value: Any) -> Any:
    if isinstance(value, dict):  # an objective, or the config of a model inside this one
        kind = attrgetter(value["class"])(_known())
        return kind(**{k: _rebuilt(v) for k, v in value.items() if k != "class"})
    return tuple(map(_rebuilt, value)) if isinstance(value, list) else value


def _known() -> SimpleNamespace:
    return SimpleNamespace(**vars(losses) | {kind.__name__: kind for kind in MODELS.values()})


def _read(path: Path | str) -> dict[str, Any]:
    wrong = f"{path}: damaged, or not a model file written by save_model"
    with Path(path).open("rb") as file:
        if not zipfile.is_zipfile(file):  # what torch.save writes
            raise ValueError(wrong)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise ValueError(wrong) from error
    if not isinstance(content, dict) or content.keys() != {"spec", "items", "weights"}:
        raise ValueError(wrong)
    return content
