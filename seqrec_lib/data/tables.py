"""Tables as they stand in files: Parquet, text, RecBole's .inter, a folder of such parts.

A table has as many rows as its file, or is refused: a quote that swallows lines, another encoding,
a first line that is an event and no header each end in words that say what to do.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from seqrec_lib.data.hints import OTHERS, not_in, note, other_format
from seqrec_lib.data.refusals import EventError

logger = logging.getLogger(__name__)

PARQUET = (".parquet", ".pq")
SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t"}  # text, each also with .gz behind it
FORMATS = (*PARQUET, *(kind + gz for kind in SEPARATORS for gz in ("", ".gz")))


@dataclass(frozen=True)
class Format:
    """How text is to be read; nothing of it matters to Parquet.

    ``separator`` is one character, by default what the file's ending says. Without a ``header``
    columns are called 0, 1, and so on. Values in ``quotes`` may hold separators and line ends;
    where quotes are characters like any other, say False.
    """

    separator: str | None = None
    header: bool = True
    encoding: str = "utf-8"
    quotes: bool = True

    def __post_init__(self):
        if self.separator is not None and len(self.separator) != 1:
            raise ValueError(
                f"separator is {self.separator!r}; it is one character. Replace longer ones in the "
                "file, such as '::' by a tab"
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"encoding {self.encoding!r} is not known; utf-8, latin-1?") from error


class File:
    """The columns of one file, or of a folder of parts, by name."""

    def __init__(self, path: Path, how: Format):
        self.parts = [Part(one, how) for one in _parts(path)]
        first = self.parts[0]
        self.names, self.text, self.recbole = first.names, first.text, first.recbole
        for part in self.parts[1:]:
            if part.names != self.names:
                raise EventError(
                    f"{part.path}: columns {part.names}, but {first.path.name} has "
                    f"{self.names}. Parts of a folder have the same columns."
                )

    def read(self, names: Sequence[str], as_text: Sequence[str]) -> pa.Table:
        """These columns, whole; of text ``as_text`` stay as written, other types are guessed."""
        tables = [part.read(names, as_text) for part in self.parts]
        if not tables[1:]:
            return tables[0]
        try:
            return pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowTypeError as error:
            raise EventError(
                f"{self.parts[0].path.parent}: a column is of another type in another part "
                f"({error}). Write it alike in all of them."
            ) from None

    def hint(self, missing: bool) -> str:
        """What the names tell of a separator or a header that is another; nothing if they do not.

        With ``missing`` a column that is asked for is not among them.
        """
        return self.parts[0].hint(missing)


class Part:
    """One file of a table."""

    def __init__(self, path: Path, how: Format):
        self.path, self.how, self.kind = path, how, _kind(path, how)
        self.text, self.recbole = self.kind not in PARQUET, self.kind.startswith(".inter")
        self.quotes = how.quotes and not self.recbole
        if self.text and (what := other_format(path)):
            raise EventError(f"{path}: cannot be read as {self.kind}. It is {what}.")
        with self._told():
            self.written = self._names()
        # RecBole writes the type behind the name: user_id:token
        self.names = [name.split(":")[0] if self.recbole else name for name in self.written]

    def _names(self) -> list[str]:
        if not self.text:
            with pa.parquet.ParquetFile(self.path) as file:
                return file.schema_arrow.names
        with pa.csv.open_csv(self._bytes(), self._reading(), self._parsing()) as file:
            names = file.schema.names
        return names if self.how.header else [str(number) for number in range(len(names))]

    def read(self, names: Sequence[str], as_text: Sequence[str]) -> pa.Table:
        written = dict(zip(self.names, self.written, strict=True))
        with self._told():
            if not self.text:
                with pa.parquet.ParquetFile(self.path) as file:
                    return file.read(columns=list(names))
            convert = pa.csv.ConvertOptions(
                include_columns=[written[name] for name in names],
                column_types={written[name]: pa.string() for name in as_text},
                strings_can_be_null=True,
            )
            reading = self._reading(None if self.how.header else self.written)
            table = pa.csv.read_csv(self._bytes(), reading, self._parsing(), convert)
        if self.quotes:  # else a line is a row
            self._refuse_lost_lines(len(table))
        return table.rename_columns(list(names))

    def _reading(self, names: Sequence[str] | None = None) -> pa.csv.ReadOptions:
        return pa.csv.ReadOptions(
            encoding=self.how.encoding,
            column_names=names,
            autogenerate_column_names=not self.how.header and names is None,
        )

    def _parsing(self) -> pa.csv.ParseOptions:
        # newlines: a quoted review text may hold some
        return pa.csv.ParseOptions(
            delimiter=self.separator,
            quote_char='"' if self.quotes else False,
            newlines_in_values=self.quotes,
        )

    @property
    def separator(self) -> str:
        return self.how.separator or SEPARATORS[self.kind.removesuffix(".gz")]

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what Arrow says of a file into words."""
        try:
            yield
        except (pa.ArrowException, OSError, UnicodeError) as error:
            if self.text and (words := self._not_in()):
                raise EventError(f"{self.path}{words}") from error
            advice = "Truncated, damaged, or another format? Fetch or write it again."
            if self.text and "Expected" in str(error) and (words := self._note()):
                advice = words
            elif self.text and "Expected 1 columns" in str(error):
                advice = "Is the separator another one? Pass it: separator=';', for example."
            elif self.text and "Expected" in str(error):
                advice = (
                    "Was it cut short, or does a value hold a separator or a stray quote? If "
                    "quotes are characters like any other here, pass quotes=False."
                )
            what = f"cannot be read as {self.kind} ({error})"
            raise EventError(f"{self.path}: {what}. {advice}") from error

    # --- lines ------------------------------------------------------------------------------

    def _refuse_lost_lines(self, rows: int) -> None:
        """Refuse a quote that nobody closed where it should be; tell of lines inside values."""
        lines = sum(self._line_counts()) - self.how.header
        if rows >= lines:
            return
        advice = (
            "If quotes are characters like any other here, pass quotes=False; "
            "else mend the line, or write the table as Parquet."
        )
        for first, last, strict, like_rows in self._lines_inside():
            if not strict or like_rows:
                end = f"at line {last}" if strict else "nowhere that a value could end"
                raise EventError(
                    f"{self.path}, line {first}: a quote opens a value there and closes {end}; "
                    f"{lines - rows} of {lines} lines would be lost in such values. {advice}"
                )
        logger.warning(
            "%s: %d rows in %d lines: values in quotes hold line ends", self.path, rows, lines
        )

    def _line_counts(self) -> Iterator[int]:
        """Lines that are not blank, chunk by chunk."""
        if self.wide:
            with self._opened() as text:
                yield sum(bool(line.strip("\r\n")) for line in text)
            return
        before = True  # the end of a line, or of nothing
        with self._bytes() as stream:
            while chunk := stream.read(1 << 24):
                values = np.frombuffer(chunk, np.uint8)
                ends = (values == 10) | (values == 13)
                yield int((~ends & np.r_[before, ends[:-1]]).sum())
                before = bool(ends[-1])

    def _lines_inside(self) -> Iterator[tuple[int, int, bool, bool]]:
        """First and last line of each value with line ends, does it close where a value may end,
        and do its lines look like rows of their own?
        """
        taken: list[str] = []
        with self._opened() as text:
            lines = (taken.append(line) or line for line in text)  # type: ignore[func-returns-value]
            reader = csv.reader(lines, delimiter=self.separator, strict=True)
            first, strict = 1, True
            while True:
                taken.clear()
                try:
                    row = next(reader, None)
                    if row is None:
                        return
                except csv.Error:
                    strict = False
                last = first + len(taken) - 1
                if len(taken) > 1 or not strict:
                    whole = [line.count(self.separator) + 1 == len(self.names) for line in taken]
                    inner = whole[1:-1]
                    # of a value with line ends neither the first line nor the last is a row
                    like_rows = whole[0] and whole[-1] or 2 * sum(inner) > len(inner)
                    yield first, last, strict, like_rows
                if not strict:
                    return
                first = last + 1

    @property
    def wide(self) -> bool:
        """Does a character take other than a byte where it is a line end?"""
        return "\n".encode(self.how.encoding) != b"\n"

    def _opened(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._bytes(), self.how.encoding, newline="")

    def _bytes(self) -> pa.NativeFile:
        """What the file says, unpacked; Arrow knows .gz, and no .GZ."""
        packed = "gzip" if self.kind.endswith(".gz") else "detect"
        return pa.input_stream(str(self.path), compression=packed)

    def _not_in(self) -> str:
        if self.wide:
            return ""
        with contextlib.suppress(OSError), self._bytes() as stream:
            return not_in(io.BufferedReader(stream), self.how.encoding)
        return ""

    def _note(self) -> str:
        if not self.how.header or self.wide:
            return ""
        with self._bytes() as stream:
            lines = io.TextIOWrapper(stream, self.how.encoding, errors="replace")
            return note(lines.readline(1000), lines.readline(1000), self.separator)

    def hint(self, missing: bool) -> str:
        if not self.text:
            return ""
        if missing and (words := self._note()):
            return f" {words}"
        others = [one for one in (*OTHERS, " ") if one != self.separator and one in self.names[0]]
        if missing and len(self.names) == 1 and others:
            return f" Is the separator {others[0]!r}? Then pass separator={others[0]!r}."
        numbered = self.names == [str(number) for number in range(len(self.names))]
        if self.how.header and not numbered and any(_is_number(name) for name in self.names):
            return (
                " Its first line looks like an event: is there no header? Then pass header=False "
                "and number the columns: columns={'user': '0', 'item': '1', 'time': '2'}."
            )
        return ""


def _kind(path: Path, how: Format) -> str:
    """The ending that says how a file is written."""
    ends = [one.lower() for one in path.suffixes]
    kind = "".join(ends[-2:] if ends[-1:] == [".gz"] else ends[-1:])
    if kind in FORMATS:
        return kind
    if how.separator is not None:  # a text file, whatever it is called
        return ".csv.gz" if ends[-1:] == [".gz"] else ".csv"
    raise EventError(
        f"{path}: unknown format. Names end in {', '.join(FORMATS)}; any other text file is read "
        "if its separator is named: separator=','."
    )


def _parts(path: Path) -> list[Path]:
    """The file, or those of a folder in the order of their names; hidden ones are no parts."""
    if not path.exists():
        raise EventError(f"{path}: no such file (from {Path.cwd()}). Is the path right?")
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] not in "._")
        if not found:
            raise EventError(f"{path}: a folder without a file. Is the path right?")
    else:
        found = [path]
    for one in found:
        if not one.stat().st_size:
            raise EventError(f"{one}: the file is empty. Fetch or write it again.")
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
