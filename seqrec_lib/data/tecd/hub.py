"""Fetch T-ECD from the Hugging Face hub: chosen tables and days, resumable, sha256-checked.

``python -m seqrec_lib.data.tecd.hub --tables marketplace/events --days 1294 1296``

The data set is gated: accept its terms on the hub's page and make a token. The revision is pinned,
since revisions differ in words and row counts. A manifest ``SHA256SUMS`` beside the tables keeps
what the hub promised; :func:`verify` holds the files to it, and so finds a flipped bit that still
parses (``sha256sum -c SHA256SUMS`` does so too).
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from seqrec_lib.data import files
from seqrec_lib.data.tecd.layout import (
    FULL_ONLY,
    REPOSITORY,
    SIZES,
    TABLES,
    TecdError,
    folder,
    path_of,
    spans,
    table_of,
)
from seqrec_lib.data.tecd.manifest import Manifest, read_manifest, sha256, verify, write_manifest

PINNED = "c55530a7a179f06330ff626d35634d20c8a56f43"
PAGE = f"https://huggingface.co/datasets/{REPOSITORY}"
TOKEN_PAGE = "https://huggingface.co/settings/tokens"


class Remote(NamedTuple):
    """A file at the hub."""

    path: str  # in the repository
    bytes: int
    sha256: str


def fetch(
    tables: Sequence[str],
    days: Sequence[int] | None = None,
    size: str = "small",
    revision: str = PINNED,
    token: str | None = None,
    into: Path | None = None,
) -> Path:
    """Download the files of ``tables`` and return their folder, ``<into>/dataset/<size>``.

    Files that are there with the right content are kept, damaged ones replaced, and an interrupted
    download goes on where it ended. Nothing has its final name before its sha256 is right.

    Args:
        tables: names in :data:`TABLES <seqrec_lib.data.tecd.layout.TABLES>`.
        days: of the daily tables; all days if not given.
        revision: a commit of the data set, in full; one folder holds one.
        token: of the hub; if not given, HF_TOKEN, or what ``hf auth login`` stored.
        into: ``tecd`` in the first data folder if not given.

    The hub is huggingface.co, or what the environment variable HF_ENDPOINT names. Raises TecdError
    if the hub refuses, cannot be reached or lacks a file, if the folder holds another revision or
    a file from elsewhere, if the content is not what the hub promises, and if the disk is too
    small.
    """
    if size not in SIZES:
        raise ValueError(f"no size {size!r}; there are {', '.join(SIZES)}")
    if not re.fullmatch("[0-9a-f]{40}", revision):
        raise ValueError(f"revision {revision!r} can move; give the commit in full, 40 digits")
    into = into or files.data_folders()[0] / "tecd"
    root = into / "dataset" / size
    manifest = read_manifest(root)
    if manifest.revision not in (None, revision):
        raise TecdError(
            f"{root} holds revision {manifest.revision}, not {revision}; they must not mix. Fetch "
            "into another folder (into=)"
        )
    hub = _Hub(revision, token)
    wanted = [file for table in tables for file in hub.files(table, days, size)]
    sums, todo = dict(manifest.sums), []
    for file in tqdm(wanted, desc="look at what is there", unit="file", delay=1):
        path, name = into / file.path, Path(file.path).relative_to(f"dataset/{size}").as_posix()
        if path.exists() and sha256(path) == file.sha256:
            sums[name] = file.sha256
        elif path.exists() and name not in sums:
            raise TecdError(
                f"{path} is not the hub's file of revision {revision[:7]}, and was not fetched "
                "here. Simulated, or of another revision? Fetch into another folder, or remove it"
            )
        else:
            todo.append((file, path, name))
    _need(into, sum(file.bytes for file, _, _ in todo))
    write_manifest(root, Manifest(revision, sums))
    for file, path, name in tqdm(todo, desc=f"T-ECD {size}", unit="file", delay=1):
        hub.download(file, path)
        sums[name] = file.sha256
        write_manifest(root, Manifest(revision, sums))
    return root


class _Hub:
    """The data set at the hub, at one revision."""

    def __init__(self, revision: str, token: str | None):
        import huggingface_hub  # here, since it takes a while and only fetching needs it

        self.revision = revision
        self.endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        self.token = token or huggingface_hub.get_token()
        if not self.token:
            raise TecdError(
                f"T-ECD is gated, and there is no token. Accept the terms at {PAGE}, make a token "
                f"to read with at {TOKEN_PAGE}, and name it in the environment variable HF_TOKEN"
            )

    def files(self, table: str, days: Sequence[int] | None, size: str) -> list[Remote]:
        """The files of ``table`` on ``days``, or on all days that the hub has."""
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        if table in FULL_ONLY and size != "full":
            raise TecdError(f"{table}: dataset/{size} has no payments. Ask for size full")
        base, daily = Path("dataset", size), table_of(table).daily
        place = path_of(base, table, 0 if daily else None).parent.as_posix()
        api = HfApi(endpoint=self.endpoint, token=self.token)
        with self._explained(place):
            tree = api.list_repo_tree(
                REPOSITORY, place, revision=self.revision, repo_type="dataset"
            )
            there = {
                one.path: Remote(one.path, one.lfs.size, one.lfs.sha256)
                for one in tree
                if isinstance(one, RepoFile) and one.lfs is not None
            }
        if not daily:
            path = path_of(base, table).as_posix()
            if path not in there:
                raise TecdError(f"the hub has no {path} in revision {self.revision}")
            return [there[path]]
        at_hub = sorted(int(Path(p).stem) for p in there if re.search(r"/\d{5}\.pq$", p))
        chosen = at_hub if days is None else sorted(set(days))
        if missing := sorted(set(chosen) - set(at_hub)):
            raise TecdError(
                f"the hub has no day {spans(missing)} of {table} in dataset/{size}; there are "
                f"{spans(at_hub)}. Ask for those"
            )
        return [there[path_of(base, table, day).as_posix()] for day in chosen]

    def download(self, file: Remote, path: Path) -> None:
        """Fetch ``file`` to ``path``, going on with what an earlier call left in its part file."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        at = {"revision": self.revision, "endpoint": self.endpoint}
        url = hf_hub_url(REPOSITORY, file.path, repo_type="dataset", **at)
        headers = {**build_hf_headers(token=self.token), "Accept-Encoding": "identity"}
        # named by the content, so that parts of two editions are never joined
        part = path.with_name(f".{path.name}.part-{file.sha256[:12]}")
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as target:
            with _alone(target.fileno(), path), self._explained(file.path):
                if target.tell() > file.bytes:
                    target.truncate(0)
                http_get(
                    url,
                    target,
                    resume_size=target.tell(),
                    headers=headers,
                    expected_size=file.bytes,
                    displayed_filename=path.name,
                )
            target.flush()
            found = sha256(part)
            if found != file.sha256:
                part.unlink()
                raise TecdError(
                    f"{url}: wrong content (sha256 {found}, the hub promised {file.sha256}), not "
                    "kept. Fetch again; if it persists, report it to the hub"
                )
            with files.written_aside(path) as aside:
                os.replace(part, aside)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Failures of the hub as TecdError, in words that say what to do."""
        from huggingface_hub import errors

        try:
            yield
        except errors.RevisionNotFoundError as error:
            raise TecdError(
                f"the hub has no revision {self.revision} of {REPOSITORY}. Is it a commit of the "
                f"data set? They are listed at {PAGE}/commits/main"
            ) from error
        except errors.EntryNotFoundError as error:
            raise TecdError(f"the hub has no {what} in revision {self.revision}") from error
        except (errors.HTTPError, OSError) as error:
            response = getattr(error, "response", None)
            status = getattr(response, "status_code", None)
            if isinstance(error, errors.GatedRepoError) or status == 403:
                advice = f"The token's account has no access: accept the terms at {PAGE}"
            elif isinstance(error, errors.RepositoryNotFoundError) or status == 401:
                advice = f"Is the token right, and not expired? Make one at {TOKEN_PAGE}"
            elif "No space left" in str(error):
                advice = "The disk is full: free some, and fetch again"
            else:
                advice = "Is there a network? Fetch again: it goes on where it ended"
            told = str(error).strip().splitlines()
            raise TecdError(
                f"{what}: not fetched ({told[0] if told else error!r}). {advice}"
            ) from error


@contextmanager
def _alone(handle: int, path: Path) -> Iterator[None]:
    """Hold the part file alone: two downloads that append to it would spoil it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TecdError(f"{path}: another process is fetching it. Wait for it") from error
    yield


