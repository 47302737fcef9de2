"""A data set as a value: a source, and what is done to it before anything learns from it.

Each value has one spelling, for command lines, cards and folders; it is read and written here
alone. Variants of our own sources (``seqrec_lib.data.sources``) stand behind the name::

    beauty    tecd-marketplace-users-pairs-leaking    toys-regenerated-distinct-with-validation

Those of a file stand behind a question mark, with the arguments of
:func:`seqrec_lib.data.events.read` by their own names::

    shop.csv?columns=user:customer,item:sku&unit=ms&sort&split=time&shuffled

``%``, ``&`` and ``?`` in a value are written ``%25``, ``%26`` and ``%3F``, in the name of a column
``,`` and ``:`` too (``%2C``, ``%3A``). Our own names are ours: a file that is called like one is
``./beauty``. Of a path with a ``?`` in it, the last one begins the options: ``what?.csv?sort``.
"""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from seqrec_lib.data.channels import VARIANTS
from seqrec_lib.data.options import (
    READING,
    Reading,
    arguments_of,
    given_twice,
    options_of,
    reading_of,
)
from seqrec_lib.data.sources import FILE, SOURCES, Source
from seqrec_lib.data.tables import FORMATS

REGENERATED = ("every", "distinct", "released")
PAIRS = ("apart", "leaking")
FLAGS = ("shuffled", "unordered", "with_validation")
_ENDINGS = re.compile(
    rf"(?:-(?P<split>users|tail|time))?(?:-stores-(?P<stores>{'|'.join(VARIANTS)}))?"
    r"(?P<shuffled>-shuffled)?(?P<unordered>-unordered)?"
    r"(?:-(?P<regenerated>regenerated(?:-distinct|-released)?))?"
    r"(?P<with_validation>-with-validation)?(?:-(?P<pairs>pairs(?:-leaking)?))?"
)


@dataclass(frozen=True)
class Dataset:
    """A source and its variants.

    ``source`` is a name among ours, or the absolute path of a log; ``reading`` says how a file is
    read, where that is not the default of :func:`seqrec_lib.data.events.read`. ``split`` is
    ``last`` (leave-last-out), ``tail`` (the last fifth of each user), ``time``, or ``users``
    (held-out users, of T-ECD alone); empty for the source's own. By ``time`` two shares of the
    events may follow, those that validate and those that test, or two borders: ``time:0.1,0.1``,
    ``time:2011-10-01,2011-11-01``. Events of equal time are put in random order if ``shuffled``,
    all of a user's but the last, which tests, if ``unordered``; with ``stores`` the lines of a
    store are history alone, those that it names (:func:`seqrec_lib.data.channels.joined`);
    :func:`seqrec_lib.data.datasets.load` says what the other variants are.
    Raises ``ValueError`` for a variant that the source does not have.
    """

    source: str
    split: str = ""
    shuffled: bool = False
    regenerated: str = ""
    with_validation: bool = False
    pairs: str = ""
    reading: Reading = ()
    stores: str = ""
    unordered: bool = False

    def __post_init__(self) -> None:
        known, kind = self.about.splits, self.split.partition(":")[0]
        wrong = ""
        if self.reading and not self.is_file:
            wrong = f"{self.reading[0][0]} is for files, {self.source} is read as it was published"
        elif kind and kind not in known:
            wrong = f"it can be split by {', '.join(known)}"
        elif ":" in self.split and not (self.is_file and kind == "time"):
            wrong = "shares and borders are for files that are split by time"
        elif self.stores not in ("", *VARIANTS):
            wrong = f"stores can be {', '.join(VARIANTS)}"
        elif self.stores and not (self.is_file or self.about.channels):
            wrong = f"{self.source} has one channel"
        elif self.stores and (self.regenerated or self.pairs):
            wrong = "with stores it is not regenerated or cut in pairs"
        elif self.shuffled and self.about.tecd:
            wrong = "T-ECD is not shuffled"
        elif self.unordered and ((self.split or known[0]) != "last" or self.stores):
            wrong = "unordered is for what tests the last event of each user, of one channel"
        elif self.regenerated not in ("", *REGENERATED):
            wrong = f"regenerated can be {', '.join(REGENERATED)}"
        elif self.pairs not in ("", *PAIRS):
            wrong = f"pairs can be {', '.join(PAIRS)}"
        if wrong:
            raise ValueError(f"{str(self)!r} is no data set: {wrong}")
        if self.split == known[0]:
            object.__setattr__(self, "split", "")

    # --- questions --------------------------------------------------------------------------

    @property
    def is_file(self) -> bool:
        return os.path.isabs(self.source)

    @property
    def about(self) -> Source:
        """What is known of the source."""
        return FILE if self.is_file else SOURCES[self.source]

    @property
    def is_tecd(self) -> bool:
        return self.about.tecd

    def but(self, **changes: Any) -> Dataset:
        """The same with other variants: ``dataset.but(shuffled=True)``."""
        return replace(self, **changes)

    @property
    def name(self) -> str:
        """A word for tables and folders: of ours the spelling, of a file its name and variants."""
        if not self.is_file:
            return self.source + self._endings()
        ending = next((end for end in sorted(FORMATS, key=len, reverse=True)
                       if self.source.lower().endswith(end)), "")  # fmt: skip
        name = Path(self.source).name
        stem = name[: len(name) - len(ending)]
        return re.sub(r"[^\w.-]+", "_", stem or "log") + self._endings()

    # --- the spelling -----------------------------------------------------------------------

    def __str__(self) -> str:
        if not self.is_file:
            return self.source + self._endings()
        options = [_written(*one) for one in self.reading]
        options += [f"split={self.split}"] * bool(self.split)
        options += [f"stores={self.stores}"] * bool(self.stores)
        options += ["shuffled"] * self.shuffled + ["unordered"] * self.unordered
        options += [f"regenerated={self.regenerated}"] * bool(self.regenerated)
        options += ["with_validation"] * self.with_validation
        options += [f"pairs={self.pairs}"] * bool(self.pairs)
        question = "?" if options or "?" in self.source else ""
        return self.source + question + "&".join(options)

    def _endings(self) -> str:
        regenerated = f"-regenerated-{self.regenerated}" if self.regenerated else ""
        pairs = f"-pairs-{self.pairs}" if self.pairs else ""
        return (
            (f"-{self.split.partition(':')[0]}" if self.split else "")
            + (f"-stores-{self.stores}" if self.stores else "")
            + "-shuffled" * self.shuffled
            + "-unordered" * self.unordered
            + regenerated.removesuffix("-every")
            + "-with-validation" * self.with_validation
            + pairs.removesuffix("-apart")
        )

    @classmethod
    def parse(cls, text: str | Dataset) -> Dataset:
        """The data set of a spelling; a relative path is one from the working folder.

        Raises ``ValueError`` for a text that is none, naming what there is.
        """
        if isinstance(text, Dataset):
            return text
        source, options = _cut(text)
        found = _ours(source) or _file(source)
        if found is None:
            raise ValueError(
                f"{text!r} is no data set; use {', '.join(SOURCES)}, or the path of a log such as "
                f"shop.csv (a folder or another file named {source}: ./{source})"
            )
        return found.but(**_given(options, text)) if options else found


