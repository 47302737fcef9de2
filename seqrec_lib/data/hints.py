"""What the first bytes and lines of a file tell of why it cannot be read as the text that it is
taken for."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path

OTHERS = (";", "\t", "|", ",")  # separators that a table may have
MAGIC = {  # how files begin that are no text, and what to do with them
    b"PAR1": "Parquet: let its name end in .parquet",
    b"\x1f\x8b": "compressed by gzip: let its name end in .gz",
    b"PK\x03\x04": "a zip archive, or a workbook: unpack it, or save its sheet as .csv",
}


def other_format(path: Path) -> str:
    """Which format a file has that is called a text; none if it may be one."""
    with path.open("rb") as file:
        begin = file.read(4)
    found = (what for magic, what in MAGIC.items() if begin.startswith(magic))
    what = next(found, "")
    return "" if "gzip" in what and path.suffix.lower() == ".gz" else what


def not_in(lines: Iterable[bytes], encoding: str) -> str:
    """Words for the first line that is not in the encoding; none if all are."""
    other = "latin-1" if encoding.lower() in ("utf-8", "utf8") else "utf-8"
    for number, line in enumerate(lines, start=1):
        if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return ": written in utf-16. Pass encoding='utf-16'."
        try:
            line.decode(encoding)
        except UnicodeDecodeError as error:
            bad = line[error.start : error.start + 1]
            return (
                f", line {number}: byte {bad!r} is not {encoding}. Which encoding was it written "
                f"in? Pass it: encoding={other!r}, for example."
            )
    return ""


def note(first: str, second: str, separator: str) -> str:
    """Words for a first line that is no header but a note; none if it may be one."""
    first, second = (line.strip("\ufeff\r\n") for line in (first, second))
    if found := re.fullmatch(r'"?sep=(.)"?', first):
        pass_it = f", and pass separator={found[1]!r}" * (found[1] != separator)
        return f"Its first line, {first!r}, is a note to a spreadsheet: delete it{pass_it}."
    alone = not any(one in first for one in (*OTHERS, separator))
    if first.startswith(("#", "//")) or alone and separator in second:
        return f"Its first line, {first!r}, looks like a note: delete all before the header."
    return ""
