"""Where files come from and how they are written: find, download, write aside."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqrec_lib.data.refusals import Said

FULL = 1 << 16  # bytes free on a disk that is full: what was half-written takes all but a few


class DiskError(Said, OSError):
    """A disk that cannot be written; the message says which, and what to do."""


def root() -> Path:
    """The project's folder, which holds the library; installed elsewhere, the working directory."""
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / "pyproject.toml").is_file() else Path.cwd()


def data_folders() -> list[Path]:
    """Folders that may hold data, in the order they are looked in.

    The folder named by the environment variable SEQREC_DATA is the only one if it is set;
    otherwise ``data`` in the project's folder, then ``shared/data`` beside the project.
    The first one receives downloads. Raises NotADirectoryError if SEQREC_DATA names no folder.
    """
    named = os.environ.get("SEQREC_DATA")
    if not named:
        return [root() / "data", root().parent / "shared" / "data"]
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise NotADirectoryError(
            f"SEQREC_DATA names {folder}, which is not a folder: create it, or correct the variable"
        )
    return [folder]


def find(name: str) -> Path | None:
    """The file or folder ``name`` in the first data folder that has it, or None.

    ``name`` is relative to the data folder, such as ``"amazon/beauty.parquet"``.
    """
    candidates = (folder / name for folder in data_folders())
    return next((path for path in candidates if path.exists()), None)


def download(url: str, sha256: str | None, name: str) -> Path:
    """The path of data file ``name``, fetched from ``url`` unless a data folder has it already.

    ``sha256`` is the full hexadecimal digest of the content; None where whoever asks checks what
    the file says, its bytes not being known. A file that was there already is held to it too.
    Raises ValueError if the content is another one, ConnectionError if the file cannot be
    fetched; either way nothing is left behind, and a file found is left as it was.
    """
    path = find(name)
    if path is not None:
        if found := _another(path, sha256):
            raise ValueError(
                f"{path}: wrong content (sha256 {found}, expected {sha256}). The file is damaged "
                f"or another edition: delete it, and it will be downloaded again from {url}"
            )
        return path

    import pooch  # here, since it pulls in notebook progress bars

    path = data_folders()[0] / name
    # identity: compressed on the way, the progress bar would not know the size
    fetch = pooch.HTTPDownloader(progressbar=True, headers={"Accept-Encoding": "identity"})
    with written_aside(path) as aside:
        try:
            fetch(url, str(aside), None)
        except OSError as error:  # what requests raises is one
            raise ConnectionError(
                f"could not download {url} ({error}). Offline, fetch it elsewhere and put it at "
                f"{path}, or at {name} in a folder named by the environment variable SEQREC_DATA"
            ) from error
        if found := _another(aside, sha256):
            raise ValueError(
                f"{url}: wrong content (sha256 {found}, expected {sha256}), not kept. Try again; "
                f"if it persists, the file has changed at its source: put the right one at {path}"
            )
    return path


def _another(path: Path, expected: str | None) -> str | None:
    """The digest of a file if it is another than the one asked for."""
    found = None if expected is None else sha256(path)
    return None if found == expected else found


@contextmanager
def written_aside(path: Path | str) -> Iterator[Path]:
    """Write a file or a folder so that it appears whole or not at all.

    Yields a path beside ``path`` at which to create the file or folder. When the block ends
    well, the content is forced to disk and renamed to ``path``, replacing what was there; when it
    raises, the content is removed and what was there stays. A process killed inside the block
    leaves its content under the temporary name, which begins with a dot and contains ``.part``.

    Replacing a *folder* takes two renames; killed between them, ``path`` is absent, and the old
    and the new folder lie beside it, whole, under such names.

    The temporary name has no suffix of its own, so a function that goes by the suffix
    (``np.save``) must be given an open file. Raises FileNotFoundError if the block wrote nothing,
    DiskError if the disk is full or may not be written, whatever the block raised of it.
    """
    path = Path(path)
    writable(path.parent)
    aside = path.with_name(f".{path.name}.part-{secrets.token_hex(6)}")
    try:
        yield aside
        if not aside.exists():
            raise FileNotFoundError(f"nothing was written at {aside}, the place kept for {path}")
        _to_disk(aside)
        _move(aside, path)
    except BaseException as error:
        full = isinstance(error, Exception) and _is_full(error, path.parent)
        for left in list(path.parent.iterdir()):
            if left.name.startswith(aside.name):  # np.save adds its suffix
                _remove(left)
        if full:
            raise DiskError(
                f"the disk of {path.parent} is full: {path.name} was not written, and nothing is "
                "left half-written. Make room, then start again: what was finished is kept"
            ) from error
        raise
    _sync(path.parent)


def writable(folder: Path) -> None:
    """Make ``folder`` if need be; raises DiskError if it cannot be made or written into."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".part-{secrets.token_hex(6)}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskError(f"the disk of {folder} is full: make room, then start again") from error
        raise DiskError(
            f"{folder} cannot be written ({error.strerror}): choose another results folder "
            "(RESULTS of a chapter, --results of a command), or change the rights of this one"
        ) from error


def _is_full(error: Exception, folder: Path) -> bool:
    """Did a disk without room cause this? Not every library says so, nor in the same way."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    said = (
        "No space left",
        "quota exceeded",
        "enforce fail at inline_container",
    )  # the last: torch
    return any(words in str(error) for words in said) or shutil.disk_usage(folder).free < FULL


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One at a time is inside the block of the file ``path``; another one waits its turn.

    The lock is the system's: a process that dies lets go of it. Where the system has none of the
    kind (Windows), nobody waits.
    """
    try:
        import fcntl  # here: POSIX only
    except ImportError:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:  # never removed: who waits has it open
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _move(aside: Path, path: Path) -> None:
    """Rename ``aside`` to ``path``; a folder cannot replace a filled one in one step."""
    if not (aside.is_dir() and path.is_dir()):
        os.replace(aside, path)
        return
    old = path.with_name(f".{path.name}.part-old-{secrets.token_hex(6)}")
    os.replace(path, old)
    try:
        os.replace(aside, path)
    except BaseException:
        os.replace(old, path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Force a file, or all of a folder, to disk, so that the rename cannot come before it."""
    for folder, _, names in os.walk(path):
        for name in names:
            _sync(Path(folder, name))
        _sync(Path(folder))
    if path.is_file():
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """The hexadecimal digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
