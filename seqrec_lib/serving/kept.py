"""What a replay has decided, in a file: a server that was killed goes on where it was.

A line a decision is added as it falls and is the commit: what was written before a kill is there
after it, and what was asked and not decided is asked again. A line that a kill tore is cut off. (A
power cut may take the latest lines, which are then decided again.) The first line says whose
decisions they are; others, that its pace was changed, that it was played to its end, or that it was
stopped. The file is one server's: another one is refused.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqrec_lib.data.files import DiskError
from seqrec_lib.data.log import EventLog

STOPPED, PLAYED = {"stopped": True}, {"played": True}


class Kept:
    """The file at ``path``, made if it is not there, and held until :meth:`close`.

    Raises ``ValueError`` for one that is no such file, that cannot be written, or that another
    server holds. What cannot be written later raises :class:`seqrec_lib.data.files.DiskError`.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.of: dict[str, Any] | None = None  # whose decisions: what begin() was given
        self.decisions: list[dict[str, Any]] = []
        self.pace: dict[str, Any] = {}  # the latest that steer() was given
        self.over = self.played = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and not self.path.is_file():
                raise OSError(errno.EINVAL, "not a file")
            self._file = open(self.path, "ab", buffering=0, opener=_own)  # noqa: SIM115
        except OSError as error:
            raise ValueError(
                f"{self.path}: no replay can be kept there ({error.strerror}): name another file"
            ) from None
        try:
            self._hold()
            self._read()
        except ValueError:
            self.close()
            raise

    def begin(self, of: Mapping[str, Any]) -> None:
        """Forget what is there, and keep what is decided of another replay."""
        self.of, self.decisions, self.pace, self.over, self.played = None, [], {}, False, False
        self._file.truncate(0)
        self._line({"replay": of})
        self.of = dict(of)

    def add(self, decision: Mapping[str, Any]) -> None:
        self._line(decision)

    def steer(self, pace: Mapping[str, Any]) -> None:
        """The pace is now this one."""
        self._line({"pace": pace})

    def end(self) -> None:
        """The replay was played to its end."""
        self._line(PLAYED)

    def stop(self) -> None:
        """The replay was stopped: nothing goes on from here."""
        if self.of is not None and not self.over:
            self._line(STOPPED)
            self.over = True

    def close(self) -> None:
        self._file.close()

    def _hold(self) -> None:
        """Raise ``ValueError`` if another server has the file. The lock is the system's: a process
        that dies lets go of it. Where the system has none of the kind (Windows), nobody looks."""
        try:
            import fcntl  # here: POSIX only
        except ImportError:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            why = "another server keeps its replay there"
            if not isinstance(error, BlockingIOError):
                why = f"it cannot be held against another server ({error.strerror})"
            raise ValueError(f"{self.path}: {why}: name another file") from None

    def _line(self, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        end = self._file.seek(0, os.SEEK_END)
        try:
            while text:  # a disk that is nearly full takes a part, and says why not of the rest
                text = text[self._file.write(text) :]
        except OSError as error:
            self._file.truncate(end)  # what comes next would stand behind a torn line
            raise DiskError(
                f"cannot keep the replay in {self.path} ({error.strerror}): make room, or start "
                "the server with another file"
            ) from error

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            first, *rest = [json.loads(line) for line in whole.splitlines()] or [None]
            if first is not None:
                self.of = first["replay"]
            self.over, self.played = STOPPED in rest, PLAYED in rest
            rest = [one for one in rest if one not in (STOPPED, PLAYED)]
            self.decisions = [one for one in rest if "pace" not in one]
            for one in rest:
                self.pace = one.get("pace", self.pace)
            if not all(isinstance(one["position"], int) for one in self.decisions):
                raise ValueError("a position is no number")
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.path}: not what a replay keeps ({type(error).__name__}): name another file"
            ) from None
        if len(whole) < len(content):
            self._file.truncate(len(whole))


def _own(path: str, flags: int) -> int:
    """Opened for its owner alone, as it may be made now."""
    return os.open(path, flags, 0o600)


def digest_of(log: EventLog, positions: np.ndarray) -> str:
    """Tells a log and its questions from others."""
    found = hashlib.sha256()
    for part in (log.item, log.offsets, log.time, positions):
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()
