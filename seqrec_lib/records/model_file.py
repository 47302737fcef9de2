"""One file that carries a trained model: weights, settings and the items' raw ids.

The format is safetensors: a JSON header and plain numbers, so that reading a file runs nothing of
it. Classes that the header names are looked up by ``seqrec_lib.records.settings``.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.modules import module as torch_module

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import written_aside
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records.settings import config_of

VERSION = "1"
RAW_IDS = "catalogue.raw_ids"  # JSON as bytes: a header holds 100 MB at most
EXTRA = "_extra_state"  # PyTorch's name for what a module keeps beside weights and buffers


def save_model(
    model: Recommender,
    spec: dict[str, Any],
    items: Shaped[np.ndarray, "I"],
    path: Path,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write ``model``, the plain ``spec`` it was made from, and the raw id of every item.

    ``about`` is kept beside them: plain values that say where the model comes from, such as the
    digest of its data. Raises ``ValueError`` if the ids are not one an item, numbers or strings.
    """
    if len(items) != model.num_items:
        raise ValueError(f"{len(items)} raw ids for a model of {model.num_items} items")
    state = model.state_dict()
    extra = {name: state.pop(name) for name in list(state) if name.endswith(EXTRA)}
    for name, parts in extra.items():
        for part in [one for one, value in parts.items() if isinstance(value, Tensor)]:
            state[f"{name}.{part}"] = parts[part]
    beside = {
        name: {part: value for part, value in parts.items() if not isinstance(value, Tensor)}
        for name, parts in extra.items()
    }
    header = {"version": VERSION} | {
        name: json.dumps(value)
        for name, value in (("spec", spec), ("about", dict(about or {})), ("extra", beside))
    }
    header["users"] = str(model.num_users)
    header["names"] = json.dumps({name: list(words) for name, words in model.names.items()})
    tensors = _apart(state | {RAW_IDS: _ids_written(items)})
    with written_aside(path) as aside:
        save_file(tensors, aside, header)


def load_model(path: Path | str) -> tuple[Recommender, Shaped[np.ndarray, "I"]]:
    """The model of a file, ready to score, and the raw id of each item (item i at index i - 1).

    Nothing in the file is executed. Raises ``FileNotFoundError`` if there is none, ``ValueError``
    if it is not such a file, if weights and settings do not fit, or if a weight is no number.
    """
    with _opened(path) as (header, file):
        # copies: the file's own are views of it, and it may be replaced
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    if RAW_IDS not in tensors:
        raise ValueError(f"{path}: damaged: it lacks {RAW_IDS}")
    items = _ids_read(tensors.pop(RAW_IDS), path)
    config = config_of(header["spec"], path)
    kind: Any = MODELS[header["spec"]["model"]]
    names = {name: np.array(words, dtype=str) for name, words in header["names"].items()}
    frequency = np.zeros(len(items) + 1, dtype=np.int64)
    catalogue = Catalogue(len(items), frequency, names=names, num_users=header["users"])
    try:
        sketch = _sketch(kind, catalogue, config, len(tensors))
        _compare(sketch, tensors)
        state = tensors | _extra_state(header["extra"], tensors)
        state = {name: value for name, value in state.items() if f"{EXTRA}." not in name}
        sketch.load_state_dict(state, assign=True)  # compares the shapes that settings fix
        model = kind(catalogue, config)
        model.load_state_dict(state)
    # whatever a constructor makes of settings that its authors did not think of
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError) as e:
        raise ValueError(f"{path}: weights and settings do not fit: {e}") from e
    return model.eval(), items


def stored_spec(path: Path | str) -> dict[str, Any]:
    """The plain spec that a model file was written with; raises as :func:`load_model` does."""
    with _opened(path) as (header, _):
        return header["spec"]


def stored_about(path: Path | str) -> dict[str, Any]:
    """What a model file says of its origin (:func:`save_model`); raises as :func:`load_model`."""
    with _opened(path) as (header, _):
        return header["about"]


