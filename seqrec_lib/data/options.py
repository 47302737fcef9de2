"""How a log is to be read: the arguments of events.read by their own names, in words."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping
from typing import Any

from seqrec_lib.data import events
from seqrec_lib.data.times import PER_SECOND

Reading = tuple[tuple[str, Any], ...]  # arguments by name, as hashable values

# name -> what it is if nobody says otherwise
READING: dict[str, Any] = {
    name: argument.default
    for name, argument in inspect.signature(events.read).parameters.items()
    if name != "path"
}


def reading_of(values: Mapping[str, Any]) -> Reading:
    """Arguments of :func:`seqrec_lib.data.events.read`, given as words or values, in one order.

    Those that only repeat a default are left out. Raises ``ValueError`` for a value that cannot be
    meant.
    """
    found = {name: _value(name, value) for name, value in values.items()}
    return tuple((name, found[name]) for name in READING if found.get(name) not in _plain(name))


def arguments_of(reading: Reading) -> dict[str, Any]:
    """The arguments as events.read takes them."""
    return {name: dict(value) if name == "columns" else value for name, value in reading}


def _plain(name: str) -> tuple[Any, ...]:
    return None, READING[name]


def _value(name: str, value: Any) -> Any:
    default = READING[name]
    if value is None or value == default:
        return default
    if name == "columns":
        if not all(ours and its for ours, its in value.items()):
            raise ValueError(f"columns is {dict(value)}; write columns=user:customer,item:sku")
        return tuple(value.items())
    if isinstance(default, bool):
        if str(value).lower() not in ("", "true", "false"):
            raise ValueError(f"{name} is {value!r}; it is true or false")
        return str(value).lower() != "false"
    if name in ("fewest", "most"):
        if not str(value).isdecimal():
            raise ValueError(f"{name} is {value!r}; it is a number of events")
        return int(value)
    if name == "unit" and value not in PER_SECOND:
        raise ValueError(f"unit is {value!r}; it can be {', '.join(PER_SECOND)}")
    if not value:
        raise ValueError(f"{name} is empty; give it a value, or leave it out")
    return "\t" if value == "\\t" else value


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let ``parser`` take the arguments of :func:`seqrec_lib.data.events.read`."""
    group = parser.add_argument_group("how the log is read")
    group.add_argument(
        "--columns", nargs="+", metavar="OURS=ITS", type=pair, action=Pairs,
        help="such as user=customer item=sku time=bought_at",
    )  # fmt: skip
    group.add_argument("--separator", help="between the columns of text, such as ';'")
    group.add_argument(
        "--header", action=argparse.BooleanOptionalAction, default=True,
        help="does the first line name the columns? else they are 0, 1, ...",
    )  # fmt: skip
    group.add_argument("--encoding", default="utf-8")
    group.add_argument(
        "--quotes", action=argparse.BooleanOptionalAction, default=True,
        help="may values stand in quotes?",
    )  # fmt: skip
    group.add_argument("--unit", choices=list(PER_SECOND), help="of times that are numbers")
    group.add_argument("--time-format", help="of times in words, such as '%%d/%%m/%%Y %%H:%%M'")
    group.add_argument("--sort", action="store_true", help="by user and time")
    group.add_argument("--drop-duplicates", action="store_true")
    group.add_argument("--fewest", type=int, default=1, help="events of a user that is kept")
    group.add_argument("--most", type=int, help="events of a user that are kept, the latest")


def add_variants(parser: argparse.ArgumentParser) -> None:
    """Let ``parser`` say how a data set is split, and :func:`add_options` of a file."""
    group = parser.add_argument_group("what is made of the data set")
    group.add_argument(
        "--split", help="last, tail (the last fifth of each user), time, or time:0.1,0.1 "
        "(shares that validate and test), time:2011-10-01,2011-11-01 (borders)",
    )  # fmt: skip
    group.add_argument("--shuffled", action="store_true", help="equal times in random order")
    add_options(parser)


def options_of(chosen: argparse.Namespace) -> dict[str, Any]:
    """What ``chosen`` says of reading, as arguments of :func:`seqrec_lib.data.events.read`."""
    values = {name: getattr(chosen, name) for name in READING}
    return arguments_of(reading_of(values))


class Pairs(argparse.Action):
    """Gathers ``ours=its`` as a mapping; what is given twice ends the command."""

    def __call__(
        self, parser: argparse.ArgumentParser, chosen: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        found = dict(getattr(chosen, self.dest) or {})
        for ours, its in values:
            if ours in found:
                parser.error(f"--{self.dest}: {given_twice(ours, found[ours], its)}")
            found[ours] = its
        setattr(chosen, self.dest, found)


def given_twice(ours: str, one: str, other: str) -> str:
    """Words for a key of two values."""
    return f"{ours!r} is given twice, as {one!r} and {other!r}; give it once"


def pair(text: str) -> tuple[str, str]:
    """Both sides of ``ours=its``, as an option of a command."""
    ours, equals, its = text.partition("=")
    if not equals or not ours or not its:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form user=customer")
    return ours, its
