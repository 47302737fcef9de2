"""Settings as plain values and back, without looking up a class outside of one list."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from seqrec_lib.models.losses import BCE, GBCE, BPRMax, SampledSoftmax, Softmax
from seqrec_lib.models.registry import MODELS
from seqrec_lib.models.stores.pools import POOLS
from seqrec_lib.training.settings import Training

OBJECTIVES = (Softmax, SampledSoftmax, BPRMax, BCE, GBCE)


def plain(config: Any) -> dict[str, Any]:
    """A config as nested plain values; an object inside it carries its class name."""
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return {"class": type(value).__qualname__} | plain(value) if is_dataclass(value) else value


def completed(stored: dict[str, Any], source: Path | str = "stored spec") -> dict[str, Any]:
    """A stored spec with every setting that did not exist when it was written, at its default.

    A new setting's default must therefore be what was done before there was a choice. Raises
    ``ValueError`` naming ``source`` for a class that is no objective and no model's settings.
    """
    config = plain(_settings(stored, source)()) | stored["config"]
    config = {name: _complete(value, source) for name, value in config.items()}
    training = asdict(Training()) | stored["training"]
    whole = {"pretrained": None} | stored | {"config": config, "training": training}
    return json.loads(json.dumps(whole))  # defaults as they would be read back


def _complete(value: Any, source: Path | str) -> Any:
    if isinstance(value, list):
        return [_complete(part, source) for part in value]
    if isinstance(value, dict):
        inside = {name: _complete(part, source) for name, part in value.items()}
        return plain(_kind(value, source)()) | inside
    return value


def config_of(stored: dict[str, Any], source: Path | str = "stored spec") -> Any:
    """The config of a stored spec; its classes are objectives and settings of models, no others.

    Raises ``ValueError`` naming ``source`` for any other class, for a setting that does not exist
    (any more), and for a value of another type than the setting's.
    """
    return _filled(_settings(stored, source), stored["config"], source)


def _settings(stored: Any, source: Path | str) -> Any:
    """The class of a stored spec's settings."""
    if not isinstance(stored, dict) or not isinstance(stored.get("config"), dict):
        raise ValueError(f"{source}: not the spec of a model")
    name = stored.get("model")
    if not isinstance(name, str) or name not in MODELS:
        raise ValueError(f"{source}: there is no model {name!r:.60}")
    return MODELS[name].Config  # type: ignore[attr-defined]


def _kind(value: dict[str, Any], source: Path | str) -> Any:
    """The class that an object inside a spec is of: an objective, or the settings of a model.

    Those of its parts, the pools, are settings of a model too.
    """
    settings = (part.Config for part in (*MODELS.values(), *POOLS))  # type: ignore[attr-defined]
    known = {kind.__qualname__: kind for kind in (*OBJECTIVES, *settings)}
    name = value.get("class")
    if not isinstance(name, str) or name not in known or not is_dataclass(known[name]):
        raise ValueError(f"{source}: {name!r:.60} is neither an objective nor a model's settings")
    return known[name]


def _filled(kind: Any, values: dict[str, Any], source: Path | str) -> Any:
    wanted = get_type_hints(kind)
    found = {}
    for name, value in values.items():
        if name not in wanted:
            raise ValueError(f"{source}: {kind.__qualname__} has no setting {name!r:.60}")
        found[name] = _rebuilt(value, source)
        if not _is_a(found[name], wanted[name]):
            raise ValueError(
                f"{source}: {kind.__qualname__}.{name} cannot be {value!r:.60}; "
                f"it is declared {kind.__dataclass_fields__[name].type}"
            )
    return kind(**found)


def _rebuilt(value: Any, source: Path | str) -> Any:
    if isinstance(value, dict):
        inside = {name: part for name, part in value.items() if name != "class"}
        return _filled(_kind(value, source), inside, source)
    return tuple(_rebuilt(part, source) for part in value) if isinstance(value, list) else value


def _is_a(value: Any, wanted: Any) -> bool:
    """Is a setting's value of its declared type; ``Any`` stands for the settings of a model."""
    if wanted is Any:
        return is_dataclass(value)
    if get_origin(wanted) in (Union, UnionType):
        return any(_is_a(value, one) for one in get_args(wanted))
    if get_origin(wanted) is tuple:
        return isinstance(value, tuple) and all(_is_a(one, get_args(wanted)[0]) for one in value)
    if wanted is float:
        return type(value) is int or type(value) is float and math.isfinite(value)
    if wanted in (int, bool, str, NoneType):  # True is no number of layers
        return type(value) is wanted
    return isinstance(value, wanted)
