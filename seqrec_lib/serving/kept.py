"""What a replay has decided, in a file: a server that was killed goes on where it was.

A line a decision is added as it falls and is the commit: what was written before a kill is there
after it, and what was asked and not decided is asked again. A line that a kill tore is cut off. (A
power cut may take the latest lines, which are then decided again.) The first line says whose
decisions they are, and a last one that the replay was stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqrec_lib.data.log import EventLog

STOPPED = {"stopped": True}


class Kept:
    """The file at ``path``. Raises ``ValueError`` for one that is no such file."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.of: dict[str, Any] | None = None  # whose decisions: what begin() was given
        self.decisions: list[dict[str, Any]] = []
        self.over = False
        self._handle: int | None = None
        if self.path.exists():
            self._read()

    def begin(self, of: Mapping[str, Any]) -> None:
        """Forget what is there, and keep what is decided of another replay."""
        self.close()
        self.of, self.decisions, self.over = dict(of), [], False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._line({"replay": self.of})

    def go_on(self) -> None:
        """Add to what is there."""
        self._handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    def add(self, decision: Mapping[str, Any]) -> None:
        self._line(decision)

    def stop(self) -> None:
        """The replay was stopped: nothing goes on from here."""
        if self._handle is not None:
            self._line(STOPPED)
            self.over = True
            self.close()

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _line(self, content: Mapping[str, Any]) -> None:
        assert self._handle is not None
        text = json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n"
        os.write(self._handle, text.encode())

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            first, *rest = [json.loads(line) for line in whole.splitlines()] or [None]
            if first is not None:
                self.of = first["replay"]
            self.over = STOPPED in rest
            self.decisions = [one for one in rest if one != STOPPED]
            if not all(isinstance(one["position"], int) for one in self.decisions):
                raise ValueError("a position is no number")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.path}: not what a replay keeps ({type(error).__name__}): name another file"
            ) from None
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))


def digest_of(log: EventLog, positions: np.ndarray) -> str:
    """Tells a log and its questions from others."""
    found = hashlib.sha256()
    for part in (log.item, log.offsets, log.time, positions):
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()
