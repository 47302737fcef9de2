"""Numbers for ids that are words, the same in every file and on every machine, and back.

The plain writing of a whole number stands for itself, so that 7 and "7" are one. Other text has
the first 62 bits of its BLAKE2b digest, above all plain numbers. Two texts with one number are
refused; among ten million texts that happens once in a hundred thousand journals.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seqrec_lib.data.refusals import Said

WORDS = 1 << 62  # numbers from here on stand for texts


class NameClash(Said, ValueError):
    """Two texts, or a text and a number of the data, would have the same number."""


def code(text: str) -> int:
    """The number of one text.

    >>> code("7"), code("007") >= WORDS
    (7, True)
    """
    if text.isdecimal() and text.isascii() and str(int(text)) == text and int(text) < WORDS:
        return int(text)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return WORDS | int.from_bytes(digest, "big") >> 2


def codes(column: pa.ChunkedArray) -> tuple[np.ndarray, dict[int, str]]:
    """The numbers of a column of text, (E,) int64, and the texts that are not numbers."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    texts = encoded.dictionary.to_pylist()
    numbers = [code(text) for text in texts]
    named: dict[int, str] = {}
    for number, text in zip(numbers, texts, strict=True):
        if number >= WORDS and named.setdefault(number, text) != text:
            raise _clash(number, text, named[number])
    return np.array(numbers, dtype=np.int64)[encoded.indices.to_numpy()], named


class Names:
    """The texts behind numbers, in a file beside the journal."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, timeout=60)
        self.connection.execute("create table if not exists name (code integer primary key, text)")

    def add(self, named: dict[int, str]) -> None:
        """Keep texts; those that are there already stay. Raises NameClash for two of one number."""
        with self.connection:
            self.connection.executemany("insert or ignore into name values (?, ?)", named.items())
        there = self.texts(named)
        for number, text in named.items():
            if there[number] != text:
                raise _clash(number, text, there[number])

    def texts(self, numbers: Iterable[int]) -> dict[int, str]:
        """The text of each number; a plain number is its own."""
        wanted = "select text from name where code = ?"
        found = {}
        for number in map(int, numbers):
            row = self.connection.execute(wanted, (number,)).fetchone()
            found[number] = row[0] if row else str(number)
        return found

    def numbers(self, texts: Sequence[str]) -> list[int]:
        """The number of each text, whether it was ever seen or not."""
        return [code(text) for text in texts]


def _clash(number: int, one: str, other: str) -> NameClash:
    return NameClash(f"{one!r} and {other!r} both have the number {number}: rename one of them")