# --- the file -----------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path | str) -> Iterator[tuple[dict[str, Any], Any]]:
    """The header's parts, and the file to take tensors from."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such model file")
    if not path.is_file():
        raise ValueError(f"{path}: not a file, and so no model file")
    try:
        file = safe_open(path, framework="pt")
    except SafetensorError as error:
        with path.open("rb") as old:
            # what torch.save wrote; only now, as a whole file's first byte may be any
            if old.read(4).startswith((b"PK\3\4", b"\x80")):
                raise ValueError(
                    f"{path}: of the old format, a pickle, which is no longer read; train the "
                    "model again with retrain=True"
                ) from error
        raise ValueError(f"{path}: damaged, or no model file ({error})") from error
    with file:
        yield _header(file.metadata() or {}, path), file


def _header(written: dict[str, str], path: Path) -> dict[str, Any]:
    lacks = {"version", "spec", "about", "extra"} - written.keys()
    if lacks:
        raise ValueError(
            f"{path}: not a model file written by save_model: its header lacks "
            + ", ".join(sorted(lacks))
        )
    if written["version"] != VERSION:
        raise ValueError(
            f"{path}: of format {written['version']:.20}; this version reads {VERSION}"
        )
    header: dict[str, Any] = {}
    try:
        header["users"] = int(written.get("users", "0"))
    except ValueError as error:
        raise ValueError(f"{path}: damaged: its number of users is no number") from error
    if not 0 <= header["users"] < 2**31:
        raise ValueError(f"{path}: damaged: it says it knows {header['users']} users")
    for name in ("spec", "about", "extra", "names"):
        try:
            header[name] = json.loads(written.get(name, "{}"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: damaged: its {name} is no JSON ({error})") from error
        if not isinstance(header[name], dict):
            raise ValueError(f"{path}: damaged: its {name} is no JSON object")
    return header


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, each whole and in memory of its own, as the format asks."""
    found, taken = {}, set()
    for name, value in tensors.items():
        value = value.detach().cpu().contiguous()
        place = value.untyped_storage().data_ptr()
        found[name] = value.clone() if place in taken else value  # one weight under two names
        taken.add(place)
    return found


def _ids_written(items: Shaped[np.ndarray, "I"]) -> UInt8[Tensor, "bytes"]:
    """Raw ids as JSON, with the name of their type."""
    kind = "str" if items.dtype.kind == "U" else items.dtype.name
    values = [one.item() if isinstance(one, np.generic) else one for one in items.tolist()]
    if not _ids_fit(values, kind):
        raise ValueError(
            f"raw ids of type {kind}, the first {values[:1]}: use whole numbers or strings"
        )
    text = json.dumps({"type": kind, "values": values})
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)


def _ids_read(written: Tensor, path: Path | str) -> Shaped[np.ndarray, "I"]:
    try:
        stored = json.loads(bytes(written.numpy()))
        kind, values = stored["type"], stored["values"]
        if not isinstance(values, list) or not _ids_fit(values, kind):
            raise ValueError(f"they are no list of type {kind!r:.60}")
        return np.array(values, dtype=kind)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: the items' raw ids cannot be read: {error}") from error


def _ids_fit(values: list[Any], kind: Any) -> bool:
    """Are all values of the Python type that stands for the array's."""
    whole = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    python = {"str": (str,), "object": (str, int, float, bool), "bool": (bool,)}
    python |= dict.fromkeys(whole, (int,)) | dict.fromkeys(("float32", "float64"), (float,))
    return isinstance(kind, str) and all(type(one) in python.get(kind, ()) for one in values)


def _extra_state(beside: Any, tensors: dict[str, Tensor]) -> dict[str, dict[str, Any]]:
    """What modules keep beside their weights: tensors and plain values by name."""
    found = {name: dict(parts) for name, parts in beside.items()}
    for key, value in tensors.items():
        name, inside, part = key.rpartition(f"{EXTRA}.")
        if inside:
            found[name + EXTRA][part] = value
    return found


def _sketch(kind: Any, catalogue: Catalogue, config: Any, stored: int) -> Recommender:
    """The model without memory for its weights, which settings may ask for without bound.

    Raises ``ValueError`` if they ask for far more weights than the ``stored`` ones.
    """
    made = itertools.count(1)

    def count(*_: Any) -> None:
        if next(made) > 100 + 10 * stored:  # some weights are drawn twice, or left out
            raise ValueError(f"the settings ask for far more than the {stored} weights stored")

    hooks = [
        torch_module.register_module_parameter_registration_hook(count),
        torch_module.register_module_buffer_registration_hook(count),
    ]
    try:
        with torch.device("meta"):
            return kind(catalogue, config)
    finally:
        for hook in hooks:
            hook.remove()


def _compare(sketch: Recommender, stored: dict[str, Tensor]) -> None:
    """Raise ``ValueError`` naming a weight that is not there, not asked for, or of another kind.

    Models take the size of their counts and memories from the file; but a row an item stays so.
    """
    state, rows = sketch.state_dict(), sketch.num_items + 1
    tensors = {name: value for name, value in state.items() if not name.endswith(EXTRA)}
    names = {name for name in stored if f"{EXTRA}." not in name}
    if tensors.keys() != names:
        lacks, more = sorted(tensors.keys() - names), sorted(names - tensors.keys())
        raise ValueError(f"missing weights: {lacks}; superfluous ones: {more}")
    for name, made in tensors.items():
        found = stored[name]
        if found.dtype != made.dtype:
            raise ValueError(f"{name} is of type {found.dtype}, not {made.dtype}")
        shape = tuple(found.shape)
        if made.ndim and made.shape[0] == rows and shape[:1] != (rows,):
            raise ValueError(f"{name} has shape {shape}, not one row for each of {rows - 1} items")
        if made.numel() > 1_000_000 + 4 * found.numel():
            raise ValueError(f"{name} has shape {shape}, the settings ask for {tuple(made.shape)}")
        if found.is_floating_point() and not found.isfinite().all():
            raise ValueError(f"{name} has values that are no numbers; the training went astray")