def composed(text: str, chosen: argparse.Namespace) -> Dataset:
    """The data set of a spelling and of what a command line says of it beside
    (:func:`seqrec_lib.data.options.add_variants`), which goes before the spelling.
    """
    dataset = Dataset.parse(text)
    reading = arguments_of(dataset.reading) | options_of(chosen)
    variants = {"split": chosen.split or dataset.split, "reading": reading_of(reading)}
    return dataset.but(shuffled=dataset.shuffled or chosen.shuffled, **variants)


def _cut(text: str) -> tuple[str, str]:
    """Source and options; the file system is asked only where a name may hold a ``?``."""
    source, question, options = text.rpartition("?")
    if not question:
        return text, ""
    whole = Path(text).expanduser().exists() and not Path(source).expanduser().exists()
    return (text, "") if whole else (source, options)


def _ours(text: str) -> Dataset | None:
    for source in sorted(SOURCES, key=len, reverse=True):  # tecd-sim before a tecd
        if text.startswith(source) and (end := _ENDINGS.fullmatch(text[len(source) :])):
            kinds = {"regenerated": "every", "pairs": "apart"}
            given: dict[str, Any] = {n: value for n, value in end.groupdict().items() if value}
            for name in FLAGS:
                given[name] = name in given
            for name, plain in kinds.items():
                if name in given:
                    given[name] = given[name].removeprefix(name).removeprefix("-") or plain
            return Dataset(source, **given)
    return None


def _file(text: str) -> Dataset | None:
    path = Path(text).expanduser()
    if not (path.suffix or os.sep in text or path.exists()):
        return None
    ending = re.fullmatch(rf"(.+?){_ENDINGS.pattern}", text)
    if ending and not path.exists() and Path(ending[1]).expanduser().exists():
        raise ValueError(
            f"{text!r}: no such file; variants of a file stand behind a question mark, such as "
            f"{ending[1]}?shuffled&pairs=leaking"
        )
    return Dataset(os.path.abspath(path))


def _given(options: str, text: str) -> dict[str, Any]:
    """What the part behind the question mark says, as fields."""
    variants: dict[str, Any] = {}
    reading: dict[str, str] = {}
    for one in options.split("&"):
        name, _, value = one.partition("=")
        name = name.replace("-", "_")
        if name in variants or name in reading:
            raise ValueError(f"{text!r}: {name} is given twice; give it once")
        if name in FLAGS and value in ("", "true", "false"):
            variants[name] = value != "false"
        elif name in ("split", "stores", "regenerated", "pairs"):
            variants[name] = value or {"regenerated": "every", "pairs": "apart"}.get(name, "")
        elif name in READING:
            reading[name] = value
        elif one:
            known = ("split", "stores", *FLAGS, "regenerated", "pairs")
            raise ValueError(
                f"{text!r}: there is no option {one!r}; behind the ? can stand "
                f"{', '.join((*READING, *known))}"
            )
    columns = reading.pop("columns", None)
    values: dict[str, Any] = {name: unquote(value) for name, value in reading.items()}
    if columns is not None:
        pairs = [one.partition(":") for one in columns.split(",")]
        found: dict[str, str] = {}
        for ours, its in ((unquote(ours), unquote(its)) for ours, _, its in pairs):
            if ours in found:
                raise ValueError(f"{text!r}: columns: {given_twice(ours, found[ours], its)}")
            found[ours] = its
        values["columns"] = found
    try:
        return variants | ({"reading": reading_of(values)} if values else {})
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error


def _written(name: str, value: Any) -> str:
    if name == "columns":
        return "columns=" + ",".join(f"{_safe(a, ',:')}:{_safe(b, ',:')}" for a, b in value)
    if isinstance(value, bool):
        return name if value else f"{name}=false"
    return f"{name}={_safe(str(value))}"


def _safe(text: str, more: str = "") -> str:
    """Text in which nothing can be mistaken for what stands between the options."""
    special = re.compile(rf"[%&?{more}\x00-\x1f]")
    return special.sub(lambda one: f"%{ord(one[0]):02X}", text)
