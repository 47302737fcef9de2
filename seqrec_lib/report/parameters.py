"""What a chapter may be given, checked before anything runs, whoever runs it."""

from __future__ import annotations

import ast
import difflib
import logging
import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
)

from seqrec_lib.data.refusals import Said
from seqrec_lib.report.axes import style
from seqrec_lib.training.device import device

INJECTED = "# Parameters\n"  # begins the cell that Papermill adds


class ParameterError(Said, ValueError):
    """Parameters that a chapter cannot run with, each with what to use."""


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed stands there twice")
    return seeds


class Parameters(BaseModel):
    """The parameters of every chapter; a field's description says what to use."""

    model_config = ConfigDict(extra="forbid", strict=True)

    DATASET: Annotated[str, Field(min_length=1, description="a name such as beauty, or a path")]
    SEEDS: Annotated[
        list[Annotated[int, Field(ge=0, lt=2**32)]],
        AfterValidator(_distinct),
        Field(
            min_length=1,
            description="a list of different whole numbers from 0 on, such as [0, 1] "
            "(Papermill: -y 'SEEDS: [0, 1]')",
        ),
    ]
    EPOCHS: Annotated[
        PositiveInt | None, Field(description="a whole number from 1 on, or None for the recipe's")
    ]
    DEVICE: Annotated[str, AfterValidator(device), Field(description="auto, cpu or cuda")]
    RETRAIN: Annotated[bool, Field(description="True or False")]
    RESULTS: Annotated[str, Field(min_length=1, description="a folder, such as build/results")]


def closest(word: str, known: list[str]) -> str:
    """For an error: the words that are known, and the one that was probably meant."""
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), lower, n=1)
    return f"known are {', '.join(known)}" + (f"; did you mean {lower[near[0]]}?" if near else "")


def check(given: Mapping[str, Any], all_of_them: bool = False) -> None:
    """Raise ``ParameterError`` if a parameter is unknown, or of a wrong type or range.

    What is not given has the chapter's default, unless ``all_of_them`` must be there.
    """
    try:
        Parameters.model_validate(dict(given))
    except ValidationError as error:
        errors = [one for one in error.errors() if all_of_them or one["type"] != "missing"]
        wrong = {one["loc"][0]: one for one in errors}
        if wrong:
            raise ParameterError("; ".join(_said(one, given) for one in wrong.values())) from None


def _said(error: Any, given: Mapping[str, Any]) -> str:
    name, fields = str(error["loc"][0]), Parameters.model_fields
    if error["type"] == "extra_forbidden":
        return f"no chapter has a parameter {name}: {closest(name, list(fields))}"
    if error["type"] == "missing":
        return f"{name} is missing: use {fields[name].description}"
    why = error.get("ctx", {}).get("error")
    if isinstance(why, Said):  # it has its remedy with it
        return f"{name}: {why}"
    return f"{name} is {given[name]!r}{f', {why}' if why else ''}: use {fields[name].description}"


def begin(namespace: dict[str, Any], written_of: str) -> None:
    """Open a chapter: check its parameters, set the book's look, say what its words are about.

    ``namespace`` is the notebook's ``globals()``. Checked are its names in capitals that hold plain
    values, and whatever Papermill has set. ``written_of`` is the data set of the stored chapter;
    the words of another still speak of it.
    """
    plain = (str, int, float, list, tuple, dict, type(None))
    named = {n for n, value in namespace.items() if n.isupper() and isinstance(value, plain)}
    named = {name for name in named if not name.startswith("_")} | _injected(namespace)
    check({name: namespace[name] for name in named}, all_of_them=True)
    style()
    _tell()
    if (dataset := namespace["DATASET"]) != written_of:
        print(f"These words were written about {written_of}; the figures here are of {dataset}.")


def _injected(namespace: dict[str, Any]) -> set[str]:
    """Names that Papermill's cell sets, known to the chapter or not; IPython keeps its source."""
    cells = [cell for cell in namespace.get("In", ()) if cell.startswith(INJECTED)]
    set_there = [node for cell in cells for node in ast.parse(cell).body]
    return {one.targets[0].id for one in set_there if isinstance(one, ast.Assign)}  # type: ignore[attr-defined]


def _tell() -> None:
    """Let what is about to be trained, and every epoch, be seen: on the terminal of chapters.py,
    which keeps it out of the stored outputs, and else below the cell."""
    ours = logging.getLogger("seqrec_lib")
    if not ours.handlers:
        file = os.environ.get("SEQREC_PROGRESS")
        ours.addHandler(logging.FileHandler(file) if file else logging.StreamHandler())
        ours.setLevel(logging.INFO)
