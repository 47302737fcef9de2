"""``python -m seqrec_lib.data.cleaning ROOT OUT``: clean a T-ECD folder and print the account."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from seqrec_lib.data import tecd
from seqrec_lib.data.cleaning import CleaningError, clean
from seqrec_lib.data.engine import ENGINES, EngineError


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.data.cleaning", description=str(__doc__).partition("\n")[0]
    )
    parser.add_argument("root", type=Path, help="folder dataset/<size> of the original layout")
    parser.add_argument("out", type=Path, help="folder for clean files, quarantine and audit")
    parser.add_argument("--tables", nargs="+", metavar="TABLE", help="; ".join(tecd.TABLES))
    parser.add_argument("--days", nargs=2, type=int, metavar=("FIRST", "LAST"))
    parser.add_argument("--engine", choices=ENGINES, default="duckdb")
    parser.add_argument("--memory", default="1200MB", help="for the engine before it spills")
    args = parser.parse_args(arguments)
    days = range(args.days[0], args.days[1] + 1) if args.days else None
    try:
        found = clean(args.root, args.out, args.tables, days, args.engine, args.memory)
    except (CleaningError, EngineError, tecd.TecdError, ValueError) as error:
        sys.exit(str(error))
    total = found.groupby(["table", "kind", "rule"], sort=False)["matched"].sum()
    print(total[total > 0].to_string())


if __name__ == "__main__":
    main()
