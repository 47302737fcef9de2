"""The manifest of fetched T-ECD files: what each should hold, in the format of ``sha256sum``."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from seqrec_lib.data import files
from seqrec_lib.data.tecd.layout import REPOSITORY, TecdError

MANIFEST = "SHA256SUMS"


class Manifest(NamedTuple):
    """What ``SHA256SUMS`` says: the revision, and the sha256 of each file below the folder."""

    revision: str | None
    sums: dict[str, str]


def verify(root: Path) -> int:
    """Hold the files below ``root`` to its manifest, and return how many there are.

    Reads every byte. Raises TecdError that names the files that are damaged or gone, or if there
    is no manifest.
    """
    manifest = read_manifest(root)
    if not manifest.sums:
        raise TecdError(f"{root}: no {MANIFEST}, which fetching writes. Is this the folder?")
    wrong = []
    for name, promised in tqdm(manifest.sums.items(), desc="verify", unit="file", delay=1):
        if not (root / name).exists():
            wrong.append(f"{name} (not there)")
        elif sha256(root / name) != promised:
            wrong.append(f"{name} (damaged)")
    if wrong:
        raise TecdError(
            f"{root}: {len(wrong)} of {len(manifest.sums)} files are not as the hub promised: "
            f"{', '.join(wrong)}. Fetch them again: files that are right stay"
        )
    return len(manifest.sums)


def read_manifest(root: Path) -> Manifest:
    """The manifest of ``root``, empty if there is none; TecdError if it is damaged."""
    path, revision, sums = root / MANIFEST, None, {}
    if not path.exists():
        return Manifest(None, {})
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := re.fullmatch(rf"# {REPOSITORY} ([0-9a-f]{{40}})", line):
            revision = found[1]
        elif found := re.fullmatch(r"([0-9a-f]{64})  (\S+)", line):
            sums[found[2]] = found[1]
        else:
            raise TecdError(f"{path}: line {number} is damaged. Remove the file, and fetch again")
    return Manifest(revision, sums)


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write ``SHA256SUMS`` below ``root``, whole or not at all."""
    lines = [f"# {REPOSITORY} {manifest.revision}"]  # sha256sum passes over it
    lines += [f"{digest}  {name}" for name, digest in sorted(manifest.sums.items())]
    with files.written_aside(root / MANIFEST) as aside:
        aside.write_text("\n".join(lines) + "\n")


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
