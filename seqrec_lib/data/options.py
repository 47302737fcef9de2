"""How a log is to be read, from a command line: the arguments of events.read by their own names."""

from __future__ import annotations

import argparse
from typing import Any

from seqrec_lib.data.times import PER_SECOND


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let ``parser`` take the arguments of :func:`seqrec_lib.data.events.read`."""
    group = parser.add_argument_group("how the log is read")
    group.add_argument(
        "--columns", nargs="+", metavar="OURS=ITS", type=_pair,
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


def options_of(chosen: argparse.Namespace) -> dict[str, Any]:
    """What ``chosen`` says of reading, as arguments of :func:`seqrec_lib.data.events.read`."""
    names = [
        *("separator", "header", "encoding", "quotes", "unit", "time_format", "sort"),
        *("drop_duplicates", "fewest", "most"),
    ]
    columns = dict(chosen.columns) if chosen.columns else None
    return {"columns": columns} | {name: getattr(chosen, name) for name in names}


def _pair(text: str) -> tuple[str, str]:
    ours, equals, its = text.partition("=")
    if not equals or not ours or not its:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form user=customer")
    return ours, its