def _need(folder: Path, size: int) -> None:
    """Raise TecdError if the disk of ``folder`` has fewer than ``size`` bytes left."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size:
        raise TecdError(
            f"{folder}: {size / 1e9:.1f} GB to fetch, {free / 1e9:.1f} GB free. Free some, name "
            "another folder (into=), or ask for fewer days"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; errors end it with their message."""
    parser = argparse.ArgumentParser(prog="python -m seqrec_lib.data.tecd.hub", description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=TABLES, metavar="TABLE")
    parser.add_argument(
        "--days", nargs=2, type=int, metavar=("FIRST", "LAST"), help="both included"
    )
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--revision", default=PINNED, help="a commit of the data set")
    parser.add_argument("--into", type=Path, help="folder that gets dataset/<size>")
    parser.add_argument("--verify", action="store_true", help="re-read all that was fetched")
    given = parser.parse_args(arguments)
    days = range(given.days[0], given.days[1] + 1) if given.days else None
    if not given.tables and not given.verify:
        parser.error("give --tables to fetch, or --verify")
    try:
        if given.tables:
            fetch(given.tables, days, given.size, given.revision, into=given.into)
        if given.verify:
            into = given.into
            print(f"{verify(into / 'dataset' / given.size if into else folder(given.size))} files")
    except ValueError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
